"""`watchbell cron add`."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

DAILY = ("cron", "add", "--kind", "daily_summary", "--cron", "0 9 * * 1-5")


def test_what_was_added_is_printed_with_its_next_three_fires_in_local_time_and_utc(watchbell: Run) -> None:
    ended = watchbell(*DAILY, "--tz", "Asia/Kolkata", "--provider", "telegram", "--chat-id", "-1001234567890")
    assert ended.code == 0
    assert re.search(r"^id +[0-9a-f]{12}$", ended.out, re.MULTILINE)
    assert "telegram:-1001234567890" in ended.out
    assert len(re.findall(r"\w{3} \d{4}-\d\d-\d\d 09:00 \+05:30  \d{4}-\d\d-\d\dT03:30Z", ended.out)) == 3


def test_json_is_the_task(watchbell: Run) -> None:
    task = watchbell(*DAILY, "--provider", "slack", "--chat-id", "C0123ABCD", "--json").json
    assert re.fullmatch("[0-9a-f]{12}", task["id"])
    expected = {"kind": "daily_summary", "cron": "0 9 * * 1-5", "timezone": "UTC", "window_hours": 24, "enabled": True}
    assert expected.items() <= task.items()
    assert task["targets"] == ["slack:C0123ABCD"]


def test_the_file_holds_the_customers_fields_in_their_order_and_ours_only_when_given(
    watchbell: Run, tasks_file: Path
) -> None:
    watchbell(*DAILY, "--provider", "slack", "--chat-id", "C1")
    watchbell(*DAILY, "--provider", "slack", "--chat-id", "C1", "--name", "n", "--grace", "7", "--catch-up", "all")
    plain, named = json.loads(tasks_file.read_text())
    fields = "id kind cron timezone provider chat_id window_hours enabled params created_at"
    assert list(plain) == fields.split()
    assert (named["name"], named["grace_minutes"], named["catch_up"]) == ("n", 7, "all")


def test_every_option_lands_in_its_field(watchbell: Run) -> None:
    options = (
        "--tz Europe/London --window 48 --grace 30 --catch-up none --on-unknown resend --skip-if-quiet"
        " --deliver-within 6 --disabled --provider discord --chat-id 42 --target slack:C1 --target console"
    )
    task = watchbell(*DAILY, *options.split(), "--json").json
    assert task["timezone"] == "Europe/London"
    assert (task["window_hours"], task["grace_minutes"], task["deliver_within_hours"]) == (48, 30, 6)
    assert (task["catch_up"], task["on_unknown"], task["skip_if_quiet"]) == ("none", "resend", True)
    assert task["targets"] == ["discord:42", "slack:C1", "console:stdout"]
    assert task["enabled"] is False
    assert task["next_fires"] == []


def test_a_target_alone_is_the_first_one(watchbell: Run) -> None:
    task = watchbell(*DAILY, "--target", "slack:C1", "--target", "telegram:-5", "--target", "slack:C1", "--json").json
    assert (task["provider"], task["chat_id"]) == ("slack", "C1")
    assert task["targets"] == ["slack:C1", "telegram:-5"]


def test_the_console_needs_no_chat_id(watchbell: Run) -> None:
    assert watchbell(*DAILY, "--provider", "console", "--json").json["targets"] == ["console:stdout"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--kind": "daily_sumary"}, "did you mean daily_summary?"),
        ({"--tz": "Asia/Kolkatta"}, "write Asia/Kolkata"),
        ({"--tz": "Nowhere/At_All"}, "unknown time zone"),
        ({"--provider": "slak"}, "did you mean slack?"),
        ({"--target": "telegarm:5"}, "did you mean telegram?"),
        ({"--target": "slack"}, "provider:chat-id"),
        ({"--catch-up": "latst"}, "did you mean latest?"),
        ({"--on-unknown": "hodl"}, "did you mean hold?"),
        ({"--window": "0"}, "--window: 0 is not between 1 and"),
        ({"--window": "x"}, "--window"),
        ({"--grace": "soon"}, "default"),
        ({"--deliver-within": "9999"}, "--deliver-within: 9999 is not between"),
        ({"--cron": "61 9 * * *"}, "61"),
        ({"--cron": "* * * * * *"}, "--cron"),
        ({"--cron": "0 0 31 2 *"}, "never"),
        ({"--cron": "@reboot"}, "@reboot"),
        ({"--cron": "*/0 * * * *"}, "*/0"),
        ({"--cron": ""}, "--cron"),
        ({"--chat-id": ""}, "--chat-id"),
        ({"--chat-id": "C1\n2"}, "control character"),
        ({"--name": "bell\a"}, "control character"),
        ({"--name": "\udcff"}, "control character"),
        ({"--param": "novalue"}, "KEY=VALUE"),
        ({"--param": 'x={"a": 1e999}'}, "--param"),
        ({"--params-file": "/nowhere"}, "cannot be read"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_match_exit_code_2_and_nothing_is_made(
    watchbell: Run, home: Path, changes: dict[str, str], said: str
) -> None:
    options = {"--kind": "daily_summary", "--cron": "0 9 * * *", "--provider": "slack", "--chat-id": "C1"} | changes
    ended = watchbell("cron", "add", *[word for pair in options.items() for word in pair])
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    first, *rest = ended.err.splitlines()
    assert first.startswith("watchbell: error: ")
    assert all(line.startswith("try: ") for line in rest)
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cron", "0 9 * * *", "--provider", "console"), "--kind"),
        (("--kind", "daily_summary", "--provider", "console"), "--cron"),
        (("--kind", "daily_summary", "--cron", "0 9 * * *"), "--provider"),
        (("--kind", "daily_summary", "--cron", "0 9 * * *", "--provider", "slack"), "--chat-id"),
        (("--kind", "daily_summary", "--cron", "0 9 * * *", "--chat-id", "C1"), "--provider"),
    ],
)
def test_what_is_required_and_missing_is_named(watchbell: Run, arguments: tuple[str, ...], said: str) -> None:
    ended = watchbell("cron", "add", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_parameters_are_json_where_they_are_and_numbers_only_when_nothing_is_lost(watchbell: Run) -> None:
    pairs = ["a=1", "b=1.10", "c=true", 'd={"x": [1]}', "e=hello", "f=", "g=007", "h=a=b", "i=NaN"]
    task = watchbell(*DAILY, "--provider", "console", *[w for pair in pairs for w in ("--param", pair)], "--json").json
    assert task["params"] == {
        "a": 1, "b": "1.10", "c": True, "d": {"x": [1]}, "e": "hello", "f": "", "g": "007", "h": "a=b", "i": "NaN",
    }  # fmt: skip


def test_a_params_file_is_read_from_a_path_or_standard_input_and_single_parameters_win(
    watchbell: Run, tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text('{"team": "a", "keep": 1}')
    target = ("--provider", "console", "--json")
    from_file = watchbell(*DAILY, *target, "--params-file", str(tmp_path / "p.json"), "--param", "team=b").json
    assert from_file["params"] == {"team": "b", "keep": 1}
    assert watchbell(*DAILY, *target, "--params-file", "-", stdin='{"x": 2}').json["params"] == {"x": 2}


@pytest.mark.parametrize("content", ["", "[1]", '{"token": "sekret-value",}', '{"a": NaN}', "\xff"])
def test_a_broken_params_file_is_refused_without_showing_what_it_holds(watchbell: Run, content: str) -> None:
    ended = watchbell(*DAILY, "--provider", "console", "--params-file", "-", stdin=content.encode("latin-1"))
    assert ended.code == 2
    assert "--params-file" in ended.err
    assert "sekret" not in ended.err


def test_no_credential_is_asked_for_and_one_among_the_parameters_is_kept_with_a_warning(
    watchbell: Run, tasks_file: Path
) -> None:
    assert watchbell(*DAILY, "--provider", "discord", "--chat-id", "5").err == ""
    token = "123456789:AAaaBBbbCCccDDddEEeeFFffGGggHHhhIIi"
    ended = watchbell(*DAILY, "--provider", "slack", "--chat-id", "C1", "--param", f"bot_token={token}", "--json")
    assert ended.code == 0
    assert "warning: bot_token in the params looks like a credential" in ended.err
    assert ended.json["params"] == {"bot_token": "***"}
    assert token not in ended.out + ended.err
    assert token in tasks_file.read_text()


def test_the_home_is_made_for_its_owner_alone(watchbell: Run, home: Path) -> None:
    watchbell(*DAILY, "--provider", "console")
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "scheduler_tasks.json").stat().st_mode & 0o777 == 0o600


def test_a_home_that_cannot_be_made_is_one_line_and_exit_code_3(watchbell: Run, home: Path) -> None:
    home.write_text("a file")
    ended = watchbell(*DAILY, "--provider", "console")
    assert ended.code == 3
    assert str(home) in ended.err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("slack:https://hooks.slack.com/services/T0000/B0000/s3cr3tpartofit", "a channel id looks like C0123ABCD"),
        ("telegram:123456789:AAHs3cr3ts3cr3ts3cr3ts3cr3ts3cr3tsec", "a chat id is a number"),
        ("discord:https://discord.com/api/webhooks/110000000000000001/s3cr3tpart", "a channel id is a number"),
        ("slack:C1/", "a thread is written"),
        ("telegram:-100123/abc", "a topic is written"),
    ],
)
def test_a_place_where_nothing_can_arrive_is_refused_and_a_secret_in_it_not_repeated(
    watchbell: Run, home: Path, target: str, words: str
) -> None:
    provider, _, chat_id = target.partition(":")
    for option in (("--provider", "console", "--target", target), ("--provider", provider, "--chat-id", chat_id)):
        ended = watchbell(*DAILY, *option)
        assert (ended.code, words in ended.err) == (2, True)
        assert "s3cr3t" not in ended.err
    assert not home.exists()


def test_a_name_that_another_task_has_is_warned_of(watchbell: Run) -> None:
    first = watchbell(*DAILY, "--provider", "console", "--name", "digest", "--json").json["id"]
    again = watchbell(*DAILY, "--provider", "console", "--name", "digest")
    assert again.code == 0
    assert f"{first} has the same name" in again.err
    assert "same name" not in watchbell(*DAILY, "--provider", "console").err
