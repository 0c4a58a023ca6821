"""What a task is: every field's right and wrong values, and that a complaint names the field's path."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.errors import TaskError
from watchbell.tasks import (
    MOST_NESTING,
    CatchUp,
    Kind,
    OnUnknown,
    Pause,
    Target,
    Task,
    is_task_id,
    pause_to_json,
    task_from_json,
    unknown_choice,
)

REQUIRED = {
    "id": "a1b2c3d4e5f6",
    "kind": "daily_summary",
    "cron": "0 9 * * 1-5",
    "provider": "slack",
    "chat_id": "C0123ABCD",
}


def task(**fields: Any) -> Task:
    return task_from_json(REQUIRED | fields)


def complaint(path: str = "[2]", **fields: Any) -> tuple[str, str]:
    """Return the path and the message of the error that these fields make."""
    with pytest.raises(TaskError) as caught:
        task_from_json(REQUIRED | fields, path=path)
    assert caught.value.exit_code == 3
    where, _, what = str(caught.value).partition(": ")
    assert where == caught.value.path
    return where, what


class TestRightValues:
    def test_what_is_left_out_has_its_stated_default(self) -> None:
        bare = task()
        assert bare.id == "a1b2c3d4e5f6"
        assert (bare.name, bare.kind, bare.cron, bare.timezone) == ("", Kind.DAILY_SUMMARY, "0 9 * * 1-5", "UTC")
        assert bare.targets == (Target("slack", "C0123ABCD"),)
        assert (bare.window_hours, bare.enabled, bare.pause, bare.skip_if_quiet) == (24, True, None, False)
        assert (bare.catch_up, bare.on_unknown, bare.grace) == (CatchUp.LATEST, OnUnknown.HOLD, None)
        assert bare.deliver_within == timedelta(hours=24)
        assert (bare.params, bare.created_at) == ({}, None)

    def test_null_means_left_out(self) -> None:
        fields = dict.fromkeys(
            [
                *("name", "timezone", "targets", "window_hours", "enabled", "paused_until", "catch_up", "on_unknown"),
                *("skip_if_quiet", "grace_minutes", "deliver_within_hours", "params", "created_at"),
            ]
        )
        assert task(**fields) == task()

    @pytest.mark.parametrize(
        ("fields", "attribute", "value"),
        [
            ({"name": "Morning digest 👩‍💻 — ü"}, "name", "Morning digest 👩‍💻 — ü"),
            *[({"kind": kind.value}, "kind", kind) for kind in Kind],
            ({"cron": "@daily"}, "cron", "@daily"),
            ({"cron": "H H * * *"}, "cron", "H H * * *"),
            ({"timezone": "Europe/Berlin"}, "timezone", "Europe/Berlin"),
            ({"window_hours": 1}, "window_hours", 1),
            ({"window_hours": 8784}, "window_hours", 8784),
            ({"enabled": False}, "enabled", False),
            ({"skip_if_quiet": True}, "skip_if_quiet", True),
            *[({"catch_up": rule.value}, "catch_up", rule) for rule in CatchUp],
            *[({"on_unknown": rule.value}, "on_unknown", rule) for rule in OnUnknown],
            ({"grace_minutes": 1}, "grace", timedelta(minutes=1)),
            ({"grace_minutes": 10080}, "grace", timedelta(days=7)),
            ({"deliver_within_hours": 1}, "deliver_within", timedelta(hours=1)),
            ({"deliver_within_hours": 720}, "deliver_within", timedelta(days=30)),
            ({"paused_until": "forever"}, "pause", Pause(until=None)),
            (
                {"paused_until": "2026-11-22T10:30+01:00"},
                "pause",
                Pause(until=datetime(2026, 11, 22, 9, 30, tzinfo=UTC)),
            ),
            ({"params": {"question": "why", "list": [1, [2]]}}, "params", {"question": "why", "list": [1, [2]]}),
            ({"created_at": "2026-11-20T08:00:00"}, "created_at", datetime(2026, 11, 20, 8, tzinfo=UTC)),
            ({"created_at": "2026-11-20T08:00:00.5Z"}, "created_at", datetime(2026, 11, 20, 8, 0, 0, 500_000, UTC)),
            ({"created_at": "2026-11-20T08:00:00+02:00"}, "created_at", datetime(2026, 11, 20, 6, tzinfo=UTC)),
        ],
    )
    def test_a_right_value_is_taken_as_it_is(self, fields: dict[str, Any], attribute: str, value: object) -> None:
        assert getattr(task(**fields), attribute) == value

    def test_unknown_fields_are_kept(self) -> None:
        theirs = {"x-team": {"deep": [1, None]}, "note": "ü"}
        assert {name: task(**theirs).raw[name] for name in theirs} == theirs
        assert task(**theirs) == task()

    def test_the_spread_of_a_schedule_depends_on_the_id(self) -> None:
        one, two = task(cron="H H * * *"), task(cron="H H * * *", id="other")
        noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
        assert one.schedule.next_fire(noon) != two.schedule.next_fire(noon)


class TestTargets:
    def test_provider_and_chat_id_come_first_and_doubles_count_once(self) -> None:
        of = task(targets=["telegram:-1001234", "slack:C0123ABCD", "discord:42", "telegram:-1001234"])
        assert [str(target) for target in of.targets] == ["slack:C0123ABCD", "telegram:-1001234", "discord:42"]

    def test_a_chat_id_may_be_a_number_as_telegrams_are(self) -> None:
        assert str(task(provider="telegram", chat_id=-1001234567890).targets[0]) == "telegram:-1001234567890"

    def test_a_chat_id_may_hold_a_colon(self) -> None:
        assert Target.parse("console:a:b") == Target("console", "a:b")

    def test_space_around_a_chat_id_is_dropped(self) -> None:
        assert task(chat_id=" C1 ", targets=["slack:C1 "]).targets == (Target("slack", "C1"),)

    @given(provider=st.sampled_from(["telegram", "slack", "discord", "console"]), chat_id=st.text(min_size=1))
    def test_what_is_parsed_reads_as_it_was_written(self, provider: str, chat_id: str) -> None:
        try:
            target = Target.parse(f"{provider}:{chat_id}")
        except ValueError:
            assert not chat_id.strip() or not chat_id.isprintable()
        else:
            assert str(target) == f"{provider}:{chat_id.strip()}"
            assert Target.parse(str(target)) == target


class TestWrongValues:
    @pytest.mark.parametrize("field", sorted(REQUIRED))
    def test_a_required_field_that_is_missing_or_null_is_named(self, field: str) -> None:
        raw = {name: value for name, value in REQUIRED.items() if name != field}
        for wrong in (raw, raw | {field: None}):
            with pytest.raises(TaskError, match="this field is required") as caught:
                task_from_json(wrong, path="[2]")
            assert caught.value.path == f"[2].{field}"

    @pytest.mark.parametrize(
        ("value", "kind"),
        [(7, "a number"), (None, "null"), ("x", "a text"), ([], "a list"), (True, "true or false"), (1.5, "a number")],
    )
    def test_what_is_no_object_is_no_task(self, value: object, kind: str) -> None:
        with pytest.raises(TaskError, match=rf"^\[2\]: a task is a JSON object, not {kind}$"):
            task_from_json(value, path="[2]")

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            *[(name, 7, "expected a text, found a number") for name in ("id", "name", "cron", "timezone", "provider")],
            *[(name, [], "expected a text, found a list") for name in ("paused_until", "created_at", "chat_id")],
            *[(name, {}, "unknown") for name in ("kind", "catch_up", "on_unknown")],
            ("chat_id", True, "expected a text, found true or false"),
            ("chat_id", 1.5, "expected a text, found a number"),
            ("chat_id", "", "is not a target"),
            ("chat_id", "  ", "is not a target"),
            ("chat_id", "C1\nC2", "control character"),
            ("chat_id", "C1\x1b[31m", "control character"),
            ("provider", "slak", "did you mean slack?"),
            ("provider", "Telegram", "did you mean telegram?"),
            ("provider", "carrier pigeon", "choose one of telegram, slack, discord, console"),
            ("kind", "daily_sumary", "did you mean daily_summary?"),
            ("kind", "", "choose one of daily_summary"),
            ("catch_up", "latst", "did you mean latest?"),
            ("on_unknown", "re-send", "did you mean resend?"),
            ("window_hours", 0, "0 is not between 1 and 8784"),
            ("window_hours", 8785, "8785 is not between"),
            ("window_hours", -24, "-24 is not between"),
            ("window_hours", 24.0, "expected a whole number, found 24.0"),
            ("window_hours", "24", "expected a whole number, found '24'"),
            ("window_hours", True, "expected a whole number, found True"),
            ("grace_minutes", 0, "0 is not between 1 and 10080"),
            ("grace_minutes", 10081, "10081 is not between"),
            ("deliver_within_hours", 721, "721 is not between 1 and 720"),
            ("enabled", "false", "expected true or false, found a text"),
            ("enabled", 0, "expected true or false, found a number"),
            ("skip_if_quiet", 1, "expected true or false, found a number"),
            ("params", [], "expected an object, found a list"),
            ("params", "{}", "expected an object, found a text"),
            ("targets", "slack:C1", "expected a list, found a text"),
            ("targets", [7], "expected a text, found a number"),
            ("targets", ["slack"], "'slack' is not a target; write provider:chat-id"),
            ("targets", ["slack:"], "is not a target"),
            ("targets", ["slck:C1"], "did you mean slack?"),
            ("targets", ["slack:C\u202e1"], "control character"),
            ("paused_until", "tomorrow", "is not an instant such as 2026-11-22T09:00Z"),
            ("paused_until", "2026-11-22T09:00", "has no zone: write 2026-11-22T09:00Z for UTC"),
            ("paused_until", "0001-01-01T00:00+14:00", "is out of range"),
            ("created_at", "yesterday", "is not an instant"),
            ("created_at", "2026-13-01T00:00:00", "is not an instant"),
            ("cron", "", "five"),
            ("cron", "0 9 * *", "five"),
            ("cron", "61 * * * *", "61"),
            ("cron", "@reboot", "@reboot"),
            ("timezone", "Europe/Berlim", "Europe/Berlin"),
            ("timezone", "", "zone"),
            ("name", "half \ud83d", "half a character"),
        ],
    )
    def test_a_wrong_value_is_refused_with_its_path_and_a_hint(self, field: str, value: object, words: str) -> None:
        where, what = complaint(**{field: value})
        assert where == f"[2].{field}"
        assert words in what

    @pytest.mark.parametrize(
        "task_id",
        ["", " ", "-rf", "_x", "a b", "a/b", "..", "a\n", "é", "a" * 65, "a:b", "a@b", "٣", "a\x00"],
    )
    def test_an_id_that_could_mean_something_else_in_a_path_or_a_shell_is_refused(self, task_id: str) -> None:
        assert not is_task_id(task_id)
        assert complaint(id=task_id)[0] == "[2].id"

    @pytest.mark.parametrize("task_id", ["a1b2c3d4e5f6", "daily-digest", "A_b", "0", "a" * 64])
    def test_a_plain_id_is_taken(self, task_id: str) -> None:
        assert is_task_id(task_id)
        assert task(id=task_id).id == task_id

    def test_without_a_place_in_a_file_the_path_is_the_field(self) -> None:
        assert complaint(path="", cron="x")[0] == "cron"

    def test_params_are_nested_to_a_bound(self) -> None:
        def nested(levels: int) -> dict[str, Any]:
            return json.loads('{"x": ' * levels + "1" + "}" * levels)

        assert task(params=nested(MOST_NESTING - 1)).params
        assert complaint(params=nested(MOST_NESTING)) == ("[2].params", "nested more than 50 levels deep")
        assert complaint(params=nested(300))[0] == "[2].params"

    def test_a_message_about_a_huge_value_stays_short(self) -> None:
        long = "x" * 100_000
        for fields in (
            *({"window_hours": 10**4000}, {"kind": long}, {"id": long}, {"provider": long}, {"targets": [long]}),
            *({"name": f"\ud83d{long}"}, {"cron": long}, {"timezone": long}),
        ):
            assert len(complaint(**fields)[1]) < 300, fields.keys()

    @given(
        raw=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        field=st.sampled_from(
            [
                *("id", "name", "kind", "cron", "timezone", "provider", "chat_id", "targets", "window_hours"),
                *("enabled", "paused_until", "catch_up", "on_unknown", "skip_if_quiet", "grace_minutes"),
                *("deliver_within_hours", "params", "created_at"),
            ]
        ),
    )
    def test_any_json_in_any_field_is_a_task_or_an_error_that_names_it(self, raw: object, field: str) -> None:
        try:
            made, wrong = task(**{field: raw}), field
        except TaskError as error:
            made, wrong = None, error.path
        assert wrong == field
        assert made is None or made.raw[field] == raw


class TestWords:
    def test_the_nearest_choice_is_suggested(self) -> None:
        assert unknown_choice("kind", "WEEKLY", ("daily", "weekly")) == "unknown kind 'WEEKLY'; did you mean weekly?"

    def test_without_a_near_one_all_choices_are_listed(self) -> None:
        assert unknown_choice("kind", "zzz", ("daily", "weekly")) == "unknown kind 'zzz'; choose one of daily, weekly"

    @pytest.mark.parametrize("text", [None, "forever", "2026-11-22T09:30:00Z"])
    def test_a_pause_is_written_as_it_is_read(self, text: str | None) -> None:
        assert pause_to_json(task(paused_until=text).pause) == text

    def test_a_task_does_not_show_what_it_came_from(self) -> None:
        assert "x-secret" not in repr(task(**{"x-secret": "1"}))
