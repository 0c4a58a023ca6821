"""`watchbell timer status`: whether ticks come, how late, which minutes were lost, and who did the work."""

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from watchbell.errors import ConfigError
from watchbell.instants import MINUTE, format_instant, format_minute
from watchbell.settings import load_settings
from watchbell.stores.interface import Store
from watchbell.timers import Health, Minutes, count, examine
from watchbell_cli.home import now, opened_store
from watchbell_cli.options import as_json
from watchbell_cli.output import print_fields, print_json, print_table, say
from watchbell_cli.timer_hosts import installed

#: A timer that comes each minute, a slow start, and one minute lost.
MAX_AGE_SECONDS = 150
_DEAD = ConfigError.exit_code
_SHOWN_RANGES = 10
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@click.command()
@click.option("--hours", type=click.IntRange(1, 1_680), default=24, show_default=True, metavar="N", help="Look back.")
@click.option(
    "--max-age",
    type=click.IntRange(min=1),
    default=MAX_AGE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How old the last tick of a living timer may be.",
)
@click.option("--here", is_flag=True, help="Count only ticks of this machine, for probes.")
@as_json
def status(hours: int, max_age: int, here: bool, as_json: bool) -> None:
    """Show from the records of ticks whether the timers of this home are alive and how regular they are.

    Exits with 0 while the last tick is recent, else with 3: nothing starts ticks, and that is for you to set right.
    Ticks done by hand do not count.

    \b
    Example:
      watchbell timer status --hours 48
    """
    instant = now()
    with opened_store() as store:
        health = _health(store, instant, timedelta(hours=hours), here=here)
    is_alive = health.is_alive(timedelta(seconds=max_age))
    timers = installed(str(load_settings().home.absolute()))
    if as_json:
        print_json(_to_json(health, timers, is_alive=is_alive))
    else:
        _show(health, timers, is_alive=is_alive)
    for line in _advice(health, timers, is_alive=is_alive):
        say(line)
    sys.exit(0 if is_alive else _DEAD)


def _health(store: Store, instant: datetime, back: timedelta, *, here: bool) -> Health:
    since = instant - back
    records = store.ticks.records(since)
    if here:
        mine = [one for one in records if one.machine == platform.node()]
        return examine(mine, since=since, now=instant, is_older=False)
    return examine(records, since=since, now=instant, is_older=store.ticks.ticked_between(_EARLIEST, since))


def _show(health: Health, timers: Sequence[str], *, is_alive: bool) -> None:
    minutes = (health.end - health.start) // MINUTE
    print_fields(
        [
            ("timer", _state(health, is_alive=is_alive)),
            ("installed", ", ".join(timers) or "nothing that this user can see on this machine"),
            ("since", f"{format_minute(health.start)}: {health.ticks} ticks in {minutes} whole minutes"),
            ("lag", _lag(health)),
            ("lost", _minutes(health.lost)),
            ("doubled", _minutes(health.doubled)),
        ]
    )
    if health.workers:
        rows = [
            (one.timer, one.machine, str(one.ticks), str(one.first_count), format_instant(one.last_ran_at))
            for one in health.workers
        ]
        click.echo()
        print_table(("timer", "machine", "ticks", "came first", "last tick"), rows, flexible=(1,))


def _state(health: Health, *, is_alive: bool) -> str:
    if health.last is None or health.age is None:
        return "dead: no timer ticked in this time"
    seconds = round(health.age.total_seconds())
    when = f"{seconds} s ago" if seconds >= 0 else f"{-seconds} s ahead of the clock"
    word = "alive" if is_alive else "dead"
    return f"{word}: the last tick ran {when} ({health.last.timer} on {health.last.machine})"


def _lag(health: Health) -> str:
    if health.lag_median is None or health.lag_p95 is None:
        return "no data"
    median, p95 = health.lag_median.total_seconds(), health.lag_p95.total_seconds()
    return f"median {median:.0f} s, 95 of 100 ticks within {p95:.0f} s of the start of their minute"


def _minutes(ranges: Sequence[Minutes]) -> str:
    if not ranges:
        return "none"
    lines = [f"{count(ranges)} minute(s)"]
    for one in ranges[-_SHOWN_RANGES:]:
        until = f" to {format_minute(one.last)}" if one.count > 1 else ""
        lines.append(f"{format_minute(one.first)}{until}  ({one.count})")
    if len(ranges) > _SHOWN_RANGES:
        lines.append(f"and {len(ranges) - _SHOWN_RANGES} earlier range(s), see --json")
    return "\n".join(lines)


def _advice(health: Health, timers: Sequence[str], *, is_alive: bool) -> list[str]:
    """Return what to do next."""
    if is_alive:
        lost = "a fire time in a lost minute ran later, or is in the ledger as missed: watchbell cron logs TASK"
        return [lost] if health.lost else []
    if not timers:
        last = f"the last tick came from {health.last.timer} on {health.last.machine}; " if health.last else ""
        return [f"{last}nothing starts ticks here: watchbell timer install --cron (or --systemd, --user-systemd)"]
    checks = {
        "cron": "the crontab has its line: does the cron daemon run? (systemctl status cron; journalctl -t CRON)",
        "systemd": "look at: systemctl status watchbell.timer; journalctl -u watchbell.service",
        "user-systemd": "look at: systemctl --user status watchbell.timer (needs lingering: loginctl enable-linger)",
    }
    return [checks[name] for name in timers]


def _to_json(health: Health, timers: Sequence[str], *, is_alive: bool) -> dict[str, object]:
    last = health.last
    return {
        "alive": is_alive,
        "installed": list(timers),
        "last_tick": last
        and {
            "minute": format_minute(last.minute),
            "ran_at": format_instant(last.ran_at),
            "timer": last.timer,
            "machine": last.machine,
            "age_seconds": _seconds(health.age),
        },
        "window": {"start": format_minute(health.start), "end": format_minute(health.end)},
        "ticks": health.ticks,
        "lag_seconds": {"median": _seconds(health.lag_median), "p95": _seconds(health.lag_p95)},
        "lost": _ranges_to_json(health.lost),
        "doubled": _ranges_to_json(health.doubled),
        "timers": [
            {
                "timer": one.timer,
                "machine": one.machine,
                "ticks": one.ticks,
                "came_first": one.first_count,
                "last_tick": format_instant(one.last_ran_at),
            }
            for one in health.workers
        ],
    }


def _ranges_to_json(ranges: Sequence[Minutes]) -> dict[str, object]:
    listed = [
        {"first": format_minute(one.first), "last": format_minute(one.last), "count": one.count} for one in ranges
    ]
    return {"count": count(ranges), "ranges": listed}


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)
