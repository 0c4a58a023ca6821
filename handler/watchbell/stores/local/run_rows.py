"""Rows of `runs`, `parts` and `gaps`: the values they stand for, and the two that are written whole."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from watchbell.claims import Gap, GapStatus, Host, Status
from watchbell.deliveries import PartState
from watchbell.instants import epoch_seconds, from_epoch_minute, from_epoch_seconds
from watchbell.secrets.credentials import without_credentials
from watchbell.stores.interface import Owner, Run, ScheduleVersion
from watchbell.stores.local.task_index import encode
from watchbell.tasks import Task

#: A running run is owed from the beginning of time: a clock that was set back must not hide a dead owner's.
AT_ONCE = from_epoch_seconds(0)


def run_from_row(row: sqlite3.Row, parts: Iterable[sqlite3.Row] = ()) -> Run:
    """Make a Run of its row and those of its parts."""
    owner = None
    if row["owner_token"] is not None:
        owner = Owner(token=row["owner_token"], host=Host(row["owner_machine"], row["owner_boot"]))
    return Run(
        task_id=row["task_id"],
        fire_time=row["fire_time"],
        adhoc=bool(row["adhoc"]),
        status=Status(row["status"]),
        attempt=row["attempt"],
        crashes=row["crashes"],
        owner=owner,
        lease_until=from_epoch_seconds(row["lease_until"]),
        wake_at=instant(row["wake_at"]),
        due_at=from_epoch_seconds(row["due_at"]),
        deliver_until=from_epoch_seconds(row["deliver_until"]),
        started_at=from_epoch_seconds(row["started_at"]),
        finished_at=instant(row["finished_at"]),
        definition=json.loads(row["definition"]),
        verdict=row["verdict"],
        error=row["error"],
        exit_code=row["exit_code"],
        source_error=row["source_error"],
        declined_by=row["declined_by"],
        declined_until=instant(row["declined_until"]),
        parts=tuple(part_from_row(part) for part in parts),
    )


def part_from_row(row: sqlite3.Row) -> PartState:
    """Make a PartState of its row."""
    return PartState(
        target=row["target"],
        part=row["part"],
        of=row["of"],
        outcome=row["outcome"],
        attempts=row["attempts"],
        message_id=row["message_id"],
        error=row["error"],
        note=row["note"],
        intent_at=instant(row["intent_at"]),
        retry_at=instant(row["retry_at"]),
        repeats=row["repeats"],
        questions=row["questions"],
    )


def gap_from_row(row: sqlite3.Row) -> Gap:
    """Make a Gap of its row."""
    return Gap(
        task_id=row["task_id"],
        status=GapStatus(row["status"]),
        reason=row["reason"],
        first=from_epoch_minute(row["first_fire"]),
        last=from_epoch_minute(row["last_fire"]),
        count=row["count"],
    )


def version_from_row(row: sqlite3.Row) -> ScheduleVersion:
    """Make a ScheduleVersion of its row."""
    return ScheduleVersion(
        task_id=row["task_id"],
        cron=row["cron"],
        timezone=row["timezone"],
        start=from_epoch_minute(row["from_minute"]),
        end=None if row["to_minute"] is None else from_epoch_minute(row["to_minute"]),
    )


def seconds(moment: datetime | None) -> float | None:
    """Return the column value of an instant."""
    return None if moment is None else epoch_seconds(moment)


def instant(value: float | None) -> datetime | None:
    """Return the instant of a column value."""
    return None if value is None else from_epoch_seconds(value)


def new_run(
    task: Task,
    fire_time: str,
    due_at: datetime,
    adhoc: bool,
    owner: Owner,
    lease_until: datetime,
    now: datetime,
    queued_until: datetime | None = None,
) -> Run:
    """Return the run of a fresh claim, with a copy of the definition; with `queued_until` it waits in a queue."""
    return Run(
        task_id=task.id,
        fire_time=fire_time,
        adhoc=adhoc,
        status=Status.QUEUED if queued_until else Status.RUNNING,
        attempt=0 if queued_until else 1,
        crashes=0,
        owner=owner,
        lease_until=lease_until,
        wake_at=queued_until or AT_ONCE,
        due_at=due_at,
        deliver_until=due_at + task.deliver_within,
        started_at=now,
        finished_at=None,
        definition=dict(task.raw, params=without_credentials(dict(task.params))),
    )


def live_run(task_id: str, *, besides: str = "NULL") -> str:
    """Return the condition that a task has a live scheduled run, by indexes; the names are SQL, never values.

    Only the newest scheduled run can be queued, for nothing is claimed past it.
    """
    scheduled = f"WHERE live.task_id = {task_id} AND NOT live.adhoc AND live.fire_time IS NOT {besides}"
    return (
        f"(EXISTS (SELECT 1 FROM runs AS live INDEXED BY live_runs {scheduled} AND live.status = 'running')"  # noqa: S608
        f" OR (SELECT live.status FROM runs AS live {scheduled} ORDER BY live.due_at DESC LIMIT 1) IS 'queued')"
    )


def insert_run(connection: sqlite3.Connection, run: Run) -> bool:
    """Insert or ignore: whoever gets a row count of 1 has the claim."""
    assert run.owner is not None
    cursor = connection.execute(
        "INSERT INTO runs (task_id, fire_time, adhoc, status, attempt, owner_token, owner_machine, owner_boot,"
        " lease_until, wake_at, due_at, deliver_until, started_at, definition)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            run.task_id,
            run.fire_time,
            run.adhoc,
            run.status,
            run.attempt,
            run.owner.token,
            run.owner.host.machine,
            run.owner.host.boot,
            epoch_seconds(run.lease_until),
            seconds(run.wake_at),
            epoch_seconds(run.due_at),
            epoch_seconds(run.deliver_until),
            epoch_seconds(run.started_at),
            encode(run.definition),
        ),
    )
    return cursor.rowcount == 1


def put_part(connection: sqlite3.Connection, run: Run, part: PartState) -> None:
    """Write how one part stands."""
    connection.execute(
        "INSERT OR REPLACE INTO parts (task_id, fire_time, target, part, of, outcome, attempts, message_id, error,"
        " note, intent_at, retry_at, repeats, questions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.task_id,
            run.fire_time,
            part.target,
            part.part,
            part.of,
            part.outcome,
            part.attempts,
            part.message_id,
            part.error,
            part.note,
            seconds(part.intent_at),
            seconds(part.retry_at),
            part.repeats,
            part.questions,
        ),
    )
