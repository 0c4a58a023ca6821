"""The home folder: whether it is there, whose it is, who can read and write it, and what it lies on."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchbell.checkup.checks import CONFIG, CREDENTIALS, STORE, Check, named, ok, problem, warning
from watchbell.secrets.integrations import is_exposed
from watchbell.settings import Settings
from watchbell.stores.local.faults import how_to_open

MOUNTS = Path("/proc/self/mounts")

_NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "9p",
            "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.goofys", "beegfs", "davfs"}  # fmt: skip
_PASSING = {"tmpfs": "it is gone after a restart of the machine", "ramfs": "it is gone after a restart of the machine",
            "overlay": "it is gone with the container", "overlayfs": "it is gone with the container",
            "aufs": "it is gone with the container"}  # fmt: skip
_OTHERS = 0o077
_ENTERED = 0o011  # by group or others; what is in a folder without these is out of their reach
_READ_WRITE = os.R_OK | os.W_OK
_FILES = ("scheduler_tasks.json", "scheduler.db", "scheduler.lock", "integrations.json", "config.toml")
#: What else a tick or a command has to write.
_BESIDE = ("scheduler.db-wal", "scheduler.db-shm", "scheduler_tasks.json.lock", "owners")


def check_home(settings: Settings) -> Iterator[Check]:
    """Look at the folder and its files; the last check is on what it lies on."""
    home = settings.home
    if settings.dynamodb_prefix is not None:
        if home.is_dir():
            yield from _check_files(settings)
        return
    if not home.is_dir():
        advice = "watchbell cron add makes it; or set WATCHBELL_HOME, as it is set for the timer"
        yield problem("home", f"there is no folder {home}", advice, CONFIG)
        return
    if not os.access(home, _READ_WRITE | os.X_OK):
        yield problem("home", f"{home} cannot be written by this user", _how_to_use(home), CONFIG)
    else:
        yield ok("home", str(home))
    if os.access(home, os.R_OK | os.X_OK):
        yield from _check_files(settings)
    yield file_system(home, _read(MOUNTS))


def _how_to_use(home: Path) -> str:
    if _is_mounted_read_only(home):
        return "it is on a read-only file system: mount it so that it can be written, or set WATCHBELL_HOME"
    owner = home.stat().st_uid
    if owner == os.geteuid():
        return f"chmod u+rwx {_words([home])}"
    return f"run watchbell as its owner (user id {owner}), or chown -R {os.geteuid()} {_words([home])}"


def _check_files(settings: Settings) -> Iterator[Check]:
    """Look at modes and owners; what is merely untidy is said where nothing is wrong."""
    looks = (_unusable(settings.home), _exposed_tokens(settings), _open_to_writers(settings))
    wrong = [found for found in looks if found is not None]
    yield from wrong or [_owners_and_readers(settings.home)]


def _unusable(home: Path) -> Check | None:
    closed = [home / name for name in (*_FILES, *_BESIDE) if not os.access(home / name, _needed(home / name))]
    unusable = [path for path in closed if path.exists()]
    if not unusable:
        return None
    said = f"this user cannot use {named(path.name for path in unusable)}"
    return problem("files", said, how_to_open(unusable), CONFIG)


def _needed(path: Path) -> int:
    """Return what this user must be able to do with a file; ticks only read tasks, so these may be mounted as well."""
    return os.R_OK if _is_read_only(path) or _is_mounted_read_only(path) else _READ_WRITE


def _exposed_tokens(settings: Settings) -> Check | None:
    tokens = settings.integrations
    if not (isinstance(tokens, Path) and tokens.exists() and is_exposed(tokens.stat())):
        return None
    said = f"others can read the tokens in {tokens} (mode {_mode(tokens):04o})"
    return problem("files", said, f"chmod 600 {_words([tokens])}; then consider making new tokens", CREDENTIALS)


def _open_to_writers(settings: Settings) -> Check | None:
    """Find what others can replace: with config.toml they run commands of theirs, with tasks they send to anybody.

    The group of a home that belongs to somebody else does not count: it is how a Kubernetes volume (root, fsGroup) is
    given to us. A set-group-id folder is meant for its group, which is a warning.
    """
    home, user = settings.home, _ticking_user(settings.home)
    others = stat.S_IWOTH | (stat.S_IWGRP if home.stat().st_uid == user else 0)
    reached = [path for path in _files_in_use(settings) if _mode(path.resolve().parent) & _ENTERED]
    found = [path for path in (home, *reached) if _mode_if_there(path) & others]
    if not found:
        return None
    advice = _how_to_close(found, home, user)
    what = named(path.name if path.parent == home else str(path) for path in found)
    if _mode(home) & stat.S_ISGID and not any(_mode(path) & stat.S_IWOTH for path in found):
        return warning("files", f"the group of {home} can write {what}", advice)
    return problem("files", f"others can write {what}, and so decide what runs and what is sent", advice, CONFIG)


def _files_in_use(settings: Settings) -> list[Path]:
    """Return the files in the home, and the config.toml elsewhere that WATCHBELL_CONFIG names."""
    files = {path for path in settings.home.iterdir() if path.is_file()}
    if isinstance(settings.config_file, Path) and settings.config_file.is_file():
        files.add(settings.config_file)
    return sorted(files)


def _how_to_close(found: list[Path], home: Path, user: int) -> str:
    """Return the commands; a file that belongs to somebody else, or is a program, keeps its other rights."""
    commands = []
    if home in found:
        commands += [] if home.stat().st_uid == user else [f"chown {user} {_words([home])}"]
        commands.append(f"chmod 700 {_words([home])}")
    files = [path for path in found if path != home]
    private = [path for path in files if path.stat().st_uid == user and not _mode(path) & stat.S_IXUSR]
    if private:
        commands.append(f"chmod 600 {_words(private)}")
    if rest := [path for path in files if path not in private]:
        commands.append(f"chmod go-w {_words(rest)}")
    return "; ".join(commands)


def _owners_and_readers(home: Path) -> Check:
    files, owner = _present(home, _FILES), home.stat().st_uid
    foreign = [path for path in files if path.stat().st_uid != owner and not _is_read_only(path)]
    if foreign and (owner or _ticking_user(home) == owner):  # of root's home, not ours, we have a part: a volume
        advice = f"chown {owner} {_words(foreign)}; else a timer of that user cannot write"
        return warning("files", f"{named(path.name for path in foreign)} belong to another user than {home}", advice)
    open_ones = [path for path in files if is_exposed(path.stat()) and _may_hold_secrets(path)]
    if _mode(home) & _OTHERS and open_ones:
        advice = f"chmod 700 {_words([home])}; chmod 600 {_words(open_ones)}"
        said = f"others can read {named(path.name for path in open_ones)} (home is {_mode(home):04o})"
        return warning("files", said, advice)
    return ok("files", f"{len(files)} files, home {_mode(home):04o}")


def _present(home: Path, names: Iterable[str]) -> list[Path]:
    return [home / name for name in names if (home / name).exists()]


def _ticking_user(home: Path) -> int:
    """Return who is meant to use the home: this user, or the owner where root only looks at it."""
    return os.geteuid() or home.stat().st_uid


def _is_read_only(path: Path) -> bool:
    """Say whether ticks only read a file; it may be a mounted secret."""
    return path.name in ("integrations.json", "config.toml")


def _is_mounted_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _words(paths: Iterable[Path]) -> str:
    return shlex.join(str(path) for path in paths)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _mode_if_there(path: Path) -> int:
    """Return the mode of a file that a tick may take away just now."""
    try:
        return _mode(path)
    except FileNotFoundError:
        return 0


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
