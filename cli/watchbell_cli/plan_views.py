"""A plan of changes as people and programs see it: each field, and how the next seven days of fires change."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from watchbell.instants import MINUTE, floor_minute, format_minute
from watchbell.json_shapes import task_to_json
from watchbell.planning.desired import Change, Plan
from watchbell.planning.forecast import fires_within
from watchbell.secrets.redaction import redact_json
from watchbell.tasks import Task
from watchbell_cli.output import print_text
from watchbell_cli.task_views import ENABLED, state_text
from watchbell_cli.times import local

DAYS = 7
_FIRES_SHOWN = 4
_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_Fires = Sequence[datetime]


def plan_to_json(plan: Plan, at: datetime, *, applied: bool) -> dict[str, Any]:
    """Return every change with its fields and its fires."""
    changes = []
    for change in plan.effective:
        goes, comes = fires_changed(change, at)
        changes.append(
            {
                "action": change.action,
                "id": change.id,
                "name": change.task.name if change.task else "",
                "fields": {name: {"old": old, "new": new} for name, old, new in _fields(change)},
                "fires_removed": [format_minute(fire) for fire in goes],
                "fires_added": [format_minute(fire) for fire in comes],
            }
        )
    unchanged = len(plan.changes) - len(plan.effective)
    return {"changes": changes, "unchanged": unchanged, "not_pruned": list(plan.left), "applied": applied}


def show_plan(plan: Plan, at: datetime) -> None:
    """Print what changes, for people; what stays is only counted."""
    for change in plan.effective:
        print_text("\n".join(_lines(change, at)))
    unchanged = len(plan.changes) - len(plan.effective)
    if plan.effective:
        counts = [f"{_count(plan, action)} to {action}" for action in _SIGNS if _count(plan, action)]
        print_text(", ".join([*counts, f"{unchanged} unchanged"]))
    else:
        print_text(f"nothing to change ({unchanged} unchanged)")


def _count(plan: Plan, action: str) -> int:
    return sum(change.action == action for change in plan.effective)


def fires_changed(change: Change, at: datetime) -> tuple[_Fires, _Fires]:
    """Return the fires of the next seven days that go, and those that come."""
    start = floor_minute(at) + MINUTE
    end = start + timedelta(days=DAYS)
    old, new = (
        set(fires_within(task, start, end)) if task is not None else set[datetime]()
        for task in (change.old_task, change.new_task)
    )
    return sorted(old - new), sorted(new - old)


def _lines(change: Change, at: datetime) -> list[str]:
    task = change.task
    label = change.id if task is None else f"{change.id} {task.name or task.kind}"
    lines = [f"{_SIGNS[change.action]} {change.action} {label}"]
    if change.action == "change":
        lines += [f"    {name}: {_shown(old)} -> {_shown(new)}" for name, old, new in _fields(change)]
    elif task is not None:
        lines += [f"    {task.kind}  {task.cron}  {task.timezone}  {', '.join(map(str, task.targets))}"]
    goes, comes = fires_changed(change, at)
    if goes or comes:
        return lines + _fire_lines(goes, comes, task.timezone if task else "UTC")
    return [*lines, f"    next {DAYS} days: {_no_other_fires(change, at)}"]


def _no_other_fires(change: Change, at: datetime) -> str:
    """Say why no fire comes or goes: nothing fires, and for how long it does not, or all of it as before."""
    if change.action == "change":
        return "the same fires"
    state = state_text(change.task, at) if change.task else ENABLED
    return "no fires" if state == ENABLED else f"no fires: {state}"


def _fire_lines(goes: _Fires, comes: _Fires, zone: str) -> list[str]:
    """Return how the next seven days of fires change, the first few of each kind."""
    counts = [f"{_counted(fires)} {verb}" for fires, verb in ((goes, "go"), (comes, "come")) if fires]
    lines = [f"    next {DAYS} days: {', '.join(counts)}"]
    for sign, fires in (("-", goes), ("+", comes)):
        lines += [f"      {sign} {local(fire, zone)}  {format_minute(fire)}" for fire in islice(fires, _FIRES_SHOWN)]
        if len(fires) > _FIRES_SHOWN:
            lines.append(f"      {sign} and {len(fires) - _FIRES_SHOWN} more")
    return lines


def _counted(fires: _Fires) -> str:
    return f"{len(fires)} fire{'' if len(fires) == 1 else 's'} to"


def _fields(change: Change) -> list[tuple[str, Any, Any]]:
    """Return the fields that differ, credentials masked: a changed one shows as changed, never as what it is."""
    old, new = (_spelled(raw, task) for raw, task in ((change.old, change.old_task), (change.new, change.new_task)))
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    differing = [(name, old.get(name), new.get(name)) for name in names]
    if change.old and change.new and change.old.get("params") != change.new.get("params") and "params" not in names:
        differing.append(("params", "***", "*** (a credential in it changes)"))
    return differing


def _spelled(raw: dict[str, Any] | None, task: Task | None) -> dict[str, Any]:
    if task is not None:
        return task_to_json(task)
    masked: dict[str, Any] = redact_json(raw or {})
    return masked


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
