"""Records of ticks and the operator's notices, in two partitions of the runs table that no task can have."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

from watchbell.errors import TryAgain
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds, parse_instant
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.connection import ConditionFailed, Database
from watchbell.stores.dynamodb.items import run_key
from watchbell.stores.interface import MOST_NOTICES, Notice, TickRecord
from watchbell.timers import machine_name

TICKS = "#ticks"
NOTICES = "#notices"
#: Notices that are to be told stand in the index of what is open, in a part of their own.
NOTICES_SHARD = "notices"

_KEEP_TICKS = timedelta(days=70)
_HOUR = 3_600.0
_DAY = 86_400.0
_SOON = 300.0
#: A weekly task raises its conditions weekly.
_FORGET = 9 * _DAY
_TRIES = 20

_BETWEEN = "task_id = :ticks AND fire_time BETWEEN :start AND :end"


class DynamoTicks:
    """See TickStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, record: TickRecord) -> None:
        key = run_key(TICKS, f"{_instant_key(record.ran_at)}#{secrets.token_hex(4)}")
        item = {
            **key,
            "minute": format_minute(record.minute),
            "ran_at": epoch_seconds(record.ran_at),
            "timer": record.timer,
            "machine": record.machine,
            "expires_at": int(epoch_seconds(record.ran_at + _KEEP_TICKS)),
        }
        self._database.put(self._database.runs, item)

    def records(self, since: datetime) -> list[TickRecord]:
        bounds = {"ticks": TICKS, "start": _instant_key(since), "end": "~"}
        return [
            TickRecord(
                minute=parse_instant(item["minute"]),
                ran_at=from_epoch_seconds(item["ran_at"]),
                timer=item["timer"],
                machine=item["machine"],
            )
            for item in self._database.query(self._database.runs, _BETWEEN, bounds, ConsistentRead=True)
        ]

    def ticked_between(self, start: datetime, end: datetime) -> bool:
        if end <= start:
            return False
        # A key begins with its instant and goes on: one at `end` sorts after it.
        bounds = {"ticks": TICKS, "start": _instant_key(start), "end": _instant_key(end)}
        found = self._database.query(self._database.runs, _BETWEEN, bounds, ConsistentRead=True, Limit=1)
        return next(found, None) is not None

    def other_machines(self, here: str, since: datetime) -> bool:
        return any(machine_name(record.machine) != machine_name(here) for record in self.records(since))

    def remember_settings(self, state: str) -> None:
        """There is no idle gate before a store in DynamoDB that would want to know."""

    def raise_notice(self, key: str, detail: str, now: datetime) -> None:
        at = epoch_seconds(now)

        def change(notice: Item | None) -> Item:
            if notice is None:
                fresh = {"holds": True, "told": False, "detail": detail, "since_at": at, "raised_at": at}
                return _telling(fresh, at)
            raised = notice | {"holds": True, "detail": detail, "raised_at": at}
            if not notice["holds"] and not notice["told"]:
                raised["since_at"] = at
            return _telling(raised, _when_to_tell(notice, at))

        self._change(key, change)

    def clear_notice(self, key: str, now: datetime) -> None:
        def change(notice: Item | None) -> Item | None:
            if notice is None or not notice["holds"]:
                return notice
            return _telling(notice | {"holds": False}, epoch_seconds(now) if notice["told"] else None)

        self._change(key, change)

    def notices_to_tell(self, now: datetime, *, most: int = MOST_NOTICES) -> list[Notice]:
        at = epoch_seconds(now)
        keys = [found["fire_time"] for found in islice(self._database.shard("open", NOTICES_SHARD, at), most)]
        # Whoever wrote that it is told tells it: what is returned is how it was before.
        before = self._database.at_once(lambda key: self._take(key, at), keys)
        told = [
            _notice(notice)
            for notice in before
            if notice is not None and notice["raised_at"] >= at - _FORGET and _is_to_tell(notice, at)
        ]
        return sorted(told, key=lambda notice: (notice.since, notice.key))

    def _take(self, key: str, at: float) -> Item | None:
        try:
            return self._change(key, lambda notice: _told(notice, at))
        except TryAgain:
            return None  # it stays owed, and keeps nobody from hearing of the others

    def notice_not_told(self, notices: list[Notice], now: datetime) -> None:
        at = epoch_seconds(now) + _SOON
        for notice in notices:
            # Before it was told: a condition was not believed to hold, a recovery was still believed not to.
            def change(item: Item | None, recovered: bool = notice.recovered) -> Item | None:
                if item is None:
                    return None
                again = item | {"told": recovered, "told_at": None}
                return _telling(again, at if item["holds"] or recovered else None)

            self._change(notice.key, change)

    def forget_notice(self, key: str) -> None:
        """Forget a condition whose task was removed."""
        self._change(key, lambda notice: None)

    def _change(self, key: str, change: Callable[[Item | None], Item | None]) -> Item | None:
        """Write `change(notice)` if nobody else has written it meanwhile; return the notice as it was before."""
        mark = secrets.token_hex(8)
        found = self._database.get(self._database.runs, run_key(NOTICES, key))
        for _ in range(_TRIES):
            changed = change(found)
            if changed == found:
                return found
            try:
                self._put(key, found, changed, mark)
            except ConditionFailed as failed:
                if failed.item is not None and failed.item.get("written_by") == mark:
                    return found  # our own write, whose answer was lost
                found = failed.item
            else:
                return found
        raise TryAgain(f"others keep changing the notice {key!r}; try again in a moment")

    def _put(self, key: str, found: Item | None, changed: Item | None, mark: str) -> None:
        condition, seen = "attribute_not_exists(#task_id)", {}
        if found is not None:
            condition, seen = "#written_by = :seen", {"seen": found["written_by"]}
        if changed is None:
            self._database.delete(self._database.runs, run_key(NOTICES, key), condition, seen)
        else:
            item = changed | run_key(NOTICES, key) | {"written_by": mark}
            self._database.put(self._database.runs, item, condition, **seen)


def _when_to_tell(notice: Item, at: float) -> float | None:
    """What comes and goes is told again after an hour; what the operator believes anyway, daily."""
    if notice["holds"]:
        tell_at: float | None = notice.get("wake_at")
        return tell_at
    told_at: float | None = notice.get("told_at")
    if told_at is None:
        return at
    return told_at + _DAY if notice["told"] else max(at, told_at + _HOUR)


def _telling(notice: Item, tell_at: float | None) -> Item:
    """Return a notice that is to be told at `tell_at`; one that neither holds nor is to be told is settled."""
    settled = tell_at is None and not notice["holds"]
    return notice | {
        "wake_at": tell_at,
        "open_shard": None if tell_at is None else NOTICES_SHARD,
        "expires_at": int(notice["raised_at"] + _FORGET) if settled else None,
    }


def _is_to_tell(notice: Item, at: float) -> bool:
    return float(notice.get("wake_at", at + 1)) <= at


def _told(notice: Item | None, at: float) -> Item | None:
    """Return a notice as it is once it has been told; nobody has seen the oldest for long, they are gone."""
    if notice is None or notice["raised_at"] < at - _FORGET:
        return None
    if not _is_to_tell(notice, at):
        return notice
    told = notice | {"told": notice["holds"], "told_at": at}
    return _telling(told, at + _DAY if notice["holds"] else None)


def _notice(item: Item) -> Notice:
    return Notice(
        key=item["fire_time"],
        detail=item["detail"],
        since=from_epoch_seconds(item["since_at"]),
        recovered=not item["holds"],
    )


def _instant_key(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds")
