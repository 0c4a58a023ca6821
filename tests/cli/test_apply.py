"""`watchbell cron apply`: tasks as code: the whole file or nothing, a second time nothing, and only its own pruned."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from watchbell.errors import TryAgain
from watchbell.instants import parse_instant
from watchbell.planning.desired import FIELDS, Plan, plan_apply
from watchbell.tasks import DEFAULT_DELIVER_WITHIN_HOURS, MAX_GRACE_MINUTES, MAX_WINDOW_HOURS
from watchbell_cli.plans import write_plan
from watchbell_cli.task_schema import MAX_DELIVER_WITHIN_HOURS, file_schema

Run = Callable[..., Any]

NOW = parse_instant("2026-11-22T09:00Z")
PAYMENTS = """\
tasks:
  - name: Payments digest
    kind: daily_summary
    cron: "0 9 * * 1-5"
    timezone: Europe/Berlin
    targets: [slack:C0123ABCD, telegram:-1001]
  - name: Audit
    kind: weekly_audit
    cron: 0 8 * * mon
    provider: console
    window_hours: 168
    params: {team: payments}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.yaml"
    path.write_text(PAYMENTS)
    return path


def stored(tasks_file: Path) -> dict[str, Any]:
    return {task["name"]: task for task in json.loads(tasks_file.read_text())}


