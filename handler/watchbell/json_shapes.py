"""The JSON that scripts rely on (README, "JSON"): plain values out of tasks, runs, gaps and answers. Pure.

Fire times are `YYYY-MM-DDTHH:MMZ`, instants carry seconds. No shape holds a credential: what stands under a credential
key is masked, and texts that came from outside are redacted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from watchbell.claims import Gap
from watchbell.deliveries import FIRST_IMAGE, PartState, delivery_outcome
from watchbell.instants import format_instant, format_minute
from watchbell.schedule import Why
from watchbell.secrets.redaction import redact, redact_json
from watchbell.stores.interface import Run
from watchbell.tasks import Target, Task, pause_to_json

Shape = dict[str, Any]


def run_to_json(run: Run) -> Shape:
    """Return one run with its deliveries."""
    return {
        "run_id": run.id,
        "task_id": run.task_id,
        "fire_time": run.fire_time,
        "adhoc": run.adhoc,
        "attempt": run.attempt,
        "status": str(run.status),
        "verdict": run.verdict,
        "late_seconds": late_seconds(run),
        "started_at": format_instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "wake_at": _instant(run.wake_at),
        "error": _redacted(run.error),
        "source_error": _redacted(run.source_error),
        "exit_code": run.exit_code,
        "deliveries": [_delivery_to_json(target, parts) for target, parts in parts_by_target(run).items()],
    }


def late_seconds(run: Run) -> int:
    """Return how long after its fire time a run was started."""
    return max(0, int((run.started_at - run.due_at).total_seconds()))


def parts_by_target(run: Run) -> Mapping[str, Sequence[PartState]]:
    """Return the parts of each target: all targets of the task once anything has been begun, none before."""
    if not run.parts:
        return {}
    by_target: dict[str, list[PartState]] = {target: [] for target in _targets(run.definition)}
    for part in run.parts:
        by_target.setdefault(part.target, []).append(part)
    return by_target


def gap_to_json(gap: Gap) -> Shape:
    """Return one range of fire times that did not run."""
    return {
        "task_id": gap.task_id,
        "status": str(gap.status),
        "first": format_minute(gap.first),
        "last": format_minute(gap.last),
        "count": gap.count,
        "reason": gap.reason,
    }


def task_to_json(task: Task) -> Shape:
    """Return a task with every field spelled out, the unknown ones included, its credentials masked."""
    return _known_fields(task) | unknown_fields(task)


def unknown_fields(task: Task) -> Shape:
    """Return the fields of a task that this version does not know, credentials masked."""
    known = _known_fields(task)
    masked: Shape = redact_json({key: value for key, value in task.raw.items() if key not in known})
    return masked


def _known_fields(task: Task) -> Shape:
    first = task.targets[0]
    return {
        "id": task.id,
        "name": task.name,
        "kind": str(task.kind),
        "cron": task.cron,
        "timezone": task.timezone,
        "provider": first.provider,
        "chat_id": first.chat_id,
        "targets": [str(target) for target in task.targets],
        "window": str(task.window),
        "window_hours": task.window_hours,
        "enabled": task.enabled,
        "paused_until": pause_to_json(task.pause),
        "catch_up": str(task.catch_up),
        "on_unknown": str(task.on_unknown),
        "skip_if_quiet": task.skip_if_quiet,
        "proof_of_life_every": task.proof_of_life_every,
        "grace_minutes": task.grace // timedelta(minutes=1) if task.grace is not None else None,
        "deliver_within_hours": task.deliver_within // timedelta(hours=1),
        "params": redact_json(task.params),
        "created_at": _instant(task.created_at),
    }


def listed_task_to_json(task: Task, next_fire: datetime | None, last_run: Run | None) -> Shape:
    """Return a task as `cron list` has it."""
    return task_to_json(task) | {
        "next_fire": format_minute(next_fire) if next_fire is not None else None,
        "last_run": run_to_json(last_run) if last_run is not None else None,
    }


def why_to_json(why: Why, run: Run | None, gap: Gap | None = None) -> Shape:
    """Return the answer of `cron why`, with the run of that minute, or the range without runs that it falls into."""
    return {
        "due": why.due,
        "local": why.local.isoformat(timespec="minutes"),
        "fields": [
            {"field": one.field, "value": one.value, "wanted": one.wanted, "matches": one.matches} for one in why.fields
        ],
        "note": why.note,
        "run": run_to_json(run) if run is not None else None,
        "gap": gap_to_json(gap) if gap is not None else None,
    }


def notes_of(parts: Sequence[PartState]) -> list[str]:
    """Return what the operator should know of a delivery beside its outcome, such as an image that did not arrive."""
    notes = [part.note for part in parts if part.note]
    notes += [f"image: {part.error}" for part in parts if part.error and part.part >= FIRST_IMAGE]
    return [redact(note) for note in dict.fromkeys(notes)]


def _delivery_to_json(target: str, parts: Sequence[PartState]) -> Shape:
    text = [part for part in parts if part.part < FIRST_IMAGE]
    return {
        "target": target,
        "outcome": delivery_outcome(text),
        "message_ids": [part.message_id for part in parts if part.message_id],
        "attempts": max((part.attempts for part in text), default=0),
        "error": _redacted("; ".join(dict.fromkeys(part.error for part in text if part.error)) or None),
        "notes": notes_of(parts),
    }


def _targets(definition: Mapping[str, Any]) -> list[str]:
    """Return the targets of a stored definition, which was good when it was claimed."""
    first = Target(str(definition.get("provider")), str(definition.get("chat_id")).strip())
    return list(
        dict.fromkeys((str(first), *(str(Target.parse(str(text))) for text in definition.get("targets") or ())))
    )


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text)


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
