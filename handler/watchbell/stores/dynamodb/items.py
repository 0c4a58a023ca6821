"""Items of the two tables: their keys, and the values they stand for.

Fire times and bounds of them are texts such as `2026-11-22T09:00Z`, which sort by time; instants are seconds since
1970.
"""

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watchbell.claims import Expectation, Gap, GapStatus, Host, Status
from watchbell.deliveries import PartState
from watchbell.errors import TaskError
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds, parse_instant
from watchbell.secrets.credentials import without_credentials
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.interface import Owner, Run, ScheduleVersion
from watchbell.tasks import Task, task_from_json

# In the partition of a task the runs are found under their fire times; what else is there starts with a letter.
GAP = "gap#"
REPORT = "report#"
SCHEDULE = "schedule#"
FIRST_RUN, LAST_RUN = "0", ":"

#: A running run is owed from the beginning of time: a clock that was set back must not hide a dead owner's.
AT_ONCE = 0


def shard_of(task_id: str, shards: int) -> str:
    """Return in which part of an index a task is."""
    return str(zlib.crc32(task_id.encode()) % shards)


def text_of(raw: Any) -> str:
    """Return the JSON in which a definition is kept: plain ASCII, whatever it holds."""
    return json.dumps(raw, separators=(",", ":"))


def seconds(moment: datetime | None) -> float | None:
    """Return the attribute of an instant."""
    return None if moment is None else epoch_seconds(moment)


def instant(value: float | None) -> datetime | None:
    """Return the instant of an attribute."""
    return None if value is None else from_epoch_seconds(value)


def minute_text(minute: datetime | None) -> str | None:
    """Return the attribute of a fire time."""
    return None if minute is None else format_minute(minute)


def minute_of(text: str | None) -> datetime | None:
    """Return the fire time of an attribute."""
    return None if text is None else parse_instant(text)


def task_of(item: Item) -> Task:
    """Return the task of an item of the tasks table; raises TaskError."""
    try:
        raw = json.loads(item["definition"])
    except ValueError as error:
        raise TaskError(f"its definition is no JSON: {error}", path=item["task_id"]) from error
    return task_from_json(raw, path=item["task_id"])


def expectation_of(item: Item, *, live_run: bool = False) -> Expectation:
    """Return what an item of the tasks table expects; raises TaskError."""
    return Expectation(
        task=task_of(item),
        revision=item["revision"],
        next_fire=minute_of(item.get("next_fire")),
        paused_from=minute_of(item.get("paused_from")),
        live_run=live_run,
    )


def live_mark(fire_time: str, attempt: int) -> str:
    """Return how a task's item names the attempt that was the last to become live."""
    return f"{fire_time} {attempt}"


def read_live_mark(mark: str) -> tuple[str, int]:
    """Return the fire time and the attempt."""
    fire_time, _, attempt = mark.partition(" ")
    return fire_time, int(attempt)


def run_key(task_id: str, fire_time: str) -> dict[str, str]:
    """Return the key of a run."""
    return {"task_id": task_id, "fire_time": fire_time}


def new_run_item(
    task: Task,
    fire_time: str,
    due_at: datetime,
    *,
    adhoc: bool,
    owner: Owner,
    lease_until: datetime,
    now: datetime,
    shards: int,
    queued_until: datetime | None = None,
) -> Item:
    """Return the item of a fresh claim; in the index `open` it is found when it is owed, a running one at once."""
    return {
        **run_key(task.id, fire_time),
        "adhoc": adhoc,
        "status": Status.QUEUED if queued_until else Status.RUNNING,
        "attempt": 0 if queued_until else 1,
        "crashes": 0,
        "owner_token": owner.token,
        "owner_machine": owner.host.machine,
        "owner_boot": owner.host.boot,
        "lease_until": epoch_seconds(lease_until),
        "wake_at": seconds(queued_until) or AT_ONCE,
        "open_shard": shard_of(task.id, shards),
        "due_at": epoch_seconds(due_at),
        "deliver_until": epoch_seconds(due_at + task.deliver_within),
        "started_at": epoch_seconds(now),
        "definition": text_of(dict(task.raw, params=without_credentials(dict(task.params)))),
        "parts": {},
    }


