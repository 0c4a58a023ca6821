"""One suite, every backend: a backend opens the same store as often as a test wants, as several processes would."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.dynamodb import environment, moto_server, new_tables, shared_client
from watchbell.claims import Expectation, Host, Move, plan_move
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.interface import ClaimResult, Owner, Run, Store
from watchbell.stores.local import LocalStore

#: In a backend's home: the prefix of its tables, where it is one in DynamoDB.
PREFIX_FILE = "dynamodb"
START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    """Return the instant of `HH:MM[:SS]` on the day of the tests."""
    return datetime.fromisoformat(f"2026-11-22T{text}+00:00")


def new_owner(machine: str = "here") -> Owner:
    return Owner(token=secrets.token_hex(8), host=Host(machine=machine, boot=f"boot of {machine}"))


def raw_task(task_id: str = "a1b2c3d4e5f6", cron: str = "0 * * * *", **fields: Any) -> dict[str, Any]:
    return {
        "id": task_id,
        "kind": "daily_summary",
        "cron": cron,
        "timezone": "UTC",
        "provider": "console",
        "chat_id": "stdout",
        **fields,
    }


class Backend:
    """Somewhere that stores can be opened on, again and again, also by other processes: `home` is all they need."""

    def __init__(self, home: Path) -> None:
        self.home = home
        #: How much longer a call takes than with local files, so that races with many calls still end in time.
        self.slowness = 4 if (home / PREFIX_FILE).exists() else 1
        self._opened: list[Store] = []

    def open(self) -> Store:
        prefix = self.home / PREFIX_FILE
        if prefix.exists():
            return DynamoStore(prefix.read_text(), client=shared_client())
        store = LocalStore(self.home)
        self._opened.append(store)
        return store

    def damage_report(self, run: Run, body: bytes) -> None:
        """Put other bytes in the place of a run's saved report, which is small."""
        prefix = self.home / PREFIX_FILE
        if prefix.exists():
            table, client = f"{prefix.read_text()}-runs", shared_client()
            (key,) = [
                {name: item[name] for name in ("task_id", "fire_time")}
                for item in client.scan(TableName=table)["Items"]
                if item["task_id"]["S"] == run.task_id and "body" in item
            ]
            values = {":body": {"B": body}}
            client.update_item(
                TableName=table, Key=key, UpdateExpression="SET body = :body", ExpressionAttributeValues=values
            )
            return
        with closing(sqlite3.connect(self.home / "scheduler.db", isolation_level=None)) as connection:
            key = (run.task_id, run.fire_time)
            connection.execute("UPDATE reports SET body = ? WHERE (task_id, fire_time) = (?, ?)", (body, *key))

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a backend with every one; moto does not isolate transactions that come at once."""
    if "backend" in metafunc.fixturenames:
        dynamodb = pytest.param("dynamodb", marks=pytest.mark.service("dynamodb-local"))
        moto = [] if "races" in metafunc.module.__name__ else ["moto"]
        metafunc.parametrize("backend", ["local", *moto, dynamodb], indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    if request.param == "dynamodb":
        (tmp_path / PREFIX_FILE).write_text(request.getfixturevalue("tables"))
    elif request.param == "moto":
        for name, value in environment(request.getfixturevalue("moto_url")).items():
            monkeypatch.setenv(name, value)
        (tmp_path / PREFIX_FILE).write_text(new_tables())
    opened = Backend(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open()


def add(store: Store, *raws: dict[str, Any], now: datetime = START) -> None:
    store.tasks.change(lambda tasks: [*tasks, *raws], now=now)


def replace_task(store: Store, now: datetime, task_id: str = "a1b2c3d4e5f6", **fields: Any) -> None:
    store.tasks.change(lambda tasks: [task | fields if task["id"] == task_id else task for task in tasks], now=now)


def expectation(store: Store, task_id: str = "a1b2c3d4e5f6") -> Expectation:
    found = store.tasks.expectation(task_id)
    assert found is not None
    return found


def plan(store: Store, now: datetime, task_id: str = "a1b2c3d4e5f6") -> tuple[Expectation, Move]:
    expected = expectation(store, task_id)
    move = plan_move(
        expected,
        minute=now.replace(second=0),
        now=now,
        tick_deadline=timedelta(minutes=5),
        ticked_between=store.ticks.ticked_between,
    )
    assert move is not None
    return expected, move


def claim(store: Store, now: datetime, owner: Owner | None = None, task_id: str = "a1b2c3d4e5f6") -> ClaimResult:
    expected, move = plan(store, now, task_id)
    return store.runs.claim(expected, move, owner=owner or new_owner(), lease_until=now + timedelta(minutes=6), now=now)


def claimed(store: Store, now: datetime, owner: Owner | None = None, task_id: str = "a1b2c3d4e5f6") -> Run:
    run = claim(store, now, owner, task_id).run
    assert run is not None
    return run
