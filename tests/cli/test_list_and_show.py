"""`watchbell cron list` and `show`: tables that fit, JSON that is complete, secrets that stay hidden."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchbell_cli.tables import text_width

Run = Callable[..., Any]

TOKEN = "xoxb-123456789012-abcdefABCDEF"


def raw(task_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": task_id, "kind": "daily_summary", "cron": "0 9 * * 1-5", "provider": "console", "chat_id": "stdout",
    } | fields  # fmt: skip


def write(home: Path, tasks: object) -> None:
    home.mkdir(exist_ok=True)
    (home / "scheduler_tasks.json").write_text(json.dumps(tasks))


def test_forty_tasks_with_long_and_hostile_names_fit_80_columns_and_steer_no_terminal(
    watchbell: Run, home: Path
) -> None:
    names = [
        "Weekly audit of everything the payments team runs",
        "x" * 120,
        "夜間のダイジェスト" * 8,
        "\x1b[31mred\x07\u202e",
    ]
    tasks = [
        raw(
            f"{number:012x}",
            name=names[number % 4],
            timezone="America/Argentina/ComodRivadavia",
            targets=[f"telegram:-100{number}" + "9" * 40],
            cron="0,5,10,15,20,25,30,35,40,45,50,55 0-12/2 1,2,3,4,5 jan,feb,mar mon-fri",
        )
        for number in range(40)
    ]
    write(home, tasks)
    ended = watchbell("cron", "list")
    assert ended.code == 0
    assert max(map(text_width, ended.out.splitlines())) <= 80
    assert all(task["id"] in ended.out for task in tasks)
    assert not any(character in ended.out for character in "\x1b\x07\u202e")
    for task in (tasks[0], tasks[2], tasks[3]):
        shown = watchbell("cron", "show", task["id"]).out
        assert max(map(text_width, shown.splitlines())) <= 80
        assert "\x1b" not in shown


def test_a_new_home_says_what_to_type_next_on_standard_error(watchbell: Run, home: Path) -> None:
    home.mkdir()
    ended = watchbell("cron", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "watchbell cron add" in ended.err
    as_json = watchbell("cron", "list", "--json")
    assert (as_json.code, as_json.json) == (0, [])


def test_without_a_home_every_command_says_so_with_exit_code_3(watchbell: Run, home: Path) -> None:
    for command in ("list", "show x", "edit x --window 5", "remove x", "pause x", "logs x", "run x", "next x"):
        ended = watchbell("cron", *command.split())
        assert (ended.code, ended.out) == (3, "")
        assert str(home) in ended.err
    assert not home.exists()


def test_json_lists_tasks_with_their_next_fire_and_last_run(watchbell: Run, add: Run) -> None:
    task_id = add(cron="0 0 1 1 *")
    before = watchbell("cron", "list", "--json").json[0]
    assert before["next_fire"].endswith("-01-01T00:00Z")
    assert before["last_run"] is None
    watchbell("cron", "run", task_id)
    last = watchbell("cron", "list", "--json").json[0]["last_run"]
    assert (last["task_id"], last["status"]) == (task_id, "success")


def test_a_task_added_by_hand_is_listed_with_its_next_fire_before_any_tick_saw_it(watchbell: Run, home: Path) -> None:
    write(home, [raw("aaaa", cron="0 0 1 1 *"), raw("bbbb", enabled=False), raw("cccc", paused_until="forever")])
    fires = [task["next_fire"] for task in watchbell("cron", "list", "--json").json]
    assert fires[0].endswith("-01-01T00:00Z")
    assert fires[1:] == [None, None]
    assert "disabled" in watchbell("cron", "list").out


def test_a_broken_task_is_named_with_exit_code_3_while_the_good_ones_are_listed(watchbell: Run, home: Path) -> None:
    write(home, [raw("aaaa"), raw("bbbb", cron="99 * * * *"), "text", raw("cccc"), raw("aaaa")])
    ended = watchbell("cron", "list")
    assert ended.code == 3
    assert "aaaa" in ended.out
    assert "cccc" in ended.out
    assert [path in ended.err for path in ("[1].cron", "[2]", "[4].id")] == [True, True, True]
    as_json = watchbell("cron", "list", "--json")
    assert (as_json.code, [task["id"] for task in as_json.json]) == (3, ["aaaa", "cccc"])
    assert "[1].cron" in watchbell("cron", "show", "bbbb").err


def test_show_prints_every_field_unknown_ones_too_and_masks_credentials_at_any_depth(
    watchbell: Run, home: Path
) -> None:
    params = {"team": "a", "bot_token": TOKEN, "nested": [{"password": "hunter2-long"}], "note": f"see {TOKEN}"}
    write(home, [raw("aaaa", name="Digest", params=params, colour="brass", api_key="k-123456", grace_minutes=5)])
    for arguments in ((), ("--json",)):
        shown = watchbell("cron", "show", "aaaa", *arguments).out
        assert all(text in shown for text in ("Digest", "brass", "team", "bot_token", "***"))
        assert not any(secret in shown for secret in (TOKEN, "hunter2", "k-123456"))
    listed = watchbell("cron", "list", "--json")
    assert not any(secret in listed.out for secret in (TOKEN, "hunter2", "k-123456"))


def test_show_has_the_next_fires_the_last_runs_and_the_pause(watchbell: Run, add: Run) -> None:
    task_id = add("--tz", "Asia/Kolkata")
    watchbell("cron", "run", task_id)
    watchbell("cron", "pause", task_id, "--until", "2099-01-01T00:00Z")
    shown = watchbell("cron", "show", task_id).out
    assert "paused until 2099-01-01T00:00:00Z" in shown
    assert "Thu 2099-01-01 09:00 +05:30  2099-01-01T03:30Z" in shown
    assert "success" in shown
    as_json = watchbell("cron", "show", task_id, "--json").json
    assert (len(as_json["next_fires"]), as_json["last_runs"][0]["status"]) == (3, "success")


def test_a_pause_that_has_come_to_its_end_is_no_pause(watchbell: Run, home: Path) -> None:
    write(home, [raw("aaaa", paused_until="2020-01-01T00:00Z")])
    assert "paused" not in watchbell("cron", "list").out
    assert "enabled" in watchbell("cron", "show", "aaaa").out
    assert watchbell("cron", "next", "aaaa").err == ""
