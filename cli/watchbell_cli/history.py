"""The ledger of one task as people and programs see it: runs, and ranges of fire times without one, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watchbell.claims import LIVE, Gap
from watchbell.errors import UsageError
from watchbell.instants import format_instant, format_minute, parse_instant
from watchbell.json_shapes import gap_to_json, notes_of, parts_by_target, run_to_json
from watchbell.secrets.redaction import redact
from watchbell.stores.interface import Run, Store
from watchbell_cli.output import print_table

Entry = Run | Gap

_COLUMNS = ("STARTED", "FIRE TIME", "STATUS", "TRY", "MESSAGE ID, ERROR BELOW")


def entries(store: Store, task_id: str, *, limit: int, before: str | None) -> list[Entry]:
    """Return a page of the ledger. `before` is the fire time at which the page before ended, of a run or a range."""
    bound = _bound(before)
    found: list[Entry] = [
        *store.runs.history(task_id, limit=limit, before=bound),
        *store.runs.gaps(task_id, limit=limit, before=bound),
    ]
    return sorted(found, key=when, reverse=True)[:limit]


def when(entry: Entry) -> datetime:
    """Return the instant by which the ledger is ordered."""
    return entry.due_at if isinstance(entry, Run) else entry.last


def fire_time_of(entry: Entry) -> str:
    """Return what `--before` takes to go on after this entry."""
    return entry.fire_time if isinstance(entry, Run) else format_minute(entry.last)


def _bound(before: str | None) -> datetime | None:
    """Return the instant of a fire time; that of an ad-hoc run has a suffix after its Z."""
    if before is None:
        return None
    try:
        return parse_instant(before.partition("Z-")[0] + "Z" if "Z-" in before else before)
    except ValueError as error:
        raise UsageError(f"--before: {error}") from None


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Return a run; a range has the same keys, and its own beside them."""
    if isinstance(entry, Run):
        return run_to_json(entry)
    return {
        "run_id": None,
        "fire_time": format_minute(entry.last),
        "adhoc": False,
        "attempt": 0,
        "verdict": None,
        "late_seconds": None,
        "started_at": None,
        "finished_at": None,
        "wake_at": None,
        "error": entry.reason,
        "source_error": None,
        "exit_code": 0,
        "deliveries": [],
    } | gap_to_json(entry)


def show_entries(shown: Sequence[Entry]) -> None:
    """Print entries for people, the errors of each below it."""
    rows = [_run_row(entry) if isinstance(entry, Run) else _gap_row(entry) for entry in shown]
    notes = [_remarks(entry) if isinstance(entry, Run) else [_reason(entry)] for entry in shown]
    print_table(_COLUMNS, rows, flexible=(4,), notes=notes)


def _gap_row(gap: Gap) -> tuple[str, ...]:
    first, last = format_minute(gap.first), format_minute(gap.last)
    return ("-", last if gap.count == 1 else f"{first}\nto {last}", str(gap.status), "-", "")


def _reason(gap: Gap) -> str:
    return f"{gap.count} {'fire time' if gap.count == 1 else 'fire times'}: {gap.reason}"


def _run_row(run: Run) -> tuple[str, ...]:
    """Return one row; with several targets, each message id says whose it is."""
    by_target = parts_by_target(run)
    ids = [
        f"{target} {part.message_id}" if len(by_target) > 1 else str(part.message_id)
        for target, parts in by_target.items()
        for part in parts
        if part.message_id
    ]
    started = format_instant(run.started_at).replace("T", " ")
    return (started, run.fire_time, str(run.status), str(run.attempt), "\n".join(ids))


def _remarks(run: Run) -> list[str]:
    """Return what went wrong, and when it is tried again; texts in the ledger were written by others, too."""
    labelled = (("error", run.error), ("source error", run.source_error))
    remarks = [f"{label}: {redact(text)}" for label, text in labelled if text]
    remarks += [f"note: {note}" for parts in parts_by_target(run).values() for note in notes_of(parts)]
    if run.status not in LIVE and run.wake_at is not None:
        remarks.append(f"to be tried again from {format_instant(run.wake_at)} on")
    return remarks