def test_a_file_is_applied_once_and_a_second_time_nothing_is_left_to_change(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    ended = watchbell("cron", "apply", "-f", str(file))
    assert (ended.code, ended.err) == (0, "")
    assert "2 to add, 0 unchanged" in ended.out
    assert re.search(r"next 7 days: [456] fires to come", ended.out)  # an hour more or less in a week of a clock change
    assert "09:00 +01:00" in ended.out or "09:00 +02:00" in ended.out
    tasks = stored(tasks_file)
    assert (tasks["Payments digest"]["provider"], tasks["Payments digest"]["targets"]) == ("slack", ["telegram:-1001"])
    assert (tasks["Audit"]["chat_id"], tasks["Audit"]["managed_by"]) == ("stdout", "apply:default")
    before = tasks_file.read_bytes()
    again = watchbell("cron", "apply", "-f", str(file))
    assert (again.code, again.out) == (0, "nothing to change (2 unchanged)\n")
    assert tasks_file.read_bytes() == before


def test_a_dry_run_shows_all_and_changes_nothing_not_even_making_a_home(watchbell: Run, file: Path, home: Path) -> None:
    ended = watchbell("cron", "apply", "-f", str(file), "--dry-run")
    assert (ended.code, "2 to add" in ended.out, "nothing was changed" in ended.err) == (0, True, True)
    assert not home.exists()


def test_a_change_is_shown_field_by_field_and_in_the_fires_of_the_next_seven_days(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    watchbell("cron", "apply", "-f", str(file))
    before = stored(tasks_file)["Audit"]
    file.write_text(PAYMENTS.replace("0 8 * * mon", "0 10 * * mon").replace("window_hours: 168", ""))
    ended = watchbell("cron", "apply", "-f", str(file), "--dry-run", "--json").json
    (change,) = ended["changes"]
    assert change["fields"]["cron"] == {"old": "0 8 * * mon", "new": "0 10 * * mon"}
    assert change["fields"]["window_hours"] == {"old": 168, "new": 24}
    assert change["fires_removed"][0].endswith("T08:00Z")
    assert change["fires_added"][0].endswith("T10:00Z")
    assert (ended["unchanged"], ended["applied"]) == (1, False)
    shown = watchbell("cron", "apply", "-f", str(file)).out
    assert "cron: 0 8 * * mon -> 0 10 * * mon" in shown
    assert "next 7 days: 1 fire to go, 1 fire to come" in shown
    after = stored(tasks_file)["Audit"]
    assert (after["id"], after["created_at"], after["cron"]) == (before["id"], before["created_at"], "0 10 * * mon")


def test_pruning_removes_only_what_apply_has_brought(watchbell: Run, add: Run, file: Path, tasks_file: Path) -> None:
    add("--name", "By hand")
    watchbell("cron", "apply", "-f", str(file))
    file.write_text(PAYMENTS.partition("  - name: Audit")[0])
    ended = watchbell("cron", "apply", "-f", str(file))
    assert "--prune removes" in ended.err
    assert len(stored(tasks_file)) == 3
    ended = watchbell("cron", "apply", "-f", str(file), "--prune")
    assert "- remove" in ended.out
    assert set(stored(tasks_file)) == {"By hand", "Payments digest"}


def test_sets_do_not_prune_each_other_nor_take_each_others_tasks(watchbell: Run, file: Path, tasks_file: Path) -> None:
    watchbell("cron", "apply", "-f", str(file))
    other = file.with_name("other.yaml")
    other.write_text("set: infra\n" + PAYMENTS.replace("Payments", "Infra").partition("  - name: Audit")[0])
    assert watchbell("cron", "apply", "-f", str(other), "--prune").code == 0
    assert len(stored(tasks_file)) == 3
    other.write_text("set: infra\n" + PAYMENTS)
    ended = watchbell("cron", "apply", "-f", str(other))
    assert ended.code == 2
    assert "belongs to another set" in ended.err


def test_a_task_added_by_hand_is_taken_over_by_its_name_and_keeps_its_id_pause_and_unknown_fields(
    watchbell: Run, add: Run, file: Path, tasks_file: Path
) -> None:
    task_id = add("--name", "Audit")
    watchbell("cron", "pause", task_id)
    (task,) = json.loads(tasks_file.read_text())
    tasks_file.write_text(json.dumps([task | {"colour": "brass"}]))
    assert watchbell("cron", "apply", "-f", str(file)).code == 0
    audit = stored(tasks_file)["Audit"]
    assert (audit["id"], audit["paused_until"], audit["colour"]) == (task_id, "forever", "brass")
    assert (audit["kind"], audit["created_at"]) == ("weekly_audit", task["created_at"])


def test_every_mistake_is_named_with_its_line_and_nothing_is_changed(watchbell: Run, file: Path, home: Path) -> None:
    file.write_text(
        PAYMENTS.replace("Europe/Berlin", "Mars/Base").replace("window_hours", "widow_hours")
        + "  - kind: daily_summary\n    cron: '* * * * *'\n    provider: console\n  - hello\n  - name: Audit\n"
    )
    ended = watchbell("cron", "apply", "-f", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert f"{file} line 5 (tasks[0].timezone):" in ended.err
    assert f"{file} line 11 (tasks[1].widow_hours): unknown field; did you mean window_hours?" in ended.err
    assert f"{file} line 13 (tasks[2]): a task needs a name, or an id" in ended.err
    assert "line 16 (tasks[3]): a task is an object" in ended.err
    assert "line 17 (tasks[4].kind): this field is required" in ended.err
    assert "nothing was changed" in ended.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected `tasks:`"),
        ("tasks: 5", "expected `tasks:`"),
        ("tasks: []\ncolour: x", "line 2: unknown key 'colour'"),
        ("tasks: []\nset: a b", "line 2: set:"),
        ("tasks:\n  - cron: */5 * * * *", "needs quotes"),
        ("tasks:\n  - name: a\n    name: b", "line 3: 'name' stands here twice"),
        ("tasks:\n\t- name: a", "line 2"),
        ("tasks: [!!python/object:os.system {}]", "line 1"),
        ("[" * 5000, "tasks.yaml"),
        ("a: &a [*a]", "tasks.yaml"),
        ("tasks: []\n---\ntasks: []", "line 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(watchbell: Run, file: Path, text: str, said: str) -> None:
    file.write_text(text)
    ended = watchbell("cron", "apply", "-f", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "bug" not in ended.err


def test_a_file_that_is_not_there_and_one_that_is_no_text_are_told(watchbell: Run, file: Path) -> None:
    assert "cannot be read: No such file" in watchbell("cron", "apply", "-f", "/nowhere.yaml").err
    file.write_bytes(b"\xff\xfe\x00")
    assert watchbell("cron", "apply", "-f", str(file)).code == 2
    assert watchbell("cron", "apply").code == 2


def test_plain_words_stay_what_they_look_like(watchbell: Run, tasks_file: Path) -> None:
    text = (
        "- {name: no, kind: daily_summary, cron: 0 9 * * *, provider: telegram, chat_id: -100123,"
        " paused_until: 2099-01-01T00:00:00Z, params: {version: 0123, at: 12:30, on: on, n: 3, f: 1.5, yes: true}}"
    )
    assert watchbell("cron", "apply", "-f", "-", stdin=text).code == 0
    task = stored(tasks_file)["no"]
    assert (task["chat_id"], task["paused_until"]) == (-100123, "2099-01-01T00:00:00Z")
    assert task["params"] == {"version": "0123", "at": "12:30", "on": "on", "n": 3, "f": 1.5, "yes": True}
    assert watchbell("cron", "apply", "-f", "-", stdin=text).out.startswith("nothing to change")


def test_null_in_a_list_of_params_stays_null(watchbell: Run, file: Path, tasks_file: Path) -> None:
    file.write_text(PAYMENTS.replace("{team: payments}", "{values: [1, null, 2]}"))
    assert watchbell("cron", "apply", "-f", str(file)).code == 0
    assert stored(tasks_file)["Audit"]["params"] == {"values": [1, None, 2]}


def test_a_masked_credential_means_the_stored_one_and_is_never_shown(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    secret = "hunter2-hunter2"
    file.write_text(PAYMENTS.replace("team: payments", f"team: payments, api_key: {secret}"))
    ended = watchbell("cron", "apply", "-f", str(file))
    assert "api_key in the params looks like a credential" in ended.err
    file.write_text(PAYMENTS.replace("team: payments", "team: checkout, api_key: '***'"))
    ended = watchbell("cron", "apply", "-f", str(file))
    assert ended.code == 0
    assert secret not in ended.out + ended.err
    assert stored(tasks_file)["Audit"]["params"] == {"team": "checkout", "api_key": secret}
    file.write_text(PAYMENTS.replace("team: payments", "team: checkout, api_token: '***'"))
    ended = watchbell("cron", "apply", "-f", str(file))
    assert ended.code == 2
    assert "(tasks[1].params.api_token): this credential is masked" in ended.err


def test_two_tasks_of_one_name_need_their_ids(watchbell: Run, add: Run, file: Path) -> None:
    add("--name", "Audit")
    add("--name", "Audit")
    ended = watchbell("cron", "apply", "-f", str(file))
    assert ended.code == 2
    assert "several tasks have this name" in ended.err


def test_a_task_that_stands_in_the_file_twice_is_refused(watchbell: Run, file: Path, home: Path) -> None:
    file.write_text(PAYMENTS.replace("Payments digest", "Audit"))
    ended = watchbell("cron", "apply", "-f", str(file))
    assert (ended.code, home.exists()) == (2, False)
    assert "line 7 (tasks[1]): this task stands in the file twice" in ended.err


def test_a_new_task_has_the_same_id_wherever_its_file_is_applied() -> None:
    entry = {"name": "Digest", "kind": "daily_summary", "cron": "H 9 * * *", "provider": "console"}
    plans = [plan_apply([entry], [], set_name="default", prune=False, now=NOW) for _ in range(2)]
    assert plans[0].changes[0].id == plans[1].changes[0].id
    taken = [{"id": plans[0].changes[0].id, "name": "other"}]
    assert plan_apply([entry], taken, set_name="default", prune=False, now=NOW).changes[0].id != taken[0]["id"]


def test_a_broken_stored_task_can_be_mended_and_others_are_left_as_they_are(
    watchbell: Run, file: Path, tasks_file: Path, home: Path
) -> None:
    home.mkdir()
    tasks_file.write_text(
        json.dumps([{"id": "aaaa", "name": "Audit", "cron": 5}, {"id": "bbbb", "cron": 6, "name": ""}])
    )
    assert watchbell("cron", "apply", "-f", str(file)).code == 0
    assert stored(tasks_file)["Audit"]["cron"] == "0 8 * * mon"
    assert stored(tasks_file)[""] == {"id": "bbbb", "cron": 6, "name": ""}


def test_a_plan_is_not_carried_out_when_somebody_has_changed_the_tasks_since_it_was_shown(
    watchbell: Run, file: Path, tasks_file: Path
) -> None:
    watchbell("cron", "apply", "-f", str(file))
    before = tasks_file.read_bytes()
    entries = [base(name="Audit"), base(name="New")]

    def planned(raws: list[dict[str, Any]]) -> Plan:
        return plan_apply(entries, raws, set_name="default", prune=False, now=NOW)

    with pytest.raises(TryAgain, match="changed by somebody else"):
        write_plan(planned, planned([]), NOW)
    assert tasks_file.read_bytes() == before


def base(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "kind": "daily_summary", "cron": "0 9 * * *", "provider": "console"} | fields


CASES: list[Any] = [
    base(),
    base(id="a1", name=None),
    {key: value for key, value in base(id="a1").items() if key != "name"},
    {key: value for key, value in base().items() if key != "name"},
    base(provider="slack"),
    base(provider="slack", chat_id="C1"),
    base(provider="smoke", chat_id="C1"),
    base(chat_id=5),
    base(chat_id=True),
    base(targets=["slack:C1"]),
    base(targets=["slack"]),
    base(targets=["smoke:1"]),
    base(targets="slack:C1"),
    {key: value for key, value in base(targets=["slack:C1"]).items() if key != "provider"},
    {key: value for key, value in base(targets=[]).items() if key != "provider"},
    base(kind="digest"),
    base(kind=5),
    base(cron=5),
    base(window_hours=0),
    base(window_hours=1),
    base(window_hours=MAX_WINDOW_HOURS),
    base(window_hours=MAX_WINDOW_HOURS + 1),
    base(window_hours=1.5),
    base(window_hours="24"),
    base(grace_minutes=0),
    base(grace_minutes=MAX_GRACE_MINUTES),
    base(grace_minutes=MAX_GRACE_MINUTES + 1),
    base(deliver_within_hours=MAX_DELIVER_WITHIN_HOURS),
    base(deliver_within_hours=MAX_DELIVER_WITHIN_HOURS + 1),
    base(deliver_within_hours=DEFAULT_DELIVER_WITHIN_HOURS),
    base(enabled="yes"),
    base(enabled=False),
    base(catch_up="none"),
    base(catch_up="some"),
    base(on_unknown="resend"),
    base(on_unknown="x"),
    base(skip_if_quiet=1),
    base(paused_until="forever"),
    base(paused_until="2099-01-01T00:00Z"),
    base(paused_until="tomorrow"),
    base(params={"a": 1}),
    base(params=[]),
    base(id="no spaces"),
    base(id="x" * 65),
    base(colour="brass"),
    base(**{"x-colour": "brass"}),
    "text",
]  # fmt: skip


@pytest.mark.parametrize("entry", CASES, ids=str)
def test_the_schema_for_editors_accepts_what_apply_accepts_and_nothing_else(entry: Any) -> None:
    accepted = not plan_apply([entry], [], set_name="default", prune=False, now=NOW).mistakes
    if isinstance(entry, dict) and entry.get("name", "") is None:
        entry = {key: value for key, value in entry.items() if value is not None}
    validator = jsonschema.Draft202012Validator(file_schema())
    assert validator.is_valid({"tasks": [entry]}) is accepted
    assert validator.is_valid([entry]) is accepted


def test_the_schema_is_printed_and_knows_every_field(watchbell: Run) -> None:
    ended = watchbell("cron", "apply", "--schema")
    assert ended.code == 0
    jsonschema.Draft202012Validator.check_schema(ended.json)
    assert set(ended.json["$defs"]["task"]["properties"]) == set(FIELDS)
