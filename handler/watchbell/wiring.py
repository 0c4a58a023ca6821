"""The composition root: settings in, services out. Nothing connects before it is used, and only here are all known."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO

from watchbell.clock import Clock, SystemClock
from watchbell.credentials import WITHOUT_TOKEN, resolve
from watchbell.delivery.interface import Provider
from watchbell.errors import ConfigError
from watchbell.instants import epoch_seconds
from watchbell.reports.interface import Pipeline, Source
from watchbell.services import ResolveCredentials, Services
from watchbell.settings import UNREADABLE, Settings, SourceSettings
from watchbell.stores.interface import Store
from watchbell.stores.local import LocalStore
from watchbell.stores.local.owners import OwnerLock
from watchbell.tasks import Target, Task

_STALE_LOCK_SECONDS = 86_400.0


@contextmanager
def open_store(settings: Settings, *, create: bool = False) -> Iterator[LocalStore]:
    """Open the store of `settings`; `create` makes the home folder first."""
    if create:
        try:
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the home folder {settings.home}: {error.strerror}") from error
    if not settings.home.is_dir():
        raise ConfigError(
            f"there is no home folder {settings.home}; `watchbell cron add` makes it, or set WATCHBELL_HOME"
        )
    store = LocalStore(settings.home)
    try:
        yield store
    finally:
        store.close()


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
                providers=_Providers(settings, console or sys.stdout),
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


def make_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """Return the built-in pipeline over the configured sources."""
    from watchbell.reports.pipeline import BuiltinPipeline

    return BuiltinPipeline([make_source(settings, source, clock) for source in settings.sources], clock=clock)


def make_providers(settings: Settings, console: TextIO) -> Mapping[str, Provider]:
    """Return the ways to reach people; each is made when it is first used."""
    return _Providers(settings, console)


def make_source(settings: Settings, configured: SourceSettings, clock: Clock) -> Source:
    """Return one configured source; it connects when it is read."""
    options: dict[str, Any] = dict(configured.options)
    if configured.kind == UNREADABLE:
        from watchbell.reports.sources.unreadable import Unreadable

        return Unreadable(options["detail"])
    if configured.kind == "prometheus":
        from watchbell.reports.sources.prometheus import Prometheus

        return Prometheus(options.pop("url"), clock=clock, required=configured.required, **options)
    if configured.kind == "alertmanager":
        from watchbell.reports.sources.alertmanager import Alertmanager

        return Alertmanager(options.pop("url"), clock=clock, required=configured.required, **options)
    from watchbell.reports.sources.alert_log import AlertLog

    options.pop("path", None)
    if "max_gap_minutes" in options:
        options["max_gap"] = timedelta(minutes=options.pop("max_gap_minutes"))
    return AlertLog(settings.alert_log, required=configured.required, **options)


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


class _Providers(Mapping[str, Provider]):
    """Each provider is imported and made when it is first used: a console delivery needs no HTTP client."""

    def __init__(self, settings: Settings, console: TextIO) -> None:
        self._makers: dict[str, Callable[[], Provider]] = {
            "telegram": lambda: _telegram(settings),
            "slack": lambda: _slack(settings),
            "discord": lambda: _discord(settings),
            "console": lambda: _console(console),
        }
        self._made: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Provider:
        with self._lock:
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _telegram(settings: Settings) -> Provider:
    from watchbell.delivery.telegram import Telegram

    return Telegram(settings.telegram_api_url)


def _slack(settings: Settings) -> Provider:
    from watchbell.delivery.slack import Slack

    return Slack(settings.slack_api_url)


def _discord(settings: Settings) -> Provider:
    from watchbell.delivery.discord import Discord

    return Discord(settings.discord_api_url)


def _console(stream: TextIO) -> Provider:
    from watchbell.delivery.console import Console

    return Console(stream)
