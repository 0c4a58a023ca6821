"""`watchbell cron add`, `edit`, `remove`, `pause` and `resume`: the commands that change definitions."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from watchbell.delivery.place import weaker_promise
from watchbell.errors import ConfigError, TaskError, UsageError
from watchbell.instants import format_instant
from watchbell.settings import load_settings
from watchbell.stores.interface import RawTask, Store
from watchbell.stores.local.store import TASKS_FILE
from watchbell.tasks import FOREVER, Task, task_from_json
from watchbell_cli.definitions import OPTION_OF, changed_definition, checked_task, credential_params, new_definition
from watchbell_cli.doubts import warn_of_doubts
from watchbell_cli.home import now, opened_store
from watchbell_cli.lookup import change_meant
from watchbell_cli.options import Instant, as_json, definition_options, task_argument
from watchbell_cli.output import say, warn
from watchbell_cli.plans import stored_definitions
from watchbell_cli.task_views import show_definition


@click.command()
@definition_options(required=True)
@click.option("--disabled", is_flag=True, help="Keep it from firing until `cron edit TASK --enable`.")
@as_json
def add(as_json: bool, **options: Any) -> None:
    """Add a task. Credentials are not asked for: they are looked up when a report is delivered.

    \b
    Example:
      watchbell cron add --kind daily_summary --cron "0 9 * * 1-5" --tz Asia/Kolkata \\
          --provider telegram --chat-id -1001234567890
    """
    created_at = now()
    # All mistakes but a taken id show before a home is made.
    checked_task(new_definition(secrets.token_hex(6), options, created_at))
    with opened_store(create=True) as store:
        namesakes = [other.id for other in store.tasks.listing().tasks if other.name and other.name == options["name"]]
        task = _add(store, options, created_at)
    if namesakes:
        warn(f"{', '.join(namesakes)} has the same name: commands will want the id, and both report")
    _warn_of_credentials(task)
    warn_of_doubts([task])
    _warn_of_weaker_promises(task)
    show_definition(task, created_at, as_json=as_json)


def _add(store: Store, options: dict[str, Any], created_at: datetime) -> Task:
    added: list[Task] = []
    while not added:
        task_id = secrets.token_hex(6)

        def change(there: RawTask | None, task_id: str = task_id) -> RawTask:
            if there is not None:
                return there  # the id is taken: another one
            added[:] = [checked_task(new_definition(task_id, options, created_at))]
            return dict(added[0].raw)

        store.tasks.change_one(task_id, change, now=created_at)
    return added[0]


@click.command()
@task_argument
@definition_options(required=False)
@click.option("--unset-param", "unset_params", metavar="KEY", multiple=True, help="Remove a parameter. [repeatable]")
@click.option("--enable/--disable", "enabled", default=None, help="Let it fire, or keep it from firing.")
@as_json
def edit(task: str, enabled: bool | None, as_json: bool, **options: Any) -> None:
    """Change a task; only what is given changes. A new schedule never fires for the past.

    --provider and --chat-id change the first target, --target replaces the further ones.

    \b
    Example:
      watchbell cron edit 3f2a --cron "30 9 * * 1-5" --window 12
    """
    if enabled is None and all(value in (None, ()) for value in options.values()):
        raise UsageError("nothing to change was given; see `watchbell cron edit --help`")

    def change(raw: RawTask) -> RawTask:
        changed = changed_definition(raw, options)
        return changed if enabled is None else changed | {"enabled": enabled}

    edited, at = _change_one(task, change)
    _warn_of_credentials(edited)
    warn_of_doubts([edited])
    show_definition(edited, at, as_json=as_json)


@click.command()
@task_argument
@click.option("--until", type=Instant(), metavar="INSTANT", help="When fires go on. [default: at `cron resume`]")
def pause(task: str, until: datetime | None) -> None:
    """Skip the fires of a task for a while; they are recorded as skipped.

    \b
    Example:
      watchbell cron pause 3f2a --until 2026-12-27T00:00+01:00
    """
    if until is not None and until <= now():
        raise UsageError(f"--until: {format_instant(until)} is in the past")
    pause_until = format_instant(until) if until else FOREVER
    paused, _ = _change_one(task, lambda raw: raw | {"paused_until": pause_until}, checked=task_from_json)
    end = f"until {format_instant(until)}" if until else f"until `watchbell cron resume {paused.id}`"
    say(f"paused {_label(paused)} {end}")


@click.command()
@task_argument
def resume(task: str) -> None:
    """End the pause of a task. What it would have fired meanwhile stays skipped.

    \b
    Example:
      watchbell cron resume 3f2a
    """
    was_paused: list[bool] = []

    def change(raw: RawTask) -> RawTask:
        was_paused.append(raw.get("paused_until") is not None)
        return {key: value for key, value in raw.items() if key != "paused_until"}

    resumed, _ = _change_one(task, change, checked=task_from_json)
    say(f"resumed {_label(resumed)}" if was_paused[-1] else f"{_label(resumed)} was not paused")
    if not resumed.enabled:
        say(f"it is disabled: `watchbell cron edit {resumed.id} --enable` lets it fire")


@click.command()
@task_argument
@click.option("--yes", is_flag=True, help="Accepted for scripts; nothing is asked anyway.")
def remove(task: str, yes: bool) -> None:
    """Delete a task. Its history stays readable: `watchbell cron logs TASK`.

    \b
    Example:
      watchbell cron remove 3f2a9c0d1e5b
    """
    removed: list[RawTask] = []

    def change(raw: RawTask) -> None:
        removed[:] = [raw]

    with opened_store() as store:
        change_meant(store, task, change, now=now())
        task_id = removed[0]["id"]
        say(f"removed {task_id}; `watchbell cron logs {task_id}` still shows what it did")
        _check_removed(store, task_id)


def _check_removed(store: Store, task_id: str) -> None:
    """The index forgets no task while an entry of the file has no readable id: it may be the one."""
    if store.tasks.expectation(task_id) is None:
        return
    errors = store.tasks.listing().errors
    why = f": {errors[0]}" if errors else ""
    raise ConfigError(f"{task_id} left the file but goes on firing until the rest of the file can be read{why}")


def _change_one(
    text: str, change: Callable[[RawTask], RawTask], *, checked: Callable[[RawTask], Task] = checked_task
) -> tuple[Task, datetime]:
    """Change the one definition that `text` means; return the task as it is now, and since when.

    Raises TaskError, with its place, for what was wrong in it before and is not mended by this change.
    """
    at = now()
    changed: list[Task] = []
    faults: list[tuple[RawTask, TaskError]] = []

    def change_checked(raw: RawTask) -> RawTask:
        new = change(raw)
        try:
            changed[:] = [checked(new)]
        except (TaskError, UsageError) as error:
            before = _fault(raw)
            if before is not None and str(before) in (str(error), str(error.__cause__)):
                faults[:] = [(raw, before)]
            raise
        return dict(changed[0].raw)

    try:
        with opened_store() as store:
            change_meant(store, text, change_checked, now=at)
    except (TaskError, UsageError):
        if faults:
            raise _at_its_place(*faults[-1]) from None
        raise
    return changed[0], at


def _fault(raw: RawTask) -> TaskError | None:
    try:
        task_from_json(raw)
    except TaskError as error:
        return error
    return None


def _at_its_place(raw: RawTask, fault: TaskError) -> TaskError:
    """Return what is wrong with a stored definition, and where it stands: in which file, or under which id."""
    settings = load_settings()
    place = f"{raw.get('id')}.{fault.path}"
    if settings.dynamodb_prefix is None:
        number = next((number for number, other in enumerate(stored_definitions()) if other == raw), "?")
        place = f"{settings.home / TASKS_FILE}: [{number}].{fault.path}"
    option = OPTION_OF.get(fault.path)
    hint = f"; mend it with `watchbell cron edit {raw.get('id')} {option} …`" if option else "; mend it there"
    return TaskError(str(fault).removeprefix(f"{fault.path}: ") + hint, path=place)


def _warn_of_credentials(task: Task) -> None:
    found = credential_params(task.params)
    if found:
        provider = next((target.provider for target in task.targets if target.provider != "console"), "")
        where = f"{provider.upper()}_BOT_TOKEN or integrations.json" if provider else "integrations.json"
        warn(f"{', '.join(found)} in the params looks like a credential; it is kept, but {where} is the place for it")


def _warn_of_weaker_promises(task: Task) -> None:
    for target in task.targets:
        weaker = weaker_promise(target)
        if weaker:
            say(f"note: {target}: {weaker}")


def _label(task: Task) -> str:
    return f"{task.id} ({task.name})" if task.name else task.id
