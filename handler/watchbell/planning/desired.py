"""Tasks as code: what a file of tasks wants, against what there is. Pure; nothing is read or written here.

A task of the file means the stored one with its `id`, or else the one with its `name`. What the file does not say takes
its default; only a pause, the time of creation and fields that nobody here knows stay as they are. `managed_by` marks
what a file has brought, so that pruning never removes anything else.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from watchbell.delivery.place import wrong_place
from watchbell.errors import TaskError
from watchbell.instants import format_instant
from watchbell.secrets.redaction import MASK, is_credential_key, redact
from watchbell.tasks import Task, json_type, task_from_json

Raw = dict[str, Any]

FIELDS = (
    "id", "name", "kind", "cron", "timezone", "provider", "chat_id", "targets", "window", "window_hours", "enabled",
    "paused_until", "catch_up", "on_unknown", "skip_if_quiet", "proof_of_life_every", "grace_minutes",
    "deliver_within_hours", "params", "created_at", "managed_by",
)  # fmt: skip
OWN_PREFIX = "x-"  # a file may carry fields of its own
MANAGED_BY = "managed_by"
_STAYS = ("paused_until", "created_at")
_CONSOLE_LABEL = "stdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something in the file that cannot be carried out, and where: `tasks[2].cron`."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one task. `old` and `new` are definitions; a stored one that is broken has no `old_task`."""

    action: str  # add, change, remove, keep
    id: str
    old: Raw | None
    new: Raw | None
    old_task: Task | None = field(default=None, repr=False)
    new_task: Task | None = field(default=None, repr=False)

    @property
    def task(self) -> Task | None:
        """The task as it will be, or as it was."""
        return self.new_task or self.old_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes in the order of the file, what an earlier file brought and this one lacks, and the mistakes."""

    changes: tuple[Change, ...] = ()
    left: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @property
    def effective(self) -> tuple[Change, ...]:
        """The changes that change anything."""
        return tuple(change for change in self.changes if change.action != "keep")

    def carried_out(self, raws: Sequence[Raw]) -> list[Raw]:
        """Return the definitions after the plan, those it does not touch as they were and where they were."""
        changed = {change.id: change.new for change in self.effective if change.old is not None}
        kept = [changed.get(_id_of(raw), raw) for raw in raws]
        return [raw for raw in kept if raw is not None] + [
            change.new for change in self.effective if change.old is None and change.new is not None
        ]


def plan_apply(entries: Sequence[Any], raws: Sequence[Any], *, set_name: str, prune: bool, now: datetime) -> Plan:
    """Return what it takes to make the stored definitions `raws` what the file's `entries` say."""
    stored = _Stored(raws)
    mark = f"apply:{set_name}"
    changes: list[Change] = []
    mistakes: list[Mistake] = []
    for position, entry in enumerate(entries):
        path = f"tasks[{position}]"
        try:
            change = _change_of(entry, stored, path, mark, now)
            if any(change.id == other.id for other in changes):
                raise TaskError("this task stands in the file twice", path=path)
            changes.append(change)
        except TaskError as error:
            mistakes.append(mistake_of(error))
    wanted = {change.id for change in changes}
    gone = [raw for raw in stored.by_id.values() if raw.get(MANAGED_BY) == mark and raw["id"] not in wanted]
    if prune:
        changes += [change_between("remove", raw, None) for raw in gone]
    left = () if prune else tuple(str(raw["id"]) for raw in gone)
    return Plan(changes=tuple(changes), left=left, mistakes=tuple(mistakes))


def mistake_of(error: TaskError) -> Mistake:
    """Return what a TaskError says, and where."""
    return Mistake(path=error.path, message=str(error).removeprefix(f"{error.path}: "))


def _change_of(entry: Any, stored: "_Stored", path: str, mark: str, now: datetime) -> Change:
    """Return what becomes of the task that one entry means; raises TaskError."""
    wanted = _spelled_out(entry, path)
    old = stored.meant(wanted, path)
    if old is not None and old.get(MANAGED_BY) not in (None, mark):
        owner = old[MANAGED_BY]
        raise TaskError(f"{old['id']} belongs to another set of tasks ({owner}); remove it there first", path=path)
    new = _composed(wanted, old, stored, now) | {MANAGED_BY: mark}
    new["params"] = unmasked(new.get("params", {}), (old or {}).get("params"), f"{path}.params")
    for target in task_from_json(new, path=path).targets:
        if wrong := wrong_place(target):
            raise TaskError(f"{redact(str(target))}: {wrong}", path=f"{path}.targets")
    change = change_between("change" if old is not None else "add", old, new)
    return change if is_other(change) else change_between("keep", old, old)


