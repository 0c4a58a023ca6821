"""The gate lets a tick go home only when nothing is due, owed, changed or wrong; in any doubt the whole tick runs."""

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.minutes import stay_within_the_minute
from faults.conftest import Home, raw_task
from faults.scene import TASK
from watchbell import idle
from watchbell.clock import SystemClock
from watchbell.secrets.references import SCHEMES
from watchbell.settings import home_folder, load_settings
from watchbell.stores.interface import TickRecord
from watchbell.stores.local import LocalStore, database, ticks

NEVER = "0 0 29 2 *"


@dataclass
class Gate:
    """A home on which a whole tick has been done, and on which nothing is due."""

    home: Home

    @property
    def environ(self) -> dict[str, str]:
        return self.home.environ

    def is_idle(self) -> bool:
        return idle.is_idle(self.environ)

    def ticks(self) -> list[Any]:
        with closing(sqlite3.connect(self.home.path / "scheduler.db")) as connection:
            return connection.execute("SELECT minute, ran_at, timer, machine FROM ticks ORDER BY id").fetchall()

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.home.path / "scheduler.db", isolation_level=None)) as connection:
            connection.execute(statement, values)

    def whole_tick(self) -> int:
        command = [sys.executable, "-P", "-m", "watchbell_cli", "tick"]
        process = self.home.popen(command)
        process.communicate(timeout=60)
        return process.returncode


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home after a whole tick with nothing due."""
    path = tmp_path_factory.mktemp("template") / "home"
    home = Home(path, {"WATCHBELL_HOME": str(path)})
    home.add(raw_task(TASK, "console:log", cron=NEVER))
    assert Gate(home).whole_tick() == 0
    return path


@pytest.fixture
def gate(template: Path, tmp_path: Path) -> Gate:
    path = tmp_path / "home"
    path.mkdir()
    for name in ("scheduler_tasks.json", "scheduler.db", "scheduler.lock"):
        (path / name).write_bytes((template / name).read_bytes())
    gate = Gate(Home(path, {"WATCHBELL_HOME": str(path)}))
    # The copied file has another inode: index it, as the whole tick would.
    store = LocalStore(path)
    store.tasks.refresh(gate.home.minute, SystemClock().now())
    store.close()
    assert gate.is_idle(), "nothing is due, owed, changed or wrong"
    return gate


def test_the_constants_are_those_of_the_store() -> None:
    assert idle.SCHEMA_VERSION == database.SCHEMA_VERSION
    assert idle.MOST_TICKS == ticks.MOST_TICKS
    assert idle.REFERENCES == SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_configuration_that_is_kept_elsewhere_may_name_a_metrics_file(scheme: str) -> None:
    assert idle.tells_others({"WATCHBELL_CONFIG": f"{scheme}:x"})
    assert not idle.tells_others({"WATCHBELL_CONFIG": f"/nowhere/{scheme}:x"})


def test_an_idle_tick_is_recorded_with_its_minute_its_instant_its_timer_and_its_machine(gate: Gate) -> None:
    gate.environ["WATCHBELL_TIMER"] = "tests"
    before = int(SystemClock().now().timestamp())
    assert gate.is_idle()
    minute, ran_at, timer, machine = gate.ticks()[-1]
    assert (timer, machine) == ("tests", os.uname().nodename)
    assert before <= ran_at <= before + 5
    assert minute in (before // 60, (before + 5) // 60)


def test_an_idle_tick_and_a_whole_one_record_the_same_columns(gate: Gate) -> None:
    gate.environ["WATCHBELL_TIMER"] = "tests"
    gate.is_idle()
    store = LocalStore(gate.home.path)
    now = SystemClock().now().replace(microsecond=0)
    record = TickRecord(minute=now.replace(second=0), ran_at=now, timer="tests", machine=os.uname().nodename)
    store.ticks.record(record)
    store.close()
    by_gate, by_store = gate.ticks()[-2:]
    assert by_gate[2:] == by_store[2:]
    assert [type(value) for value in by_gate] == [type(value) for value in by_store]
    assert by_store[0] - by_gate[0] in (0, 1)


def test_old_ticks_are_forgotten_by_the_gate_too(gate: Gate) -> None:
    gate.sql("UPDATE ticks SET id = id + ?", idle.MOST_TICKS)
    gate.sql("INSERT INTO ticks (id, minute, ran_at, timer, machine) VALUES (1, 0, 0, 'old', 'old')")
    assert gate.is_idle()
    assert "old" not in [timer for _, _, timer, _ in gate.ticks()]


# What makes a tick whole.


def _due(gate: Gate) -> None:
    gate.sql("UPDATE tasks SET next_fire = ?", int(SystemClock().now().timestamp()) // 60)


def _owed(gate: Gate) -> None:
    gate.sql(
        "INSERT INTO runs (task_id, fire_time, adhoc, status, attempt, lease_until, wake_at, due_at,"
        " deliver_until, started_at, definition) VALUES ('x', 'y', 0, 'waiting', 1, 0, ?, 0, 0, 0, '{}')",
        SystemClock().now().timestamp() - 1,
    )


def _told(gate: Gate) -> None:
    gate.sql("INSERT INTO notices (key, detail, since_at, raised_at, tell_at) VALUES ('k', 'd', 0, 0, 1)")


def _tasks_edited(gate: Gate) -> None:
    path = gate.home.path / "scheduler_tasks.json"
    path.write_text(path.read_text() + " ")


def _tasks_replaced_by_the_same(gate: Gate) -> None:
    path = gate.home.path / "scheduler_tasks.json"
    path.with_suffix(".new").write_text(path.read_text())
    path.with_suffix(".new").replace(path)


def _tasks_gone(gate: Gate) -> None:
    (gate.home.path / "scheduler_tasks.json").unlink()


def _tasks_wrong(gate: Gate) -> None:
    gate.sql("INSERT INTO meta (key, value) VALUES ('task_errors', '[[\"[0]\", \"wrong\"]]')")


def _config_made(gate: Gate) -> None:
    (gate.home.path / "config.toml").write_text("")


def _other_config(gate: Gate) -> None:
    other = gate.home.path / "other.toml"
    other.write_text("")
    gate.environ["WATCHBELL_CONFIG"] = str(other)


def _no_home(gate: Gate) -> None:
    gate.environ["WATCHBELL_HOME"] = str(gate.home.path / "elsewhere")


def _home_of_somebody(gate: Gate) -> None:
    gate.environ["WATCHBELL_HOME"] = "~/watchbell"


def _nowhere(gate: Gate) -> None:
    gate.environ.clear()


def _other_store(gate: Gate) -> None:
    gate.environ["WATCHBELL_STORE"] = "dynamodb:watchbell"


def _no_database(gate: Gate) -> None:
    (gate.home.path / "scheduler.db").unlink()


def _no_lock(gate: Gate) -> None:
    (gate.home.path / "scheduler.lock").unlink()


def _corrupt(gate: Gate) -> None:
    (gate.home.path / "scheduler.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _empty(gate: Gate) -> None:
    for name in ("scheduler.db", "scheduler.db-wal", "scheduler.db-shm"):
        (gate.home.path / name).write_bytes(b"")


def _newer(gate: Gate) -> None:
    gate.sql(f"PRAGMA user_version = {idle.SCHEMA_VERSION + 1}")


def _older(gate: Gate) -> None:
    gate.sql("PRAGMA user_version = 0")


DOUBTS: dict[str, Callable[[Gate], None]] = {
    "a task is due": _due,
    "a run is owed": _owed,
    "the operator is to be told": _told,
    "the tasks file was edited": _tasks_edited,
    "the tasks file was replaced": _tasks_replaced_by_the_same,
    "the tasks file is gone": _tasks_gone,
    "a task is wrong": _tasks_wrong,
    "config.toml appeared": _config_made,
    "WATCHBELL_CONFIG names another file": _other_config,
    "there is no home": _no_home,
    "the home begins with a tilde": _home_of_somebody,
    "nothing says where the home is": _nowhere,
    "another store is chosen": _other_store,
    "there is no database": _no_database,
    "there is no lock file": _no_lock,
    "the database is corrupt": _corrupt,
    "the database is empty": _empty,
    "the schema is newer": _newer,
    "the schema is older": _older,
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_any_doubt_the_whole_tick_runs_and_nothing_is_recorded_yet(gate: Gate, doubt: str) -> None:
    before = gate.ticks()
    DOUBTS[doubt](gate)
    assert not gate.is_idle()
    if doubt not in {"there is no database", "the database is corrupt", "the database is empty"}:
        assert gate.ticks() == before
    if doubt == "there is no database":
        assert not (gate.home.path / "scheduler.db").exists(), "the gate makes nothing"


@pytest.mark.parametrize("doubt", ["the schema is newer", "the database is corrupt"])
def test_the_whole_tick_then_says_what_is_wrong(gate: Gate, doubt: str) -> None:
    DOUBTS[doubt](gate)
    process = gate.home.popen([sys.executable, "-P", "-m", "watchbell_cli", "tick"])
    _, err = process.communicate(timeout=60)
    assert process.returncode == (3 if doubt == "the schema is newer" else 5), err
    assert ("upgrade Watchbell" if doubt == "the schema is newer" else "move the damaged file aside") in err
    assert "Traceback" not in err


@pytest.mark.parametrize("doubt", ["config.toml appeared", "the tasks file was edited", "the tasks file was replaced"])
def test_after_the_whole_tick_the_next_one_is_idle_again(gate: Gate, doubt: str) -> None:
    DOUBTS[doubt](gate)
    assert gate.whole_tick() == 0
    assert gate.is_idle()


def test_what_will_be_due_later_is_no_reason_yet(gate: Gate) -> None:
    in_five = SystemClock().now() + timedelta(minutes=5)
    gate.sql("UPDATE tasks SET next_fire = ?", int(in_five.timestamp()) // 60)
    gate.sql(
        "INSERT INTO notices (key, detail, since_at, raised_at, tell_at) VALUES ('k', 'd', 0, 0, ?)",
        in_five.timestamp(),
    )
    assert gate.is_idle()


def test_a_database_that_is_locked_for_long_is_left_to_the_whole_tick(gate: Gate) -> None:
    with (gate.home.path / "scheduler.lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not gate.is_idle()
    assert gate.is_idle()


def test_many_gates_at_once_each_record_their_tick(gate: Gate) -> None:
    before = len(gate.ticks())
    script = f"import os; from watchbell.idle import is_idle; print(is_idle({gate.environ!r}))"
    gates = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate(timeout=60)[0].strip() for process in gates]
    assert said.count("True") == len(gate.ticks()) - before
    assert said.count("True") >= 6, "they queue for a few milliseconds each"


# The same home, the same timer, and next to no imports.

HOMES: list[dict[str, str]] = [
    {"WATCHBELL_HOME": "/srv/bell"},
    {"WATCHBELL_HOME": "relative/bell"},
    {"WATCHBELL_HOME": "/srv/bell", "XDG_CONFIG_HOME": "/xdg", "HOME": "/home/b"},
    {"WATCHBELL_HOME": "", "XDG_CONFIG_HOME": "/xdg", "HOME": "/home/b"},
    {"XDG_CONFIG_HOME": "/xdg", "HOME": "/home/b"},
    {"XDG_CONFIG_HOME": "", "HOME": "/home/b"},
    {"XDG_CONFIG_HOME": "~/odd", "HOME": "/home/b"},
    {"HOME": "/home/b"},
    {"HOME": "/home/b/"},
]


@pytest.mark.parametrize("environ", HOMES, ids=str)
def test_the_gate_finds_the_same_home_as_the_settings(environ: dict[str, str]) -> None:
    script = (
        "import os; from watchbell import idle, settings;"
        "print(os.path.normpath(idle.home_folder(os.environ)), os.path.normpath(settings.home_folder(os.environ)))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    by_gate, by_settings = done.stdout.split()
    assert by_gate == by_settings


@pytest.mark.parametrize("environ", [{"WATCHBELL_HOME": "~/x"}, {"WATCHBELL_HOME": "~root/x"}, {}])
def test_where_finding_the_home_takes_more_than_looking_the_gate_leaves_it(environ: dict[str, str]) -> None:
    assert idle.home_folder(environ) == ""


def test_the_gate_watches_the_config_file_that_the_settings_read(tmp_path: Path) -> None:
    for environ in (
        {"WATCHBELL_HOME": str(tmp_path)},
        {"WATCHBELL_HOME": str(tmp_path), "WATCHBELL_CONFIG": str(tmp_path / "other.toml")},
    ):
        path = Path(environ.get("WATCHBELL_CONFIG") or home_folder(environ) / "config.toml")
        if "WATCHBELL_CONFIG" not in environ:
            assert idle.settings_state(environ) == "none"
        path.write_text("workers = 4\n")
        assert load_settings(environ).config_file == path
        assert idle.settings_state(environ) == idle.file_state(str(path))
        assert idle.settings_state(environ) != "none"


def test_a_config_file_named_from_the_users_home_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"WATCHBELL_HOME": str(tmp_path), "WATCHBELL_CONFIG": "~/my.toml"}
    (tmp_path / "my.toml").write_text("")
    assert load_settings(environ).config_file == tmp_path / "my.toml"
    assert idle.settings_state(environ) == idle.file_state(str(tmp_path / "my.toml"))


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"WATCHBELL_TIMER": "eventbridge", "INVOCATION_ID": "x"}, "eventbridge"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "INVOCATION_ID": "x"}, "kubernetes"),
        ({"INVOCATION_ID": "x"}, "systemd"),
        ({}, "cron"),
    ],
)
def test_the_timer_is_named_as_well_as_can_be_told(
    environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    assert idle.timer_name(environ) == name


#: What an idle tick may load beyond what the interpreter itself, SQLite and file locks do.
ALLOWED = {"watchbell", "watchbell.idle", "watchbell_cli", "watchbell_cli.entry"}


def test_an_idle_tick_imports_next_to_nothing(gate: Gate) -> None:
    script = (
        "import sys, _sqlite3, fcntl; before = set(sys.modules); sys.argv = ['watchbell', 'tick'];"
        "from watchbell_cli.entry import run; run(); print(*sorted(set(sys.modules) - before))"
    )
    before = len(gate.ticks())
    done = subprocess.run([sys.executable, "-c", script], env=gate.environ, capture_output=True, text=True, check=True)
    assert len(gate.ticks()) == before + 1, "it was idle"
    assert set(done.stdout.split()) <= ALLOWED


def test_the_gate_goes_by_the_whole_command(gate: Gate) -> None:
    """The installed command: idle, it prints nothing and exits 0."""
    before = len(gate.ticks())
    done = subprocess.run(
        [str(Path(sys.executable).with_name("watchbell")), "tick"], env=gate.environ, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(gate.ticks()) == before + 1


def test_each_minute_is_idle_or_does_what_is_due_and_never_both(gate: Gate) -> None:
    """The gate and the whole tick agree about what is due: to the minute."""
    stay_within_the_minute()
    store = LocalStore(gate.home.path)
    now = SystemClock().now()
    minute = int(now.timestamp()) // 60
    for next_fire in (minute - 1, minute, minute + 1, minute + 2):
        gate.sql("UPDATE tasks SET next_fire = ?", next_fire)
        this_minute = datetime.fromtimestamp(int(SystemClock().now().timestamp()) // 60 * 60, tz=now.tzinfo)
        assert gate.is_idle() == (store.tasks.due(this_minute) == [])
    store.close()


def test_a_task_definition_is_never_parsed_by_the_gate(gate: Gate) -> None:
    """What cannot be parsed any more is a matter for the whole tick, when it is due."""
    gate.sql("UPDATE tasks SET definition = 'nonsense'")
    assert gate.is_idle()
