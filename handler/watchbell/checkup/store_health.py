"""What holds the tasks and runs: SQLite, its schema, and whether it is whole; or the tables of DynamoDB."""

import sqlite3
from collections.abc import Iterator

from watchbell.checkup.checks import STORE, Check, ok, problem, warning
from watchbell.clock import Clock
from watchbell.settings import Settings
from watchbell.stores.local.database import SCHEMA_VERSION, Database
from watchbell.stores.local.store import DATABASE, TASKS_FILE
from watchbell.wiring.stores import wrong_with_tables

#: The first SQLite without the bug that can damage a database in WAL mode.
WITHOUT_RESET_BUG = (3, 51, 3)
_PATIENCE_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 100_000


def check_store(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Look at the store as a whole, not at what is in it."""
    if settings.dynamodb_prefix is not None:
        yield from _check_tables(settings)
        return
    yield check_sqlite()
    if settings.home.is_dir():
        yield from check_database(settings, clock)


def holds_anything(settings: Settings) -> bool:
    """Say whether there is a store to read; looking must not make one."""
    if settings.dynamodb_prefix is not None:
        return True
    return (settings.home / DATABASE).exists() or (settings.home / TASKS_FILE).exists()


def _check_tables(settings: Settings) -> Iterator[Check]:
    wrong = wrong_with_tables(settings)
    for one in wrong.problems:
        yield problem("store", one, "no tick and no command can work until then", STORE)
    for one in wrong.warnings:
        yield warning("store", one, "ticks and commands work without")
    if not wrong.problems:
        yield ok("store", f"{settings.store_name}: both tables and their indexes are there")


def check_sqlite(version: str = sqlite3.sqlite_version) -> Check:
    """Name the SQLite, and what is done about its bug."""
    if tuple(int(piece) for piece in version.split(".")[:3]) >= WITHOUT_RESET_BUG:
        return ok("sqlite", version)
    said = f"{version}, which has the WAL-reset bug; Watchbell's file lock keeps writers apart, so it does not strike"
    return ok("sqlite", said, "let no other program write to scheduler.db; 3.51.3 mends the bug")


def check_database(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Open it as every command does, and read all of it, for a few seconds at most."""
    path = settings.home / DATABASE
    if not path.exists():
        advice = "the next tick or `watchbell cron add` makes it; if there was one, look for a backup"
        yield warning("store", f"there is no {path.name} yet", advice)
        return
    database = Database(path)
    try:
        found = _quick_check(database, clock)
    finally:
        database.close()
    if found == "ok":
        yield ok("store", f"schema {SCHEMA_VERSION}, whole")
    elif found is None:
        yield ok("store", f"schema {SCHEMA_VERSION}; no damage seen within {_PATIENCE_SECONDS:.0f} s of looking")
    else:
        advice = f"stop the timer, keep a copy, and move {path} aside: a new one starts at now"
        yield problem("store", f"{path} is damaged: {found}", advice, STORE)


def _quick_check(database: Database, clock: Clock) -> str | None:
    """Return SQLite's own words, `ok` or the first damage; None when it took too long."""
    end = clock.monotonic() + _PATIENCE_SECONDS
    with database.read() as connection:
        connection.set_progress_handler(lambda: clock.monotonic() > end, _STEPS_BETWEEN_LOOKS)
        try:
            (words,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupt" not in str(error):
                raise
            return None
        except sqlite3.DatabaseError as error:
            return str(error)
        finally:
            connection.set_progress_handler(None, 0)
    return " ".join(str(words).split())[:200]
