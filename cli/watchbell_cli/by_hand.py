"""What commands that send at once have in common: the limits of a tick, signals, and how the run is shown."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from watchbell.claims import Status
from watchbell.deliveries import delivery_outcome
from watchbell.json_shapes import notes_of, parts_by_target, run_to_json
from watchbell.secrets.redaction import redact
from watchbell.services import Limits, Services
from watchbell.settings import load_settings
from watchbell.stores.interface import Run
from watchbell.tick import begin
from watchbell.wiring import open_services
from watchbell_cli.output import print_fields, print_json, say
from watchbell_cli.tick_command import stop_on_signals, watchdog

TIMER = "command line"
_INTERRUPTED = 130
_WELL = {Status.SUCCESS, Status.QUIET}


@contextmanager
def by_hand(*, as_json: bool) -> Iterator[tuple[Services, Limits]]:
    """Give services and limits; with JSON on standard output, reports to the console go to standard error."""
    settings = load_settings()
    console = sys.stderr if as_json else sys.stdout
    with (
        open_services(settings, timer=TIMER, console=console) as services,
        watchdog(settings),
        stop_on_signals() as stop,
    ):
        yield services, begin(services, stop)


def end_with(run: Run, *, as_json: bool, interrupted: bool) -> NoReturn:
    """Show how a run stands, and exit with its code."""
    if as_json:
        print_json(run_to_json(run))
    else:
        _show_outcomes(run)
    if interrupted and run.status not in _WELL:
        say("interrupted")
        sys.exit(run.exit_code or _INTERRUPTED)
    sys.exit(run.exit_code)


def _show_outcomes(run: Run) -> None:
    outcomes = [(target, _outcome_text(run, target)) for target in parts_by_target(run)]
    labelled = (("error", run.error), ("source error", run.source_error))
    errors = [(label, redact(text)) for label, text in labelled if text]
    notes = [("note", note) for parts in parts_by_target(run).values() for note in notes_of(parts)]
    print_fields([("run", run.id), ("status", str(run.status)), *outcomes, *notes, *errors])


def _outcome_text(run: Run, target: str) -> str:
    parts = parts_by_target(run)[target]
    ids = ", ".join(part.message_id for part in parts if part.message_id)
    return f"{delivery_outcome(parts)} ({ids})" if ids else delivery_outcome(parts)
