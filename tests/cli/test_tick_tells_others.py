"""After a tick, idle or not, a dead man's switch hears of it and the metrics are written; the tick ends as it does."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.conftest import Ended
from fakes.switch import Switch

Run = Callable[..., Ended]
NEVER = "0 0 29 2 *"


@pytest.fixture
def switch(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Switch() as running:
        monkeypatch.setenv("WATCHBELL_HEARTBEAT_URL", running.url)
        yield running


def value_of(path: Path, sample: str) -> float:
    found = [line.rpartition(" ")[2] for line in path.read_text().splitlines() if line.rpartition(" ")[0] == sample]
    assert len(found) == 1, path.read_text()
    return float(found[0])


def test_a_tick_pings_also_when_it_is_idle_and_says_nothing_of_it(process: Run, add: Run, switch: Switch) -> None:
    add(cron=NEVER)
    for _ in range(3):
        ended = process("tick")
        assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert switch.paths == ["/", "/", "/"]


def test_a_tick_that_fails_says_with_what_and_keeps_its_exit_code(
    process: Run, add: Run, switch: Switch, tasks_file: Path, home: Path
) -> None:
    add(cron=NEVER)
    tasks_file.write_text("[")
    assert process("tick").code == 3
    (home / "config.toml").write_text("wrong = 1")
    assert process("tick").code == 3
    (home / "config.toml").unlink()
    (home / "scheduler.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert process("tick").code == 5
    assert switch.paths == ["/3", "/3", "/5"]


def test_a_switch_that_is_away_changes_nothing_but_one_line_in_the_log(process: Run, add: Run, switch: Switch) -> None:
    add(cron=NEVER)
    switch.silent = True
    began = time.monotonic()
    ended = process("tick")
    assert ended.code == 0
    assert ended.err.count("\n") == 1
    assert "heartbeat did not arrive" in ended.err
    assert "secret" not in ended.err
    assert time.monotonic() - began < 2 + 4  # the patience, and a start on a busy machine
    assert process("tick").err == ""  # idle, still away, and said already


def test_a_dry_run_tells_nobody(process: Run, add: Run, switch: Switch, tmp_path: Path) -> None:
    add()
    assert process("tick", "--dry-run", "--metrics-file", str(tmp_path / "m.prom")).code == 0
    assert switch.paths == []
    assert not (tmp_path / "m.prom").exists()


def test_metrics_are_written_whole_and_for_everybody_to_read(process: Run, add: Run, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    path = folder / "watchbell.prom"
    task = add(cron="* * * * *")
    process("cron", "run", task)
    assert process("tick", "--metrics-file", str(path)).code == 0
    assert [file.name for file in folder.iterdir()] == ["watchbell.prom"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert value_of(path, "watchbell_recent_ticks") == 1
    assert value_of(path, "watchbell_last_tick_exit_code") == 0
    assert abs(value_of(path, "watchbell_last_tick_timestamp_seconds") - time.time()) < 60
    assert value_of(path, 'watchbell_recent_runs{status="success"}') >= 1
    assert value_of(path, 'watchbell_recent_deliveries{outcome="delivered",provider="console"}') >= 1
    assert value_of(path, f'watchbell_task_last_run_well{{task="{task}"}}') == 1
    assert value_of(path, 'watchbell_source_covered{source="alert log"}') == 0  # there is no log


def test_a_damaged_report_costs_the_metrics_only_what_it_said(
    process: Run, add: Run, tmp_path: Path, home: Path
) -> None:
    task = add(cron=NEVER)
    process("cron", "run", task)
    with closing(sqlite3.connect(home / "scheduler.db")) as connection, connection:
        connection.execute("UPDATE reports SET body = x'00'")
    path = tmp_path / "m.prom"
    assert process("tick", "--metrics-file", str(path)).code == 0
    assert value_of(path, f'watchbell_task_last_run_well{{task="{task}"}}') == 1
    assert "watchbell_source_covered{" not in path.read_text()


def test_idle_ticks_write_metrics_too_by_the_option_and_by_config(
    process: Run, add: Run, tmp_path: Path, home: Path
) -> None:
    add(cron=NEVER)
    path = tmp_path / "watchbell.prom"
    for number in (1, 2):
        assert process("tick", "--metrics-file", str(path)).code == 0
        assert value_of(path, "watchbell_recent_ticks") == number
    path.unlink()
    (home / "config.toml").write_text(f'metrics_file = "{path}"\n')
    for number in (3, 4):
        assert process("tick").code == 0
        assert value_of(path, "watchbell_recent_ticks") == number


def test_a_failed_tick_is_in_the_metrics(process: Run, add: Run, tmp_path: Path, tasks_file: Path) -> None:
    add(cron=NEVER)
    tasks_file.write_text("[")
    assert process("tick", "--metrics-file", str(tmp_path / "m.prom")).code == 3
    assert value_of(tmp_path / "m.prom", "watchbell_last_tick_exit_code") == 3


def test_metrics_that_cannot_be_written_are_a_line_in_the_log(process: Run, add: Run, tmp_path: Path) -> None:
    add(cron=NEVER)
    for _ in range(2):
        ended = process("tick", "--metrics-file", str(tmp_path / "nowhere" / "m.prom"))
        assert ended.code == 0
        assert "the metrics file" in ended.err
        assert "No such file" in ended.err


def test_without_either_an_idle_tick_tells_nobody(process: Run, add: Run, home: Path) -> None:
    add(cron=NEVER)
    (home / "config.toml").write_text("workers = 2\n")
    process("tick")
    before = sorted(os.listdir(home))
    ended = process("tick")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert sorted(os.listdir(home)) == before
