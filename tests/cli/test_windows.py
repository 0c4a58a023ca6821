"""`--window since-last` and `--proof-of-life` as options, in the tasks file, in views and in JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def stored(tasks_file: Path) -> dict[str, Any]:
    (task,) = json.loads(tasks_file.read_text())
    assert isinstance(task, dict)
    return task


def test_since_last_stands_beside_the_hours_of_the_first_report(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add("--window", "since-last")
    assert (stored(tasks_file)["window"], stored(tasks_file)["window_hours"]) == ("since-last", 24)
    assert "since the last report; the first one: 24 hours" in watchbell("cron", "show", task_id).out
    shown = watchbell("cron", "show", task_id, "--json").json
    assert (shown["window"], shown["window_hours"]) == ("since-last", 24)


def test_a_number_of_hours_ends_since_last(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add("--window", "since-last")
    assert watchbell("cron", "edit", task_id, "--window", "12").code == 0
    assert "window" not in stored(tasks_file)
    assert stored(tasks_file)["window_hours"] == 12
    assert watchbell("cron", "edit", task_id, "--window", "since-last").code == 0
    assert (stored(tasks_file)["window"], stored(tasks_file)["window_hours"]) == ("since-last", 12)


@pytest.mark.parametrize("value", ["since", "1.5", "", "0", "-3", "99999", "since-last "])
def test_any_other_window_is_refused_by_its_option(watchbell: Run, home: Path, value: str) -> None:
    ended = watchbell(
        "cron", "add", "--kind", "daily_summary", "--cron", "0 9 * * *", "--provider", "console", "--window", value
    )
    assert ended.code == 2
    assert "--window" in ended.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--skip-if-quiet",), "yes, for about a week"),
        (("--skip-if-quiet", "--proof-of-life", "7"), "yes, 7 in a row at most"),
        (("--skip-if-quiet", "--proof-of-life", "0"), "yes, without a proof of life"),
        ((), "no"),
    ],
)
def test_how_long_a_task_may_be_silent_is_shown(watchbell: Run, add: Run, options: tuple[str, ...], shown: str) -> None:
    assert f"skip if quiet   {shown}\n" in watchbell("cron", "show", add(*options)).out


def test_a_proof_of_life_below_nothing_is_refused(watchbell: Run, add: Run) -> None:
    ended = watchbell("cron", "edit", add(), "--proof-of-life", "-1")
    assert (ended.code, ended.out) == (2, "")
    assert "--proof-of-life: -1 is not between 0 and" in ended.err


def test_a_file_of_tasks_may_say_both(watchbell: Run, home: Path, tmp_path: Path, tasks_file: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(
        "tasks:\n  - name: digest\n    kind: daily_summary\n    cron: 0 9 * * *\n    provider: console\n"
        "    window: since-last\n    skip_if_quiet: true\n    proof_of_life_every: 5\n"
    )
    ended = watchbell("cron", "apply", "-f", str(file))
    assert ended.code == 0, ended.err
    assert (stored(tasks_file)["window"], stored(tasks_file)["proof_of_life_every"]) == ("since-last", 5)
    assert (
        "unknown window 'last'"
        in watchbell("cron", "apply", "-f", "-", stdin=file.read_text().replace("since-", "")).err
    )
