"""`watchbell cron edit`, `remove`, `pause` and `resume`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def only(tasks_file: Path) -> dict[str, Any]:
    (task,) = json.loads(tasks_file.read_text())
    return dict(task)


def test_an_edit_changes_what_is_given_and_nothing_else(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add("--name", "Digest", "--param", "team=a", "--grace", "9")
    tasks = [only(tasks_file) | {"colour_of_the_bell": {"x": [1]}}]
    tasks_file.write_text(json.dumps(tasks))
    ended = watchbell("cron", "edit", task_id, "--cron", "30 9 * * *", "--window", "12", "--json")
    assert ended.json["cron"] == "30 9 * * *"
    assert only(tasks_file) == tasks[0] | {"cron": "30 9 * * *", "window_hours": 12}


def test_targets_are_edited_first_and_further_ones_apart(watchbell: Run, add: Run) -> None:
    task_id = add("--provider", "slack", "--chat-id", "C1", "--target", "telegram:-5")

    def edit(*options: str) -> Any:
        return watchbell("cron", "edit", task_id, *options, "--json").json["targets"]

    assert edit("--chat-id", "C2") == ["slack:C2", "telegram:-5"]
    assert edit("--provider", "discord", "--chat-id", "7") == ["discord:7", "telegram:-5"]
    assert edit("--provider", "console") == ["console:stdout", "telegram:-5"]
    assert edit("--target", "slack:C9") == ["slack:C9"]


def test_another_provider_needs_its_own_chat_id(watchbell: Run, add: Run) -> None:
    task_id = add("--provider", "slack", "--chat-id", "C1")
    ended = watchbell("cron", "edit", task_id, "--provider", "discord")
    assert ended.code == 2
    assert "needs --chat-id" in ended.err


def test_parameters_are_set_one_by_one_removed_or_replaced(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add("--param", "a=1", "--param", "b=2")
    watchbell("cron", "edit", task_id, "--param", "b=3", "--unset-param", "a")
    assert only(tasks_file)["params"] == {"b": 3}
    watchbell("cron", "edit", task_id, "--params-file", "-", stdin='{"c": 4}')
    assert only(tasks_file)["params"] == {"c": 4}
    assert watchbell("cron", "edit", task_id, "--unset-param", "zzz").code == 2


def test_switches_go_both_ways_and_grace_back_to_its_default(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add("--skip-if-quiet", "--grace", "5")
    watchbell("cron", "edit", task_id, "--no-skip-if-quiet", "--grace", "default", "--disable")
    assert (only(tasks_file)["skip_if_quiet"], only(tasks_file)["enabled"]) == (False, False)
    assert "grace_minutes" not in only(tasks_file)
    assert watchbell("cron", "list", "--json").json[0]["next_fire"] is None
    assert watchbell("cron", "edit", task_id, "--enable", "--json").json["next_fires"]


@pytest.mark.parametrize(
    "options", [(), ("--cron", "99 * * * *"), ("--tz", "Mars/Base"), ("--kind", "x"), ("--name", "a\x00b")]
)
def test_an_edit_that_cannot_be_made_leaves_the_file_as_it_was(
    watchbell: Run, add: Run, tasks_file: Path, options: tuple[str, ...]
) -> None:
    task_id = add()
    before = tasks_file.read_bytes()
    assert watchbell("cron", "edit", task_id, *options).code == 2
    assert tasks_file.read_bytes() == before


def test_a_task_that_is_wrong_in_the_file_can_be_mended_and_removed(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add()
    tasks_file.write_text(json.dumps([only(tasks_file) | {"timezone": "Mars/Base"}]))
    assert watchbell("cron", "edit", task_id, "--tz", "UTC").code == 0
    tasks_file.write_text(json.dumps([only(tasks_file) | {"cron": 5}]))
    assert watchbell("cron", "remove", task_id).code == 0
    assert tasks_file.read_text().split() == ["[]"]


def test_a_removed_task_leaves_the_file_and_its_history_stays_readable(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    task_id = add("--name", "Digest")
    watchbell("cron", "run", task_id)
    ended = watchbell("cron", "remove", "Digest")
    assert (ended.code, ended.out) == (0, "")
    assert task_id in ended.err
    assert json.loads(tasks_file.read_text()) == []
    assert watchbell("cron", "logs", task_id[:5], "--json").json[0]["status"] == "success"
    assert watchbell("cron", "show", task_id).code == 2


def test_a_removal_that_a_nameless_entry_holds_up_is_not_called_done(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    task_id = add()
    tasks_file.write_text(json.dumps([only(tasks_file), {"kind": "daily_summary"}]))
    ended = watchbell("cron", "remove", task_id)
    assert ended.code == 3
    assert "goes on firing" in ended.err
    assert "[0].id" in ended.err


def test_a_paused_task_shows_its_state_and_resumes(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add(cron="* * * * *")
    assert watchbell("cron", "pause", task_id).code == 0
    assert only(tasks_file)["paused_until"] == "forever"
    assert watchbell("cron", "list", "--json").json[0]["next_fire"] is None
    assert "paused" in watchbell("cron", "list").out
    assert watchbell("cron", "resume", task_id).code == 0
    assert "paused_until" not in only(tasks_file)
    assert watchbell("cron", "list", "--json").json[0]["next_fire"]
    assert "was not paused" in watchbell("cron", "resume", task_id).err


def test_a_pause_with_an_end_goes_on_with_the_first_fire_after_it(watchbell: Run, add: Run) -> None:
    task_id = add(cron="0 * * * *")
    assert watchbell("cron", "pause", task_id, "--until", "2099-01-01T01:00+01:00").code == 0
    shown = watchbell("cron", "show", task_id, "--json").json
    assert (shown["paused_until"], shown["next_fires"][0]) == ("2099-01-01T00:00:00Z", "2099-01-01T00:00Z")
    assert watchbell("cron", "list", "--json").json[0]["next_fire"] == "2099-01-01T00:00Z"


@pytest.mark.parametrize("until", ["2020-01-01T00:00Z", "tomorrow", "2099-01-01T00:00", "9999-12-31T23:59-23:00"])
def test_a_pause_until_the_past_or_without_a_zone_is_refused(watchbell: Run, add: Run, until: str) -> None:
    ended = watchbell("cron", "pause", add(), "--until", until)
    assert ended.code == 2
    assert "--until" in ended.err


def test_a_task_is_meant_by_a_unique_prefix_of_its_id_or_its_exact_name(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    add("--name", "one")
    add("--name", "two")
    tasks = json.loads(tasks_file.read_text())
    for task, task_id in zip(tasks, ["abc111222333", "abd111222333"], strict=True):
        task["id"] = task_id
    tasks_file.write_text(json.dumps(tasks))
    assert watchbell("cron", "show", "abc", "--json").json["name"] == "one"
    assert watchbell("cron", "show", "two", "--json").json["id"] == "abd111222333"
    ambiguous = watchbell("cron", "show", "ab")
    assert ambiguous.code == 2
    assert "abc111222333 (one), abd111222333 (two)" in ambiguous.err
    mistyped = watchbell("cron", "show", "abc111222334")
    assert mistyped.code == 2
    assert "did you mean abc111222333 (one)?" in mistyped.err
    assert "did you mean abd111222333 (two)?" in watchbell("cron", "remove", "tvo").err
    assert watchbell("cron", "show", "").code == 2


@pytest.mark.parametrize("command", ["pause {}", "resume {}", "edit {} --window 5"])
def test_what_was_wrong_in_the_file_before_a_change_is_named_by_file_and_path_with_exit_code_3(
    watchbell: Run, add: Run, tasks_file: Path, command: str
) -> None:
    task_id = add()
    other = only(tasks_file)
    broken = other | {"id": "aaaa", "cron": "61 * * * *"}
    tasks_file.write_text(json.dumps([other, broken]))
    before = tasks_file.read_bytes()
    ended = watchbell("cron", *command.format("aaaa").split())
    assert (ended.code, ended.out) == (3, "")
    assert f"{tasks_file}: [1].cron: " in ended.err
    assert "error: --cron" not in ended.err
    assert tasks_file.read_bytes() == before
    assert watchbell("cron", "pause", task_id).code == 0


def test_a_change_that_is_wrong_itself_is_a_usage_error_though_the_file_is_wrong_too(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    task_id = add()
    tasks_file.write_text(json.dumps([only(tasks_file) | {"cron": "61 * * * *"}]))
    ended = watchbell("cron", "edit", task_id, "--cron", "99 * * * *")
    assert (ended.code, "error: --cron: " in ended.err) == (2, True)


def test_a_name_that_only_the_command_line_refuses_does_not_keep_a_task_from_being_paused(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    task_id = add()
    tasks_file.write_text(json.dumps([only(tasks_file) | {"name": "a\tb"}]))
    assert watchbell("cron", "pause", task_id).code == 0
    assert watchbell("cron", "resume", task_id).code == 0
