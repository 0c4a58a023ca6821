"""Settings -> the store of definitions, runs and ticks."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from watchbell.errors import ConfigError
from watchbell.settings import Settings
from watchbell.stores.interface import Store

if TYPE_CHECKING:
    from watchbell.stores.dynamodb.tables import Wrong


@contextmanager
def open_store(settings: Settings, *, create: bool = False) -> Iterator[Store]:
    """Open the store of `settings`; `create` makes the home folder of a local one first.

    Tables are made by `watchbell store create`, never in passing: whoever runs ticks need not be allowed to.
    """
    store = _local(settings, create=create) if settings.dynamodb_prefix is None else _dynamodb(settings)
    try:
        yield store
    finally:
        store.close()


def create_store(settings: Settings) -> list[str]:
    """Make or upgrade what the store needs, and return what was done, one line each; nothing where all was there."""
    if settings.dynamodb_prefix is not None:
        _demand_boto3()
        from watchbell.stores.dynamodb.tables import create_or_upgrade

        return create_or_upgrade(settings.dynamodb_prefix)
    from watchbell.stores.local.store import DATABASE

    made = {settings.home: "the folder ", settings.home / DATABASE: ""}
    done = [f"made {what}{path}" for path, what in made.items() if not path.exists()]
    with open_store(settings, create=True) as store:
        store.runs.ledger_starts()  # the first question makes the database
    return done


def wrong_with_tables(settings: Settings) -> "Wrong":
    """Return what is wrong with the tables of a DynamoDB store; raises StoreError and TryAgain."""
    assert settings.dynamodb_prefix is not None
    _demand_boto3()
    from watchbell.stores.dynamodb.tables import check

    return check(settings.dynamodb_prefix)


def _demand_boto3() -> None:
    if find_spec("boto3") is None:
        raise ConfigError("the DynamoDB store needs boto3: pip install 'watchbell[aws]'")


def _local(settings: Settings, *, create: bool) -> Store:
    from watchbell.stores.local import LocalStore

    if create:
        try:
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the home folder {settings.home}: {error.strerror}") from error
    if not settings.home.is_dir():
        raise ConfigError(
            f"there is no home folder {settings.home}; `watchbell cron add` makes it, or set WATCHBELL_HOME"
        )
    return LocalStore(settings.home)


def _dynamodb(settings: Settings) -> Store:
    assert settings.dynamodb_prefix is not None
    _demand_boto3()
    from watchbell.stores.dynamodb import DynamoStore

    return DynamoStore(settings.dynamodb_prefix, keep_history=settings.keep_history)
