"""Claims and runs in the runs table. Every write of an owner is conditional on its token and attempt.

A run's parts are attributes of its item, so that an intent or an outcome is one conditional write, fenced by itself.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from watchbell.claims import LIVE, Expectation, Move, Status
from watchbell.deliveries import PartState
from watchbell.errors import LeaseLost
from watchbell.instants import epoch_seconds, format_minute
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.connection import ConditionFailed, Database, Refused
from watchbell.stores.dynamodb.items import (
    AT_ONCE,
    gap_item,
    live_mark,
    new_run_item,
    part_item,
    part_name,
    run_key,
    run_of,
    seconds,
    shard_of,
    task_of,
)
from watchbell.stores.dynamodb.ledger import Ledger, report_keys
from watchbell.stores.dynamodb.live import LiveRuns
from watchbell.stores.dynamodb.requests import Request, assignments, put, update
from watchbell.stores.interface import ClaimResult, Owner, Run, Settlement
from watchbell.stores.report_body import pack
from watchbell.tasks import Task

_IS_NEW = "attribute_not_exists(#task_id)"
_IS_OURS = "#owner_token = :token AND #attempt = :attempt"
_CHUNK_BYTES = 350_000  # of the 400 KB that an item may have
_LONGEST_OPEN = timedelta(days=60)
_TRIES = 20


class DynamoRuns(Ledger):
    """See RunStore."""

    def __init__(self, database: Database, live: LiveRuns, keep_history: timedelta) -> None:
        super().__init__(database)
        self._live = live
        self._keep_history = keep_history

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
        task, fire = expected.task, move.fire
        run: Item | None = None
        if fire is not None:
            run = new_run_item(
                task,
                format_minute(fire),
                fire,
                adhoc=False,
                queued_until=queued_until,
                owner=owner,
                lease_until=lease_until,
                now=now,
                shards=self._database.shards,
            )
        holder: Item | None = None
        for _ in range(_TRIES):
            try:
                self._database.transact(self._claim_actions(expected, move, run))
                return ClaimResult(moved=True, run=None if run is None else run_of(run))
            except Refused as refused:
                holder = refused.items[1] if run is not None else None
                if run is None or holder is not None or not self._only_waits(expected, refused.items[0]):
                    break
        return self._lost(run, holder, owner)

    def _claim_actions(self, expected: Expectation, move: Move, run: Item | None) -> list[Request]:
        """Return the claim transaction: the task's next fire time, the run, the ranges it skips over."""
        assert expected.next_fire is not None
        task_id = expected.task.id
        settled = [format_minute(gap.last) for gap in move.gaps]
        condition = "#revision = :revision AND #next_fire = :expected"
        values: Item = {"revision": expected.revision, "expected": format_minute(expected.next_fire), "one": 1}
        changed: Item = {"next_fire": None, "due_shard": None, "paused_from": None}
        if move.next_fire is not None:
            shard = shard_of(task_id, self._database.shards)
            changed |= {"next_fire": format_minute(move.next_fire), "due_shard": shard}
        if run is not None:
            # One live run a task: enforced here, for the reader may have looked a moment too early.
            free, ended = _no_live_run(self._live.ended(task_id))
            condition += f" AND {free}"
            values |= ended
            changed["live"] = live_mark(run["fire_time"], run["attempt"])
            settled.append(run["fire_time"])
        if settled:
            changed["settled"] = max(settled)
        values |= {name: value for name, value in changed.items() if value is not None}
        expression = f"{assignments(changed)} ADD #version :one"
        actions = [update(self._database.tasks, {"task_id": task_id}, expression, condition, values)]
        if run is not None:
            actions.append(put(self._database.runs, run, _IS_NEW))
        for gap in move.gaps:
            expires_at = int(epoch_seconds(gap.last + self._keep_history))
            actions.append(put(self._database.runs, gap_item(gap, expires_at)))
        return actions

    def _only_waits(self, expected: Expectation, task: Item | None) -> bool:
        """Return whether a claim failed only because it had not seen yet that the previous run is over."""
        if task is None or task["revision"] != expected.revision or "next_fire" not in task:
            return False
        assert expected.next_fire is not None
        return task["next_fire"] == format_minute(expected.next_fire) and not self._live.is_live(task)

    def _lost(self, run: Item | None, holder: Item | None, owner: Owner) -> ClaimResult:
        """Return who has the run; by the token it is recognised as one's own, also when an answer was lost."""
        if run is None:
            return ClaimResult(moved=False)
        held = self.find(run["task_id"], run["fire_time"]) if holder is None else run_of(holder)
        if held is not None and held.owner == owner and held.attempt == run["attempt"] and held.status in LIVE:
            return ClaimResult(moved=False, run=held)
        return ClaimResult(moved=False, holder=held)

    def claim_adhoc(self, task: Task, fire_time: str, *, owner: Owner, lease_until: datetime, now: datetime) -> Run:
        run = new_run_item(
            task,
            fire_time,
            now,
            adhoc=True,
            owner=owner,
            lease_until=lease_until,
            now=now,
            shards=self._database.shards,
        )
        run["written_by"] = secrets.token_hex(8)
        try:
            self._database.put(self._database.runs, run, _IS_NEW)
        except ConditionFailed as failed:
            if (failed.item or {}).get("written_by") != run["written_by"]:
                raise LeaseLost(f"the ad-hoc run {task.id}@{fire_time} exists already; run it again") from None
        return run_of(run)

    def owed(self, now: datetime) -> list[Run]:
        """See RunStore. The index may lag: what it names is looked at as it is now."""
        until = epoch_seconds(now)
        found = self._database.due_up_to("open", until)
        keys = {(item["task_id"], item["fire_time"]): run_key(item["task_id"], item["fire_time"]) for item in found}
        items = self._database.get_many(self._database.runs, keys.values())
        owed = [item for item in items if item.get("wake_at", until + 1) <= until]
        return [run_of(item) for item in sorted(owed, key=lambda item: (item["due_at"], item["task_id"]))]

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
        changed: Item = {
            "status": Status.RUNNING,
            "attempt": run.attempt + 1,
            "crashes": run.crashes + crashed if deliver_until is None else 0,
            "deliver_until": epoch_seconds(deliver_until or run.deliver_until),
            "owner_token": owner.token,
            "owner_machine": owner.host.machine,
            "owner_boot": owner.host.boot,
            "lease_until": epoch_seconds(lease_until),
            "wake_at": AT_ONCE,
            "open_shard": shard_of(run.task_id, self._database.shards),
            "written_by": secrets.token_hex(8),
            "finished_at": None,
            "expires_at": None,
        }
        if run.status is Status.QUEUED:
            changed["started_at"] = epoch_seconds(now)
        values = {name: value for name, value in changed.items() if value is not None}
        values |= {"seen_attempt": run.attempt, "seen_status": run.status}
        key = run_key(run.task_id, run.fire_time)
        condition = "#attempt = :seen_attempt AND #status = :seen_status"
        taken = update(self._database.runs, key, assignments(changed), condition, values)
        for _ in range(_TRIES):
            actions = [taken]
            if not run.adhoc:
                task = self._database.get(self._database.tasks, {"task_id": run.task_id})
                if task is not None and self._live.is_live(task, but=run.fire_time):
                    return None
                actions += [self._made_live(task, run)] if task is not None else []
            try:
                self._database.transact(actions)
            except Refused as refused:
                found = refused.items[0]
                if found is None:
                    continue  # another run of the task came or went meanwhile: look again
                if found.get("written_by") != changed["written_by"]:
                    return None
            return self._begun(run, owner)
        return None

    def _begun(self, run: Run, owner: Owner) -> Run | None:
        """Return the attempt after `run`; None where its owner stood still for so long that it is over already."""
        found = self.find(run.task_id, run.fire_time)
        is_ours = found is not None and found.owner == owner and found.attempt == run.attempt + 1
        return found if is_ours else None

    def _made_live(self, task: Item, run: Run) -> Request:
        """Return the action by which a task names the next attempt of `run` as its live one."""
        free, values = _no_live_run(task.get("live"))
        values |= {"mark": live_mark(run.fire_time, run.attempt + 1), "one": 1}
        expression = "SET #live = :mark ADD #version :one"
        return update(self._database.tasks, {"task_id": run.task_id}, expression, free, values)

    def enqueue_again(self, run: Run, *, wake_at: datetime) -> bool:
        values: Item = {"wake_at": epoch_seconds(wake_at), "seen": seconds(run.wake_at)}
        values |= {"attempt": run.attempt, "status": run.status, "mark": secrets.token_hex(8)}
        condition = "#status = :status AND #attempt = :attempt AND #wake_at = :seen"
        key, expression = run_key(run.task_id, run.fire_time), "SET #wake_at = :wake_at, #written_by = :mark"
        try:
            self._database.update(self._database.runs, key, expression, condition, values)
        except ConditionFailed as failed:
            return failed.item is not None and bool(failed.item.get("written_by") == values["mark"])  # a lost answer
        return True

    def save_report(self, run: Run, report: Mapping[str, Any], *, verdict: str, source_error: str | None) -> None:
        """See RunStore. The pieces are written first, under keys of their own; then the run names them."""
        body = pack(report)
        pieces = [body[start : start + _CHUNK_BYTES] for start in range(0, len(body), _CHUNK_BYTES)]
        digest = hashlib.sha256(body).hexdigest()[:16]
        kept = max(run.due_at + self._keep_history, run.deliver_until + _LONGEST_OPEN)
        expires_at = int(epoch_seconds(kept))
        for key, piece in zip(report_keys(run.task_id, run.fire_time, digest, len(pieces)), pieces, strict=True):
            self._database.put(self._database.runs, {**key, "body": piece, "expires_at": expires_at})
        named = {"verdict": verdict, "source_error": source_error, "report": digest, "report_chunks": len(pieces)}
        self._set(run, named)

    def write_intent(self, run: Run, part: PartState) -> str | None:
        withheld = None if run.adhoc else self._why_withheld(run.task_id, part)
        if withheld is None:
            self.write_outcome(run, part)
        return withheld

    def write_outcome(self, run: Run, part: PartState) -> None:
        values = _ours(run) | {"part": part_item(part, run.attempt)}
        self._write(run, "SET #parts.#part = :part", values, part=part_name(part))

    def _why_withheld(self, task_id: str, part: PartState) -> str | None:
        """Tell whether the operator has stopped this task since it was claimed; a repeat of a send counts as new."""
        item = self._database.get(self._database.tasks, {"task_id": task_id})
        if item is None or "definition" not in item:
            return "the task was removed"
        task = task_of(item)
        if not task.enabled:
            return "the task was disabled"
        pause = task.pause
        if pause is not None and (pause.until is None or part.intent_at is None or part.intent_at < pause.until):
            return "the task was paused"
        return None

    def settle(self, run: Run, settlement: Settlement, *, now: datetime) -> None:
        is_over = settlement.wake_at is None
        ended: Item = {
            "status": settlement.status,
            "wake_at": seconds(settlement.wake_at),
            "open_shard": None if is_over else shard_of(run.task_id, self._database.shards),
            "error": settlement.error,
            "exit_code": settlement.exit_code,
            "finished_at": epoch_seconds(now),
            "declined_by": None,
            "declined_until": None,
            # Only what is settled is ever deleted by DynamoDB, and by nothing but its age.
            "expires_at": int(epoch_seconds(run.due_at + self._keep_history)) if is_over else None,
        }
        self._give_up(run, ended)

    def decline(self, run: Run, *, machine: str | None, until: datetime | None, now: datetime) -> None:
        self._give_up(
            run,
            {
                "status": Status.WAITING,
                "wake_at": epoch_seconds(now),
                "open_shard": shard_of(run.task_id, self._database.shards),
                "declined_by": machine,
                "declined_until": seconds(until),
            },
        )

    def _give_up(self, run: Run, changed: Item) -> None:
        """Write the end of an attempt, whose owner then has no more say; a repeat of one's own write is no loss."""
        changed = changed | {"owner_token": None, "written_by": secrets.token_hex(8)}
        try:
            self._set(run, changed)
        except LeaseLost as lost:
            failed = lost.__cause__
            found = failed.item if isinstance(failed, ConditionFailed) else None
            if (found or {}).get("written_by") != changed["written_by"]:
                raise
        if not run.adhoc:
            self._live.note_ended(run.task_id, live_mark(run.fire_time, run.attempt))

    def _set(self, run: Run, changed: Item) -> None:
        values = {name: value for name, value in changed.items() if value is not None}
        self._write(run, assignments(changed), _ours(run) | values)

    def _write(self, run: Run, expression: str, values: Item, **names: str) -> None:
        """Write to a run that is ours; raises LeaseLost when it no longer is."""
        key = run_key(run.task_id, run.fire_time)
        try:
            self._database.update(self._database.runs, key, expression, _IS_OURS, values, **names)
        except ConditionFailed as failed:
            raise LeaseLost(f"run {run.id}: attempt {run.attempt} no longer holds it") from failed


def _ours(run: Run) -> Item:
    return {"token": run.owner.token if run.owner else "", "attempt": run.attempt}


def _no_live_run(mark: str | None) -> tuple[str, Item]:
    """Return the condition that no run of a task has become live since `mark` did."""
    if mark is None:
        return "attribute_not_exists(#live)", {}
    return "(attribute_not_exists(#live) OR #live = :free)", {"free": mark}
