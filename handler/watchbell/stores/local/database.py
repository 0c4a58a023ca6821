"""One SQLite database in WAL mode, and one file lock around everything that writes to it.

Why the lock although SQLite has its own: before 3.51.3 two connections that write or checkpoint at the same instant
can, very rarely, corrupt a WAL database, and its busy handler is unfair. With the lock, writers queue in the kernel.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from watchbell.errors import ConfigError
from watchbell.stores.local.faults import translated

SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0


class Database:
    """A connection that threads share, one statement or transaction at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the database; raises StoreError, or ConfigError for a newer schema."""
        self.path = path
        self._mutex = threading.RLock()
        with translated(path):
            self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                with self._locked():
                    self._connection = _connect(path)
            except BaseException:
                os.close(self._lock_file)
                raise

    def close(self) -> None:
        """Close under the lock: the last close of a WAL database writes a checkpoint."""
        with self._mutex, translated(self.path):
            with self._locked():
                self._connection.close()
            os.close(self._lock_file)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one query."""
        with self._mutex, translated(self.path):
            yield self._connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the connection within one transaction, durable when the block ends, undone when it raises."""
        with self._mutex, translated(self.path), self._locked():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)


def _connect(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    if is_new:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"{path} has schema {version}, this Watchbell knows up to {SCHEMA_VERSION}; upgrade Watchbell"
            )
        if version < SCHEMA_VERSION:
            _create(connection)
        # Per connection. FULL: what is committed survives a power cut, so that nothing sent is forgotten.
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    """Lay out a new database: all of it or nothing."""
    connection.execute("PRAGMA journal_mode = WAL")
    schema = files("watchbell.stores.local").joinpath("schema.sql").read_text()
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(schema):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit behind our back."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
