"""What may have arrived is settled by the best means that its provider has, and never doubled by a guess."""

from datetime import timedelta

import pytest

from faults.scene import TASK, Scene, at
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, CannotTell, Delivered, Found, NotSent, Outcome, Refused, Unknown
from watchbell.errors import StoreError

LOST = Unknown("no answer in time")
ASKS = Means(can_ask=True)
DROPS_DOUBLES = Means(repeat_window=timedelta(minutes=2), can_ask=True)
MARK = "(may be a repeat)"


def lost(scene: Scene, means: Means, **fields: object) -> None:
    """Let the report of 09:00 be sent, and its answer be lost, at 09:00:05."""
    scene.slack.offers = means
    scene.add(cron="0 9 * * *", **fields)
    scene.slack.script["C1"] += [LOST]
    scene.tick("09:00:05")


def crashed_after_the_send(scene: Scene) -> None:
    """Let the process end between the send of 09:00:05 and its outcome."""
    scene.add(cron="0 9 * * *")
    process, runs = scene.process(), scene.store.runs
    write_outcome = runs.write_outcome

    def full(*args: object) -> None:
        raise StoreError("scheduler.db: database or disk is full")

    runs.write_outcome = full  # type: ignore[method-assign]
    assert scene.tick("09:00:05", process).exit_code == 5
    runs.write_outcome = write_outcome  # type: ignore[method-assign]
    scene.gone.add(process.services.owner.token)


class TestAsking:
    def test_the_question_waits_until_the_message_must_have_arrived(self, scene: Scene) -> None:
        lost(scene, ASKS)
        assert (scene.run("09:00").status, scene.run("09:00").wake_at) == (Status.UNKNOWN, at("09:01:45"))
        scene.tick("09:01:44")
        assert scene.slack.asked == []

    def test_what_is_found_is_delivered_with_its_id_and_not_sent_again(self, scene: Scene) -> None:
        lost(scene, ASKS)
        scene.slack.answers += [Found("1700000000.000100")]
        assert scene.tick("09:02").exit_code == 0
        run = scene.run("09:00")
        (part,) = run.parts
        assert (run.status, run.error, run.wake_at) == (Status.SUCCESS, None, None)
        assert (part.message_id, part.error, part.attempts) == ("1700000000.000100", None, 1)
        assert len(scene.slack.sends) == 1

    def test_what_is_provably_absent_is_sent_once_more_and_not_marked(self, scene: Scene) -> None:
        lost(scene, ASKS)
        scene.slack.answers += [Absent()]
        scene.tick("09:02")
        assert scene.run("09:00").status is Status.SUCCESS
        assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"] * 2

    def test_a_second_lost_answer_is_asked_about_from_the_second_send_on(self, scene: Scene) -> None:
        lost(scene, ASKS)
        scene.slack.answers += [Absent(), Found("2")]
        scene.slack.script["C1"] += [LOST]
        scene.tick("09:02")
        assert scene.run("09:00").wake_at == at("09:03:40")
        scene.tick("09:04")
        assert [asked.sent_at for asked in scene.slack.asked] == [at("09:00:05"), at("09:02")]
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 2)

    @pytest.mark.parametrize(("on_unknown", "repeats"), [("hold", []), ("resend", [MARK])])
    def test_a_question_in_vain_is_asked_again_with_pauses_and_then_the_task_decides(
        self, scene: Scene, on_unknown: str, repeats: list[str]
    ) -> None:
        lost(scene, ASKS, on_unknown=on_unknown)
        scene.slack.answers += [CannotTell("missing_scope")] * 5
        for now in ("09:01:45", "09:03:45", "09:13:45", "10:13:45"):
            scene.tick(now)
            run = scene.run("09:00")
            assert (run.status, len(scene.slack.sends)) == (Status.UNKNOWN, 1)
            assert run.error == "it may have arrived; slack cannot tell: missing_scope"
        assert run.wake_at == at("14:13:45")
        scene.tick("14:13:45")
        scene.tick("20:00")
        assert len(scene.slack.asked) == 5
        assert [text[-len(MARK) :] for text in scene.slack.texts("C1")[1:]] == repeats
        assert scene.run("09:00").wake_at is None
        assert scene.run("09:00").status is (Status.SUCCESS if repeats else Status.UNKNOWN)

    def test_credentials_that_are_missing_for_a_while_move_neither_the_question_nor_its_beginning(
        self, scene: Scene
    ) -> None:
        """Asked from a later moment on, the provider would say in good faith that it is not there."""
        lost(scene, ASKS)
        process = scene.process()
        process.lacks_tokens = True
        scene.tick("09:02", process)
        run = scene.run("09:00")
        assert (run.status, run.wake_at, run.parts[0].intent_at) == (Status.UNKNOWN, at("09:04"), at("09:00:05"))
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert [asked.sent_at for asked in scene.slack.asked] == [at("09:00:05")]
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 1)

    @pytest.mark.parametrize(
        ("answer", "status", "error"),
        [
            (Found("1"), Status.SUCCESS, None),
            (Absent(), Status.FAILED, "it did not arrive"),
            (CannotTell("busy"), Status.UNKNOWN, "it may have arrived; slack cannot tell: busy"),
        ],
    )
    def test_a_later_report_ends_the_sending_of_an_older_one_but_not_the_questions(
        self, scene: Scene, answer: Found | Absent | CannotTell, status: Status, error: str | None
    ) -> None:
        scene.slack.offers = ASKS
        scene.add(cron="* * * * *", on_unknown="resend")
        scene.slack.script["C1"] += [LOST]
        for now in ("09:00:05", "09:01"):
            scene.tick(now)
        scene.slack.answers += [answer]
        scene.tick("09:02")
        run = scene.run("09:00")
        told = f"given up: a later report has been delivered; {error}" if error else None
        assert (run.status, run.error) == (status, told)
        assert run.wake_at == (at("09:04") if status is Status.UNKNOWN else None)
        assert [text for text in scene.slack.texts("C1") if "09:00Z" in text] == ["2026-11-22T09:00Z build 1"]

    def test_a_bug_in_a_question_decides_nothing(self, scene: Scene) -> None:
        def bug(*args: object, **more: object) -> None:
            raise RuntimeError("boom")

        lost(scene, ASKS)
        scene.slack.find = bug  # type: ignore[assignment,method-assign]
        scene.tick("09:02")
        run = scene.run("09:00")
        assert (run.status, run.wake_at, len(scene.slack.sends)) == (Status.UNKNOWN, at("09:04"), 1)

    def test_a_repeat_that_the_task_asked_for_uses_up_no_chance_while_credentials_are_missing(
        self, scene: Scene
    ) -> None:
        lost(scene, Means(), on_unknown="resend")
        process = scene.process()
        process.lacks_tokens = True
        scene.tick("09:02", process)
        assert (scene.run("09:00").status, scene.run("09:00").parts[0].repeats) == (Status.UNKNOWN, 0)
        scene.tick("09:04")
        assert scene.run("09:00").status is Status.SUCCESS
        assert scene.slack.texts("C1")[-1].endswith(MARK)


