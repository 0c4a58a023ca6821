"""Records of ticks, and what the operator has been told, in the database of one machine."""

import sqlite3
from datetime import datetime

from watchbell.instants import epoch_minute, epoch_seconds, from_epoch_minute, from_epoch_seconds
from watchbell.stores.interface import MOST_NOTICES, Notice, TickRecord
from watchbell.stores.local.database import Database
from watchbell.timers import machine_name

#: About 70 days of minutes; the gate keeps to the same number.
MOST_TICKS = 100_000
_HOUR = 3_600.0
_DAY = 86_400.0
_SOON = 300.0
#: A weekly task raises its conditions weekly.
_FORGET = 9 * _DAY


class LocalTicks:
    """See TickStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, record: TickRecord) -> None:
        with self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO ticks (minute, ran_at, timer, machine) VALUES (?, ?, ?, ?)",
                (epoch_minute(record.minute), epoch_seconds(record.ran_at), record.timer, record.machine),
            )
            connection.execute("DELETE FROM ticks WHERE id <= ?", ((cursor.lastrowid or 0) - MOST_TICKS,))

    def records(self, since: datetime) -> list[TickRecord]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM ticks WHERE ran_at >= ? ORDER BY ran_at, id", (epoch_seconds(since),)
            ).fetchall()
        return [
            TickRecord(
                minute=from_epoch_minute(row["minute"]),
                ran_at=from_epoch_seconds(row["ran_at"]),
                timer=row["timer"],
                machine=row["machine"],
            )
            for row in rows
        ]

    def ticked_between(self, start: datetime, end: datetime) -> bool:
        return self._exists(
            "SELECT 1 FROM ticks WHERE ran_at >= ? AND ran_at < ? LIMIT 1", epoch_seconds(start), epoch_seconds(end)
        )

    def other_machines(self, here: str, since: datetime) -> bool:
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT machine FROM ticks WHERE ran_at >= ?", (epoch_seconds(since),))
            return any(machine_name(machine) != machine_name(here) for (machine,) in rows)

    def remember_settings(self, state: str) -> None:
        if self._exists("SELECT 1 FROM meta WHERE key = 'settings' AND value = ?", state):
            return
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('settings', ?)", (state,))

    def raise_notice(self, key: str, detail: str, now: datetime) -> None:
        at = epoch_seconds(now)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO notices (key, detail, since_at, raised_at, tell_at) VALUES (:key, :detail, :at, :at, :at)"
                " ON CONFLICT (key) DO UPDATE SET detail = :detail, raised_at = :at, holds = 1,"
                " since_at = CASE WHEN holds OR told THEN since_at ELSE :at END,"
                # What comes and goes is told again after an hour; what the operator believes anyway, daily.
                " tell_at = CASE WHEN holds THEN tell_at WHEN told THEN told_at + :day"
                "                ELSE max(:at, ifnull(told_at + :hour, :at)) END",
                {"key": key, "detail": detail, "at": at, "day": _DAY, "hour": _HOUR},
            )

    def clear_notice(self, key: str, now: datetime) -> None:
        if not self._exists("SELECT 1 FROM notices WHERE key = ? AND holds", key):
            return
        with self._database.write() as connection:
            connection.execute(
                "UPDATE notices SET holds = 0, tell_at = CASE WHEN told THEN ? END WHERE key = ?",
                (epoch_seconds(now), key),
            )

    def notices_to_tell(self, now: datetime, *, most: int = MOST_NOTICES) -> list[Notice]:
        at = epoch_seconds(now)
        if not self._exists("SELECT 1 FROM notices WHERE tell_at <= ? LIMIT 1", at):
            return []
        with self._database.write() as connection:
            # Nobody has seen these for long: a source or a task that is no longer there.
            connection.execute("DELETE FROM notices WHERE raised_at < ?", (at - _FORGET,))
            rows = connection.execute(
                "SELECT * FROM notices WHERE tell_at <= ? ORDER BY since_at, key LIMIT ?", (at, most)
            ).fetchall()
            connection.executemany(
                "UPDATE notices SET told = holds, told_at = :at, tell_at = CASE WHEN holds THEN :at + :day END"
                " WHERE key = :key",
                [{"at": at, "day": _DAY, "key": row["key"]} for row in rows],
            )
        return [_notice(row) for row in rows]

    def notice_not_told(self, notices: list[Notice], now: datetime) -> None:
        at = epoch_seconds(now) + _SOON
        with self._database.write() as connection:
            for notice in notices:
                # Before it was told: a condition was not believed to hold, a recovery was still believed not to.
                connection.execute(
                    "UPDATE notices SET told = ?, told_at = NULL, tell_at = CASE WHEN holds OR ? THEN ? END"
                    " WHERE key = ?",
                    (notice.recovered, notice.recovered, at, notice.key),
                )

    def _exists(self, query: str, *values: float | str) -> bool:
        with self._database.read() as connection:
            return connection.execute(query, values).fetchone() is not None


def _notice(row: sqlite3.Row) -> Notice:
    return Notice(
        key=row["key"],
        detail=row["detail"],
        since=from_epoch_seconds(row["since_at"]),
        recovered=not row["holds"],
    )
