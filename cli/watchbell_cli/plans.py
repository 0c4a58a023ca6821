"""From a plan to the stored definitions: all of it or nothing."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import click

from watchbell.errors import TryAgain, UsageError
from watchbell.planning.desired import Plan
from watchbell.settings import load_settings
from watchbell.stores.interface import RawTask, Store
from watchbell_cli.definitions import credential_params
from watchbell_cli.home import now, opened_store
from watchbell_cli.output import complain, say, warn
from watchbell_cli.task_documents import Document

Planner = Callable[[list[RawTask]], Plan]

_MISTAKES_SHOWN = 20


def refuse_mistakes(plan: Plan, document: Document) -> None:
    """Name every mistake with its line, and end the command."""
    for mistake in plan.mistakes[:_MISTAKES_SHOWN]:
        complain(f"{document.where(mistake.path)} ({mistake.path}): {mistake.message}")
    if plan.mistakes:
        more = len(plan.mistakes) - _MISTAKES_SHOWN
        say(f"nothing was changed{f'; and {more} more mistakes' if more > 0 else ''}")
        raise click.exceptions.Exit(UsageError.exit_code)


def write_plan(planned: Planner, shown: Plan, at: datetime) -> None:
    """Carry out the plan that was shown: if somebody has changed the tasks meanwhile, none of it."""

    def change(raws: list[RawTask]) -> list[RawTask]:
        plan = planned(raws)
        if plan != shown:
            raise TryAgain("the tasks were changed by somebody else meanwhile; nothing was written, look again")
        return plan.carried_out(raws)

    with opened_store(create=True) as store:
        store.tasks.change(change, now=at)


class _OnlyLooking(Exception):
    """Ends a change that was none."""


def stored_definitions() -> list[RawTask]:
    """Return the raw definitions, the broken ones too; none where there is no home yet."""
    settings = load_settings()
    if settings.dynamodb_prefix is None and not settings.home.is_dir():
        return []
    with opened_store() as store:
        return _raw_definitions(store)


def _raw_definitions(store: Store) -> list[RawTask]:
    found: list[RawTask] = []

    def look(raws: list[RawTask]) -> list[RawTask]:
        found.extend(raws)
        raise _OnlyLooking

    with suppress(_OnlyLooking):
        store.tasks.change(look, now=now())
    return found


def warn_of_credentials(plan: Plan) -> None:
    """Say which of the definitions hold what looks like a credential."""
    for change in plan.effective:
        found = credential_params(change.new_task.params) if change.new_task else []
        if found:
            warn(
                f"{change.id}: {', '.join(found)} in the params looks like a credential; integrations.json is the place"
            )
