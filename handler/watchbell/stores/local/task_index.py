"""The due index: what each definition expects next, and every version of its schedule. SQL on an open transaction."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from watchbell.claims import Expectation, Gap, reindex, same_fires
from watchbell.errors import TaskError
from watchbell.instants import epoch_minute, from_epoch_minute
from watchbell.tasks import Task, task_from_json


def encode(raw: Any) -> str:
    """Return the text by which two definitions are compared and in which they are kept."""
    return json.dumps(raw, separators=(",", ":"), ensure_ascii=False)


def index_definitions(
    connection: sqlite3.Connection, raws: list[Any], start: datetime, recorded_at: float
) -> list[TaskError]:
    """Bring the index in line with `raws`, touching only what changed; fires before `start` are never expected anew.

    A task that is wrong keeps its last good definition, and is returned as an error. While any entry has no readable
    id, nothing counts as removed: it may be the one.
    """
    known = {row["task_id"]: row for row in connection.execute("SELECT * FROM tasks")}
    ids: dict[object, int] = {}
    errors: list[TaskError] = []
    for position, raw in enumerate(raws):
        task_id = _readable_id(raw)
        if task_id is not None and task_id in ids:
            errors.append(TaskError(f"{task_id!r} is the id of [{ids[task_id]}] too", path=f"[{position}].id"))
            continue
        ids[task_id] = position
        row = known.get(task_id) if task_id is not None else None
        if row is not None and row["definition"] == encode(raw):
            continue
        try:
            _change(connection, row, task_from_json(raw, path=f"[{position}]"), start, recorded_at)
        except TaskError as error:
            errors.append(error)
    if None not in ids:
        for task_id in known.keys() - ids.keys():
            _remove(connection, known[task_id], start, recorded_at)
    return errors


def _readable_id(raw: object) -> str | None:
    task_id = raw.get("id") if isinstance(raw, dict) else None
    return task_id if isinstance(task_id, str) else None


def _change(
    connection: sqlite3.Connection, row: sqlite3.Row | None, task: Task, start: datetime, recorded_at: float
) -> None:
    revision = _next_revision(connection)
    old = expectation_from_row(row) if row is not None else None
    if old is not None and same_fires(old.task, task):
        connection.execute(
            "UPDATE tasks SET definition = ?, revision = ? WHERE task_id = ?", (encode(task.raw), revision, task.id)
        )
        return
    outcome = reindex(old, task, start)
    write_gaps(connection, outcome.gaps, recorded_at)
    if old is not None:
        _close_schedule(connection, task.id, start)
    connection.execute(
        "INSERT INTO tasks (task_id, revision, definition, next_fire, paused_from_minute) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (task_id) DO UPDATE SET revision = excluded.revision, definition = excluded.definition,"
        " next_fire = excluded.next_fire, paused_from_minute = excluded.paused_from_minute",
        (task.id, revision, encode(task.raw), _minute(outcome.next_fire), _minute(outcome.paused_from)),
    )
    if task.enabled:
        connection.execute(
            "INSERT INTO schedules (task_id, revision, cron, timezone, from_minute) VALUES (?, ?, ?, ?, ?)",
            (task.id, revision, task.cron, task.timezone, epoch_minute(start)),
        )


def _remove(connection: sqlite3.Connection, row: sqlite3.Row, start: datetime, recorded_at: float) -> None:
    old = expectation_from_row(row)
    write_gaps(connection, reindex(old, None, start).gaps, recorded_at)
    _close_schedule(connection, old.task.id, start)
    connection.execute("DELETE FROM tasks WHERE task_id = ?", (old.task.id,))
    connection.execute("DELETE FROM notices WHERE key = ?", (f"task:{old.task.id}",))


def _close_schedule(connection: sqlite3.Connection, task_id: str, start: datetime) -> None:
    connection.execute(
        "UPDATE schedules SET to_minute = ? WHERE task_id = ? AND to_minute IS NULL", (epoch_minute(start), task_id)
    )


def _next_revision(connection: sqlite3.Connection) -> int:
    """Count every change of any task, so that a removed and re-added task never has an old revision again."""
    row = connection.execute(
        "INSERT INTO meta (key, value) VALUES ('revision', '1')"
        " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING value"
    ).fetchone()
    return int(row["value"])


def expectation_from_row(row: sqlite3.Row, *, live_run: bool = False) -> Expectation:
    """Make an Expectation of a row of `tasks`; only good definitions are ever stored there."""
    return Expectation(
        task=task_from_json(json.loads(row["definition"])),
        revision=row["revision"],
        next_fire=_instant(row["next_fire"]),
        paused_from=_instant(row["paused_from_minute"]),
        live_run=live_run,
    )


def write_gaps(connection: sqlite3.Connection, gaps: Iterable[Gap], recorded_at: float) -> None:
    """Add ranges of missed or skipped fire times to the ledger."""
    connection.executemany(
        "INSERT INTO gaps (task_id, status, reason, first_fire, last_fire, count, recorded_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                gap.task_id,
                gap.status,
                gap.reason,
                epoch_minute(gap.first),
                epoch_minute(gap.last),
                gap.count,
                recorded_at,
            )
            for gap in gaps
        ],
    )


def _minute(instant: datetime | None) -> int | None:
    return None if instant is None else epoch_minute(instant)


def _instant(minute: int | None) -> datetime | None:
    return None if minute is None else from_epoch_minute(minute)
