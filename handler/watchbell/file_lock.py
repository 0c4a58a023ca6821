"""One writer of a file at a time, among all processes of a machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from watchbell.errors import StoreError, TryAgain


@contextmanager
def locked(lock: FileLock, path: Path) -> Iterator[None]:
    """Hold the lock of `path`; raises TryAgain when somebody else has it for longer than its time-out allows."""
    try:
        lock.acquire()
    except Timeout as error:
        raise TryAgain(f"{path} has been locked by another process for {lock.timeout:.0f} s") from error
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}; it must be writable (WATCHBELL_HOME)") from error
    try:
        yield
    finally:
        lock.release()
