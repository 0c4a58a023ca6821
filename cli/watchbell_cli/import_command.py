"""`watchbell cron import`: tasks from an export, or from the ancestor's tasks file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import click

from watchbell.errors import ScheduleError, UsageError
from watchbell.planning.migration import Import, OnConflict, Reading, plan_import, readings
from watchbell.schedule import Schedule
from watchbell.stores.interface import RawTask
from watchbell.tasks import is_task_id, json_type
from watchbell_cli.doubts import warn_of_doubts
from watchbell_cli.export_command import FORMAT, MARK
from watchbell_cli.home import now
from watchbell_cli.options import as_json
from watchbell_cli.output import print_json, say
from watchbell_cli.plan_views import plan_to_json, show_plan
from watchbell_cli.plans import refuse_mistakes, stored_definitions, warn_of_credentials, write_plan
from watchbell_cli.task_documents import Document, read_document
from watchbell_cli.times import fires_after

_MONDAY_IS_0 = "monday-is-0"
_STANDARD = "standard"
_FIRES_COMPARED = 5


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--weekdays",
    type=click.Choice([_MONDAY_IS_0, _STANDARD]),
    metavar="HOW",
    help="How the ancestor's weekday numbers count: monday-is-0, or standard (1 is Monday).",
)
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "keep", "replace"]),
    default="fail",
    show_default=True,
    metavar="WHAT",
    help="A task whose id is here already with another definition: fail, keep (the one here) or replace.",
)
@click.option("--skip-unusable", is_flag=True, help="Leave out the tasks that cannot be used here, and say which.")
@click.option("--dry-run", is_flag=True, help="Show what would be added, write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@as_json
def import_tasks(
    file: str,
    weekdays: str | None,
    on_conflict: str,
    skip_unusable: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Add the tasks of a file under their own ids: a `cron export`, or a scheduler_tasks.json of OpenSRE.

    OpenSRE counted weekdays from Monday as 0 for months, and its file does not say so. Where that makes a difference,
    both readings are shown with their next fires, and nothing is written until --weekdays (or you) decides.
    All of the file is imported or nothing. FILE may be - for standard input.

    \b
    Example:
      watchbell cron import tasks.json --dry-run
      watchbell cron import ~/.config/opensre/scheduler_tasks.json --weekdays monday-is-0 --yes
    """
    source = _read(read_document("FILE", file))
    _point_out_missing_ids(source.entries)
    open_question = [] if source.ours else readings([entry for entry in source.entries if is_task_id(_id_of(entry))])
    if open_question:
        _show_readings(open_question)
    if weekdays is None and open_question and not dry_run:
        weekdays = _asked_for_weekdays(from_stdin=file == "-")
    how = _How(weekdays == _MONDAY_IS_0 and not source.ours, cast(OnConflict, on_conflict), skip_unusable)
    at = now()
    found = _planned(source, stored_definitions(), how)
    if as_json:
        print_json(_to_json(found, open_question, at, applied=not dry_run))
    else:
        show_plan(found.plan, at)
    for note in found.notes:
        say(f"note: {note}")
    warn_of_credentials(found.plan)
    warn_of_doubts(change.new_task for change in found.plan.effective if change.new_task)
    if dry_run:
        undecided = open_question and weekdays is None
        say("a dry run: nothing was written" + ("; shown with standard weekdays, say --weekdays" if undecided else ""))
    elif found.plan.effective:
        if not yes:
            _ask(len(found.plan.effective), from_stdin=file == "-")
        write_plan(lambda raws: _planned(source, raws, how).plan, found.plan, at)
        say(f"imported {len(found.plan.effective)} tasks; none of them fires for the past")


