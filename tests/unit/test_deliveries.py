"""The rules of deliveries: how one stands, what is to be done next about a part, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.claims import Status
from watchbell.deliveries import (
    FIRST_IMAGE,
    Means,
    PartState,
    Step,
    backoff_seconds,
    delivery_outcome,
    next_step,
    settled_status,
)
from watchbell.tasks import Task, task_from_json


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{text}").replace(tzinfo=UTC)


def task(**fields: Any) -> Task:
    known = {"id": "a1b2c3d4e5f6", "kind": "daily_summary", "cron": "0 * * * *"}
    return task_from_json(known | {"provider": "console", "chat_id": "stdout"} | fields)


def part(outcome: str | None, target: str = "console:stdout", number: int = 1, of: int = 1, **fields: Any) -> PartState:
    return PartState(target=target, part=number, of=of, outcome=outcome, intent_at=at("09:00:05"), **fields)


LATER = at("09:10")
TWO = task(targets=["slack:C1"])
TWO_RESEND = task(targets=["slack:C1"], on_unknown="resend")
OTHER = "slack:C1"
NONE = Means()
ASKS = Means(can_ask=True)
BOTH = Means(repeat_window=timedelta(minutes=2), can_ask=True)


class TestOutcomes:
    @pytest.mark.parametrize(
        ("outcomes", "worst"),
        [
            ([], "not_sent"),
            (["delivered", "delivered"], "delivered"),
            (["delivered", "refused"], "refused"),
            (["refused", "not_sent"], "not_sent"),
            (["not_sent", "unknown", "delivered", "refused"], "unknown"),
            (["delivered", None], "unknown"),
        ],
    )
    def test_a_delivery_is_as_good_as_its_worst_part(self, outcomes: list[str | None], worst: str) -> None:
        assert delivery_outcome(part(outcome) for outcome in outcomes) == worst

    @pytest.mark.parametrize(
        ("of", "state", "means", "now", "expected"),
        [
            (task(), part("not_sent", retry_at=LATER), NONE, "09:01", (Step.SEND, LATER)),
            (task(), part("not_sent"), BOTH, "09:01", None),
            (task(), part("delivered"), BOTH, "09:01", None),
            (task(), part("refused", retry_at=LATER), BOTH, "09:01", None),
            (task(), part(None), BOTH, "09:01", None),
            # Nothing to go by: the task decides.
            (task(), part("unknown"), NONE, "09:01", None),
            (TWO_RESEND, part("unknown"), NONE, "09:01", (Step.REPEAT_MARKED, at("09:01:05"))),
            (TWO_RESEND, part("unknown", repeats=1), NONE, "09:01", None),
            # A provider that drops doubles: repeat, as long as the repeat ends within the window.
            (task(), part("unknown"), BOTH, "09:01", (Step.REPEAT_SAME, at("09:00:05"))),
            (task(), part("unknown", retry_at=at("09:01:20")), BOTH, "09:01", (Step.REPEAT_SAME, at("09:01:20"))),
            (task(), part("unknown", retry_at=at("09:01:40")), BOTH, "09:01", (Step.ASK, at("09:03:45"))),
            (task(), part("unknown"), BOTH, "09:01:36", (Step.ASK, at("09:03:45"))),
            # One that can be asked: not before the send can no longer arrive.
            (task(), part("unknown"), ASKS, "09:01", (Step.ASK, at("09:01:45"))),
            (task(), part("unknown", questions=1, retry_at=LATER), ASKS, "09:01", (Step.ASK, LATER)),
            (task(), part("unknown", questions=5, retry_at=LATER), ASKS, "09:01", None),
            (TWO_RESEND, part("unknown", questions=5, retry_at=LATER), ASKS, "09:01", (Step.REPEAT_MARKED, LATER)),
        ],
    )
    def test_what_surely_did_not_arrive_is_sent_and_what_may_have_is_settled_by_the_best_means(
        self, of: Task, state: PartState, means: Means, now: str, expected: tuple[Step, datetime] | None
    ) -> None:
        assert next_step(of, state, means, at(now)) == expected

    def test_what_can_still_be_asked_about_keeps_a_wake_time(self) -> None:
        found = settled_status(
            task(), [part("unknown")], now=at("09:01"), deliver_until=at("12:00"), means_of=lambda target: ASKS
        )
        assert found == (Status.UNKNOWN, at("09:01:45"))

    @pytest.mark.parametrize("outcome", ["unknown", "refused", "not_sent", "delivered", None])
    def test_images_count_for_nothing(self, outcome: str | None) -> None:
        parts = [part("delivered"), part(outcome, number=FIRST_IMAGE, of=FIRST_IMAGE)]
        assert settled_status(task(), parts, now=at("09:01"), deliver_until=at("12:00")) == (Status.SUCCESS, None)
        assert delivery_outcome(parts) == "delivered"

    @pytest.mark.parametrize(
        ("of", "parts", "status", "wake_at"),
        [
            (task(), [part("delivered")], Status.SUCCESS, None),
            (task(), [part("refused")], Status.FAILED, None),
            (task(), [part("not_sent")], Status.FAILED, None),
            (task(), [part("not_sent", retry_at=LATER)], Status.WAITING, LATER),
            (task(), [part("unknown")], Status.UNKNOWN, None),
            (task(), [part(None)], Status.UNKNOWN, None),
            (task(), [], Status.WAITING, at("09:01")),
            (TWO, [part("delivered"), part("delivered", OTHER)], Status.SUCCESS, None),
            (TWO, [part("delivered"), part("refused", OTHER)], Status.PARTIAL, None),
            (TWO, [part("delivered"), part("not_sent", OTHER)], Status.PARTIAL, None),
            (TWO, [part("refused"), part("not_sent", OTHER)], Status.FAILED, None),
            (TWO, [part("delivered"), part("not_sent", OTHER, retry_at=LATER)], Status.WAITING, LATER),
            (TWO, [part("delivered")], Status.WAITING, at("09:01")),
            (TWO, [part("refused")], Status.WAITING, at("09:01")),
            (TWO, [part("unknown"), part("refused", OTHER)], Status.UNKNOWN, None),
            (TWO, [part("unknown"), part("not_sent", OTHER, retry_at=LATER)], Status.UNKNOWN, LATER),
            (TWO_RESEND, [part("unknown"), part("delivered", OTHER)], Status.UNKNOWN, at("09:01:05")),
            (TWO_RESEND, [part("unknown", repeats=1), part("delivered", OTHER)], Status.UNKNOWN, None),
            (task(), [part("delivered", of=3)], Status.WAITING, at("09:01")),
            (task(), [part("delivered", of=2), part("refused", number=2, of=2)], Status.FAILED, None),
            (task(), [part("delivered", of=3), part("not_sent", number=2, of=3)], Status.FAILED, None),
            (
                task(),
                [part("delivered", of=3), part("not_sent", number=2, of=3, retry_at=LATER)],
                Status.WAITING,
                LATER,
            ),
        ],
    )
    def test_one_status_for_the_run_and_when_it_is_taken_up_again(
        self, of: Task, parts: list[PartState], status: Status, wake_at: datetime | None
    ) -> None:
        assert settled_status(of, parts, now=at("09:01"), deliver_until=at("12:00")) == (status, wake_at)

    @pytest.mark.parametrize(
        ("parts", "status"),
        [
            ([part("not_sent", retry_at=LATER), part("delivered", OTHER)], Status.PARTIAL),
            ([part("not_sent", retry_at=LATER), part("refused", OTHER)], Status.FAILED),
            ([part("unknown"), part("not_sent", OTHER, retry_at=LATER)], Status.UNKNOWN),
        ],
    )
    def test_a_retry_after_the_end_of_delivery_is_given_up(self, parts: list[PartState], status: Status) -> None:
        assert settled_status(TWO, parts, now=at("09:01"), deliver_until=at("09:09")) == (status, None)

    def test_the_earliest_retry_wakes_the_run(self) -> None:
        parts = [part("not_sent", retry_at=at("09:30")), part("not_sent", OTHER, retry_at=LATER)]
        assert settled_status(TWO, parts, now=at("09:01"), deliver_until=at("12:00"))[1] == LATER

    @given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1, exclude_max=True))
    def test_backoff_is_never_shorter_than_half_nor_longer_than_fifteen_minutes(
        self, attempts: int, jitter: float
    ) -> None:
        whole = min(2.0 ** min(attempts, 10), 900.0)
        assert whole / 2 <= backoff_seconds(attempts, jitter) <= whole <= 900.0

    def test_backoff_doubles_from_two_seconds(self) -> None:
        assert [backoff_seconds(attempts, 0.0) * 2 for attempts in range(1, 12)] == [
            *(2, 4, 8, 16, 32, 64, 128, 256, 512),
            *(900, 900),
        ]
