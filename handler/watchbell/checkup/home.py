"""The home folder: whether it is there, whose it is, who can read it, and what it lies on."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from watchbell.checkup.checks import CONFIG, CREDENTIALS, STORE, Check, named, ok, problem, warning
from watchbell.secrets.integrations import is_exposed
from watchbell.settings import Settings

MOUNTS = Path("/proc/self/mounts")

_NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "9p",
            "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.goofys", "beegfs", "davfs"}  # fmt: skip
_PASSING = {"tmpfs": "it is gone after a restart of the machine", "ramfs": "it is gone after a restart of the machine",
            "overlay": "it is gone with the container", "overlayfs": "it is gone with the container",
            "aufs": "it is gone with the container"}  # fmt: skip
_OTHERS = 0o077
_READ_WRITE = os.R_OK | os.W_OK
_FILES = ("scheduler_tasks.json", "scheduler.db", "scheduler.lock", "integrations.json", "config.toml")


def check_home(settings: Settings) -> Iterator[Check]:
    """Look at the folder and its files; the last check is on what it lies on."""
    home = settings.home
    if settings.dynamodb_prefix is not None:
        if home.is_dir():
            yield _modes(settings)
        return
    if not home.is_dir():
        advice = "watchbell cron add makes it; or set WATCHBELL_HOME, as it is set for the timer"
        yield problem("home", f"there is no folder {home}", advice, CONFIG)
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield problem("home", f"{home} cannot be written by this user", f"chown -R or chmod u+rwx {home}", CONFIG)
    else:
        yield ok("home", str(home))
    yield _modes(settings)
    yield file_system(home, _read(MOUNTS))


def _modes(settings: Settings) -> Check:
    home, files = settings.home, [settings.home / name for name in _FILES if (settings.home / name).exists()]
    unusable = [path.name for path in files if not os.access(path, os.R_OK if _is_read_only(path) else _READ_WRITE)]
    if unusable:
        advice = f"run watchbell as one user only; chown the files to the owner of {home}"
        return problem("files", f"this user cannot use {named(unusable)}", advice, CONFIG)
    tokens = settings.integrations
    if isinstance(tokens, Path) and tokens.exists() and is_exposed(tokens.stat()):
        said = f"others can read the tokens in {tokens} (mode {_mode(tokens):04o})"
        return problem("files", said, f"chmod 600 {tokens}; then consider making new tokens", CREDENTIALS)
    owner = home.stat().st_uid
    foreign = [path.name for path in files if path.stat().st_uid != owner and not _is_read_only(path)]
    if foreign:
        advice = f"chown {owner} them, or a timer of that user cannot write"
        return warning("files", f"{named(foreign)} belong to another user than {home}", advice)
    open_ones = [path.name for path in files if is_exposed(path.stat()) and _may_hold_secrets(path)]
    if _mode(home) & _OTHERS and open_ones:
        advice = f"chmod 700 {home}; chmod 600 the files"
        return warning("files", f"others can read {named(open_ones)} (home is {_mode(home):04o})", advice)
    return ok("files", f"{len(files)} files, home {_mode(home):04o}")


def _is_read_only(path: Path) -> bool:
    """Say whether ticks only read a file; it may be a mounted secret."""
    return path.name in ("integrations.json", "config.toml")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _may_hold_secrets(path: Path) -> bool:
    if path.name == "scheduler.lock":
        return False
    if path.name != "config.toml":
        return True
    text = _read(path)
    return "token" in text or "password" in text


def file_system(home: Path, mounts: str) -> Check:
    """Say whether SQLite's log works on what the home lies on, and whether it lasts; `mounts` is /proc/self/mounts."""
    kind = kind_of(os.path.realpath(home), mounts)
    if kind in _NETWORK:
        advice = "move the home to a local disk (WATCHBELL_HOME): SQLite's locks and log fail on network file systems"
        return problem("file system", f"{home} is on {kind}, a network file system", advice, STORE)
    if kind in _PASSING:
        advice = "keep the home on a disk or a mounted volume, or the ledger and its claims are lost"
        return warning("file system", f"{home} is on {kind}: {_PASSING[kind]}", advice)
    if kind.startswith("fuse"):
        advice = "a local disk is safe; others may lie about what is durable"
        return warning("file system", f"{home} is on {kind}", advice)
    return ok("file system", kind or "not known on this system")


def kind_of(path: str, mounts: str) -> str:
    """Return the kind of the file system that holds an absolute path; empty where that is not known."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = point == "/" or path == point or path.startswith(f"{point}/")
        if inside and len(point) >= len(best):  # the later of two on one point hides the other
            best, kind = point, fields[2]
    return kind


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
