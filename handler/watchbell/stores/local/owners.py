"""Which local processes are alive, told by the kernel: each owner holds a lock on a file named by its token."""

import fcntl
import os
import platform
import secrets
from pathlib import Path

from watchbell.claims import Host
from watchbell.errors import StoreError
from watchbell.stores.interface import Owner


def this_host() -> Host:
    """Return the machine and its boot. Containers on one kernel share the boot, and with it believable file locks."""
    return Host(machine=platform.node() or "localhost", boot=_read("/proc/sys/kernel/random/boot_id") or "unknown")


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


class OwnerLock:
    """This process as an owner, from its making until `release`; a crash of any kind releases it too."""

    def __init__(self, folder: Path) -> None:
        self.owner = Owner(token=secrets.token_hex(16), host=this_host())
        self._folder = folder
        self._path = folder / f"{self.owner.token}.lock"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}; {folder} must be writable") from error

    def release(self) -> None:
        """Say that this process no longer owns anything."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def is_free(self, token: str) -> bool:
        """Return whether the process with `token` is gone."""
        if token == self.owner.token:
            return False
        try:
            file = os.open(self._folder / f"{token}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            # Shared, so that several who ask at once do not take each other for the owner.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(file)

    def sweep(self, older_than_seconds: float, now_seconds: float) -> None:
        """Remove the files of processes long gone; young ones may be about to take their lock."""
        for path in self._folder.glob("*.lock"):
            try:
                old = now_seconds - path.stat().st_mtime > older_than_seconds
            except OSError:
                continue
            if old and self.is_free(path.stem):
                path.unlink(missing_ok=True)
