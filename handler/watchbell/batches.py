"""One batch of messages, start to finish: the other half of a tick that hands its runs on.

find      the runs that the messages ask for; what has been taken over meanwhile is done
take      each over, and carry it out, as a tick would
recover   what has ended processes before comes last and one at a time, as in a tick
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from watchbell.errors import StoreError, WatchbellError
from watchbell.queueing import Message
from watchbell.recovery import has_ended_a_process
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run
from watchbell.work import Work, WorkResult
from watchbell.workers import Job

log = logging.getLogger("watchbell")


@dataclass(slots=True, kw_only=True)
class BatchResult(WorkResult):
    """What became of a batch. `done` are the messages that need not come again."""

    done: set[str] = field(default_factory=set)


def run_batch(services: Services, messages: Mapping[str, Message], limits: Limits) -> BatchResult:
    """Carry out what `messages` (by their ids) ask for.

    Never raises for what a task, a source, a provider or the store did: such messages are not in `done`.
    """
    result = BatchResult()
    work = Work(services, limits, result)
    try:
        wanted = _wanted(services, messages, result)
        dangerous = [message_id for message_id, run in wanted.items() if has_ended_a_process(services, run)]
        calm = [message_id for message_id in wanted if message_id not in dangerous]

        def job(message_id: str) -> Job:
            return partial(_take, work, wanted[message_id], message_id, result)

        work.off([job(one) for one in calm], at_once=services.workers)
        work.off([job(one) for one in sorted(dangerous, key=lambda one: wanted[one].crashes)], at_once=1)
        work.note_sources()
    except WatchbellError as error:
        result.fail(error)
    return result


def _wanted(services: Services, messages: Mapping[str, Message], result: BatchResult) -> dict[str, Run]:
    """Return the runs that are still as they were when the messages were sent."""
    wanted: dict[str, Run] = {}
    for message_id, message in messages.items():
        run = services.store.runs.find(message.task_id, message.fire_time)
        if run is None:
            name = f"{message.task_id}@{message.fire_time}"
            result.fail(StoreError(f"there is no run {name}; does the queue belong to this store?"))
        elif run.attempt != message.attempt or run.wake_at is None:
            log.info("run %s: attempt %d has been taken over already", run.id, message.attempt + 1)
            result.done.add(message_id)
        else:
            wanted[message_id] = run
    return wanted


def _take(work: Work, run: Run, message_id: str, result: BatchResult) -> None:
    work.take_up(run)
    result.done.add(message_id)
