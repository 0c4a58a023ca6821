"""What SQLite and the system complain about, as our errors, saying what to do."""

import os
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watchbell.errors import StoreError, TryAgain

_FEW_BLOCKS = 16
_READ_WRITE = os.R_OK | os.W_OK


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
        return f"; {_how_to_write(path)}"
    return ""


def how_to_open(files: Sequence[Path]) -> str:
    """Return what lets this user read and write `files`: own ones have the wrong mode, others the wrong owner."""
    advice = []
    if own := [file for file in files if file.stat().st_uid == os.geteuid()]:
        advice.append(f"chmod u+rw {shlex.join(map(str, own))}")
    if foreign := [file for file in files if file not in own]:
        folder = foreign[0].parent
        owner = folder.stat().st_uid
        if strays := [file for file in foreign if file.stat().st_uid != owner]:
            advice.append(f"run watchbell as one user only: chown {owner} {shlex.join(map(str, strays))}")
        else:
            advice.append(f"run watchbell as the owner of {folder} (user id {owner})")
    return "; ".join(advice)


def _how_to_write(path: Path) -> str:
    """Return what to do where a file cannot be written: SQLite says the same of its folder and of the files beside."""
    folder = path.parent
    if os.access(folder, _READ_WRITE | os.X_OK):
        ours = sorted(file for file in folder.iterdir() if file.name.startswith(f"{path.stem}."))
        if closed := [file for file in ours if not os.access(file, _READ_WRITE) and file.exists()]:
            return how_to_open(closed)
    return f"{folder} must be a folder that this user can write to (WATCHBELL_HOME)"


def _is_full(path: Path) -> bool:
    """Tell a full disk from a broken one: SQLite says the same of both when it cannot lay out its log."""
    try:
        return os.statvfs(path.parent).f_bavail < _FEW_BLOCKS
    except OSError:
        return False
