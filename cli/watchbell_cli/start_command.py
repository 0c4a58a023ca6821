"""`watchbell cron start`: the same tick, once a minute, for machines without a timer.

Each tick is a process of its own, exactly as a timer would start it: one that hangs or crashes takes nothing with it,
memory does not grow, and tasks added meanwhile are seen.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import click

from watchbell.clock import Clock, SystemClock
from watchbell.instants import MINUTE, floor_minute, format_minute
from watchbell.settings import load_settings
from watchbell.wiring.stores import open_store
from watchbell_cli.tick_command import stop_on_signals

log = logging.getLogger("watchbell")

#: The longest sleep: a clock that is set, or a machine that wakes from suspend, is noticed within this time.
_LONGEST_SLEEP = timedelta(seconds=5)
#: A tick that is asked to stop needs up to 25 s for sends in flight; after this it is killed.
_STOP_PATIENCE_SECONDS = 32.0
_MOST_TICKS_AT_ONCE = 10

Launch = Callable[[], "subprocess.Popen[bytes]"]
_Tick = tuple[datetime, "subprocess.Popen[bytes]"]


@click.command(short_help="Run a tick each minute until stopped (SIGINT or SIGTERM).")
def start() -> None:
    """Run in the foreground and do a tick each minute, until SIGINT or SIGTERM.

    \b
    Example:
      watchbell cron start
    """
    settings = load_settings()
    with open_store(settings) as store:
        listing = store.tasks.listing()
    for error in listing.errors:
        log.error("%s", error)
    enabled = sum(task.enabled for task in listing.tasks)
    with stop_on_signals() as stop:
        click.echo(
            f"watchbell: a tick each minute for {enabled} enabled task(s) in {settings.store_name}; Ctrl-C ends it",
            err=True,
        )
        run_until(stop, SystemClock(), _launch)
    click.echo("watchbell: stopped", err=True)


def run_until(stop: threading.Event, clock: Clock, launch: Launch) -> None:
    """Launch a tick at the start of each minute until `stop` is set, then end the ticks that still run."""
    ticks: list[_Tick] = []
    last: datetime | None = None
    while not stop.is_set():
        now = clock.now()
        minute = floor_minute(now)
        ticks = _reap(ticks)
        # Any other minute counts, also an earlier one after the clock was set back: claims make a repeat harmless.
        if minute != last:
            last = minute
            if len(ticks) < _MOST_TICKS_AT_ONCE:
                ticks += _launched(launch, minute)
            else:
                log.error("%d ticks still run; %s is left to the next one", len(ticks), format_minute(minute))
        until_next = floor_minute(now) + MINUTE - clock.now()
        clock.wait(stop, min(until_next, _LONGEST_SLEEP).total_seconds())
    _end(ticks)


def _launch() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "watchbell_cli", "tick"],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "WATCHBELL_TIMER": "daemon"},
        # Ctrl-C goes to this process alone, which then asks the ticks to stop.
        start_new_session=True,
    )


def _launched(launch: Launch, minute: datetime) -> list[_Tick]:
    """Return the launched tick, or nothing where the machine has no room for one now: the next minute tries again."""
    try:
        return [(minute, launch())]
    except OSError as error:
        log.error("cannot launch a tick; %s is left to the next one: %s", format_minute(minute), error)
        return []


def _reap(ticks: list[_Tick]) -> list[_Tick]:
    running = []
    for minute, process in ticks:
        code = process.poll()
        if code is None:
            running.append((minute, process))
        elif code != 0:
            log.warning("the tick of %s ended with %d", format_minute(minute), code)
    return running


def _end(ticks: list[_Tick]) -> None:
    clock = SystemClock()
    ends = clock.monotonic() + _STOP_PATIENCE_SECONDS
    for _, process in ticks:
        process.terminate()
    for _, process in ticks:
        try:
            process.wait(max(0.1, ends - clock.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
