"""What a task is: raw JSON in, Task out, or an error that names the field. Pure; files are the stores' business."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeGuard

from watchbell.errors import ScheduleError, TaskError
from watchbell.instants import format_instant, parse_instant
from watchbell.schedule import Schedule


class Kind(StrEnum):
    """The kinds of report."""

    DAILY_SUMMARY = "daily_summary"
    WEEKLY_AUDIT = "weekly_audit"
    INCIDENT_WINDOW_REPLAY = "incident_window_replay"
    SYNTHETIC_RUN = "synthetic_run"
    CUSTOM_INVESTIGATION = "custom_investigation"


class CatchUp(StrEnum):
    """Which fire times within their grace still run after lost ticks."""

    LATEST = "latest"  # only the newest
    ALL = "all"  # oldest first, at most 50
    NONE = "none"  # none later than two minutes


class OnUnknown(StrEnum):
    """What to do with a part that may or may not have arrived."""

    HOLD = "hold"  # leave it to the operator
    RESEND = "resend"  # send once more, marked as a possible repeat


class WindowRule(StrEnum):
    """Where the window of a report begins; it ends at the fire time."""

    HOURS = "hours"  # a fixed number of hours before
    SINCE_LAST = "since-last"  # where the last report ended


PROVIDERS = ("telegram", "slack", "discord", "console")
FOREVER = "forever"  # a pause without an end, as written in the file


@dataclass(frozen=True, slots=True)
class Target:
    """Where a report goes, written `slack:C0123ABCD`."""

    provider: str
    chat_id: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.chat_id}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read `provider:chat_id`; raises ValueError with a hint."""
        provider, colon, chat_id = text.partition(":")
        if not colon or not chat_id.strip():
            raise ValueError(f"{_shown(text)} is not a target; write provider:chat-id, such as slack:C0123ABCD")
        if provider not in PROVIDERS:
            raise ValueError(unknown_choice("provider", provider, PROVIDERS))
        if not chat_id.isprintable():
            raise ValueError(f"the chat id {_shown(chat_id)} holds a control character")
        return cls(provider, chat_id.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Fires are skipped, and recorded as skipped, until `until` (None: until resumed)."""

    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A stored definition. `raw` is the JSON it came from, unknown fields included."""

    id: str
    name: str
    kind: Kind
    cron: str
    timezone: str
    targets: tuple[Target, ...]
    window: WindowRule
    window_hours: int  # with `since-last`: of the first report
    enabled: bool
    pause: Pause | None
    catch_up: CatchUp
    on_unknown: OnUnknown
    skip_if_quiet: bool
    proof_of_life_every: int | None  # quiet reports in a row; 0: never, None: about a week of them
    grace: timedelta | None  # None: half the distance to the following fire, within bounds
    deliver_within: timedelta
    params: Mapping[str, Any]
    created_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def schedule(self) -> Schedule:
        """The parsed schedule; parsing is memoised, so this is cheap."""
        return Schedule.parse(self.cron, self.timezone, task_id=self.id)


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
MAX_WINDOW_HOURS = 24 * 366
MAX_PROOF_OF_LIFE_EVERY = 100_000
MOST_NESTING = 50
LONGEST_SHOWN = 80
MAX_GRACE_MINUTES = 7 * 24 * 60
DEFAULT_DELIVER_WITHIN_HOURS = 24


def unknown_choice(what: str, given: str, choices: tuple[str, ...]) -> str:
    """Return the message for a value outside `choices`, with the nearest one."""
    near = get_close_matches(given[:LONGEST_SHOWN].lower(), choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(choices)}"
    return f"unknown {what} {_shown(given)}; {hint}"


def _shown(value: object) -> str:
    """Return a value as a message shows it, however long it is."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def task_from_json(raw: object, *, path: str = "") -> Task:
    """Make a Task of one JSON object; raises TaskError whose path is `path` plus the field."""
    if not isinstance(raw, dict):
        raise TaskError(f"a task is a JSON object, not {json_type(raw)}", path=path)
    fields = _Fields(raw, path)
    task = Task(
        id=fields.read("id", _task_id),
        name=fields.read("name", _name, default=""),
        kind=fields.read("kind", _choice("kind", Kind)),
        cron=fields.read("cron", _text),
        timezone=fields.read("timezone", _text, default="UTC"),
        targets=_targets(fields),
        window=fields.read("window", _choice("window", WindowRule), default=WindowRule.HOURS),
        window_hours=fields.read("window_hours", _whole(1, MAX_WINDOW_HOURS), default=24),
        enabled=fields.read("enabled", _boolean, default=True),
        pause=fields.read("paused_until", _pause, default=None),
        catch_up=fields.read("catch_up", _choice("catch_up", CatchUp), default=CatchUp.LATEST),
        on_unknown=fields.read("on_unknown", _choice("on_unknown", OnUnknown), default=OnUnknown.HOLD),
        skip_if_quiet=fields.read("skip_if_quiet", _boolean, default=False),
        proof_of_life_every=fields.read("proof_of_life_every", _whole(0, MAX_PROOF_OF_LIFE_EVERY), default=None),
        grace=fields.read("grace_minutes", _minutes(1, MAX_GRACE_MINUTES), default=None),
        deliver_within=timedelta(
            hours=fields.read("deliver_within_hours", _whole(1, 24 * 30), default=DEFAULT_DELIVER_WITHIN_HOURS)
        ),
        params=fields.read("params", _object, default={}),
        created_at=fields.read("created_at", _created_at, default=None),
        raw=raw,
    )
    try:
        task.schedule  # noqa: B018  parsing is the check
    except ScheduleError as error:
        wrong = "timezone" if error.field == "timezone" else "cron"
        raise TaskError(str(error), path=f"{path}.{wrong}".lstrip(".")) from error
    return task


class _Fields:
    """The fields of one raw task; every complaint carries the field's path."""

    def __init__(self, raw: Mapping[str, Any], path: str) -> None:
        self.raw = raw
        self.path = path

    def read(self, name: str, convert: Callable[[Any], Any], **default: Any) -> Any:
        """Convert one field; a missing or null one takes `default`, if there is one."""
        value = self.raw.get(name)
        if value is None and default:
            return default["default"]
        try:
            if value is None:
                raise ValueError("this field is required")
            return convert(value)
        except ValueError as error:
            raise TaskError(str(error), path=f"{self.path}.{name}".lstrip(".")) from None


def _targets(fields: _Fields) -> tuple[Target, ...]:
    """`provider` and `chat_id` make the first target, `targets` the further ones; doubles count once."""
    first = Target(fields.read("provider", _provider), fields.read("chat_id", _chat_id))
    further = fields.read("targets", _target_list, default=())
    return tuple(dict.fromkeys((first, *further)))


def json_type(value: object) -> str:
    """Return what kind of JSON value this is, in words."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {json_type(value)}")
    return value


def _name(value: Any) -> str:
    """What half a surrogate pair stands for cannot be sent anywhere; the rest is the renderers' to make harmless."""
    if _HALF_CHARACTER.search(_text(value)):
        raise ValueError(f"{_shown(value)} holds half a character")
    return str(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {json_type(value)}")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {json_type(value)}")
    level: list[Any] = [value]
    for _ in range(MOST_NESTING):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError(f"nested more than {MOST_NESTING} levels deep")


def _inside(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer


def _whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"expected a whole number, found {_shown(value)}")
        if not lowest <= value <= highest:
            raise ValueError(f"{_shown(value)} is not between {lowest} and {highest}")
        return value

    return convert


def _minutes(lowest: int, highest: int) -> Callable[[Any], timedelta]:
    whole = _whole(lowest, highest)
    return lambda value: timedelta(minutes=whole(value))


def _choice(what: str, choices: type[StrEnum]) -> Callable[[Any], Any]:
    def convert(value: Any) -> StrEnum:
        try:
            return choices(_text(value))
        except ValueError:
            raise ValueError(unknown_choice(what, str(value), tuple(choices))) from None

    return convert


def is_task_id(value: object) -> TypeGuard[str]:
    """Return whether `value` can name a task."""
    return isinstance(value, str) and _TASK_ID.fullmatch(value) is not None


def _task_id(value: Any) -> str:
    if not is_task_id(_text(value)):
        raise ValueError(f"{_shown(value)} is not a task id; use letters, digits, - and _ only")
    return str(value)


def _provider(value: Any) -> str:
    if _text(value) not in PROVIDERS:
        raise ValueError(unknown_choice("provider", value, PROVIDERS))
    return str(value)


def _chat_id(value: Any) -> str:
    # Telegram's ids are numbers, and hands write them so.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    return Target.parse(f"console:{text}").chat_id


def _target_list(value: Any) -> tuple[Target, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {json_type(value)}")
    return tuple(Target.parse(_text(item)) for item in value)


def _pause(value: Any) -> Pause:
    if _text(value) == FOREVER:
        return Pause(until=None)
    return Pause(until=parse_instant(value))


def _created_at(value: Any) -> datetime:
    """The ancestor wrote local-looking instants without an offset; they were UTC."""
    text = _text(value).strip()
    if not re.search(r"([zZ]|[+-]\d\d:?\d\d)$", text):
        with suppress(ValueError):
            return parse_instant(f"{text}Z")
    return parse_instant(text)  # a complaint quotes what stands in the file


def pause_to_json(pause: Pause | None) -> str | None:
    """Return the `paused_until` value for the file."""
    if pause is None:
        return None
    return FOREVER if pause.until is None else format_instant(pause.until)