@dataclass(frozen=True, slots=True)
class _How:
    monday_is_0: bool
    on_conflict: OnConflict
    skip_unusable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The tasks of a file; `ours` when it says that Watchbell has written it."""

    document: Document
    entries: Sequence[Any]
    ours: bool


def _read(document: Document) -> _Source:
    value = document.value
    if isinstance(value, list):
        return _Source(document=document, entries=value, ours=False)
    if not isinstance(value, dict) or not isinstance(value.get("tasks"), list):
        raise UsageError(f"{document.name}: expected a list of tasks or an export of ours, found {json_type(value)}")
    version = value.get(MARK)
    if isinstance(version, int) and version > FORMAT:
        raise UsageError(f"{document.name} is an export of a newer Watchbell ({MARK}: {version}); upgrade Watchbell")
    return _Source(document=document, entries=value["tasks"], ours=version is not None)


def _id_of(entry: Any) -> Any:
    return entry.get("id") if isinstance(entry, dict) else None


def _point_out_missing_ids(entries: Sequence[Any]) -> None:
    missing = sum(isinstance(entry, dict) and _id_of(entry) is None for entry in entries)
    if missing:
        say(f"note: {missing} task(s) of the file have no id; `watchbell cron apply -f FILE` adds tasks by their names")


def _planned(source: _Source, raws: list[RawTask], how: _How) -> Import:
    found = plan_import(
        source.entries,
        raws,
        monday_is_0=how.monday_is_0,
        on_conflict=how.on_conflict,
        skip_unusable=how.skip_unusable,
        ours=source.ours,
    )
    refuse_mistakes(found.plan, source.document)
    return found


def _asked_for_weekdays(*, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        raise UsageError(f"say how weekday numbers count in this file: --weekdays {_MONDAY_IS_0}, or {_STANDARD}")
    answer = click.prompt("How do weekday numbers count?", type=click.Choice([_MONDAY_IS_0, _STANDARD]), err=True)
    return str(answer)


def _ask(number: int, *, from_stdin: bool) -> None:
    if from_stdin or not sys.stdin.isatty():
        raise UsageError("nothing was written: --yes writes without a question, --dry-run only shows")
    if not click.confirm(f"Write these {number} tasks?", err=True):
        raise click.Abort


def _show_readings(open_question: Sequence[Reading]) -> None:
    """Show for each task what its weekday numbers mean in one reading and in the other."""
    say(f"{len(open_question)} task(s) name weekdays by number, and the file does not say from where they count:")
    at = now()
    for one in open_question:
        say(f"  {one.id} {one.name}".rstrip() + f"  {one.standard}  {one.timezone}")
        say(f"    {_STANDARD:<12} {_fires_text(one.standard, one.timezone, at)}")
        if one.from_monday is None:
            say(f"    {_MONDAY_IS_0:<12} impossible: there is no weekday 7 then")
        else:
            say(f"    {_MONDAY_IS_0:<12} {_fires_text(one.from_monday, one.timezone, at)}  (kept as {one.from_monday})")


def _fires(cron: str, timezone: str, at: datetime) -> list[datetime]:
    try:
        schedule = Schedule.parse(cron, timezone)
    except ScheduleError:
        return []
    return [fire.astimezone(_zone(timezone)) for fire in fires_after(schedule.next_fire, at, _FIRES_COMPARED)]


def _zone(timezone: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(timezone)


def _fires_text(cron: str, timezone: str, at: datetime) -> str:
    return ", ".join(f"{fire:%a %m-%d %H:%M}" for fire in _fires(cron, timezone, at)) or "cannot be read"


def _to_json(found: Import, open_question: Sequence[Reading], at: datetime, *, applied: bool) -> dict[str, Any]:
    def fires(cron: str | None, timezone: str) -> list[str]:
        return [fire.isoformat(timespec="minutes") for fire in _fires(cron, timezone, at)] if cron else []

    weekdays = [
        {
            "id": one.id,
            _STANDARD: {"cron": one.standard, "next_fires": fires(one.standard, one.timezone)},
            _MONDAY_IS_0: {"cron": one.from_monday, "next_fires": fires(one.from_monday, one.timezone)},
        }
        for one in open_question
    ]
    return plan_to_json(found.plan, at, applied=applied) | {"weekdays": weekdays, "notes": list(found.notes)}
