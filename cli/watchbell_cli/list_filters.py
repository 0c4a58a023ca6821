"""Which tasks `watchbell cron list` shows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from watchbell.tasks import PROVIDERS, Kind, Task
from watchbell_cli.options import Command
from watchbell_cli.task_views import state_text

_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--kind",
        type=click.Choice([kind.value for kind in Kind]),
        metavar="KIND",
        help="Only this kind, such as weekly_audit.",
    ),
    click.option(
        "--provider", type=click.Choice(PROVIDERS), metavar="PROVIDER", help="Only with a target there, such as slack."
    ),
    click.option("--name", metavar="TEXT", help="Only with this text in the name, in capitals or not."),
    click.option("--enabled/--disabled", default=None, help="Only those that are enabled, or disabled."),
    click.option("--paused", is_flag=True, help="Only those that are paused now."),
)


def list_filters(command: Command) -> Command:
    """Add the options by which tasks are chosen."""
    for add_option in reversed(_FILTERS):
        command = add_option(command)
    return command


def fitting(tasks: Sequence[Task], wanted: Mapping[str, Any], at: datetime) -> list[Task]:
    """Return the tasks that all filters let through."""
    return [task for task in tasks if _fits(task, wanted, at)]


def _fits(task: Task, wanted: Mapping[str, Any], at: datetime) -> bool:
    return (
        wanted["kind"] in (None, task.kind)
        and wanted["provider"] in (None, *(target.provider for target in task.targets))
        and (wanted["name"] or "").casefold() in task.name.casefold()
        and wanted["enabled"] in (None, task.enabled)
        and (not wanted["paused"] or state_text(task, at).startswith("paused"))
    )
