"""Each `opensre cron …` line of the contract, rows 2 to 6, with the program name changed, as a real shell runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = ("daily_summary", "weekly_audit", "incident_window_replay", "synthetic_run", "custom_investigation")


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> "Shell":
    script = shutil.which("watchbell", path=str(Path(sys.executable).parent))
    assert script, "the package is not installed"
    return Shell(Path(script).parent)


class Shell:
    def __init__(self, folder: Path) -> None:
        self.environ = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}

    def __call__(self, line: str, code: int = 0) -> str:
        done = subprocess.run(line, shell=True, env=self.environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout


def test_the_printed_lines_add_list_run_log_and_remove_a_task(shell: Shell) -> None:
    row_2 = 'watchbell cron add --kind daily_summary --cron "0 9 * * 1-5" --tz Asia/Kolkata --provider telegram'
    added = shell(f"{row_2} --chat-id -1001234567890")
    (task,) = re.findall(r"^id +(\w+)$", added, re.MULTILINE)
    listed = shell("watchbell cron list")
    assert task in listed
    assert "Asia/Kolkata" in listed
    shell(f"watchbell cron run {task}", code=4)
    assert "failed" in shell(f"watchbell cron logs {task}")
    shell(f"watchbell cron remove {task}")
    assert task not in shell("watchbell cron list")
    assert "failed" in shell(f"watchbell cron logs {task}")


@pytest.mark.parametrize("provider", ["telegram", "slack", "discord"])
def test_every_kind_and_provider_can_be_added(shell: Shell, provider: str) -> None:
    for kind in KINDS:
        shell(f'watchbell cron add --kind {kind} --cron "0 8 * * 1" --provider {provider} --chat-id ID --window 168')
    assert [task["kind"] for task in json.loads(shell("watchbell cron list --json"))] == list(KINDS)


@pytest.mark.parametrize("zone", ["Europe/London", "US/Eastern", "Asia/Kolkata"])
def test_every_printed_expression_and_zone_can_be_added(shell: Shell, zone: str) -> None:
    for cron in ("0 9 * * 1-5", "0 8 * * 1", "*/30 * * * *", "0 0 1 * *"):
        shell(f'watchbell cron add --kind daily_summary --cron "{cron}" --tz {zone} --provider slack --chat-id ID')
    assert len(json.loads(shell("watchbell cron list --json"))) == 4
