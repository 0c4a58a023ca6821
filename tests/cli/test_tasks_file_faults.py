"""A tasks file that cannot be read: every command says where, exits with 3, and leaves each byte as it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

GOOD = {"id": "aaaa", "kind": "daily_summary", "cron": "0 9 * * *", "provider": "console", "chat_id": "stdout"}
COMMANDS = (
    "list", "list --json", "show aaaa", "edit aaaa --window 5", "remove aaaa", "pause aaaa", "resume aaaa",
    "run aaaa", "logs aaaa", "next aaaa", "why aaaa --at 2026-11-22T09:00Z", "preview aaaa",
    "add --kind daily_summary --cron @daily --provider console",
)  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'[\n  {"id": "aaaa",\n', "line 3"),
        (b'[{"id": "aaaa",}]', "line 1 column 16"),
        (b'[\n"\xff"]', "line 2"),
        (b"{}", "not a list"),
        (b"null", "not a list"),
        (b"[NaN]", "NaN"),
        (b"[" * 100_000, "scheduler_tasks.json"),
    ],
    ids=["empty", "blank", "truncated", "trailing-comma", "not-utf8", "object", "null", "nan", "deep"],
)
def test_an_unreadable_file_is_named_with_the_place_and_never_overwritten(
    watchbell: Run, home: Path, content: bytes, said: str
) -> None:
    home.mkdir()
    (home / "scheduler_tasks.json").write_bytes(content)
    for command in COMMANDS:
        ended = watchbell("cron", *command.split())
        assert (ended.code, ended.out) == (3, ""), command
        assert said in ended.err
        assert len(ended.err.splitlines()) == 1
        assert (home / "scheduler_tasks.json").read_bytes() == content


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("window_hours", "24", "[0].window_hours"),
        ("enabled", "yes", "[0].enabled"),
        ("params", [], "[0].params"),
        ("cron", 5, "[0].cron"),
        ("cron", None, "[0].cron"),
        ("id", 7, "[0].id"),
        ("id", "../x", "[0].id"),
        ("targets", "slack:C1", "[0].targets"),
        ("kind", "daily", "[0].kind"),
        ("paused_until", "soon", "[0].paused_until"),
        ("provider", {}, "[0].provider"),
    ],
)
def test_a_wrongly_typed_field_is_named_by_its_path_and_left_as_it_is(
    watchbell: Run, home: Path, field: str, value: object, path: str
) -> None:
    home.mkdir()
    content = json.dumps([GOOD | {field: value}, GOOD | {"id": "bbbb"}])
    (home / "scheduler_tasks.json").write_text(content)
    ended = watchbell("cron", "list", "--json")
    assert (ended.code, [task["id"] for task in ended.json]) == (3, ["bbbb"])
    assert path in ended.err
    assert (home / "scheduler_tasks.json").read_text() == content
    assert watchbell("cron", "add", "--kind", "daily_summary", "--cron", "@daily", "--provider", "console").code == 0
    assert json.loads((home / "scheduler_tasks.json").read_text())[:2] == json.loads(content)


def test_a_file_that_vanished_is_an_error_and_not_an_empty_list(watchbell: Run, add: Run, tasks_file: Path) -> None:
    add()
    tasks_file.unlink()
    for command in ("list", "add --kind daily_summary --cron @daily --provider console"):
        ended = watchbell("cron", *command.split())
        assert ended.code == 3
        assert "is gone" in ended.err
    assert not tasks_file.exists()


def test_history_stays_readable_while_the_definitions_are_broken(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add()
    watchbell("cron", "run", task_id)
    tasks_file.write_text("[")
    ended = watchbell("cron", "logs", task_id, "--json")
    assert (ended.code, ended.json[0]["status"]) == (0, "success")


@pytest.mark.parametrize("called", ["by its id", "by its name"])
def test_questions_are_answered_from_the_last_good_definition_while_the_file_is_broken(
    watchbell: Run, add: Run, tasks_file: Path, called: str
) -> None:
    task_id = add("--name", "digest")
    text = "digest" if called == "by its name" else task_id
    tasks_file.write_text("[")
    assert watchbell("cron", "logs", text).code == 0
    why = watchbell("cron", "why", text, "--at", "2026-11-22T09:00Z", "--json")
    assert why.code == 0
    assert "due" in why.json
    assert "scheduler_tasks.json" in why.err
    assert watchbell("cron", "next", text).code == 0
    ended = watchbell("cron", "why", "no-such-task", "--at", "2026-11-22T09:00Z")
    assert (ended.code, "scheduler_tasks.json" in ended.err) == (3, True)


def test_a_damaged_database_is_a_store_error_and_left_as_it_is(watchbell: Run, add: Run, home: Path) -> None:
    add()
    for leftover in home.glob("scheduler.db-*"):
        leftover.unlink()
    (home / "scheduler.db").write_bytes(b"not a database at all" * 100)
    ended = watchbell("cron", "list")
    assert (ended.code, ended.out) == (5, "")
    assert "scheduler.db" in ended.err
    assert (home / "scheduler.db").read_bytes().startswith(b"not a database")
