"""What a tick would do: the reports are built and rendered, nothing is claimed, written or sent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from watchbell.building import built, is_quiet
from watchbell.claims import Expectation, plan_move
from watchbell.delivery.interface import Part, Stamp
from watchbell.errors import SourceError
from watchbell.instants import format_minute
from watchbell.reports.interface import Report
from watchbell.secrets.credentials import without_credentials
from watchbell.secrets.redaction import redact
from watchbell.services import Services
from watchbell.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One run that would happen: its report or the error that it would fail with, and the messages per target.

    A report that would be quiet has no messages.
    """

    task: Task
    fire_time: datetime
    report: Report | None
    error: str | None
    messages: tuple[tuple[str, tuple[Part, ...]], ...]


def rehearse(services: Services, minute: datetime) -> Iterator[Rehearsed]:
    """Go through the tasks that a tick of `minute` would run: those due at it, and those owed from before."""
    for task in services.store.tasks.listing().tasks:
        fire = _would_fire(services, task, minute)
        if fire is not None:
            yield _rehearse_one(services, task, fire)


def _would_fire(services: Services, task: Task, minute: datetime) -> datetime | None:
    paused = task.pause is not None and (task.pause.until is None or task.pause.until > minute)
    if not task.enabled or paused:
        return None
    if task.schedule.is_due(minute):
        return minute
    expected = services.store.tasks.expectation(task.id)
    return _owed_fire(services, expected, minute) if expected is not None else None


def _owed_fire(services: Services, expected: Expectation, minute: datetime) -> datetime | None:
    move = plan_move(
        expected,
        minute=minute,
        now=max(minute, services.clock.now()),
        tick_deadline=services.deadline,
        ticked_between=lambda start, end: True,
    )
    return move.fire if move is not None else None


def _rehearse_one(services: Services, task: Task, fire: datetime) -> Rehearsed:
    stripped = replace(task, params=without_credentials(task.params))
    try:
        report = built(services.pipeline, services.store.runs, stripped, fire)
    except SourceError as error:
        return Rehearsed(task=stripped, fire_time=fire, report=None, error=redact(str(error)), messages=())
    if is_quiet(stripped, report):
        return Rehearsed(task=stripped, fire_time=fire, report=report, error=None, messages=())
    stamp = Stamp(task_id=task.id, fire_time=format_minute(fire))
    messages = tuple(
        (str(target), services.providers[target.provider].render(report, stamp)) for target in task.targets
    )
    return Rehearsed(task=stripped, fire_time=fire, report=report, error=None, messages=messages)
