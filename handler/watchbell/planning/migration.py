"""Tasks from another home: our own exports, and the ancestor's tasks file. Pure; nothing is read or written here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from watchbell.errors import TaskError
from watchbell.planning.desired import Change, Mistake, Plan, Raw, change_between, is_other, mistake_of
from watchbell.planning.weekdays import both_days_given, depends_on_numbering, from_monday_is_0
from watchbell.secrets.redaction import MASK, is_credential_key
from watchbell.tasks import task_from_json

OnConflict = Literal["fail", "keep", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A task whose weekday numbers can be read in two ways; `from_monday` is None when only the standard way fits."""

    id: str
    name: str
    timezone: str
    standard: str
    from_monday: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What importing does, and what the reader of the plan should know."""

    plan: Plan
    notes: tuple[str, ...]


def readings(entries: Sequence[Any]) -> list[Reading]:
    """Return the tasks of a file, of unknown numbering, that fire on other days when Monday is 0."""
    found = []
    for entry in entries:
        cron = entry.get("cron") if isinstance(entry, dict) else None
        if not isinstance(cron, str) or not depends_on_numbering(cron):
            continue
        try:
            from_monday = from_monday_is_0(cron)
        except ValueError:
            from_monday = None
        found.append(
            Reading(
                id=str(entry.get("id")),
                name=str(entry.get("name") or ""),
                timezone=str(entry.get("timezone") or "UTC"),
                standard=cron,
                from_monday=from_monday,
            )
        )
    return found


def plan_import(
    entries: Sequence[Any],
    raws: Sequence[Any],
    *,
    monday_is_0: bool,
    on_conflict: OnConflict,
    skip_unusable: bool,
    ours: bool,
) -> Import:
    """Return what it takes to add the tasks of a file to the stored definitions `raws`, under their own ids."""
    stored = {raw["id"]: raw for raw in reversed(raws) if isinstance(raw, dict) and isinstance(raw.get("id"), str)}
    changes: dict[str, Change] = {}
    mistakes: list[Mistake] = []
    notes: list[str] = []
    for position, entry in enumerate(entries):
        path = f"tasks[{position}]"
        try:
            new = _translated(entry, path, monday_is_0, notes)
            if new["id"] in changes:
                raise TaskError(f"{new['id']!r} stands in the file twice", path=f"{path}.id")
        except TaskError as error:
            if skip_unusable:
                notes.append(f"left out: {error}")
            else:
                mistakes.append(mistake_of(error))
            continue
        if not ours and both_days_given(new["cron"]):
            notes.append(
                f"{new['id']}: {new['cron']!r} names a day of month and a weekday: here either of them is enough,"
                " the ancestor wanted both"
            )
        try:
            changes[new["id"]] = _change(stored.get(new["id"]), new, on_conflict, f"{path}.id", notes)
        except TaskError as error:
            mistakes.append(mistake_of(error))
    return Import(plan=Plan(changes=tuple(changes.values()), mistakes=tuple(mistakes)), notes=tuple(notes))


def _translated(entry: Any, path: str, monday_is_0: bool, notes: list[str]) -> Raw:
    """Return an entry as it would be stored; raises TaskError."""
    new: Raw = dict(entry) if isinstance(entry, dict) else entry
    cron = new.get("cron") if isinstance(entry, dict) else None
    if monday_is_0 and isinstance(cron, str) and depends_on_numbering(cron):
        try:
            new["cron"] = from_monday_is_0(cron)
        except ValueError as error:
            raise TaskError(str(error), path=f"{path}.cron") from None
    task = task_from_json(new, path=path)
    if "params" in new:
        masked: list[str] = []
        new["params"] = _without_masks(new["params"], masked)
        if masked:
            where = ", ".join(masked)
            notes.append(
                f"{task.id}: masked in the file and left out: {where}; credentials belong in integrations.json"
            )
    return new


def _without_masks(value: Any, found: list[str]) -> Any:
    """Return params without the credentials that an export has masked: the mask is no credential."""
    if isinstance(value, dict):
        masked = [key for key, item in value.items() if item == MASK and is_credential_key(key)]
        found += masked
        return {key: _without_masks(item, found) for key, item in value.items() if key not in masked}
    return [_without_masks(item, found) for item in value] if isinstance(value, list) else value


def _change(old: Raw | None, new: Raw, on_conflict: OnConflict, path: str, notes: list[str]) -> Change:
    if old is None:
        return change_between("add", None, new)
    change = change_between("change", old, new)
    if not is_other(change):
        return change_between("keep", old, old)
    if on_conflict == "replace":
        return change
    if on_conflict == "keep":
        notes.append(f"{new['id']} is here already and differs; the one here stays")
        return change_between("keep", old, old)
    raise TaskError(f"{new['id']} is here already and differs; --on-conflict keep or replace decides", path=path)
