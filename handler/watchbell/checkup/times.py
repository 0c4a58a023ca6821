"""Zone data, the clock, and the timer that is to start a tick each minute."""

import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from watchbell.checkup.checks import CONFIG, Check, count, ok, problem, warning
from watchbell.claims import AHEAD
from watchbell.instants import MINUTE, floor_minute, format_instant, format_minute
from watchbell.stores.interface import TickRecord
from watchbell.timers import BY_HAND

SINCE = timedelta(hours=24)
#: A timer that has been silent for longer is taken for dead.
SILENCE = timedelta(minutes=3)
_SKEW = timedelta(seconds=30)
_START_ONE = (
    "see `watchbell timer status`; where none is installed: watchbell timer install --cron (or --systemd, "
    "--user-systemd). A tick that cannot read its settings (exit code 3) or its store (5) leaves no trace"
)


def check_zone_data(now: datetime, folders: Sequence[str] = zoneinfo.TZPATH) -> Check:
    """Name the zone data in use: the system's where it has any, else the installed package's."""
    place, version = next(((folder, _version_in(folder)) for folder in folders if _has_zones(folder)), ("", ""))
    if not place:
        place, version = "the tzdata package", str(import_module("tzdata").IANA_VERSION)
    if version[:4].isdigit() and int(version[:4]) < now.year - 1:
        said = f"{version} in {place}: clock changes decided since are not in it"
        return warning("zone data", said, "upgrade the system's tzdata package, or pip install --upgrade tzdata")
    return ok("zone data", f"{version or 'version not known'} in {place}")


def _has_zones(folder: str) -> bool:
    return (Path(folder) / "Europe" / "Berlin").exists()


def _version_in(folder: str) -> str:
    for name, marker in (("tzdata.zi", "# version "), ("+VERSION", "")):
        try:
            with (Path(folder) / name).open(encoding="ascii", errors="replace") as file:
                first = file.readline().strip()
        except OSError:
            continue
        if first.startswith(marker):
            return first.removeprefix(marker)
    return ""


def check_clock(records: Sequence[TickRecord], now: datetime) -> Check:
    """Look for ticks that the clock says are still to come, and for minutes that it had not reached."""
    future = [record for record in records if record.ran_at > now + MINUTE]
    if future:
        until = format_instant(future[-1].ran_at)
        said = f"{count(len(future), 'tick')} ran in the future, up to {until}: the clock was set back"
        advice = (
            "run NTP (timedatectl); fires until then count as done already, and tasks wait for the next one. To go on "
            "sooner, move scheduler.db* aside: a new ledger begins with the next minute"
        )
        return problem("clock", said, advice, CONFIG)
    ahead = [record for record in records if record.minute > record.ran_at + AHEAD]
    if ahead:
        said = f"a tick at {format_instant(ahead[-1].ran_at)} was meant for {format_minute(ahead[-1].minute)}"
        return warning("clock", said, "the clocks of two machines differ, or one was set back: run NTP on each")
    return ok("clock", format_instant(now))


def check_against_servers(server_times: Mapping[str, datetime], now: datetime) -> Iterator[Check]:
    """Compare the clock with what servers said just now; yields nothing where none did."""
    skews = {name: abs(at - now) for name, at in server_times.items() if at.tzinfo is not None}
    if not skews:
        return
    name = min(skews, key=lambda one: skews[one])  # they may be wrong, too: the closest one counts
    if skews[name] > _SKEW:
        seconds = int((server_times[name] - now).total_seconds())
        said = f"{name} says it is {format_instant(server_times[name])}, {abs(seconds)} s away from this clock"
        code = CONFIG if skews[name] > AHEAD else 0
        advice = "run NTP (timedatectl); reports come as early or late as the clock is wrong"
        yield problem("clock", said, advice, code) if code else warning("clock", said, advice)


def check_timer(records: Sequence[TickRecord], now: datetime) -> Check:
    """Say when a timer last started a tick, and how many minutes of 24 hours had none; ticks by hand do not count."""
    past = [record for record in records if record.ran_at <= now + MINUTE and record.timer != BY_HAND]
    if not past:
        return problem("timer", "no timer started a tick in the last 24 hours", _START_ONE, CONFIG)
    last = past[-1]
    age = now - last.ran_at
    if age > SILENCE:
        said = f"the last tick ran {_ago(age)} ago, at {format_minute(last.ran_at)}, started by {last.timer}"
        return problem("timer", f"silent: {said}", _START_ONE, CONFIG)
    lost, longest = lost_minutes(past, now)
    timers = ", ".join(sorted({record.timer for record in past}))
    said = f"last tick {_ago(age)} ago; {count(lost, 'minute')} lost since {format_minute(past[0].ran_at)}; by {timers}"
    if lost:
        advice = "`watchbell timer status` names them; what was due then ran later or is missed: watchbell cron audit"
        return warning("timer", f"{said}; longest hole {longest} min", advice)
    return ok("timer", said)


def lost_minutes(records: Sequence[TickRecord], now: datetime) -> tuple[int, int]:
    """Return how many minutes had no tick since the first one, and the longest hole; the current minute is not over."""
    minutes = sorted({floor_minute(record.ran_at) for record in records if record.ran_at <= now} | {floor_minute(now)})
    holes = [(later - earlier) // MINUTE - 1 for earlier, later in pairwise(minutes)]
    return sum(holes), max(holes, default=0)


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
