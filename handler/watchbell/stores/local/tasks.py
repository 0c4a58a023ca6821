"""Definitions of one machine: the JSON file is the truth, the index in the database is derived from it."""

import json
from collections.abc import Callable
from datetime import datetime

from watchbell.claims import Expectation
from watchbell.errors import ConfigError, StoreError, TaskError, TryAgain
from watchbell.instants import MINUTE, epoch_minute, epoch_seconds, floor_minute, format_minute, from_epoch_seconds
from watchbell.stores.interface import Listing, RawTask
from watchbell.stores.local.database import Database
from watchbell.stores.local.run_rows import live_run
from watchbell.stores.local.task_index import expectation_from_row, index_definitions
from watchbell.stores.local.tasks_file import Content, FileState, TasksFile
from watchbell.tasks import Task, task_from_json


class LocalTasks:
    """See TaskStore."""

    def __init__(self, database: Database, file: TasksFile) -> None:
        self._database = database
        self._file = file

    def listing(self) -> Listing:
        content = self._file.read()
        self._refuse_vanished(content)
        tasks: dict[str, Task] = {}
        errors: list[TaskError] = []
        for position, raw in enumerate(content.tasks):
            try:
                task = task_from_json(raw, path=f"[{position}]")
                if task.id in tasks:
                    raise TaskError(f"{task.id!r} is the id of an earlier task too", path=f"[{position}].id")
                tasks[task.id] = task
            except TaskError as error:
                errors.append(error)
        return Listing(tasks=tuple(tasks.values()), errors=tuple(errors))

    def change(self, change: Callable[[list[RawTask]], list[RawTask]], *, now: datetime) -> None:
        with self._file.locked():
            content = self._file.read()
            self._refuse_vanished(content)
            changed = change(list(content.tasks))
            state = self._file.write(changed)
            try:
                # The minute that has begun belongs to the past.
                self._index(Content(changed, state), start=floor_minute(now) + MINUTE, now=now)
            except (StoreError, TryAgain) as error:
                raise StoreError(
                    f"the change is saved in {self._file.path}, the next tick indexes it; {error}"
                ) from error

    def change_one(self, task_id: str, change: Callable[[RawTask | None], RawTask | None], *, now: datetime) -> None:
        def change_among_others(raws: list[RawTask]) -> list[RawTask]:
            # Of two with one id, the first is in force.
            places = (place for place, raw in enumerate(raws) if isinstance(raw, dict) and raw.get("id") == task_id)
            place = next(places, len(raws))
            new = change(raws[place] if place < len(raws) else None)
            return [*raws[:place], *([] if new is None else [new]), *raws[place + 1 :]]

        self.change(change_among_others, now=now)

    def find(self, task_id: str) -> Task | None:
        return next((task for task in self.listing().tasks if task.id == task_id), None)

    def refresh(self, minute: datetime, now: datetime) -> tuple[TaskError, ...]:
        if self._indexed_state() != _text(self._file.state()):
            with self._file.locked():
                content = self._file.read()
                self._refuse_vanished(content)
                self._index(content, start=self._start_of_edit(content.state, minute, now), now=now)
        return self._recorded_errors()

    def expectation(self, task_id: str) -> Expectation | None:
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT *, {live_run('tasks.task_id')} AS live_run FROM tasks WHERE task_id = ?",  # noqa: S608
                (task_id,),
            ).fetchone()
        return expectation_from_row(row, live_run=bool(row["live_run"])) if row is not None else None

    def due(self, minute: datetime) -> list[str]:
        with self._database.read() as connection:
            rows = connection.execute(
                # In no fixed order within a minute: ticks at the same time then rarely want the same task at once.
                "SELECT task_id FROM tasks WHERE next_fire <= ? ORDER BY next_fire, random()",
                (epoch_minute(minute),),
            ).fetchall()
        return [row["task_id"] for row in rows]

    def _start_of_edit(self, state: FileState | None, minute: datetime, now: datetime) -> datetime:
        """Return from which minute on an edit counts: never the past, and this minute only if it was there before it.

        A new database cannot know what this minute has already delivered, so it starts with the next.
        """
        this_minute = max(minute, floor_minute(now))
        was_there = state is not None and from_epoch_seconds(state.mtime_ns / 1e9) < this_minute
        if was_there and (self._indexed_state() is not None or this_minute > floor_minute(now)):
            return this_minute
        return max(this_minute, floor_minute(now) + MINUTE)

    def _index(self, content: Content, *, start: datetime, now: datetime) -> None:
        with self._database.write() as connection:
            errors = index_definitions(connection, content.tasks, start, epoch_seconds(now))
            recorded = {
                "tasks_file": _text(content.state),
                "task_errors": json.dumps([[error.path, str(error)] for error in errors]) if errors else None,
            }
            for key, value in recorded.items():
                if value is None:
                    connection.execute("DELETE FROM meta WHERE key = ?", (key,))
                else:
                    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
            connection.execute(
                "INSERT OR IGNORE INTO meta (key, value) VALUES ('ledger_starts', ?)", (format_minute(start),)
            )

    def _refuse_vanished(self, content: Content) -> None:
        """A file that is gone is no order to forget its tasks."""
        if content.state is not None:
            return
        with self._database.read() as connection:
            (known,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
        if known:
            raise ConfigError(
                f"{self._file.path} is gone, but {known} task(s) are known from it;"
                " restore it, or write [] into it to remove them"
            )

    def _indexed_state(self) -> str | None:
        return self._meta("tasks_file")

    def _recorded_errors(self) -> tuple[TaskError, ...]:
        recorded = json.loads(self._meta("task_errors") or "[]")
        return tuple(_recorded_error(path, message) for path, message in recorded)

    def _meta(self, key: str) -> str | None:
        with self._database.read() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row["value"] if row is not None else None


def _recorded_error(path: str, message: str) -> TaskError:
    return TaskError(message.removeprefix(f"{path}: "), path=path)


def _text(state: FileState | None) -> str | None:
    return None if state is None else str(state)
