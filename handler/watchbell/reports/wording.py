"""How durations, moments, alerts and long lists are written in every report. Facts only; no layout."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from watchbell.reports.interface import Episode, Silence

MAX_LABELS = 6
MAX_TEXT = 160


def duration(seconds: float) -> str:
    """Return the two largest units: `2 d 4 h`, `3 h 20 m`, `45 s`."""
    whole = round(seconds)
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    first = next((i for i, (_, count) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for unit, count in units[first : first + 2] if count) or "0 s"


def moment(instant: datetime, timezone: str) -> str:
    """Return `22 Nov 07:40 IST`."""
    return instant.astimezone(ZoneInfo(timezone)).strftime("%d %b %H:%M %Z")


def clock_time(instant: datetime, timezone: str) -> str:
    """Return `22 Nov 07:40:12`, for lists whose heading names the zone."""
    return instant.astimezone(ZoneInfo(timezone)).strftime("%d %b %H:%M:%S")


def alert(labels: Mapping[str, str]) -> str:
    """Return `HighErrorRate (critical) job=api service=checkout`."""
    name = labels.get("alertname") or "(no alertname)"
    severity = f" ({labels['severity']})" if labels.get("severity") else ""
    others = [f"{k}={v}" for k, v in sorted(labels.items()) if k not in ("alertname", "severity")]
    more = [f"… {len(others) - MAX_LABELS} more labels"] if len(others) > MAX_LABELS else []
    return shortened(" ".join([name + severity, *others[:MAX_LABELS], *more]))


def shortened(text: str) -> str:
    """Return the text on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def still_firing(episode: Episode, now: datetime, timezone: str) -> str:
    """Return one line: what fires, since when, for how long at `now`."""
    age = duration((now - episode.start).total_seconds())
    return f"{alert(episode.labels)}: for {age}, since {moment(episode.start, timezone)}"


def silence(one: Silence, timezone: str) -> str:
    """Return one line: what is silenced, until when, by whom and why."""
    comment = f": {one.comment}" if one.comment else ""
    return shortened(f"{one.matchers} until {moment(one.end, timezone)}, by {one.created_by or 'unknown'}{comment}")


def capped(lines: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return at most `limit` lines, and how many more there are."""
    if len(lines) <= limit:
        return tuple(lines)
    return (*lines[:limit], f"and {len(lines) - limit} more")


def many(number: int, noun: str) -> str:
    """Return `1 alert`, `2 alerts`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
