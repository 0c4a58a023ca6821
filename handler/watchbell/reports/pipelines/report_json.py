"""A report from a foreign program: JSON of the published shape, read strictly by the types of the interface.

What is left out has its default; a wrong type names its place. Pictures are not taken, nor what only a tick can know.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

from watchbell.errors import SourceError
from watchbell.instants import format_instant, parse_instant
from watchbell.reports.interface import Report, ReportRequest
from watchbell.secrets.redaction import redact_json

_NOT_TAKEN = ("images", "quiet_before")
_LARGEST = 1e300
#: Whoever is not OK becomes a notice to the operator.
MOST_COVERAGE = 100
_TYPES: Mapping[Any, tuple[Any, str]] = {
    str: (str, "a text"),
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
}


def read_report(text: str, request: ReportRequest, *, title: str) -> Report:
    """Return the report that answers `request`; raises SourceError that says where the JSON is not one."""
    try:
        raw = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"answered with broken JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(raw, dict):
        raise SourceError("answered with JSON that is no report: it must be an object")
    window = request.window
    asked = {
        "title": title,
        "kind": str(request.kind),
        "window": {"start": _text(window.start), "end": _text(window.end), "timezone": window.timezone},
        "reason": "",
    }
    kept = {key: value for key, value in redact_json(raw).items() if key not in _NOT_TAKEN}
    report: Report = _read(Report, asked | kept, "")
    if (report.kind, report.window.start, report.window.end) != (request.kind, window.start, window.end):
        raise SourceError(
            f"answered for {report.kind} over {_text(report.window.start)} to {_text(report.window.end)}, "
            f"not for what was asked"
        )
    if len(report.coverage) > MOST_COVERAGE:
        raise SourceError(f"answered with more than {MOST_COVERAGE} entries of coverage")
    return replace(report, window=window, actions=report.actions[:3])


def _read(wanted: Any, raw: Any, where: str) -> Any:
    if is_dataclass(wanted):
        return _read_fields(wanted, raw, where)
    arguments = get_args(wanted)
    if type(None) in arguments:
        return None if raw is None else _read(arguments[0], raw, where)
    if get_origin(wanted) is tuple:
        return tuple(_read(arguments[0], one, f"{where}[{n}]") for n, one in enumerate(_is(raw, list, "a list", where)))
    if get_origin(wanted) is Mapping:
        items = _is(raw, dict, "an object", where).items()
        return {key: _read(arguments[1], value, f"{where}.{key}") for key, value in items}
    return _read_value(wanted, raw, where)


def _read_fields(wanted: Any, raw: Any, where: str) -> Any:
    _is(raw, dict, "an object", where)
    hints = get_type_hints(wanted)
    values = {}
    for field in fields(wanted):
        place = f"{where}.{field.name}".lstrip(".")
        if field.name in raw:
            values[field.name] = _read(hints[field.name], raw[field.name], place)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise SourceError(f"answered with JSON that is no report: {place} is missing")
    return wanted(**values)


def _read_value(wanted: Any, raw: Any, where: str) -> Any:
    if wanted is datetime:
        try:
            return parse_instant(_is(raw, str, "an instant", where))
        except ValueError as error:
            raise _wrong(where, str(error)) from None
    if issubclass(wanted, StrEnum):
        if raw not in list(wanted):
            raise _wrong(where, f"must be one of {', '.join(wanted)}, not {_short(raw)}")
        return wanted(raw)
    types, name = _TYPES[wanted]
    if isinstance(raw, bool) and wanted is not bool:
        raise _wrong(where, f"must be {name}, not {_short(raw)}")
    value = _is(raw, types, name, where)
    if wanted is float and not abs(value) < _LARGEST:
        raise _wrong(where, "is too large a number")
    return value


def _is(raw: Any, types: Any, name: str, where: str) -> Any:
    if not isinstance(raw, types):
        raise _wrong(where, f"must be {name}, not {_short(raw)}")
    return raw


def _wrong(where: str, what: str) -> SourceError:
    return SourceError(f"answered with JSON that is no report: {where} {what}")


def _short(raw: Any) -> str:
    return json.dumps(raw)[:60]


def _text(instant: datetime) -> str:
    return format_instant(instant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
