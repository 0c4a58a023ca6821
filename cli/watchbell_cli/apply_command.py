"""`watchbell cron apply`: tasks as code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from watchbell.errors import UsageError
from watchbell.planning.desired import Plan, plan_apply
from watchbell.stores.interface import RawTask
from watchbell.tasks import json_type
from watchbell_cli.doubts import warn_of_doubts
from watchbell_cli.home import now
from watchbell_cli.options import as_json
from watchbell_cli.output import print_json, say
from watchbell_cli.plan_views import plan_to_json, show_plan
from watchbell_cli.plans import refuse_mistakes, stored_definitions, warn_of_credentials, write_plan
from watchbell_cli.task_documents import Document, read_document

_TOP = ("tasks", "set", "watchbell_export", "$schema")
_SET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def _print_schema(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from watchbell_cli.task_schema import file_schema

        print_json(file_schema())
        ctx.exit()


@click.command()
@click.option("-f", "--file", "name", required=True, metavar="FILE", help="YAML or JSON; - is standard input.")
@click.option("--prune", is_flag=True, help="Remove what an earlier apply of this set brought and the file lacks.")
@click.option("--dry-run", is_flag=True, help="Show the changes, make none.")
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=_print_schema, help="Print the JSON schema."
)
@as_json
def apply(name: str, prune: bool, dry_run: bool, as_json: bool) -> None:
    """Make the stored tasks what a file says; a second time, nothing is left to change.

    A task of the file is the stored one with its id, or else with its name. What the file leaves out takes its default;
    a pause stays. The whole file is checked before anything changes. Several files, each with its own --prune, need a
    `set: NAME` at their top.

    \b
    Example:
      tasks:
        - name: Payments digest
          kind: daily_summary
          cron: "0 9 * * 1-5"
          timezone: Europe/Berlin
          targets: [slack:C0123ABCD]
    \b
      watchbell cron apply -f tasks.yaml --dry-run
      watchbell cron apply --schema > watchbell-tasks.schema.json
    """
    wanted = _read(read_document("-f", name))
    at = now()
    plan = _planned(wanted, stored_definitions(), prune, at)
    if plan.effective and not dry_run:
        write_plan(lambda raws: _planned(wanted, raws, prune, at), plan, at)
    warn_of_credentials(plan)
    warn_of_doubts(change.new_task for change in plan.effective if change.new_task)
    if as_json:
        print_json(plan_to_json(plan, at, applied=not dry_run))
    else:
        show_plan(plan, at)
    if plan.left:
        say(f"left alone, though no longer in the file: {', '.join(plan.left)}; --prune removes what apply has brought")
    if dry_run:
        say("a dry run: nothing was changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    document: Document
    entries: Sequence[Any]
    set_name: str


def _read(document: Document) -> _Wanted:
    """Return the tasks of a file: a list, or an object with `tasks` and, optionally, the name of the `set`."""
    value = document.value
    if isinstance(value, list):
        return _Wanted(document=document, entries=value, set_name="default")
    if not isinstance(value, dict) or not isinstance(value.get("tasks"), list):
        raise UsageError(f"{document.name}: expected `tasks:` and a list below it, found {json_type(value)}")
    for key in value:
        if key not in _TOP:
            raise UsageError(f"{document.where(key)}: unknown key {key!r}; known are {', '.join(_TOP)}")
    set_name = value.get("set", "default")
    if not isinstance(set_name, str) or not _SET.fullmatch(set_name):
        raise UsageError(f"{document.where('set')}: set: use letters, digits, dots, - and _ only")
    return _Wanted(document=document, entries=value["tasks"], set_name=set_name)


def _planned(wanted: _Wanted, raws: list[RawTask], prune: bool, at: datetime) -> Plan:
    plan = plan_apply(wanted.entries, raws, set_name=wanted.set_name, prune=prune, now=at)
    refuse_mistakes(plan, wanted.document)
    return plan
