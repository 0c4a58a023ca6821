"""Writers of the tasks file at the same time, and writers that die: nothing is lost, nothing is half."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ADD = ["cron", "add", "--kind", "daily_summary", "--cron", "@daily", "--provider", "console", "--json", "--name"]
WRITER = f"""
import io, sys
from watchbell_cli.main import main
for number in range(int(sys.argv[2])):
    try:
        main([*{ADD!r}, f"{{sys.argv[1]}}-{{number}}"])
    except SystemExit as ended:
        if ended.code:
            raise
"""


def writer(name: str, count: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-P", "-c", WRITER, name, str(count)], stdout=subprocess.DEVNULL)


def test_hundreds_of_adds_from_parallel_processes_all_land(home: Path, tasks_file: Path) -> None:
    writers = [writer(f"w{number}", 25) for number in range(8)]
    assert [one.wait(timeout=60) for one in writers] == [0] * 8
    tasks = json.loads(tasks_file.read_text())
    assert {task["name"] for task in tasks} == {f"w{one}-{number}" for one in range(8) for number in range(25)}
    assert len({task["id"] for task in tasks}) == 200


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_at_any_instant_leaves_a_whole_file_and_a_store_that_works(
    home: Path, tasks_file: Path, seed: int
) -> None:
    landed = 0
    for attempt in range(8):
        victim = writer(f"v{attempt}", 10_000)
        wait_until_writing(tasks_file, landed)
        time.sleep((seed * 8 + attempt) * 0.0017)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        tasks = json.loads(tasks_file.read_text())
        assert len(tasks) > landed
        assert [task["name"] for task in tasks if task["name"].startswith(f"v{attempt}-")] == [
            f"v{attempt}-{number}" for number in range(len(tasks) - landed)
        ]
        landed = len(tasks)
    done = subprocess.run([sys.executable, "-P", "-c", WRITER, "last", "1"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(tasks_file.read_text())) == landed + 1
    assert len([name for name in os.listdir(home) if name.startswith("scheduler_tasks")]) <= 3


def wait_until_writing(tasks_file: Path, landed: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if tasks_file.exists() and tasks_file.read_text().count('"id"') > landed:
            return
        time.sleep(0.005)
    raise AssertionError("the writer never wrote")
