"""Settings -> the store of definitions, runs and ticks."""

from collections.abc import Iterator
from contextlib import contextmanager

from watchbell.errors import ConfigError
from watchbell.settings import Settings
from watchbell.stores.local import LocalStore


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
