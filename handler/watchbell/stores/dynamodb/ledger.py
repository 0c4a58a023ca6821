"""What the runs table tells of runs, ranges and schedules: the reading half of the run store."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from watchbell.claims import Gap, Status
from watchbell.errors import DamagedReport
from watchbell.instants import epoch_seconds, format_minute, parse_instant
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.connection import META, Database
from watchbell.stores.dynamodb.items import (
    FIRST_RUN,
    GAP,
    LAST_RUN,
    REPORT,
    SCHEDULE,
    gap_of,
    minute_of,
    run_key,
    run_of,
    version_of,
)
from watchbell.stores.interface import Run, ScheduleVersion
from watchbell.stores.report_body import unpack

_PAGE = 25


class Ledger:
    """See RunStore. DynamoDB deletes what is past its time when it likes; from `forgotten_before` on nobody sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def saved_report(self, task_id: str, fire_time: str) -> dict[str, Any] | None:
        run = self._run_item(task_id, fire_time)
        if run is None or "report" not in run:
            return None
        keys = report_keys(task_id, fire_time, run["report"], run["report_chunks"])
        found = {item["fire_time"]: item["body"] for item in self._database.get_many(self._database.runs, keys)}
        if len(found) < len(keys):
            if "expires_at" in run:
                return None  # DynamoDB has begun to forget it
            raise DamagedReport(
                f"the report of run {task_id}@{fire_time} is incomplete in the table {self._database.runs}"
            )
        return unpack(b"".join(found[key["fire_time"]] for key in keys), f"{task_id}@{fire_time}")

    def delivered_since(self, task_id: str, fire_time: str) -> bool:
        run = self._run_item(task_id, fire_time)
        if run is None:
            return False
        bounds = {"task": task_id, "first": _minute_prefix(fire_time), "last": LAST_RUN}
        found = self._database.query(
            self._database.runs, "task_id = :task AND fire_time BETWEEN :first AND :last", bounds, ConsistentRead=True
        )
        return any(
            not item["adhoc"] and item["status"] == Status.SUCCESS and item["due_at"] > run["due_at"] for item in found
        )

    def find(self, task_id: str, fire_time: str) -> Run | None:
        item = self._run_item(task_id, fire_time)
        return None if item is None else run_of(item)

    def history(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Run]:
        page: list[Item] = []
        for item in self._newest_first(task_id, before, limit):
            # Within a minute their keys are in no order; a page ends only with the minute.
            if len(page) >= limit and _minute_prefix(item["fire_time"]) != _minute_prefix(page[-1]["fire_time"]):
                break
            if (before is None or item["due_at"] < epoch_seconds(before)) and not self._is_forgotten(item):
                page.append(item)
        page.sort(key=lambda item: (item["due_at"], item["fire_time"]), reverse=True)
        return [run_of(item) for item in page[:limit]]

    def _newest_first(self, task_id: str, before: datetime | None, limit: int) -> Iterator[Item]:
        last = LAST_RUN if before is None else f"{format_minute(before)[:-1]}~"
        return self._database.query(
            self._database.runs,
            "task_id = :task AND fire_time BETWEEN :first AND :last",
            {"task": task_id, "first": FIRST_RUN, "last": last},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=min(limit + 1, _PAGE),
        )

    def gaps(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Gap]:
        page: list[Gap] = []
        if limit < 1:
            return page
        last = f"{GAP}~" if before is None else f"{GAP}{format_minute(before)}"
        for item in self._ranges(task_id, f"{GAP}0", last, ScanIndexForward=False, Limit=min(limit, _PAGE)):
            if not self._is_before_horizon(item["last"]):
                page.append(gap_of(item))
            if len(page) == limit:
                break
        return page

    def gap_at(self, task_id: str, minute: datetime) -> Gap | None:
        text = format_minute(minute)
        for item in self._ranges(task_id, f"{GAP}{text}", f"{GAP}~", Limit=1):
            return gap_of(item) if item["first"] <= text and not self._is_before_horizon(item["last"]) else None
        return None

    def schedule_versions(self, task_id: str) -> list[ScheduleVersion]:
        items = self._ranges(task_id, SCHEDULE, f"{SCHEDULE}~")
        # Of a version that was lost (tables restored from backups of different age) its end may have been written.
        known = (item for item in items if "cron" in item)
        return [version_of(item) for item in known if not self._is_before_horizon(item.get("end"))]

    def _ranges(self, task_id: str, first: str, last: str, **request: Any) -> Iterator[Item]:
        condition = "task_id = :task AND fire_time BETWEEN :first AND :last"
        bounds = {"task": task_id, "first": first, "last": last}
        return self._database.query(self._database.runs, condition, bounds, ConsistentRead=True, **request)

    def ledger_starts(self) -> datetime | None:
        meta = self._database.get(self._database.runs, META) or {}
        return minute_of(meta.get("ledger_starts"))

    def known_task_ids(self) -> list[str]:
        """See RunStore. A task that was removed is known by its headstone."""
        return sorted(item["task_id"] for item in self._database.scan(self._database.tasks))

    def newest(self) -> Mapping[str, Run]:
        """See RunStore. One query for each task: not for ticks of a fleet."""
        pages = self._database.at_once(lambda task_id: self.history(task_id, limit=1), self.known_task_ids())
        return {run.task_id: run for page in pages for run in page}

    def prune(self, before: datetime, now: datetime) -> None:
        """See RunStore. What is settled carries its own time to be deleted; from now on nobody is shown it either."""
        today = f"{now:%Y-%m-%d}"
        if self._database.meta.get("pruned") != today:
            values = {"pruned": today, "forgotten_before": epoch_seconds(before)}
            self._database.change_meta(values, only_new=False)

    def _run_item(self, task_id: str, fire_time: str) -> Item | None:
        item = self._database.get(self._database.runs, run_key(task_id, fire_time))
        return None if item is None or self._is_forgotten(item) else item

    def _is_forgotten(self, run: Item) -> bool:
        return "wake_at" not in run and run["due_at"] < self._horizon

    def _is_before_horizon(self, minute: str | None) -> bool:
        return minute is not None and epoch_seconds(parse_instant(minute)) < self._horizon

    @property
    def _horizon(self) -> float:
        return float(self._database.meta.get("forgotten_before", 0))


def report_keys(task_id: str, fire_time: str, digest: str, chunks: int) -> list[dict[str, str]]:
    """Return the keys of the pieces of a report, in order; another report of the same run has others."""
    return [run_key(task_id, f"{REPORT}{fire_time}#{digest}#{number:04}") for number in range(chunks)]


def _minute_prefix(fire_time: str) -> str:
    return fire_time[:16]
