"""scheduler_tasks.json: read whole, replaced whole, by one writer at a time, never overwritten unless understood."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from watchbell.atomic_file import sync_folder
from watchbell.errors import ConfigError, StoreError
from watchbell.file_lock import locked
from watchbell.stores.interface import RawTask
from watchbell.stores.local.faults import advice
from watchbell.tasks import json_type

LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one version of the file from another without reading it."""

    mtime_ns: int
    size: int
    inode: int

    def __str__(self) -> str:
        return f"{self.mtime_ns}:{self.size}:{self.inode}"


@dataclass(frozen=True, slots=True)
class Content:
    """The raw list, and the state of the file it was read from (None: there is no file)."""

    tasks: list[Any]
    state: FileState | None


class TasksFile:
    """The tasks file of one home."""

    def __init__(self, path: Path) -> None:
        # A linked file (a home kept in a repository of dotfiles) is replaced where it really is.
        self.path = Path(os.path.realpath(path))
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_SECONDS, mode=0o600)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer; raises TryAgain when somebody else is for longer than a minute."""
        with locked(self._lock, self.path):
            yield

    def state(self) -> FileState | None:
        """Return the state of the file as it is now, None when there is none."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from error
        return FileState(stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def read(self) -> Content:
        """Return the raw tasks; raises ConfigError, with line and column, for anything but a JSON list."""
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                data = file.read()
        except FileNotFoundError:
            return Content([], None)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}; its owner must be able to read it") from error
        return Content(self._decode(data), FileState(stat.st_mtime_ns, stat.st_size, stat.st_ino))

    def _decode(self, data: bytes) -> list[Any]:
        if not data.strip():
            raise ConfigError(f"{self.path} is empty; restore it from a backup, or write [] for no tasks")
        try:
            tasks = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{self.path} line {error.lineno} column {error.colno}: {error.msg}") from error
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise ConfigError(f"{self.path} line {line}: not UTF-8 text") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self.path}: {error}") from error
        if not isinstance(tasks, list):
            raise ConfigError(f"{self.path} holds {json_type(tasks)}, not a list of tasks")
        return tasks

    def write(self, tasks: list[RawTask]) -> FileState:
        """Replace the file: a crash at any instant leaves the whole old or the whole new one. Call within `locked`."""
        temporary = self.path.with_name(self.path.name + ".tmp")  # one name, so that crashes leave one file at most
        data = _encode(tasks)
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
                stat = os.fstat(stream.fileno())
            temporary.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            hint = advice(self.path, str(error))
            raise StoreError(f"{self.path}: {error.strerror}; nothing was changed{hint}") from error
        return FileState(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _encode(tasks: list[RawTask]) -> bytes:
    """Return the file's bytes, for people to read; half a surrogate pair can only be kept as an escape."""
    try:
        text = json.dumps(tasks, indent=2, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise ConfigError("a task is nested too deeply to be written") from error
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)
