"""How durations, moments, alerts and long lists are written in every report. Facts only; no layout."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite

from watchbell.reports.analysis.hours import on_wall_clock
from watchbell.reports.analysis.ownership import owner_label, owner_of
from watchbell.reports.interface import AlertSummary, Episode, Silence

MAX_LABELS = 6
MAX_TEXT = 160
NO_DATA = "no data"
#: The first thing to do about a report whose sources cannot be believed; its reason stands above.
MAKE_WHOLE = "First make this report whole: watchbell doctor says what to do about each source"
_MORE = re.compile(r"and (\d{1,9}) more")


def duration(seconds: float) -> str:
    """Return the largest unit and the one below it: `2 d 4 h`, `3 h 20 m`, `45 s`; `1 d` for a day and five minutes."""
    if not isfinite(seconds):
        return "unknown"
    whole = max(0, round(seconds))
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    first = next((i for i, (_, count) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for unit, count in units[first : first + 2] if count) or "0 s"


def moment(instant: datetime, timezone: str) -> str:
    """Return `22 Nov 07:40 IST`."""
    return on_wall_clock(instant, timezone).strftime("%d %b %H:%M %Z")


def clock_time(instant: datetime, timezone: str) -> str:
    """Return `22 Nov 07:40:12`, for lists whose heading names the zone."""
    return on_wall_clock(instant, timezone).strftime("%d %b %H:%M:%S")


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


def rule(one: AlertSummary) -> str:
    """Return `HighErrorRate (critical) team=checkout`, as far as it has these labels."""
    team = f" team={one.labels['team']}" if one.labels.get("team") else ""
    return shortened(_severe(one) + team)


def rules(several: Sequence[AlertSummary]) -> list[str]:
    """Return a name for each, without the team where name and severity tell them apart."""
    short = [_severe(one) for one in several]
    return [shortened(name) if short.count(name) == 1 else rule(one) for name, one in zip(short, several, strict=True)]


def _severe(one: AlertSummary) -> str:
    severity = f" ({one.labels['severity']})" if one.labels.get("severity") else ""
    return (one.alertname or "(no alertname)") + severity


def owned(labels: Mapping[str, str]) -> str:
    """Return `, owner payments`, or nothing where the labels name none."""
    owner = owner_of(labels)
    return f", owner {shortened(owner)}" if owner else ""


def still_firing(episode: Episode, now: datetime, timezone: str, *, silenced_until: datetime | None = None) -> str:
    """Return one line: what fires, for how long at `now`, since when, whose it is, and until when it is silenced."""
    age = duration((now - episode.start).total_seconds())
    told_apart = owner_label(episode.labels)
    labels = {name: value for name, value in episode.labels.items() if name != told_apart}
    silenced = f", silenced until {moment(silenced_until, timezone)}" if silenced_until else ""
    return f"{alert(labels)}: for {age}, since {moment(episode.start, timezone)}{owned(episode.labels)}{silenced}"


def silence(one: Silence, timezone: str) -> str:
    """Return one line: what is silenced, until when, by whom and why."""
    comment = f": {one.comment}" if one.comment else ""
    return shortened(f"{one.matchers} until {moment(one.end, timezone)}, by {one.created_by or 'unknown'}{comment}")


def capped(lines: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return at most `limit` lines, and how many more there are."""
    if len(lines) <= limit:
        return tuple(lines)
    return (*lines[:limit], f"and {len(lines) - limit} more")


def shown(some: int, of_all: int, noun: str) -> tuple[str, ...]:
    """Return what stands above a table that is cut off: `Shown: 5 of 18 rules`; nothing where it is whole."""
    return (f"Shown: {some} of {many(of_all, noun)}",) if some < of_all else ()


def count(lines: Sequence[str]) -> int:
    """Return how many lines `capped` was given."""
    more = _MORE.fullmatch(lines[-1]) if lines else None
    return len(lines) if more is None else len(lines) - 1 + int(more[1])


def joined(names: Sequence[str], limit: int) -> str:
    """Return `A, B and 3 more`: at most `limit` names on one line."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def percent(share: float) -> str:
    """Return `78 %`; what is neither nothing nor all is neither 0 nor 100."""
    whole = round(100 * share)
    if whole in (0, 100) and share not in (0, 1):
        return "< 1 %" if whole == 0 else "> 99 %"
    return f"{whole} %"


def difference(now: int, before: int | None) -> str:
    """Return `+9`, `-3` or `±0`; "no data" where the figure before is not known."""
    if before is None:
        return NO_DATA
    return f"{now - before:+d}" if now != before else "±0"


def setting(length: timedelta) -> str:
    """Return `15m` or `1h30m`, as Prometheus' rules are written."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def many(number: int, noun: str) -> str:
    """Return `1 alert`, `2 alerts`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
