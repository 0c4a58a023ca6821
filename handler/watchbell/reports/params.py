"""Reads a task's params for the built-in kinds; whatever is wrong is refused with its full path and what to write."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any

from watchbell.errors import SourceError


class Fields:
    """One object of the params; `path` is where it stands, such as `params.probes[0]`.

    Every method raises SourceError that names the field. A field that is absent or null has its default.
    """

    def __init__(self, raw: Any, path: str, known: Collection[str]) -> None:
        if not isinstance(raw, Mapping):
            raise SourceError(f"{path} must be an object, not {shown(raw)}")
        self._raw = raw
        self.path = path
        for name in raw:
            if name not in known:
                close = get_close_matches(str(name), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
                raise SourceError(f"{path}.{name} is not known; {hint}")

    def text(self, name: str) -> str | None:
        """Return a text that is not empty."""
        value = self._raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise SourceError(f"{self.path}.{name} must be a text, not {shown(value)}")
        return value.strip()

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Return one of the choices, which are written in capitals."""
        value = (self.text(name) or default).upper()
        if value not in choices:
            raise SourceError(f"{self.path}.{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self._raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise SourceError(f"{self.path}.{name} must be a number, not {shown(value)}")
        return float(value)

    def seconds(self, name: str, *, default: float, most: float) -> float:
        """Return a positive number of seconds."""
        value = self.number(name)
        if value is not None and not 0 < value <= most:
            raise SourceError(f"{self.path}.{name} must be a number of seconds up to {most:g}, not {value:g}")
        return default if value is None else value

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """Return a whole number within bounds."""
        value = self._raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            path = f"{self.path}.{name}"
            raise SourceError(f"{path} must be a whole number from {least} to {most}, not {shown(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, empty where there is none."""
        value = self._raw.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise SourceError(f"{self.path}.{name} must be a list of texts, not {shown(value)}")
        return tuple(one.strip() for one in value)


def objects(params: Mapping[str, Any], name: str, *, most: int, example: str) -> list[Any]:
    """Return a list out of the params, empty where there is none; raises SourceError."""
    value = params.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most:
        raise SourceError(f"params.{name} must be a list of at most {most}, such as {example}")
    return value


def shown(value: Any) -> str:
    """Return a value as an error may show it: short, and of a large one only the kind."""
    if isinstance(value, Mapping | list):
        return "an object" if isinstance(value, Mapping) else "a list"
    return repr(value)[:80]
