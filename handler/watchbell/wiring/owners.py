"""Settings -> who this process is to the store, and how it tells that another one has ended."""

import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchbell.claims import Host
from watchbell.clock import Clock
from watchbell.instants import epoch_seconds
from watchbell.settings import Settings
from watchbell.stores.interface import Owner
from watchbell.timers import machine_name

_STALE_LOCK_SECONDS = 86_400.0

Ownership = tuple[Owner, Callable[[Owner], bool]]


@contextmanager
def owning(settings: Settings, clock: Clock) -> Iterator[Ownership]:
    """Give this process as an owner, until the block ends, and the test whether an owner has ended."""
    if settings.dynamodb_prefix is not None:
        # On a store that machines share there are no locks to ask: leases alone tell.
        yield Owner(token=secrets.token_hex(16), host=Host(machine=_shared_name(settings), boot="")), _never
        return
    from watchbell.stores.local.owners import OwnerLock

    lock = OwnerLock(settings.home / "owners")
    try:
        lock.sweep(_STALE_LOCK_SECONDS, epoch_seconds(clock.now()))
        yield lock.owner, lambda owner: lock.is_free(owner.token)
    finally:
        lock.release()


def _shared_name(settings: Settings) -> str:
    """Return what counts as one machine: what one sandbox of a function, or one pod of a job, cannot do, none can.

    So do all that hand their runs on through one queue: whoever takes its messages does what they cannot.
    """
    if settings.queue_url:
        return f"queue:{settings.queue_url.rpartition('/')[2]}"
    function = settings.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    return f"lambda:{function}" if function else machine_name(platform.node() or "localhost")


def _never(owner: Owner) -> bool:
    return False
