"""Instants as text and as numbers: fire times are UTC minutes, everything else is seconds or finer."""

import re
from datetime import UTC, datetime, timedelta

MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor_minute(instant: datetime) -> datetime:
    """Return the UTC minute that holds `instant` (aware)."""
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


def format_minute(minute: datetime) -> str:
    """Return `2026-11-22T09:00Z`."""
    return f"{minute.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='minutes')}Z"  # four digits, unlike %Y


def format_instant(instant: datetime) -> str:
    """Return `2026-11-22T09:00:07Z`."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant that carries `Z` or an offset; seconds may be left out.

    Raises ValueError with a one-line reason; a time without an offset is refused rather than guessed.
    """
    try:
        instant = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
    except ValueError:
        raise ValueError(f"{text!r} is not an instant such as 2026-11-22T09:00Z") from None
    if instant.tzinfo is None:
        day = text.strip().rstrip("zZ")
        whole = f"{day}T00:00" if len(day) == len("2026-11-22") else text.strip()
        raise ValueError(f"{text!r} has no zone: write {whole}Z for UTC")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None


def epoch_minute(minute: datetime) -> int:
    """Return whole minutes since 1970 in UTC, the form in which the due index compares fire times."""
    return (minute - _EPOCH) // MINUTE


def from_epoch_minute(number: int) -> datetime:
    """Return the UTC minute that `epoch_minute` counted."""
    return _EPOCH + number * MINUTE


def epoch_seconds(instant: datetime) -> float:
    """Return seconds since 1970, with a fraction."""
    return (instant - _EPOCH).total_seconds()


def from_epoch_seconds(seconds: float) -> datetime:
    """Return the instant that `epoch_seconds` counted."""
    return _EPOCH + timedelta(seconds=seconds)