def run_of(item: Item) -> Run:
    """Return the run of an item."""
    owner = None
    if "owner_token" in item:
        owner = Owner(token=item["owner_token"], host=Host(item["owner_machine"], item["owner_boot"]))
    parts = (part_of(key, part, item["attempt"]) for key, part in item["parts"].items())
    return Run(
        task_id=item["task_id"],
        fire_time=item["fire_time"],
        adhoc=item["adhoc"],
        status=Status(item["status"]),
        attempt=item["attempt"],
        crashes=item["crashes"],
        owner=owner,
        lease_until=from_epoch_seconds(item["lease_until"]),
        wake_at=instant(item.get("wake_at")),
        due_at=from_epoch_seconds(item["due_at"]),
        deliver_until=from_epoch_seconds(item["deliver_until"]),
        started_at=from_epoch_seconds(item["started_at"]),
        finished_at=instant(item.get("finished_at")),
        definition=json.loads(item["definition"]),
        verdict=item.get("verdict"),
        error=item.get("error"),
        exit_code=item.get("exit_code", 0),
        source_error=item.get("source_error"),
        declined_by=item.get("declined_by"),
        declined_until=instant(item.get("declined_until")),
        parts=tuple(sorted(parts, key=lambda part: (part.target, part.part))),
    )


def part_name(part: PartState) -> str:
    """Return the key of a part within its run."""
    return f"{part.part} {part.target}"


def part_item(part: PartState, attempt: int) -> Item:
    """Return how a part stands, as the attempt that wrote it knows."""
    return {
        "attempt": attempt,
        "of": part.of,
        "outcome": part.outcome,
        "attempts": part.attempts,
        "message_id": part.message_id,
        "error": part.error,
        "note": part.note,
        "intent_at": seconds(part.intent_at),
        "retry_at": seconds(part.retry_at),
        "repeats": part.repeats,
        "questions": part.questions,
    }


def part_of(name: str, item: Item, attempt: int) -> PartState:
    """Return a part as `attempt` has to see it: an earlier one's intent without an outcome may have been sent."""
    number, _, target = name.partition(" ")
    lost = "outcome" not in item and item["attempt"] < attempt
    return PartState(
        target=target,
        part=int(number),
        of=item["of"],
        outcome="unknown" if lost else item.get("outcome"),
        attempts=item["attempts"],
        message_id=item.get("message_id"),
        error="the process ended before the answer came" if lost else item.get("error"),
        note=item.get("note"),
        intent_at=instant(item.get("intent_at")),
        retry_at=instant(item.get("retry_at")),
        repeats=item["repeats"],
        questions=item["questions"],
    )


def gap_item(gap: Gap, expires_at: int) -> Item:
    """Return the item of a range; written twice it is the same."""
    first, last = format_minute(gap.first), format_minute(gap.last)
    return {
        **run_key(gap.task_id, f"{GAP}{last}#{first}"),
        "status": gap.status,
        "reason": gap.reason,
        "first": first,
        "last": last,
        "count": gap.count,
        "expires_at": expires_at,
    }


def gap_of(item: Item) -> Gap:
    """Return the range of an item."""
    return Gap(
        task_id=item["task_id"],
        status=GapStatus(item["status"]),
        reason=item["reason"],
        first=parse_instant(item["first"]),
        last=parse_instant(item["last"]),
        count=item["count"],
    )


def schedule_item(task: Task, revision: int, start: datetime) -> Item:
    """Return the item of a version of a schedule, which is in force until it gets an end."""
    begin = format_minute(start)
    return {
        **run_key(task.id, f"{SCHEDULE}{begin}#{revision:012}"),
        "cron": task.cron,
        "timezone": task.timezone,
        "start": begin,
    }


def version_of(item: Mapping[str, Any]) -> ScheduleVersion:
    """Return the version of an item."""
    return ScheduleVersion(
        task_id=item["task_id"],
        cron=item["cron"],
        timezone=item["timezone"],
        start=parse_instant(item["start"]),
        end=minute_of(item.get("end")),
    )
