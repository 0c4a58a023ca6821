"""`watchbell cron export` and `import`: nothing lost between homes, and no report moved by a day unasked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

SECRET = "hunter2-hunter2"


def ancestor(task_id: str, **fields: Any) -> dict[str, Any]:
    """A task as OpenSRE wrote it."""
    return {
        "id": task_id,
        "kind": "daily_summary",
        "cron": "0 9 * * 0-4",
        "timezone": "Asia/Kolkata",
        "provider": "telegram",
        "chat_id": "-100123",
        "window_hours": 24,
        "enabled": True,
        "params": {},
        "created_at": "2026-05-01T08:00:00",
    } | fields


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "import.json"


def write(file: Path, *tasks: Any) -> None:
    file.write_text(json.dumps(tasks))


def stored(tasks_file: Path) -> dict[str, Any]:
    return {task["id"]: task for task in json.loads(tasks_file.read_text())}


@pytest.mark.parametrize("form", ["--json", "--yaml"])
def test_what_is_exported_comes_back_the_same_under_its_id(
    watchbell: Run, add: Run, tasks_file: Path, file: Path, form: str
) -> None:
    task_id = add(
        "--name", "Digest: 夜 #1", "--target", "telegram:-100", "--param", "team=a", "--grace", "9", cron="*/5 * * * *"
    )
    tasks = [stored(tasks_file)[task_id] | {"colour": "brass", "on": "no"}]
    tasks_file.write_text(json.dumps(tasks))
    ended = watchbell("cron", "export", form)
    assert (ended.code, ended.err) == (0, "")
    file.write_text(ended.out)
    watchbell("cron", "remove", task_id)
    ended = watchbell("cron", "import", str(file), "--yes")
    assert ended.code == 0
    assert json.loads(tasks_file.read_text()) == tasks
    again = watchbell("cron", "import", str(file), "--yes")
    assert (again.code, again.out) == (0, "nothing to change (1 unchanged)\n")


def test_credentials_are_masked_said_and_left_out_at_the_other_end(
    watchbell: Run, add: Run, tasks_file: Path, file: Path
) -> None:
    task_id = add("--param", f"api_key={SECRET}", "--param", f'nested=[{{"password": "{SECRET}"}}]', "--param", "a=1")
    ended = watchbell("cron", "export")
    assert SECRET not in ended.out + ended.err
    assert "params.api_key" in ended.err
    assert "params.nested[0].password" in ended.err
    file.write_text(ended.out)
    watchbell("cron", "remove", task_id)
    ended = watchbell("cron", "import", str(file), "--yes")
    assert "masked in the file and left out: api_key, password" in ended.err
    assert stored(tasks_file)[task_id]["params"] == {"a": 1, "nested": [{}]}


def test_secrets_are_exported_only_when_asked_for_and_with_a_warning(watchbell: Run, add: Run) -> None:
    add("--param", f"api_key={SECRET}")
    ended = watchbell("cron", "export", "--with-secrets")
    assert SECRET in ended.out
    assert "holds credentials" in ended.err


def test_single_tasks_are_exported_and_broken_ones_named_with_exit_code_3(
    watchbell: Run, add: Run, tasks_file: Path
) -> None:
    add("--name", "One")
    add("--name", "Two")
    assert [task["name"] for task in watchbell("cron", "export", "Two").json["tasks"]] == ["Two"]
    tasks = json.loads(tasks_file.read_text())
    tasks_file.write_text(json.dumps([*tasks, {"id": "x"}]))
    ended = watchbell("cron", "export")
    assert (ended.code, len(ended.json["tasks"])) == (3, 2)
    assert "[2]" in ended.err


def test_an_export_can_be_applied_as_code(watchbell: Run, add: Run, file: Path) -> None:
    add("--name", "Digest", "--param", f"api_key={SECRET}")
    file.write_text(watchbell("cron", "export", "--yaml").out)
    assert watchbell("cron", "apply", "-f", str(file)).code == 0
    assert watchbell("cron", "apply", "-f", str(file)).out == "nothing to change (1 unchanged)\n"


def test_numbers_of_weekdays_are_shown_in_both_readings_and_nothing_is_written_before_it_is_said(
    watchbell: Run, file: Path, home: Path
) -> None:
    write(file, ancestor("aaaa", name="Weekdays"), ancestor("bbbb", cron="0 9 * * mon"))
    ended = watchbell("cron", "import", str(file), "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "1 task(s) name weekdays by number" in ended.err
    assert "aaaa Weekdays  0 9 * * 0-4  Asia/Kolkata" in ended.err
    assert "(kept as 0 9 * * 1-5)" in ended.err
    standard, monday = [line for line in ended.err.splitlines() if line.startswith("    ")]
    assert "Sun" in standard
    assert "Fri" not in standard
    assert "Fri" in monday
    assert "Sun" not in monday
    assert "--weekdays monday-is-0" in ended.err
    assert not home.exists()


@pytest.mark.parametrize(("how", "cron"), [("monday-is-0", "0 9 * * 1-5"), ("standard", "0 9 * * 0-4")])
def test_the_reading_that_is_chosen_is_what_is_stored(
    watchbell: Run, file: Path, tasks_file: Path, how: str, cron: str
) -> None:
    write(file, ancestor("aaaa"), ancestor("bbbb", cron="0 9 * * *"))
    ended = watchbell("cron", "import", str(file), "--weekdays", how, "--yes")
    assert ended.code == 0
    assert "2 to add" in ended.out
    assert [task["cron"] for task in stored(tasks_file).values()] == [cron, "0 9 * * *"]
    assert stored(tasks_file)["aaaa"]["created_at"] == "2026-05-01T08:00:00"
    assert watchbell("cron", "list", "--json").json[0]["next_fire"]


def test_a_seven_in_a_file_that_is_said_to_count_from_monday_is_refused(watchbell: Run, file: Path, home: Path) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * 7"))
    ended = watchbell("cron", "import", str(file), "--weekdays", "monday-is-0", "--yes")
    assert ended.code == 2
    assert "(tasks[0].cron): 7 is no weekday when Monday is 0" in ended.err
    assert not home.exists()


def test_an_export_of_ours_is_never_asked_about_its_weekdays(
    watchbell: Run, add: Run, file: Path, tasks_file: Path
) -> None:
    task_id = add(cron="0 9 * * 1-5")
    file.write_text(watchbell("cron", "export").out)
    watchbell("cron", "remove", task_id)
    assert watchbell("cron", "import", str(file), "--yes", "--weekdays", "monday-is-0").code == 0
    assert stored(tasks_file)[task_id]["cron"] == "0 9 * * 1-5"


def test_a_credential_in_the_ancestors_file_is_kept_said_and_not_shown(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * *", params={"bot_token": SECRET}))
    ended = watchbell("cron", "import", str(file), "--yes")
    assert "bot_token in the params looks like a credential" in ended.err
    assert SECRET not in ended.out + ended.err
    assert stored(tasks_file)["aaaa"]["params"] == {"bot_token": SECRET}


def test_two_day_fields_are_pointed_out_as_the_ancestor_wanted_both(watchbell: Run, file: Path) -> None:
    write(file, ancestor("aaaa", cron="0 9 13 * fri"))
    assert "here either of them is enough" in watchbell("cron", "import", str(file), "--yes").err


def test_without_yes_and_without_a_terminal_nothing_is_written(watchbell: Run, file: Path, home: Path) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * *"))
    ended = watchbell("cron", "import", str(file))
    assert ended.code == 2
    assert "1 to add" in ended.out
    assert "--yes" in ended.err
    ended = watchbell("cron", "import", str(file), "--dry-run", "--json")
    assert (ended.code, ended.json["changes"][0]["id"], ended.json["applied"]) == (0, "aaaa", False)
    assert not home.exists()


def test_a_task_that_cannot_be_used_stops_all_unless_it_is_to_be_left_out(
    watchbell: Run, file: Path, home: Path, tasks_file: Path
) -> None:
    good, bad = ancestor("aaaa", cron="0 9 * * *"), ancestor("bbbb", cron="0 9 * * *", kind="manual_loop")
    write(file, good, bad, "text", good)
    ended = watchbell("cron", "import", str(file), "--yes")
    assert ended.code == 2
    assert "line 1 (tasks[1].kind): unknown kind 'manual_loop'" in ended.err
    assert "(tasks[2])" in ended.err
    assert "(tasks[3].id): 'aaaa' stands in the file twice" in ended.err
    assert not home.exists()
    ended = watchbell("cron", "import", str(file), "--yes", "--skip-unusable")
    assert ended.code == 0
    assert "left out: tasks[1].kind" in ended.err
    assert list(stored(tasks_file)) == ["aaaa"]


def test_a_task_that_is_here_with_another_definition_is_a_conflict(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * *"))
    watchbell("cron", "import", str(file), "--yes")
    write(file, ancestor("aaaa", cron="0 10 * * *"), ancestor("bbbb", cron="0 9 * * *"))
    before = tasks_file.read_bytes()
    ended = watchbell("cron", "import", str(file), "--yes")
    assert ended.code == 2
    assert "aaaa is here already and differs; --on-conflict" in ended.err.replace("'", "")
    assert tasks_file.read_bytes() == before
    assert "the one here stays" in watchbell("cron", "import", str(file), "--yes", "--on-conflict", "keep").err
    assert [task["cron"] for task in stored(tasks_file).values()] == ["0 9 * * *", "0 9 * * *"]
    ended = watchbell("cron", "import", str(file), "--yes", "--on-conflict", "replace")
    assert "cron: 0 9 * * * -> 0 10 * * *" in ended.out
    assert [task["cron"] for task in stored(tasks_file).values()] == ["0 10 * * *", "0 9 * * *"]


@pytest.mark.parametrize("text", ["", "5", '{"tasks": 5}', "[{", '{"watchbell_export": 2, "tasks": []}', "\x00"])
def test_a_file_that_is_no_list_of_tasks_is_told_in_one_line(watchbell: Run, file: Path, home: Path, text: str) -> None:
    file.write_text(text)
    ended = watchbell("cron", "import", str(file), "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert str(file) in ended.err
    assert "bug" not in ended.err
    assert not home.exists()


def test_two_thousand_tasks_are_imported_in_a_moment(watchbell: Run, file: Path, tasks_file: Path) -> None:
    write(file, *(ancestor(f"t{number}", cron=f"{number % 60} 9 * * *") for number in range(2_000)))
    ended = watchbell("cron", "import", str(file), "--yes", "--json")
    assert (ended.code, len(ended.json["changes"]), len(stored(tasks_file))) == (0, 2_000, 2_000)


def test_tasks_without_an_id_are_named_by_their_place_and_apply_is_pointed_out(
    watchbell: Run, file: Path, home: Path
) -> None:
    tasks = [ancestor("aaaa", name="digest"), ancestor("bbbb", name="audit")]
    write(file, *({key: value for key, value in task.items() if key != "id"} for task in tasks))
    ended = watchbell("cron", "import", str(file), "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "None" not in ended.err
    assert "(tasks[0].id): this field is required" in ended.err
    assert "2 task(s) of the file have no id; `watchbell cron apply" in ended.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"enabled": False}, "next 7 days: no fires: disabled"),
        ({"paused_until": "forever"}, "next 7 days: no fires: paused"),
    ],
)
def test_a_task_that_does_not_fire_is_added_with_the_word_for_it(
    watchbell: Run, file: Path, fields: dict[str, Any], said: str
) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * *", **fields))
    ended = watchbell("cron", "import", str(file), "--yes")
    assert ended.code == 0
    assert said in ended.out
    assert "the same fires" not in ended.out


def test_an_instant_that_cannot_be_read_is_quoted_as_it_stands_in_the_file(watchbell: Run, file: Path) -> None:
    write(file, ancestor("aaaa", cron="0 9 * * *", created_at="x"))
    ended = watchbell("cron", "import", str(file), "--yes")
    assert ended.code == 2
    assert "(tasks[0].created_at): 'x' is not an instant" in ended.err