class TestTheSameKey:
    def test_a_lost_answer_is_repeated_at_once_and_unmarked(self, scene: Scene) -> None:
        lost(scene, DROPS_DOUBLES)
        (part,) = scene.run("09:00").parts
        assert (scene.run("09:00").status, part.attempts, part.repeats) == (Status.SUCCESS, 2, 0)
        assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"] * 2

    def test_no_repeat_begins_when_it_could_end_after_the_window(self, scene: Scene) -> None:
        scene.slack.script["C1"] += [LOST] * 20
        lost(scene, DROPS_DOUBLES)
        for second in range(10, 200, 5):
            scene.tick(at("09:00:05") + timedelta(seconds=second))
        last = max(sent.at for sent in scene.slack.sends if sent.at)
        assert at("09:00:30") < last <= at("09:00:05") + timedelta(minutes=2) - timedelta(seconds=40)
        assert {part.intent_at for part in scene.run("09:00").parts} == {at("09:00:05")}, "the first send's time"

    @pytest.mark.parametrize("then", [NotSent("connection refused", retry_after=150), Refused("no such channel")])
    def test_a_repeat_that_fails_says_nothing_of_the_send_before_it(self, scene: Scene, then: Outcome) -> None:
        """Taken for not sent, it would go out with a nonce that is forgotten by then: twice."""
        scene.slack.script["C1"] += [LOST, then, then, then, then]
        scene.slack.offers = DROPS_DOUBLES
        scene.add(cron="0 9 * * *")
        scene.tick("09:00:05")
        (part,) = scene.run("09:00").parts
        assert (scene.run("09:00").status, part.outcome, part.intent_at) == (Status.UNKNOWN, "unknown", at("09:00:05"))
        sends = len(scene.slack.sends)
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert [asked.sent_at for asked in scene.slack.asked] == [at("09:00:05")]
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, sends)

    def test_a_repeat_that_has_to_wait_for_a_place_until_after_the_window_is_not_made(self, scene: Scene) -> None:
        scene.slack.script["C1"] += [LOST]
        scene.slack.offers = DROPS_DOUBLES
        scene.slack.places += [0, 130]
        scene.add(cron="0 9 * * *")
        scene.tick("09:00:05")
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.UNKNOWN, 1)
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 1)

    def test_by_a_clock_that_was_set_back_nothing_is_left_of_the_window(self, scene: Scene) -> None:
        """It shows the time of the send once more, when that has long been forgotten."""
        scene.slack.offers = DROPS_DOUBLES
        crashed_after_the_send(scene)
        scene.tick("08:50")
        assert scene.run("09:00").wake_at == at("09:03:45")
        scene.tick("09:00:10")
        assert len(scene.slack.sends) == 1
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 1)

    def test_a_task_that_is_removed_before_the_repeat_leaves_its_message_unknown_until_it_is_found(
        self, scene: Scene
    ) -> None:
        scene.slack.script["C1"] += [lambda: _after(scene.remove)]
        scene.slack.offers = DROPS_DOUBLES
        scene.add(cron="0 9 * * *")
        result = scene.tick("09:00:05")
        assert (scene.run("09:00").status, result.exit_code, len(scene.slack.sends)) == (Status.UNKNOWN, 7, 1)
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 1)


