"""`watchbell tick`: the main job, and what every timer runs."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from watchbell.claims import AHEAD, SELF_END
from watchbell.clock import SystemClock
from watchbell.errors import UsageError
from watchbell.idle import meant_minute, settings_state, timer_name
from watchbell.instants import epoch_seconds, floor_minute, format_minute, from_epoch_minute, parse_instant
from watchbell.settings import Settings, load_settings
from watchbell.telling.afterwards import heartbeat_after, write_metrics_file
from watchbell.telling.afterwards import metrics_file as metrics_path
from watchbell.tick import TickResult, begin, run_tick
from watchbell.wiring import open_services


@click.command(short_help="Do the work of one minute, and exit.")
@click.option("--at", metavar="MINUTE", help="The UTC minute to work on, such as 2026-11-22T09:00Z. [default: now]")
@click.option("--dry-run", is_flag=True, help="Show what would be sent: claim nothing, send nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what happened as JSON; reports to the console go to stderr."
)
@click.option(
    "--metrics-file",
    metavar="PATH",
    help="Write metrics for the node exporter's textfile collector. [also: metrics_file in config.toml]",
)
def tick(at: str | None, dry_run: bool, as_json: bool, metrics_file: str | None) -> None:
    """Find what is due, claim it, build and deliver the reports, record what happened, exit.

    A timer runs this every minute. Ticks may overlap, come late, twice or not at all: each fire time is settled once.

    \b
    Example:
      * * * * *  watchbell tick
    """
    if dry_run:
        from watchbell_cli.dry_run import show_tick

        sys.exit(show_tick(load_settings(), _minute(at, dry_run), as_json=as_json))
    with heartbeat_after(os.environ) as ending:
        settings = load_settings()
        minute = _minute(at, dry_run)
        with watchdog(settings), stop_on_signals() as stop:
            result = _run(settings, minute, stop, as_json=as_json, metrics=metrics_path(settings, metrics_file))
        ending.exit_code = result.exit_code
    if as_json:
        click.echo(json.dumps(_to_json(result), indent=2))
    if result.hung:
        # A thread is stuck; waiting for it at the interpreter's end would outlive the lease.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(result.exit_code)
    sys.exit(result.exit_code)


def _run(
    settings: Settings, minute: datetime, stop: threading.Event, *, as_json: bool, metrics: Path | None
) -> TickResult:
    console = sys.stderr if as_json else sys.stdout
    with open_services(settings, timer=timer_name(os.environ), console=console) as services:
        result = run_tick(services, minute, begin(services, stop))
        services.store.ticks.remember_settings(settings_state(os.environ))
        write_metrics_file(metrics, services.store, result.exit_code)
        return result


def _minute(at: str | None, dry_run: bool) -> datetime:
    """Return the minute to work on; raises UsageError when it lies ahead by more than hosts are skewed."""
    now = SystemClock().now()
    if at is None:
        return from_epoch_minute(meant_minute(os.environ, int(epoch_seconds(now))))
    try:
        minute = floor_minute(parse_instant(at))
    except ValueError as error:
        raise UsageError(f"--at: {error}") from None
    if minute > now + AHEAD and not dry_run:
        raise UsageError(
            f"--at: {format_minute(minute)} is more than 2 minutes ahead of the clock; add --dry-run to look ahead"
        )
    return minute


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Turn SIGTERM and the first Ctrl-C into a request to stop; a second Ctrl-C ends the process at once."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(130)
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watchdog(settings: Settings) -> Iterator[None]:
    """End the process soon after the deadline, whatever hangs: its lease must outlive it, not the other way round."""

    def end() -> None:
        os.write(2, b"watchbell: error: the tick hung past its deadline and ended itself\n")
        os._exit(75)

    timer = threading.Timer((settings.deadline + SELF_END).total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _to_json(result: TickResult) -> dict[str, object]:
    from watchbell.json_shapes import gap_to_json, run_to_json

    return {
        "minute": format_minute(result.minute),
        "runs": [run_to_json(run) for run in result.runs],
        "missed": [gap_to_json(gap) for gap in result.gaps],
        "errors": result.errors,
        "exit_code": result.exit_code,
    }
