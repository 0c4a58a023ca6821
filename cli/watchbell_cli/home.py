"""The store of this home, opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from watchbell.clock import SystemClock
from watchbell.settings import load_settings
from watchbell.stores.interface import Store
from watchbell.wiring.stores import open_store


@contextmanager
def opened_store(*, create: bool = False) -> Iterator[Store]:
    """Give the store; `create` makes the home folder first."""
    with open_store(load_settings(), create=create) as store:
        yield store


def now() -> datetime:
    """Return the time by the system's clock."""
    return SystemClock().now()
