"""The gate before a tick: is there anything to do this minute? Most ticks end here, so it imports next to nothing.

It knows the local store's tables (stores/local/schema.sql) by heart; when in any doubt it lets the whole tick run,
which says clearly what is wrong. It reads the clock itself, in whole seconds, for the same reason.
"""

import fcntl
import os
import time
from _sqlite3 import Error, connect

TYPE_CHECKING = False  # typing would cost as much as all of the rest; checkers know the name
if TYPE_CHECKING:
    from collections.abc import Mapping

# Kept the same by a test: stores/local/database.py and stores/local/ticks.py cost too much to import here.
SCHEMA_VERSION = 1
MOST_TICKS = 100_000
REFERENCES = ("ssm", "secretsmanager", "env", "file")  # secrets.references.SCHEMES
_AHEAD_MINUTES = 2  # claims.AHEAD
_LATEST_JOB_MINUTES = 60

_LOCK_TRIES = 40
_LOCK_PAUSE_SECONDS = 0.01

_QUESTIONS = """
SELECT (SELECT value FROM meta WHERE key = 'tasks_file'),
       (SELECT value FROM meta WHERE key = 'settings'),
       EXISTS (SELECT 1 FROM meta WHERE key = 'task_errors')
    OR EXISTS (SELECT 1 FROM tasks WHERE next_fire <= :minute)
    OR EXISTS (SELECT 1 FROM runs WHERE wake_at <= :now)
    OR EXISTS (SELECT 1 FROM notices WHERE tell_at <= :now)
"""


def is_idle(environ: "Mapping[str, str]") -> bool:
    """Return whether this minute holds nothing to do; the tick is then recorded, and over."""
    home = home_folder(environ)
    if not home or environ.get("WATCHBELL_STORE", "local") not in ("", "local"):
        return False
    try:
        lock = os.open(f"{home}/scheduler.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _take(lock) and _ask_and_record(home, environ)
    except (OSError, Error):
        return False
    finally:
        os.close(lock)


def _ask_and_record(home: str, environ: "Mapping[str, str]") -> bool:
    now = int(time.time())
    path = f"{home}/scheduler.db"
    os.stat(path)
    connection = connect(path, timeout=5.0, isolation_level=None)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            return False
        minute = meant_minute(environ, now)
        times = {"minute": minute, "now": now}
        tasks_file, settings, is_due = connection.execute(_QUESTIONS, times).fetchone()
        if is_due or tasks_file != file_state(f"{home}/scheduler_tasks.json"):
            return False
        if settings != settings_state(environ):
            return False
        connection.execute("BEGIN IMMEDIATE")
        cursor = connection.execute(
            "INSERT INTO ticks (minute, ran_at, timer, machine) VALUES (?, ?, ?, ?)",
            (minute, now, timer_name(environ), os.uname().nodename),
        )
        connection.execute("DELETE FROM ticks WHERE id <= ?", ((cursor.lastrowid or 0) - MOST_TICKS,))
        connection.execute("COMMIT")
    finally:
        connection.close()
    return True


def _take(lock: int) -> bool:
    """Queue for the writers' lock, but not for long: a whole tick can wait with a watchdog, this cannot."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return True
    return False


def home_folder(environ: "Mapping[str, str]") -> str:
    """Return the home folder as settings finds it, or nothing where finding it takes more than looking."""
    home = environ.get("WATCHBELL_HOME")
    if home:
        return "" if home.startswith("~") else home
    base = environ.get("XDG_CONFIG_HOME") or (environ["HOME"] + "/.config" if environ.get("HOME") else "")
    return base and f"{base}/watchbell"


def settings_state(environ: "Mapping[str, str]") -> str:
    """Return what changes when config.toml does."""
    return file_state(_config_file(environ)) or "none"


def tells_others(environ: "Mapping[str, str]") -> bool:
    """Return whether an idle tick has somebody to tell: a heartbeat, or (going by the word alone) a metrics file.

    What a configuration that is kept elsewhere says is not known here, so perhaps it has.
    """
    if environ.get("WATCHBELL_HEARTBEAT_URL"):
        return True
    if environ.get("WATCHBELL_CONFIG", "").partition(":")[0] in REFERENCES:
        return True
    try:
        config = os.open(_config_file(environ), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return b"metrics_file" in os.read(config, 1_000_000)
    except OSError:
        return False
    finally:
        os.close(config)


def _config_file(environ: "Mapping[str, str]") -> str:
    named = environ.get("WATCHBELL_CONFIG")
    return os.path.expanduser(named) if named else f"{home_folder(environ)}/config.toml"


def file_state(path: str) -> str | None:
    """Return what tells one version of a file from another, None when there is no such file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return f"{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ino}"


def meant_minute(environ: "Mapping[str, str]", now: int) -> int:
    """Return the minute since 1970 that a tick is meant for: the one in its Kubernetes Job's name, else this one.

    A CronJob names its Jobs after their scheduled minute (`watchbell-29394823`). A number far from now is part of some
    other name, and a pod that was held up for an hour does better to look at everything up to now.
    """
    this = now // 60
    number = environ.get("WATCHBELL_JOB_NAME", "").rpartition("-")[2]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return this
    named = int(number)
    return named if this - _LATEST_JOB_MINUTES <= named <= this + _AHEAD_MINUTES else this


def timer_name(environ: "Mapping[str, str]") -> str:
    """Return what started this tick, as well as that can be told."""
    name = environ.get("WATCHBELL_TIMER")
    if name:
        return name
    if os.isatty(0):
        return "by hand"
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    return "systemd" if "INVOCATION_ID" in environ else "cron"
