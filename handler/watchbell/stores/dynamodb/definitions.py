"""What a change of one definition writes: the task's item, its schedule's versions, the ranges it settles.

All of it is one group of actions in one transaction, conditional on the item's `version`, which every write of it
counts up. A removed task leaves a headstone: its item without a definition. It keeps the revision, what is settled and
which run may be live, for a task that is added again under the same id.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watchbell.claims import Expectation, Gap, Reindexed, reindex, same_fires
from watchbell.errors import TaskError
from watchbell.instants import MINUTE, epoch_seconds, format_minute
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.items import (
    expectation_of,
    gap_item,
    minute_of,
    minute_text,
    run_key,
    schedule_item,
    shard_of,
    text_of,
)
from watchbell.stores.dynamodb.requests import Request, put, update
from watchbell.tasks import Task, is_task_id, task_from_json

#: An item may have 400 KB, and a run carries a copy of the definition beside what becomes of its parts.
LARGEST_DEFINITION = 64 * 1024
#: A headstone outlives every run of its task that may still come to life.
_HEADSTONE = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """What all changes of one call have in common: from when on they count, and where they are written."""

    tasks: str
    runs: str
    shards: int
    keep_history: timedelta
    start: datetime

    def actions(self, item: Item | None, raw: Any) -> list[Request]:
        """Return what turns `item` into one for `raw` (None: removed); the first action is the item's own."""
        task = None if raw is None else usable_task(raw)
        revision = (item or {}).get("revision", 0) + 1
        old = _expectation(item)
        if item is not None and task is not None and old is not None and same_fires(old.task, task):
            return [self._put(item, item | {"definition": text_of(raw), "revision": revision})]
        start = max(self.start, self._unsettled(item))
        outcome = reindex(old, task, start)
        new, ledger = self._reindexed(item, task, outcome, start, revision)
        return [self._put(item, new), *ledger]

    def _reindexed(
        self, item: Item | None, task: Task | None, outcome: Reindexed, start: datetime, revision: int
    ) -> tuple[Item, list[Request]]:
        """Return the new item and what else is written."""
        item = item or {}
        task_id = item["task_id"] if task is None else task.id
        new: Item = {
            "task_id": task_id,
            "revision": revision,
            "live": item.get("live"),
            "settled": max([item.get("settled", ""), *(format_minute(gap.last) for gap in outcome.gaps)]) or None,
        }
        actions = [put(self.runs, gap_item(gap, self.expiry_of(gap))) for gap in outcome.gaps]
        if item.get("schedule") is not None:
            actions.append(self._ended(task_id, item["schedule"], start))
        if task is None:
            kept = max(self.keep_history, _HEADSTONE)
            return new | {"expires_at": int(epoch_seconds(self.start + kept))}, actions
        new |= {
            "definition": text_of(task.raw),
            "next_fire": minute_text(outcome.next_fire),
            "due_shard": None if outcome.next_fire is None else shard_of(task_id, self.shards),
            "paused_from": minute_text(outcome.paused_from),
        }
        if task.enabled:
            version = schedule_item(task, revision, start)
            actions.append(put(self.runs, version))
            new["schedule"] = version["fire_time"]
        return new, actions

    def _put(self, old: Item | None, new: Item) -> Request:
        if old is None:
            return put(self.tasks, new | {"version": 1}, "attribute_not_exists(#task_id)")
        return put(self.tasks, new | {"version": old["version"] + 1}, "#version = :version", version=old["version"])

    def _ended(self, task_id: str, schedule: str, end: datetime) -> Request:
        expires_at = int(epoch_seconds(end + self.keep_history))
        values = {"end": format_minute(end), "expires_at": expires_at}
        return update(self.runs, run_key(task_id, schedule), "SET #end = :end, #expires_at = :expires_at", "", values)

    def _unsettled(self, item: Item | None) -> datetime:
        """Return from when on nothing is settled: a change never reopens what is."""
        settled = minute_of((item or {}).get("settled"))
        return self.start if settled is None else settled + MINUTE

    def expiry_of(self, gap: Gap) -> int:
        """Return when a range may be forgotten."""
        return int(epoch_seconds(gap.last + self.keep_history))


def _expectation(item: Item | None) -> Expectation | None:
    """Return what an item expected; a definition that nobody can read expects nothing."""
    if item is None or "definition" not in item:
        return None
    try:
        return expectation_of(item)
    except TaskError:
        return None


def usable_task(raw: Any, path: str = "") -> Task:
    """Return the task of a definition that is to be written; raises TaskError."""
    task = task_from_json(raw, path=path)
    size = len(text_of(raw))
    if size > LARGEST_DEFINITION:
        raise TaskError(f"{size} bytes; a store in DynamoDB takes {LARGEST_DEFINITION} a task", path=path or task.id)
    return task


def differences(items: dict[str, Item], raws: list[Any]) -> dict[str, Any]:
    """Return the definitions in `raws` that are not as they are in `items`, by id; None for those that are not there.

    Raises TaskError for one that is new or changed and cannot be used, and for an id that is there twice.
    """
    wanted: dict[str, Any] = {}
    for position, raw in enumerate(raws):
        path = f"[{position}]"
        task_id = raw.get("id") if isinstance(raw, dict) else None
        if not is_task_id(task_id):
            task_id = task_from_json(raw, path=path).id  # says what is wrong
        if task_id in wanted:
            raise TaskError(f"{task_id!r} is the id of an earlier task too", path=f"{path}.id")
        wanted[task_id] = raw
        if not is_same(items.get(task_id), raw):
            usable_task(raw, path)
    changed = {task_id: raw for task_id, raw in wanted.items() if not is_same(items.get(task_id), raw)}
    gone = {task_id: None for task_id, item in items.items() if "definition" in item and task_id not in wanted}
    return changed | gone


def is_same(item: Item | None, raw: Any) -> bool:
    """Return whether an item holds just this definition."""
    if item is None or "definition" not in item:
        return False
    return text_of(raw) in (item["definition"], text_of(raw_of(item)))


def raw_of(item: Item | None) -> Any:
    """Return the definition that an item holds, None for a headstone; it may be anything."""
    if item is None or "definition" not in item:
        return None
    try:
        return json.loads(item["definition"])
    except ValueError:
        return {"id": item["task_id"]}