def _spelled_out(entry: Any, path: str) -> Raw:
    """Return an entry whose fields are all known ones, with its first target spelled out."""
    if not isinstance(entry, dict):
        raise TaskError(f"a task is an object, not {json_type(entry)}", path=path)
    for name in entry:
        if name not in FIELDS and not str(name).startswith(OWN_PREFIX):
            near = get_close_matches(str(name), FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"fields of your own begin with {OWN_PREFIX}"
            raise TaskError(f"unknown field; {hint}", path=f"{path}.{name}")
    wanted = {name: value for name, value in entry.items() if value is not None and name != MANAGED_BY}
    if not any(isinstance(wanted.get(key), str) and wanted[key] for key in ("id", "name")):
        raise TaskError("a task needs a name, or an id: by it the next `apply` finds it again", path=path)
    if wanted.get("provider") == "console":
        wanted.setdefault("chat_id", _CONSOLE_LABEL)
    targets = wanted.get("targets")
    if "provider" not in wanted and "chat_id" not in wanted and isinstance(targets, list) and targets:
        _first_target(wanted, targets, path)
    return wanted


def _first_target(wanted: Raw, targets: list[Any], path: str) -> None:
    """The first of several targets is the provider and the chat id."""
    first = targets[0]
    provider, colon, chat_id = first.partition(":") if isinstance(first, str) else ("", "", "")
    if not colon:
        raise TaskError(f"{first!r} is not a target; write provider:chat-id", path=f"{path}.targets[0]")
    wanted["provider"], wanted["chat_id"] = provider, chat_id
    wanted["targets"] = targets[1:]
    if not wanted["targets"]:
        del wanted["targets"]


def _composed(wanted: Raw, old: Raw | None, stored: "_Stored", now: datetime) -> Raw:
    """Return the new definition: what the file says, and of the old one what no file decides."""
    if old is None:
        task_id = wanted.get("id") or stored.fresh_id(str(wanted["name"]))
        return {"id": task_id, **wanted, "created_at": wanted.get("created_at", format_instant(now))}
    kept = {name: value for name, value in old.items() if _is_foreign(name) or name in _STAYS}
    composed = kept | wanted | {name: old[name] for name in ("id", "created_at") if name in old}
    return {name: composed[name] for name in dict.fromkeys([*(n for n in old if n in composed), *composed])}


def _is_foreign(name: str) -> bool:
    """Whether nobody here, and no file, decides on this field."""
    return name not in FIELDS and not name.startswith(OWN_PREFIX)


def unmasked(new: Any, old: Any, path: str) -> Any:
    """Return `new` with each masked credential as it is stored in `old`; raises TaskError where nothing is stored."""
    if isinstance(new, dict):
        return {key: _unmasked_item(key, item, old, f"{path}.{key}") for key, item in new.items()}
    if isinstance(new, list):
        olds = old if isinstance(old, list) and len(old) == len(new) else [None] * len(new)
        return [unmasked(item, before, f"{path}[{n}]") for n, (item, before) in enumerate(zip(new, olds, strict=True))]
    return new


def _unmasked_item(key: str, item: Any, old: Any, path: str) -> Any:
    before = old.get(key) if isinstance(old, dict) else None
    if not (item == MASK and is_credential_key(key)):
        return item if item is None else unmasked(item, before, path)
    if before in (None, MASK):
        raise TaskError("this credential is masked and none is stored; leave it out, or write it in full", path=path)
    return before


def change_between(action: str, old: Raw | None, new: Raw | None) -> Change:
    """Return the change of one definition into another."""
    one = new or old or {}
    return Change(
        action=action,
        id=str(one.get("id")),
        old=old,
        new=new,
        old_task=_task_or_none(old),
        new_task=_task_or_none(new),
    )


def _task_or_none(raw: Raw | None) -> Task | None:
    try:
        return None if raw is None else task_from_json(raw)
    except TaskError:
        return None


def is_other(change: Change) -> bool:
    """Whether anything but the way of writing it differs: a default may be spelled out or not."""
    if change.old is None or change.new is None or change.old_task != change.new_task:
        return True
    return _beside(change.old) != _beside(change.new)


def _beside(raw: Raw) -> Raw:
    """Return the fields that make no part of a Task."""
    return {name: value for name, value in raw.items() if name not in FIELDS or name == MANAGED_BY}


def _id_of(raw: Any) -> str:
    return str(raw.get("id")) if isinstance(raw, dict) else ""


class _Stored:
    """The stored definitions, by id and by name."""

    def __init__(self, raws: Iterable[Any]) -> None:
        self.by_id: dict[str, Raw] = {}
        for raw in raws:
            if isinstance(raw, dict) and isinstance(raw.get("id"), str):
                self.by_id.setdefault(raw["id"], raw)

    def meant(self, wanted: Mapping[str, Any], path: str) -> Raw | None:
        """Return the stored task that an entry means, None for a new one; raises TaskError when it could be several."""
        if wanted.get("id") is not None:
            return self.by_id.get(str(wanted["id"]))
        named = [raw for raw in self.by_id.values() if raw.get("name") == wanted["name"]]
        if len(named) > 1:
            ids = ", ".join(raw["id"] for raw in named)
            raise TaskError(f"several tasks have this name ({ids}); give the id, too", path=f"{path}.name")
        return named[0] if named else None

    def fresh_id(self, name: str) -> str:
        """Return an id that only the name decides, so that a task is the same wherever its file is applied."""
        attempts = (hashlib.sha256(f"{name}\0{number}".encode("utf-8", "replace")) for number in range(1_000_000))
        return next(found for digest in attempts if (found := digest.hexdigest()[:12]) not in self.by_id)
