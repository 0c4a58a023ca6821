"""Whoever stores a task that cannot be built here is told so; it is stored all the same."""

import json
from collections.abc import Callable
from pathlib import Path

from cli.conftest import Ended

Run = Callable[..., Ended]
NEW = ("cron", "add", "--cron", "0 9 * * *", "--provider", "console")


def test_adding_and_changing_warns_and_stores(watchbell: Run, tasks_file: Path) -> None:
    ended = watchbell(*NEW, "--kind", "custom_investigation", "--name", "checkout")
    assert ended.code == 0
    assert "(checkout) can never be built" in ended.err
    assert "no reason to refuse" in ended.err
    mended = watchbell("cron", "edit", "checkout", "--param", 'alerts=["severity=\\"critical\\""]')
    assert (mended.code, mended.err) == (0, "")
    again = watchbell("cron", "edit", "checkout", "--param", "pipeline=desk")
    assert "there is no pipeline 'desk'" in again.err
    [task] = json.loads(tasks_file.read_text())
    assert task["params"]["pipeline"] == "desk"


def test_tasks_as_code_warn_of_what_they_change_and_of_nothing_else(watchbell: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(
        "tasks:\n- {name: probes, kind: synthetic_run, cron: 0 9 * * *, provider: console, chat_id: stdout}\n"
        "- {name: digest, kind: daily_summary, cron: 0 9 * * *, provider: console, chat_id: stdout}\n"
    )
    ended = watchbell("cron", "apply", "-f", str(file))
    assert ended.code == 0
    assert ended.err.count("can never be built") == 1
    assert "(probes)" in ended.err
    assert "can never be built" not in watchbell("cron", "apply", "-f", str(file)).err


def test_settings_that_can_build_it_leave_nothing_to_say(watchbell: Run, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(
        '[pipelines.desk]\nurl = "https://desk.example"\n[sources.prometheus]\nurl = "http://127.0.0.1:9"\n'
    )
    assert watchbell(*NEW, "--kind", "synthetic_run").err == ""
    assert watchbell(*NEW, "--kind", "custom_investigation", "--param", "pipeline=desk").err == ""


def test_where_it_is_not_known_which_sources_there_are_nothing_is_said_of_them(watchbell: Run, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "integrations.json").write_text("{")
    assert "can never be built" not in watchbell(*NEW, "--kind", "synthetic_run").err
