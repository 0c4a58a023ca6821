"""Which task is meant: by its id, the beginning of its id, or its exact name."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from watchbell.errors import ConfigError, NotFound, UsageError
from watchbell.stores.interface import RawTask, Store
from watchbell.tasks import Task
from watchbell_cli.output import warn

_CANDIDATES_SHOWN = 8
#: A whole id as `cron add` makes them: what it names is looked up alone, without reading all tasks.
_WHOLE_ID = re.compile("[0-9a-f]{12}")


class _NotThere(Exception):
    """No task has this text as its whole id."""


def resolve_id(text: str, names: Mapping[str, str]) -> str:
    """Return the one id that `text` means among `names` (by id); raises UsageError or NotFound with what is near."""
    if text in names:
        return text
    found = [task_id for task_id, name in names.items() if name and name == text]
    found = found or [task_id for task_id in names if text and task_id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(_labelled(task_id, names) for task_id in found[:_CANDIDATES_SHOWN])
        more = f" and {len(found) - _CANDIDATES_SHOWN} more" if len(found) > _CANDIDATES_SHOWN else ""
        raise UsageError(f"{text!r} could be any of {shown}{more}; write more of the id")
    raise NotFound(f"there is no task {text!r}; {_hint(text, names)}")


def _labelled(task_id: str, names: Mapping[str, str]) -> str:
    return f"{task_id} ({names[task_id]})" if names[task_id] else task_id


def _hint(text: str, names: Mapping[str, str]) -> str:
    if not names:
        return "there are no tasks yet"
    by_text = {name.lower(): task_id for task_id, name in names.items() if name} | {key.lower(): key for key in names}
    near = get_close_matches(text.lower(), by_text, n=1, cutoff=0.6)
    near = near or [key for key in by_text if text and key.startswith(text.lower())]
    return f"did you mean {_labelled(by_text[near[0]], names)}?" if near else "`watchbell cron list` shows them all"


def find_task(store: Store, text: str) -> Task:
    """Return the task that `text` means; when none fits, what cannot be used in the file is named too.

    While the definitions cannot be read it is the last good one, which goes on firing.
    """
    try:
        listing = store.tasks.listing()
    except ConfigError as unreadable:
        return _last_good(store, text, unreadable)
    tasks = {task.id: task for task in listing.tasks}
    try:
        return tasks[resolve_id(text, {task.id: task.name for task in listing.tasks})]
    except NotFound:
        if not listing.errors:
            raise
        raise NotFound(f"there is no usable task {text!r}, and one cannot be used: {listing.errors[0]}") from None


def known_id(store: Store, text: str) -> str:
    """Return the id that `text` means, also of a removed task; history is there while the definitions are broken."""
    with suppress(ConfigError):
        if _WHOLE_ID.fullmatch(text) and store.tasks.expectation(text) is not None:
            return text
    names = dict.fromkeys(store.runs.known_task_ids(), "")
    try:
        names |= {task.id: task.name for task in store.tasks.listing().tasks}
    except ConfigError as unreadable:
        names |= {task_id: task.name for task_id, task in _indexed(store).items()}
        return _resolved_all_the_same(text, names, unreadable)
    return resolve_id(text, names)


def _last_good(store: Store, text: str, unreadable: ConfigError) -> Task:
    tasks = _indexed(store)
    task = tasks[_resolved_all_the_same(text, {task_id: task.name for task_id, task in tasks.items()}, unreadable)]
    warn(f"{unreadable}; this is about the last good definition of {task.id}, which goes on firing")
    return task


def _indexed(store: Store) -> dict[str, Task]:
    """Return the definitions in force, by id, without the file that they come from."""
    expected = [store.tasks.expectation(task_id) for task_id in store.runs.known_task_ids()]
    return {one.task.id: one.task for one in expected if one is not None}


def _resolved_all_the_same(text: str, names: Mapping[str, str], unreadable: ConfigError) -> str:
    try:
        return resolve_id(text, names)
    except NotFound:
        raise unreadable from None


def find_raw(definitions: Iterable[Any], text: str) -> dict[str, Any]:
    """Return the raw definition that `text` means, usable or not."""
    raws: dict[str, dict[str, Any]] = {}
    for raw in definitions:
        if isinstance(raw, dict) and isinstance(raw.get("id"), str):
            raws.setdefault(raw["id"], raw)  # of two with one id, the first is in force
    names = {task_id: raw["name"] if isinstance(raw.get("name"), str) else "" for task_id, raw in raws.items()}
    return raws[resolve_id(text, names)]


def change_meant(store: Store, text: str, change: Callable[[RawTask], RawTask | None], *, now: datetime) -> None:
    """Replace the raw definition that `text` means by `change(definition)`; None removes it."""

    def change_whole_id(raw: RawTask | None) -> RawTask | None:
        if raw is None:
            raise _NotThere
        return change(raw)

    def change_found(raws: list[RawTask]) -> list[RawTask]:
        meant = find_raw(raws, text)
        new = change(meant)
        place = next(place for place, raw in enumerate(raws) if raw is meant)
        return [*raws[:place], *([] if new is None else [new]), *raws[place + 1 :]]

    try:
        if _WHOLE_ID.fullmatch(text):
            store.tasks.change_one(text, change_whole_id, now=now)
            return
    except _NotThere:
        pass  # a name, perhaps, of just this form
    store.tasks.change(change_found, now=now)
