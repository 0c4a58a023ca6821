"""The composition root: settings in, services out. Nothing connects before it is used, and only here are all known."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from watchbell.clock import SystemClock
from watchbell.credentials import WITHOUT_TOKEN, resolve
from watchbell.instants import epoch_seconds
from watchbell.services import ResolveCredentials, Services
from watchbell.settings import Settings
from watchbell.stores.interface import Store
from watchbell.stores.local.owners import OwnerLock
from watchbell.tasks import Target, Task
from watchbell.wiring.pipelines import make_pipeline
from watchbell.wiring.providers import make_providers
from watchbell.wiring.stores import open_store

_STALE_LOCK_SECONDS = 86_400.0


@contextmanager
def open_services(settings: Settings, *, timer: str, console: TextIO | None = None) -> Iterator[Services]:
    """Give everything that a tick needs; this process owns what it claims until the block ends."""
    clock = SystemClock()
    with open_store(settings) as store:
        lock = OwnerLock(settings.home / "owners")
        try:
            lock.sweep(_STALE_LOCK_SECONDS, epoch_seconds(clock.now()))
            yield Services(
                store=store,
                pipeline=make_pipeline(settings, clock),
                providers=make_providers(settings, console or sys.stdout),
                credentials=_resolver(settings, store),
                clock=clock,
                owner=lock.owner,
                is_gone=lambda owner: lock.is_free(owner.token),
                timer=timer,
                workers=settings.workers,
                deadline=settings.deadline,
                keep_history=settings.keep_history,
                ops_target=settings.ops_target,
            )
        finally:
            lock.release()


def _resolver(settings: Settings, store: Store) -> ResolveCredentials:
    """Resolve credentials at delivery; those in a task's params are read from its definition, never from a run."""

    def credentials(target: Target, task: Task | None) -> Mapping[str, str]:
        if target.provider in WITHOUT_TOKEN:
            return {}
        current = store.tasks.expectation(task.id) if task is not None else None
        params = current.task.params if current is not None else {}
        return resolve(
            target.provider,
            integrations=settings.integrations_file,
            environ=settings.environ,
            params=params,
            chat_id=target.chat_id,
        )

    return credentials
