"""The metrics file is what promtool, and with it the node exporter, takes."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.minutes import stay_within_the_minute
from faults.conftest import raw_task
from watchbell.stores.interface import TickRecord
from watchbell.stores.local import LocalStore
from watchbell.telling.metrics import Family, to_text, write_metrics


@pytest.mark.service("promtool")
def test_promtool_finds_nothing_to_say_about_the_metrics(tmp_path: Path, program: Callable[[str], str | None]) -> None:
    stay_within_the_minute()
    now = datetime.now(UTC)
    environ = {"WATCHBELL_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    store = LocalStore(tmp_path)
    store.tasks.change(
        lambda raws: [*raws, raw_task("a1b2c3d4e5f6", "console:log"), raw_task("b1b2c3d4e5f6", "slack:C1")],
        now=now - timedelta(minutes=5),
    )
    for minutes in (9, 7, 3):
        at = now - timedelta(minutes=minutes)
        store.ticks.record(TickRecord(minute=at, ran_at=at, timer="cron", machine=os.uname().nodename))
    store.close()
    path = tmp_path / "watchbell.prom"
    command = [sys.executable, "-P", "-m", "watchbell_cli", "tick", "--metrics-file", str(path)]
    assert subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 4  # Slack has no token
    text = path.read_text()
    assert 'watchbell_recent_missed_fires{reason="past grace"}' in text
    assert "watchbell_recent_lost_ticks 6" in text
    assert _lint(program, text) == ""
    write_metrics(tmp_path / "empty.prom", LocalStore(_folder(tmp_path / "empty")), now=now, exit_code=0)
    assert _lint(program, (tmp_path / "empty.prom").read_text()) == ""


@pytest.mark.service("promtool")
def test_a_name_with_quotes_and_line_breaks_does_no_harm(program: Callable[[str], str | None]) -> None:
    family = Family("watchbell_thing", "A thing.")
    family.add(1, name='a "quoted" \\ name\nwith a break \ud800')
    assert _lint(program, to_text([family])) == ""


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _lint(program: Callable[[str], str | None], text: str) -> str:
    tool = [program("promtool") or "promtool", "check", "metrics"]
    done = subprocess.run(tool, input=text.encode(), capture_output=True, check=False)
    return (done.stdout + done.stderr).decode() + ("" if done.returncode == 0 else f"exit {done.returncode}")
