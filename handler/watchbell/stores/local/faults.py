"""What SQLite and the system complain about, as our errors, saying what to do."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchbell.errors import StoreError, TryAgain

_FEW_BLOCKS = 16


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours, saying what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise TryAgain(f"{path} is busy; try again in a moment") from error
        raise StoreError(f"{path}: {text}{advice(path, text)}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}{advice(path, str(error))}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}{advice(path, str(error))}") from error


def advice(path: Path, text: str) -> str:
    """Return what to do about a fault at `path`, as the end of its message; empty when that is not known."""
    lower = text.lower()
    if "full" in lower or "no space" in lower or ("disk i/o" in lower and _is_full(path)):
        return f"; free some space on the disk of {path.parent}"
    if "not a database" in lower or "malformed" in lower:
        return "; move the damaged file aside, a new one starts at now"
    if any(word in lower for word in ("readonly", "read-only", "unable to open", "permission denied")):
        return f"; {path.parent} must be a folder that this user can write to (WATCHBELL_HOME)"
    return ""


def _is_full(path: Path) -> bool:
    """Tell a full disk from a broken one: SQLite says the same of both when it cannot lay out its log."""
    try:
        return os.statvfs(path.parent).f_bavail < _FEW_BLOCKS
    except OSError:
        return False
