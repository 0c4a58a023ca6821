"""The due index: what each definition expects next, and every version of its schedule. SQL on an open transaction."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from watchbell.claims import Expectation, Gap, reindex, same_fires
from watchbell.errors import TaskError
from watchbell.instants import epoch_minute, from_epoch_minute
from watchbell.tasks import Task, is_task_id, task_from_json


def encode(raw: Any) -> str:
    """Return the text by which two definitions are compared and in which they are kept."""
    return json.dumps(raw, separators=(",", ":"))


def index_definitions(
    connection: sqlite3.Connection, raws: list[Any], start: datetime, recorded_at: float
) -> list[TaskError]:
    """Bring the index in line with `raws`, touching only what changed; fires before `start` are never expected anew.

    A task that is wrong keeps its last good definition, and is returned as an error. While any entry has no usable id
    of its own, nothing counts as removed: it may be the one.
    """
    known = {row["task_id"]: row for row in connection.execute("SELECT * FROM tasks")}
    change = _Change(connection, start, recorded_at)
    positions: dict[str, int] = {}
    errors: list[TaskError] = []
    for position, raw in enumerate(raws):
        path = f"[{position}]"
        try:
            task_id = _usable_id(raw, path, positions)
            positions[task_id] = position
            row, definition = known.get(task_id), encode(raw)
            if row is None or row["definition"] != definition:
                change.put(row, task_from_json(raw, path=path), definition)
        except TaskError as error:
            errors.append(error)
        except RecursionError:
            errors.append(TaskError("nested too deeply", path=path))
    if len(positions) == len(raws):
        for task_id in known.keys() - positions.keys():
            change.remove(known[task_id])
    change.finish()
    return errors


def _usable_id(raw: object, path: str, positions: dict[str, int]) -> str:
    """Return the id of an entry; raises TaskError when it has none of its own."""
    task_id = raw.get("id") if isinstance(raw, dict) else None
    if not is_task_id(task_id):
        task_id = task_from_json(raw, path=path).id  # says what is wrong
    if task_id in positions:
        raise TaskError(f"{task_id!r} is the id of [{positions[task_id]}] too", path=f"{path}.id")
    return task_id


class _Change:
    """One change of any number of tasks, within one transaction.

    Revisions count every change of any task, so that a removed and re-added task never has an old one again.
    """

    def __init__(self, connection: sqlite3.Connection, start: datetime, recorded_at: float) -> None:
        self._connection = connection
        self._start = start
        self._recorded_at = recorded_at
        row = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
        self._revision = int(row["value"]) if row is not None else 0
        self._tasks: list[tuple[Any, ...]] = []
        self._schedules: list[tuple[Any, ...]] = []

    def put(self, row: sqlite3.Row | None, task: Task, definition: str) -> None:
        """Index a new definition of `task`; `row` is what the index held of it."""
        self._revision += 1
        old = expectation_from_row(row) if row is not None else None
        if row is not None and old is not None and same_fires(old.task, task):
            kept = (row["next_fire"], row["paused_from_minute"])
            self._tasks.append((task.id, self._revision, definition, *kept))
            return
        start = self._unsettled(task.id)
        outcome = reindex(old, task, start)
        if old is not None:
            self._end(task.id, outcome.gaps, start)
        expects = (_minute(outcome.next_fire), _minute(outcome.paused_from))
        self._tasks.append((task.id, self._revision, definition, *expects))
        if task.enabled:
            self._schedules.append((task.id, self._revision, task.cron, task.timezone, epoch_minute(start)))

    def remove(self, row: sqlite3.Row) -> None:
        """Forget a task, but not its history."""
        old = expectation_from_row(row)
        start = self._unsettled(old.task.id)
        self._end(old.task.id, reindex(old, None, start).gaps, start)
        self._connection.execute("DELETE FROM tasks WHERE task_id = ?", (old.task.id,))
        self._connection.execute("DELETE FROM notices WHERE key = ?", (f"task:{old.task.id}",))

    def finish(self) -> None:
        """Write what was put."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO tasks (task_id, revision, definition, next_fire, paused_from_minute)"
            " VALUES (?, ?, ?, ?, ?)",
            self._tasks,
        )
        self._connection.executemany(
            "INSERT INTO schedules (task_id, revision, cron, timezone, from_minute) VALUES (?, ?, ?, ?, ?)",
            self._schedules,
        )
        self._connection.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('revision', ?)", (str(self._revision),)
        )

    def _unsettled(self, task_id: str) -> datetime:
        """Return from when on a change of a task counts: what is settled stays settled, also when the clock was set
        back or a tick came ahead of it."""
        (settled,) = self._connection.execute(
            "SELECT max(ifnull((SELECT due_at / 60 FROM runs WHERE task_id = :id AND NOT adhoc"
            "                   ORDER BY due_at DESC LIMIT 1), 0),"
            "           ifnull((SELECT max(last_fire) FROM gaps WHERE task_id = :id), 0))",
            {"id": task_id},
        ).fetchone()
        return max(self._start, from_epoch_minute(int(settled) + 1))

    def _end(self, task_id: str, gaps: Iterable[Gap], start: datetime) -> None:
        """Settle what a definition still owed before `start`, where it ends."""
        write_gaps(self._connection, gaps, self._recorded_at)
        self._connection.execute(
            "UPDATE schedules SET to_minute = ? WHERE task_id = ? AND to_minute IS NULL",
            (epoch_minute(start), task_id),
        )


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
