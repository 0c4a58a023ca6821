"""What a check found: how bad it is, in one line, what to do about it, and the exit code that it stands for. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from watchbell.errors import ConfigError, CredentialError, DeliveryError, SourceError, StoreError, worst_exit_code

CONFIG = ConfigError.exit_code
CREDENTIALS = CredentialError.exit_code
STORE = StoreError.exit_code
SOURCE = SourceError.exit_code
DELIVERY = DeliveryError.exit_code

#: So many of a kind are named; the rest is counted.
MOST_NAMED = 3


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # worth a look; reports are not in danger
    PROBLEM = "problem"  # a report is, or soon will be, missing or wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor. `exit_code` counts only where it is a problem."""

    name: str
    level: Level
    detail: str
    advice: str = ""
    exit_code: int = 0


def ok(name: str, detail: str, advice: str = "") -> Check:
    """Return a check that found nothing wrong; `advice` is what could be better still."""
    return Check(name=name, level=Level.OK, detail=detail, advice=advice)


def warning(name: str, detail: str, advice: str) -> Check:
    """Return a check that found something worth a look."""
    return Check(name=name, level=Level.WARNING, detail=detail, advice=advice)


def problem(name: str, detail: str, advice: str, exit_code: int) -> Check:
    """Return a check that found something that has to be mended."""
    return Check(name=name, level=Level.PROBLEM, detail=detail, advice=advice, exit_code=exit_code)


def overall(checks: Iterable[Check]) -> tuple[Level, int]:
    """Return the worst level, and the exit code of the problems in the order that ticks use."""
    found = list(checks)
    levels = {check.level for check in found}
    worst = next((level for level in (Level.PROBLEM, Level.WARNING) if level in levels), Level.OK)
    return worst, worst_exit_code({check.exit_code for check in found if check.level is Level.PROBLEM})


def named(items: Iterable[str]) -> str:
    """Return an enumeration of the first few, and how many more there are."""
    known = list(items)
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return ", ".join(known[:MOST_NAMED]) + more


def count(number: int, noun: str) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
