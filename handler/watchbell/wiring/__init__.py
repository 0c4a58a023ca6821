"""The composition root: settings in, services out. Nothing connects before it is used, and only here are all known."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from watchbell.clock import Clock, SystemClock
from watchbell.reports.interface import Pipeline, Report, ReportRequest
from watchbell.secrets.credentials import WITHOUT_TOKEN, resolve
from watchbell.services import ResolveCredentials, Services
from watchbell.settings import Settings
from watchbell.stores.interface import Store
from watchbell.tasks import Target, Task
from watchbell.wiring.owners import owning
from watchbell.wiring.pipelines import make_pipeline
from watchbell.wiring.providers import make_providers
from watchbell.wiring.queues import make_queue
from watchbell.wiring.stores import open_store


@contextmanager
def open_services(settings: Settings, *, timer: str, console: TextIO | None = None) -> Iterator[Services]:
    """Give everything that a tick needs; this process owns what it claims until the block ends."""
    clock = SystemClock()
    with open_store(settings) as store, owning(settings, clock) as (owner, is_gone):
        yield Services(
            store=store,
            pipeline=new_pipeline(settings, clock),
            providers=make_providers(settings, console or sys.stdout),
            credentials=_resolver(settings, store),
            clock=clock,
            owner=owner,
            is_gone=is_gone,
            timer=timer,
            queue=make_queue(settings),
            workers=settings.workers,
            deadline=settings.deadline,
            keep_history=settings.keep_history,
            ops_target=settings.ops_target,
        )


def new_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """Return a pipeline for one tick."""
    return _AtFirstReport(settings, clock)


class _AtFirstReport(Pipeline):
    """The pipeline, made when the first report is built: only then are references to secrets of sources followed."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._made: Pipeline | None = None
        self._lock = threading.Lock()

    def build(self, request: ReportRequest) -> Report:
        """Build the report; raises SourceError when it cannot."""
        with self._lock:
            if self._made is None:
                self._made = make_pipeline(self._settings, self._clock)
        return self._made.build(request)


def _resolver(settings: Settings, store: Store) -> ResolveCredentials:
    """Resolve credentials at delivery; those in a task's params are read from its definition, never from a run."""

    def credentials(target: Target, task: Task | None) -> Mapping[str, str]:
        if target.provider in WITHOUT_TOKEN:
            return {}
        current = store.tasks.expectation(task.id) if task is not None else None
        params = current.task.params if current is not None else {}
        return resolve(
            target.provider,
            integrations=settings.integrations,
            environ=settings.environ,
            params=params,
            chat_id=target.chat_id,
            references=settings.references,
        )

    return credentials
