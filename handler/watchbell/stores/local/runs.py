"""Claims, runs and the ledger in the database of one machine. Every write of an owner names its token and attempt."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watchbell.claims import LIVE, Expectation, Gap, Move
from watchbell.deliveries import PartState
from watchbell.errors import LeaseLost
from watchbell.instants import epoch_minute, epoch_seconds, format_minute, parse_instant
from watchbell.stores.interface import ClaimResult, Owner, Run, ScheduleVersion, Settlement
from watchbell.stores.local.database import Database
from watchbell.stores.local.run_rows import (
    AT_ONCE,
    gap_from_row,
    insert_run,
    live_run,
    new_run,
    put_part,
    run_from_row,
    seconds,
    version_from_row,
)
from watchbell.stores.local.task_index import write_gaps
from watchbell.stores.report_body import pack, unpack
from watchbell.tasks import Task, task_from_json

# Only the attempt that holds a run may write to it: the token names the process, the attempt number fences.
_IS_OURS = "task_id = :task_id AND fire_time = :fire_time AND owner_token = :token AND attempt = :attempt"

_ALWAYS = 10**12  # later than any time, in minutes as in seconds


class LocalRuns:
    """See RunStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        expected: Expectation,
        move: Move,
        *,
        owner: Owner,
        lease_until: datetime,
        now: datetime,
        queued_until: datetime | None = None,
    ) -> ClaimResult:
        fire_time = None if move.fire is None else format_minute(move.fire)
        # Losers queue for no lock: most of them can see beforehand that they have lost.
        if self._is_as(expected):
            run = None
            if move.fire is not None and fire_time is not None:
                run = new_run(expected.task, fire_time, move.fire, False, owner, lease_until, now, queued_until)
            if self._move(expected, move, run, now):
                return ClaimResult(moved=True, run=run)
        holder = None if fire_time is None else self.find(expected.task.id, fire_time)
        # By the token a claim is recognised as one's own, also when the answer to a first try was lost.
        if holder is not None and holder.owner == owner and holder.attempt <= 1 and holder.status in LIVE:
            return ClaimResult(moved=False, run=holder)
        return ClaimResult(moved=False, holder=holder)

    def _is_as(self, expected: Expectation) -> bool:
        assert expected.next_fire is not None
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT 1 FROM tasks WHERE task_id = ? AND revision = ? AND next_fire = ?",
                (expected.task.id, expected.revision, epoch_minute(expected.next_fire)),
            ).fetchone()
        return row is not None

    def _move(self, expected: Expectation, move: Move, run: Run | None, now: datetime) -> bool:
        """Move the next fire time on, if it and the definition are still the ones that were looked at."""
        assert expected.next_fire is not None
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE tasks SET next_fire = ?, paused_from_minute = NULL"  # noqa: S608  a constant
                " WHERE task_id = ? AND revision = ? AND next_fire = ?"
                # One live run a task: enforced here, for the reader may have looked a moment too early.
                f" AND (? OR NOT {live_run('tasks.task_id')})",
                (
                    None if move.next_fire is None else epoch_minute(move.next_fire),
                    expected.task.id,
                    expected.revision,
                    epoch_minute(expected.next_fire),
                    run is None,
                ),
            )
            if cursor.rowcount != 1:
                return False
            write_gaps(connection, move.gaps, epoch_seconds(now))
            # The run cannot be there already: the next fire time stands after every row of the ledger.
            return run is None or insert_run(connection, run)

    def claim_adhoc(self, task: Task, fire_time: str, *, owner: Owner, lease_until: datetime, now: datetime) -> Run:
        run = new_run(task, fire_time, now, True, owner, lease_until, now)
        with self._database.write() as connection:
            if not insert_run(connection, run):
                raise LeaseLost(f"the ad-hoc run {run.id} exists already; run it again")
        return run

    def owed(self, now: datetime) -> list[Run]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM runs WHERE wake_at <= ? ORDER BY due_at", (epoch_seconds(now),)
            ).fetchall()
            return [_with_parts(connection, row) for row in rows]

    def enqueue_again(self, run: Run, *, wake_at: datetime) -> bool:
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE runs SET wake_at = ? WHERE task_id = ? AND fire_time = ? AND attempt = ? AND status = ?"
                " AND wake_at = ?",
                (seconds(wake_at), run.task_id, run.fire_time, run.attempt, run.status, seconds(run.wake_at)),
            )
        return cursor.rowcount == 1

    def take_over(
        self,
        run: Run,
        *,
        owner: Owner,
        lease_until: datetime,
        now: datetime,
        crashed: bool,
        deliver_until: datetime | None = None,
    ) -> Run | None:
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE runs SET status = 'running', attempt = attempt + 1,"  # noqa: S608  a constant
                " crashes = CASE WHEN :deliver_until IS NULL THEN crashes + :crashed ELSE 0 END,"
                " deliver_until = coalesce(:deliver_until, deliver_until),"
                " owner_token = :token, owner_machine = :machine, owner_boot = :boot,"
                " started_at = CASE status WHEN 'queued' THEN :now ELSE started_at END,"
                " lease_until = :lease_until, wake_at = :wake_at, finished_at = NULL"
                " WHERE task_id = :task_id AND fire_time = :fire_time AND attempt = :attempt AND status = :status"
                # One live run a task, also when one that waits comes back to life.
                f" AND (adhoc OR NOT {live_run(':task_id', besides=':fire_time')})",
                {
                    "now": epoch_seconds(now),
                    "crashed": int(crashed),
                    "deliver_until": seconds(deliver_until),
                    "token": owner.token,
                    "machine": owner.host.machine,
                    "boot": owner.host.boot,
                    "lease_until": epoch_seconds(lease_until),
                    "wake_at": seconds(AT_ONCE),
                    "task_id": run.task_id,
                    "fire_time": run.fire_time,
                    "attempt": run.attempt,
                    "status": run.status,
                },
            )
            if cursor.rowcount != 1:
                return None
            connection.execute(
                "UPDATE parts SET outcome = 'unknown', error = 'the process ended before the answer came'"
                " WHERE task_id = ? AND fire_time = ? AND outcome IS NULL",
                (run.task_id, run.fire_time),
            )
            return _get(connection, run.task_id, run.fire_time)

    def save_report(self, run: Run, report: Mapping[str, Any], *, verdict: str, source_error: str | None) -> None:
        with self._database.write() as connection:
            values = {"verdict": verdict, "source_error": source_error}
            self._update(connection, run, "verdict = :verdict, source_error = :source_error", values)
            connection.execute(
                "INSERT OR REPLACE INTO reports (task_id, fire_time, body) VALUES (?, ?, ?)",
                (run.task_id, run.fire_time, pack(report)),
            )

    def saved_report(self, task_id: str, fire_time: str) -> dict[str, Any] | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT body FROM reports WHERE task_id = ? AND fire_time = ?", (task_id, fire_time)
            ).fetchone()
        return None if row is None else unpack(row["body"], f"{task_id}@{fire_time}")

    def write_intent(self, run: Run, part: PartState) -> str | None:
        with self._database.write() as connection:
            self._update(connection, run, "attempt = attempt", {})
            withheld = None if run.adhoc else _why_withheld(connection, run.task_id, part)
            if withheld is None:
                put_part(connection, run, part)
        return withheld

    def write_outcome(self, run: Run, part: PartState) -> None:
        with self._database.write() as connection:
            self._update(connection, run, "attempt = attempt", {})
            put_part(connection, run, part)

    def settle(self, run: Run, settlement: Settlement, *, now: datetime) -> None:
        with self._database.write() as connection:
            self._update(
                connection,
                run,
                "status = :status, wake_at = :wake_at, error = :error, exit_code = :exit_code,"
                " finished_at = :finished_at, owner_token = NULL, declined_by = NULL, declined_until = NULL",
                {
                    "status": settlement.status,
                    "wake_at": seconds(settlement.wake_at),
                    "error": settlement.error,
                    "exit_code": settlement.exit_code,
                    "finished_at": epoch_seconds(now),
                },
            )

    def decline(self, run: Run, *, machine: str | None, until: datetime | None, now: datetime) -> None:
        with self._database.write() as connection:
            self._update(
                connection,
                run,
                "status = 'waiting', wake_at = :wake_at, owner_token = NULL,"
                " declined_by = :machine, declined_until = :until",
                {"wake_at": epoch_seconds(now), "machine": machine, "until": seconds(until)},
            )

    def _update(self, connection: sqlite3.Connection, run: Run, assignments: str, values: Mapping[str, Any]) -> None:
        """Write to a run that is ours; raises LeaseLost when it no longer is."""
        token = run.owner.token if run.owner else None
        cursor = connection.execute(
            f"UPDATE runs SET {assignments} WHERE {_IS_OURS}",  # noqa: S608  assignments are constants of this file
            {
                **values,
                "task_id": run.task_id,
                "fire_time": run.fire_time,
                "token": token,
                "attempt": run.attempt,
            },
        )
        if cursor.rowcount != 1:
            raise LeaseLost(f"run {run.id}: attempt {run.attempt} no longer holds it")

    def delivered_since(self, task_id: str, fire_time: str) -> bool:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT 1 FROM runs WHERE task_id = ? AND NOT adhoc AND status = 'success'"
                " AND due_at > (SELECT due_at FROM runs WHERE task_id = ? AND fire_time = ?) LIMIT 1",
                (task_id, task_id, fire_time),
            ).fetchone()
        return row is not None

    def find(self, task_id: str, fire_time: str) -> Run | None:
        with self._database.read() as connection:
            return _get(connection, task_id, fire_time)

    def history(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Run]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM runs WHERE task_id = ? AND due_at < ? ORDER BY due_at DESC, fire_time DESC LIMIT ?",
                (task_id, _ALWAYS if before is None else epoch_seconds(before), limit),
            ).fetchall()
            return [_with_parts(connection, row) for row in rows]

    def gaps(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Gap]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM gaps WHERE task_id = ? AND last_fire < ? ORDER BY last_fire DESC, id DESC LIMIT ?",
                (task_id, _ALWAYS if before is None else epoch_minute(before), limit),
            ).fetchall()
        return [gap_from_row(row) for row in rows]

    def gap_at(self, task_id: str, minute: datetime) -> Gap | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT * FROM gaps WHERE task_id = ? AND last_fire >= ? AND first_fire <= ?"
                " ORDER BY last_fire LIMIT 1",
                (task_id, epoch_minute(minute), epoch_minute(minute)),
            ).fetchone()
        return None if row is None else gap_from_row(row)

    def schedule_versions(self, task_id: str) -> list[ScheduleVersion]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM schedules WHERE task_id = ? ORDER BY from_minute, revision", (task_id,)
            ).fetchall()
        return [version_from_row(row) for row in rows]

    def ledger_starts(self) -> datetime | None:
        with self._database.read() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'ledger_starts'").fetchone()
        return None if row is None else parse_instant(row["value"])

    def known_task_ids(self) -> list[str]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT task_id FROM tasks UNION SELECT task_id FROM schedules"
                " UNION SELECT DISTINCT task_id FROM runs ORDER BY task_id"
            ).fetchall()
        return [row["task_id"] for row in rows]

    def newest(self) -> Mapping[str, Run]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT runs.* FROM runs JOIN (SELECT task_id AS newest_task, max(due_at) AS newest_due FROM runs"
                " GROUP BY task_id) ON task_id = newest_task AND due_at = newest_due"
            ).fetchall()
            return {row["task_id"]: _with_parts(connection, row) for row in rows}

    def prune(self, before: datetime, now: datetime) -> None:
        at, minute, today = epoch_seconds(before), epoch_minute(before), f"{now:%Y-%m-%d}"
        with self._database.read() as connection:
            if connection.execute("SELECT 1 FROM meta WHERE key = 'pruned' AND value = ?", (today,)).fetchone():
                return
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruned', ?)", (today,))
            for table in ("parts", "reports"):
                connection.execute(
                    f"DELETE FROM {table} WHERE (task_id, fire_time) IN"  # noqa: S608  constants
                    " (SELECT task_id, fire_time FROM runs WHERE due_at < ? AND wake_at IS NULL)",
                    (at,),
                )
            connection.execute("DELETE FROM runs WHERE due_at < ? AND wake_at IS NULL", (at,))
            connection.execute("DELETE FROM gaps WHERE last_fire < ?", (minute,))
            connection.execute("DELETE FROM schedules WHERE to_minute < ?", (minute,))


def _get(connection: sqlite3.Connection, task_id: str, fire_time: str) -> Run | None:
    row = connection.execute("SELECT * FROM runs WHERE task_id = ? AND fire_time = ?", (task_id, fire_time)).fetchone()
    return None if row is None else _with_parts(connection, row)


def _with_parts(connection: sqlite3.Connection, row: sqlite3.Row) -> Run:
    parts = connection.execute(
        "SELECT * FROM parts WHERE task_id = ? AND fire_time = ? ORDER BY target, part",
        (row["task_id"], row["fire_time"]),
    ).fetchall()
    return run_from_row(row, parts)


def _why_withheld(connection: sqlite3.Connection, task_id: str, part: PartState) -> str | None:
    """Tell whether the operator has stopped this task since it was claimed; a repeat of a send counts as new."""
    row = connection.execute("SELECT definition FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
    if row is None:
        return "the task was removed"
    task = task_from_json(json.loads(row["definition"]))
    if not task.enabled:
        return "the task was disabled"
    if task.pause is not None and (
        task.pause.until is None or part.intent_at is None or part.intent_at < task.pause.until
    ):
        return "the task was paused"
    return None