def _after(act: object) -> Outcome:
    assert callable(act)
    act()
    return LOST


class TestParts:
    def test_a_report_goes_on_at_the_part_that_did_not_arrive_as_a_reply_to_the_first(self, scene: Scene) -> None:
        scene.slack.parts = 3
        scene.add(cron="0 9 * * *")
        scene.slack.script["C1"] += [lambda: _delivered("171.1"), NotSent("busy", retry_after=600)]
        scene.tick("09:00")
        assert (scene.run("09:00").status, scene.run("09:00").wake_at) == (Status.WAITING, at("09:10"))
        scene.tick("09:10")
        numbers = [(sent.key.part, sent.first_id) for sent in scene.slack.sends]
        assert numbers == [(1, None), (2, "171.1"), (2, "171.1"), (3, "171.1")]
        assert scene.run("09:00").status is Status.SUCCESS

    def test_nothing_follows_a_part_that_may_have_arrived_until_it_is_settled(self, scene: Scene) -> None:
        scene.slack.parts = 2
        lost(scene, ASKS)
        scene.tick("09:01")
        assert [sent.key.part for sent in scene.slack.sends] == [1]
        scene.slack.answers += [Found("171.1")]
        scene.tick("09:02")
        assert [(sent.key.part, sent.first_id) for sent in scene.slack.sends] == [(1, None), (2, "171.1")]
        assert scene.run("09:00").status is Status.SUCCESS

    def test_a_later_part_is_asked_about_below_the_first(self, scene: Scene) -> None:
        scene.slack.parts = 2
        scene.slack.offers = ASKS
        scene.add(cron="0 9 * * *")
        scene.slack.script["C1"] += [lambda: _delivered("171.1"), LOST]
        scene.slack.answers += [Absent()]
        scene.tick("09:00")
        scene.tick("09:02")
        assert [(asked.key.part, asked.first_id) for asked in scene.slack.asked] == [(2, "171.1")]
        assert [sent.key.part for sent in scene.slack.sends] == [1, 2, 2]

    def test_a_refused_part_ends_its_target_and_no_other(self, scene: Scene) -> None:
        scene.slack.parts = 3
        scene.add(cron="0 9 * * *", targets=["slack:C2"])
        scene.slack.script["C1"] += [lambda: _delivered("1"), Refused("archived")]
        scene.tick("09:00")
        assert [sent.key.part for sent in scene.slack.sends if sent.chat_id == "C1"] == [1, 2]
        assert [sent.key.part for sent in scene.slack.sends if sent.chat_id == "C2"] == [1, 2, 3]
        assert scene.run("09:00").status is Status.PARTIAL

    def test_a_place_beyond_the_deadline_begins_nothing_and_leaves_the_run_waiting(self, scene: Scene) -> None:
        scene.slack.places += [1000]
        scene.add(cron="0 9 * * *")
        result = scene.tick("09:00")
        run = scene.run("09:00")
        assert (run.status, run.parts, result.exit_code) == (Status.WAITING, (), 75)
        scene.tick("09:01")
        assert scene.run("09:00").status is Status.SUCCESS

    def test_a_place_just_before_the_deadline_is_too_late_to_send(self, scene: Scene) -> None:
        """An answer that cannot come in time would be an unknown fate, for no good reason."""
        scene.slack.places += [299.5]
        scene.add(cron="0 9 * * *")
        scene.tick("09:00")
        assert (scene.run("09:00").status, scene.slack.sends) == (Status.WAITING, [])


def _delivered(message_id: str) -> Outcome:
    return Delivered(message_id)


def test_a_report_that_was_asked_about_has_one_row_in_the_ledger(scene: Scene) -> None:
    lost(scene, ASKS)
    scene.slack.answers += [Absent()]
    scene.tick("09:02")
    assert scene.ledger(TASK) == ["09:00 success"]
