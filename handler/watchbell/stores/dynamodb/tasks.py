"""Definitions in the tasks table, each an item of its own, and the index `due` of what each of them expects next."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from watchbell.claims import Expectation
from watchbell.errors import TaskError, TryAgain
from watchbell.instants import MINUTE, floor_minute, format_minute
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.connection import Database, Refused
from watchbell.stores.dynamodb.definitions import Writer, differences, is_same, raw_of, usable_task
from watchbell.stores.dynamodb.items import expectation_of, task_of
from watchbell.stores.dynamodb.live import LiveRuns
from watchbell.stores.dynamodb.requests import Request
from watchbell.stores.interface import Listing, RawTask
from watchbell.tasks import Task

#: DynamoDB takes 100 actions and 4 MB.
MOST_ACTIONS = 100
MOST_BYTES = 3_000_000
_TRIES = 20


class _Overtaken(Exception):
    """Somebody else has changed a task meanwhile, and nothing was written."""


class DynamoTasks:
    """See TaskStore.

    There is no hand-written file behind this index: a definition that cannot be used is refused when it is written.
    """

    def __init__(
        self, database: Database, live: LiveRuns, keep_history: timedelta, forget: Callable[[str], None]
    ) -> None:
        self._database = database
        self._live = live
        self._keep_history = keep_history
        self._forget_notice = forget

    def listing(self) -> Listing:
        tasks: list[Task] = []
        errors: list[TaskError] = []
        for item in _in_order(self._database.scan(self._database.tasks)):
            try:
                tasks.append(task_of(item))
            except TaskError as error:
                errors.append(error)
        return Listing(tasks=tuple(tasks), errors=tuple(errors))

    def find(self, task_id: str) -> Task | None:
        item = self._item(task_id)
        if item is not None and "definition" in item:
            with suppress(TaskError):
                return task_of(item)
        return None

    def change(self, change: Callable[[list[RawTask]], list[RawTask]], *, now: datetime) -> None:
        """See TaskStore. What differs is written, at most about 50 tasks in one transaction.

        Each task changes as a whole or not at all, and so do all of them together while they fit into one transaction;
        of a larger change the transactions before an interruption stay. A change by somebody else to one of the same
        tasks is never overwritten: the change is made anew on what is there now, or, after the first transaction, it
        ends with TryAgain, which says how far it got.
        """
        for _ in range(_TRIES):
            items = {item["task_id"]: item for item in self._database.scan(self._database.tasks)}
            raws = change([raw_of(item) for item in _in_order(items.values())])
            with suppress(_Overtaken):
                return self._write(items, differences(items, raws), now)
        raise TryAgain("others keep changing the same tasks; try again in a moment")

    def change_one(self, task_id: str, change: Callable[[RawTask | None], RawTask | None], *, now: datetime) -> None:
        for _ in range(_TRIES):
            item = self._item(task_id)
            raw = change(raw_of(item))
            if raw is None and (item is None or "definition" not in item):
                return None
            if raw is not None and usable_task(raw).id != task_id:
                raise TaskError(f"the id of {task_id!r} cannot be changed", path="id")
            if raw is not None and is_same(item, raw):
                return None
            with suppress(_Overtaken):
                return self._write({task_id: item} if item is not None else {}, {task_id: raw}, now)
        raise TryAgain(f"others keep changing task {task_id}; try again in a moment")

    def refresh(self, minute: datetime, now: datetime) -> tuple[TaskError, ...]:
        return ()

    def expectation(self, task_id: str) -> Expectation | None:
        item = self._item(task_id)
        if item is None or "definition" not in item:
            return None
        return expectation_of(item, live_run=self._live.is_live(item))

    def due(self, minute: datetime) -> list[str]:
        found = self._database.due_up_to("due", format_minute(minute))
        # In no fixed order within a minute: ticks at the same time then rarely want the same task at once.
        ordered = sorted(found, key=lambda item: (item["next_fire"], secrets.randbits(32)))
        return [item["task_id"] for item in ordered]

    def _item(self, task_id: str) -> Item | None:
        return self._database.get(self._database.tasks, {"task_id": task_id})

    def _write(self, items: dict[str, Item], changed: dict[str, Any], now: datetime) -> None:
        """Write the changed definitions; raises _Overtaken while nothing is written."""
        # The minute that has begun belongs to the past.
        start = floor_minute(now) + MINUTE
        if changed and "ledger_starts" not in self._database.meta:
            self._database.change_meta({"ledger_starts": format_minute(start)}, only_new=True)
        writer = Writer(
            tasks=self._database.tasks,
            runs=self._database.runs,
            shards=self._database.shards,
            keep_history=self._keep_history,
            start=start,
        )
        done = 0
        for batch in _batches((task_id, writer.actions(items.get(task_id), raw)) for task_id, raw in changed.items()):
            try:
                self._write_batch(writer, items, {task_id: changed[task_id] for task_id in batch})
            except _Overtaken:
                if not done:
                    raise
                raise TryAgain(
                    f"{done} of {len(changed)} tasks are changed; the others have been changed by somebody else"
                    " meanwhile: look at them and try again"
                ) from None
            done += len(batch)
        for task_id, raw in changed.items():
            if raw is None:
                self._forget_notice(f"task:{task_id}")

    def _write_batch(self, writer: Writer, items: dict[str, Item], changed: dict[str, Any]) -> None:
        """Write some definitions in one transaction, anew while only claims come between."""
        for _ in range(_TRIES):
            try:
                actions = [writer.actions(items.get(task_id), raw) for task_id, raw in changed.items()]
                return self._database.transact([action for group in actions for action in group])
            except Refused:
                keys = [{"task_id": task_id} for task_id in changed]
                fresh = {item["task_id"]: item for item in self._database.get_many(self._database.tasks, keys)}
                for task_id in changed:
                    if fresh.get(task_id, {}).get("revision") != items.get(task_id, {}).get("revision"):
                        raise _Overtaken from None
                items = items | fresh
        raise _Overtaken


def _in_order(items: Iterable[Item]) -> list[Item]:
    """Return the items that have a definition, oldest first; a table has no order of its own."""

    def age(item: Item) -> tuple[str, str]:
        with suppress(ValueError, AttributeError):
            return str(json.loads(item["definition"]).get("created_at", "")), item["task_id"]
        return "", item["task_id"]

    return sorted((item for item in items if "definition" in item), key=age)


def _batches(groups: Iterable[tuple[str, list[Request]]]) -> Iterator[list[str]]:
    """Return the ids in as few transactions as their actions fit into."""
    batch: list[str] = []
    actions = size = 0
    for task_id, group in groups:
        bytes_ = sum(len(action.get("Item", {}).get("definition", {}).get("S", "")) for action in group)
        if actions + len(group) > MOST_ACTIONS or size + bytes_ > MOST_BYTES:
            yield batch
            batch, actions, size = [], 0, 0
        batch.append(task_id)
        actions += len(group)
        size += bytes_
    if batch:
        yield batch
