"""What an operator does about a run that did not end well: `cron retry` and `cron resolve`, without the command."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from faults.scene import OPS, TASK, Scene, at
from faults.test_adhoc import run_by_hand
from watchbell.attempt import carry_out
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, CannotTell, Delivered, Found, NotSent, Outcome, Refused, Unknown
from watchbell.errors import StoreError, TryAgain, UsageError
from watchbell.stores.interface import Run
from watchbell.tasks import Target

NO = Refused("not in channel")
LOST = Unknown("no answer in time")
BUSY = NotSent("busy", retry_after=3600)
MARK = "(may be a repeat)"
BUILD_1 = "2026-11-22T09:00Z build 1"


def run_with(scene: Scene, *outcomes: Outcome, **fields: object) -> Run:
    """Return the run of 09:00 whose sends to C1, C2 … ended so; afterwards everything is delivered."""
    more = [f"slack:C{number}" for number in range(2, len(outcomes) + 1)]
    scene.add(cron="0 9 * * *", targets=more, **fields)
    for number, outcome in enumerate(outcomes, 1):
        scene.slack.script[f"C{number}"] += [outcome]
    scene.tick("09:00:05")
    return scene.run("09:00")


def crashed(scene: Scene, when: str) -> Run:
    """Return the run of 09:00 whose process ended in that call of the run store, or right after it."""
    scene.add(cron="0 9 * * *")
    process, runs = scene.process(), scene.store.runs
    method = getattr(runs, when)

    def full(*args: Any, **more: Any) -> None:
        if when != "write_outcome":
            method(*args, **more)
        raise StoreError("scheduler.db: database or disk is full")

    setattr(runs, when, full)
    assert scene.tick("09:00", process).exit_code == 5
    setattr(runs, when, method)
    scene.gone.add(process.services.owner.token)
    return scene.run("09:00")


def sent_to(scene: Scene) -> list[str]:
    return [sent.chat_id for sent in scene.slack.sends]


class TestRetry:
    def test_a_refused_target_gets_the_saved_report_and_the_others_nothing(self, scene: Scene) -> None:
        run = run_with(scene, Delivered("1"), NO)
        process = scene.process()
        done = scene.retry(run, process)
        assert (done.status, done.exit_code, done.attempt) == (Status.SUCCESS, 0, 2)
        assert (sorted(sent_to(scene)), scene.slack.texts("C2")) == (["C1", "C2", "C2"], [BUILD_1] * 2)
        assert process.pipeline.builds == []

    def test_a_report_given_up_after_its_time_is_sent_and_its_retries_begin_anew(self, scene: Scene) -> None:
        run_with(scene, BUSY, deliver_within_hours=2)
        scene.tick("12:00")
        run = scene.run("09:00")
        assert run.status is Status.FAILED
        scene.slack.script["C1"] += [NotSent("busy", retry_after=4000)]
        assert scene.retry(run).wake_at == at("13:06:40")
        scene.tick("13:06:40")
        assert (scene.run("09:00").status, scene.slack.texts("C1")) == (Status.SUCCESS, [BUILD_1] * 3)

    def test_a_waiting_report_is_sent_now(self, scene: Scene) -> None:
        run = run_with(scene, BUSY)
        assert scene.retry(run).status is Status.SUCCESS
        assert scene.tick("11:00").runs == []

    def test_a_retry_goes_on_at_the_part_that_was_refused(self, scene: Scene) -> None:
        scene.slack.parts = 3
        scene.slack.script["C1"] += [Delivered("171.1")]
        run_with(scene, NO)
        scene.retry(scene.run("09:00"))
        assert [(sent.key.part, sent.first_id) for sent in scene.slack.sends] == [
            (1, None), (2, "171.1"), (2, "171.1"), (3, "171.1")
        ]  # fmt: skip

    def test_a_target_added_to_the_task_since_gets_nothing(self, scene: Scene) -> None:
        run = run_with(scene, NO)
        scene.edit(targets=["slack:C9"])
        scene.retry(run)
        assert sent_to(scene) == ["C1", "C1"]

    def test_what_may_have_arrived_is_left_alone_while_the_refused_target_is_sent_to(self, scene: Scene) -> None:
        run = run_with(scene, LOST, NO)
        done = scene.retry(run)
        assert {part.target: part.outcome for part in done.parts} == {"slack:C1": "unknown", "slack:C2": "delivered"}
        assert (done.status, done.exit_code, sorted(sent_to(scene))) == (Status.UNKNOWN, 7, ["C1", "C2", "C2"])

    def test_a_target_that_nothing_was_begun_for_is_sent_to_beside_one_of_unknown_fate(self, scene: Scene) -> None:
        scene.slack.places += [0, 1000]
        scene.slack.script["C1"] += [LOST]
        scene.slack.script["C2"] += [LOST]
        scene.add(cron="0 9 * * *", targets=["slack:C2"], deliver_within_hours=1)
        scene.tick("09:00:05")
        assert len(scene.run("09:00").parts) == 1
        scene.slack.script.clear()
        scene.tick("11:00")
        done = scene.retry(scene.run("09:00"))
        assert sorted(str(part.outcome) for part in done.parts) == ["delivered", "unknown"]

    @pytest.mark.parametrize(
        ("outcome", "message"),
        [(Delivered("1"), "is success: nothing is missing"), (LOST, "may have arrived; say what became of it")],
    )
    def test_a_run_that_lacks_nothing_or_may_have_arrived_is_refused(
        self, scene: Scene, outcome: Outcome, message: str
    ) -> None:
        run = run_with(scene, outcome)
        with pytest.raises(UsageError, match=message):
            scene.retry(run)
        assert (sent_to(scene), scene.run("09:00").attempt) == (["C1"], 1)

    def test_a_run_without_a_saved_report_is_refused(self, scene: Scene) -> None:
        run = run_with(scene, NO)
        with closing(sqlite3.connect(scene.home / "scheduler.db")) as connection, connection:
            connection.execute("DELETE FROM reports")
        connection.close()
        with pytest.raises(UsageError, match="no saved report; build a new one"):
            scene.retry(run)
        assert scene.run("09:00").status is Status.FAILED

    def test_a_running_run_has_to_end_first(self, scene: Scene) -> None:
        held: list[Run] = []

        def meanwhile() -> Outcome:
            held.append(scene.run("09:00"))
            with pytest.raises(TryAgain, match="is running"):
                scene.retry(held[0])
            return Delivered("1")

        scene.add(cron="0 9 * * *")
        scene.slack.script["C1"] += [meanwhile]
        scene.tick("09:00")
        assert (len(held), scene.run("09:00").status, len(scene.slack.sends)) == (1, Status.SUCCESS, 1)

    def test_a_crashed_run_is_taken_up(self, scene: Scene) -> None:
        run = crashed(scene, "save_report")
        done = scene.retry(run)
        assert (done.status, done.attempt, scene.slack.texts("C1")) == (Status.SUCCESS, 2, [BUILD_1])

    def test_what_a_crashed_run_may_have_sent_is_for_the_operator_to_say(self, scene: Scene) -> None:
        run = crashed(scene, "write_outcome")
        with pytest.raises(UsageError, match="may have arrived"):
            scene.retry(run)
        assert scene.resolve(run, delivered=True).status is Status.SUCCESS
        assert scene.slack.texts("C1") == [BUILD_1]

    def test_an_adhoc_run_is_retried_too(self, scene: Scene) -> None:
        scene.add(cron="0 9 * * *")
        scene.slack.script["C1"] += [NO]
        process = scene.process()
        task = next(iter(scene.store.tasks.listing().tasks))
        claimed = scene.store.runs.claim_adhoc(
            task, "2026-11-22T08:00:00.000Z-abcd", owner=process.services.owner, now=scene.clock.now(),
            lease_until=at("08:10"),
        )  # fmt: skip
        failed, _ = carry_out(process.services, scene.limits(process), claimed)
        assert failed.status is Status.FAILED
        scene.remove()
        assert scene.retry(failed).status is Status.SUCCESS

    @pytest.mark.parametrize(
        ("stop", "message"),
        [
            (lambda scene: scene.remove(), "was removed"),
            (lambda scene: scene.edit(enabled=False), "is disabled"),
            (lambda scene: scene.edit(paused_until="forever"), "is paused"),
        ],
    )
    def test_a_stopped_task_is_said_to_be_and_its_run_stays_as_it_is(
        self, scene: Scene, stop: Callable[[Scene], None], message: str
    ) -> None:
        run = run_with(scene, NO)
        stop(scene)
        with pytest.raises(UsageError, match=message):
            scene.retry(run)
        assert (scene.run("09:00"), sent_to(scene)) == (run, ["C1"])

    def test_a_retry_that_is_refused_again_says_so_once_more(self, scene: Scene) -> None:
        run = run_with(scene, NO)
        scene.slack.script["C1"] += [Refused("is archived")]
        done = scene.retry(run)
        assert (done.status, done.error, done.exit_code) == (Status.FAILED, "is archived", 7)


class TestResolve:
    def test_what_is_said_to_be_there_is_delivered_and_the_report_goes_on_behind_it(self, scene: Scene) -> None:
        scene.slack.parts = 2
        run = run_with(scene, LOST)
        done = scene.resolve(run, delivered=True)
        assert (done.status, done.exit_code, done.error) == (Status.SUCCESS, 0, None)
        assert [part.message_id for part in done.parts] == ["resolved by hand", "2"]
        assert [sent.key.part for sent in scene.slack.sends] == [1, 2]

    def test_what_is_sent_again_is_marked_and_only_that(self, scene: Scene) -> None:
        run = run_with(scene, LOST, Delivered("1"))
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert scene.slack.texts("C1") == [BUILD_1, f"{BUILD_1} {MARK}"]
        assert scene.slack.texts("C2") == [BUILD_1]

    def test_a_resend_that_has_to_wait_is_made_by_a_tick_and_still_marked(self, scene: Scene) -> None:
        run = run_with(scene, LOST)
        scene.slack.script["C1"] += [BUSY]
        assert scene.resolve(run, delivered=False).status is Status.WAITING
        scene.tick("10:00:05")
        assert [text.endswith(MARK) for text in scene.slack.texts("C1")] == [False, True, True]
        assert scene.run("09:00").status is Status.SUCCESS

    @pytest.mark.parametrize("delivered", [True, False])
    def test_a_resend_that_was_given_up_leaves_it_unknown_and_may_be_decided_again(
        self, scene: Scene, delivered: bool
    ) -> None:
        run = run_with(scene, LOST, deliver_within_hours=2)
        scene.slack.script["C1"] += [BUSY]
        scene.resolve(run, delivered=False)
        scene.tick("15:00")
        run = scene.run("09:00")
        assert run.status is Status.UNKNOWN
        assert scene.resolve(run, delivered=delivered).status is Status.SUCCESS
        assert [text.endswith(MARK) for text in scene.slack.texts("C1")] == [False, True] + [True] * (not delivered)

    def test_a_resend_of_a_run_by_hand_that_is_not_sent_leaves_it_unknown(self, scene: Scene) -> None:
        scene.add(cron="0 21 * * *")
        scene.slack.script["C1"] += [LOST, BUSY]
        run = scene.resolve(run_by_hand(scene), delivered=False)
        assert (run.status, run.exit_code, run.wake_at) == (Status.UNKNOWN, 7, None)
        assert scene.resolve(run, delivered=True).status is Status.SUCCESS
        assert len(scene.slack.sends) == 2

    def test_a_resend_that_is_refused_leaves_it_unknown(self, scene: Scene) -> None:
        run = run_with(scene, LOST)
        scene.slack.script["C1"] += [NO]
        done = scene.resolve(run, delivered=False)
        assert (done.status, done.exit_code, done.error) == (Status.UNKNOWN, 7, "not in channel")

    @pytest.mark.parametrize("delivered", [True, False])
    def test_a_second_decision_is_refused(self, scene: Scene, delivered: bool) -> None:
        run = run_with(scene, LOST)
        done = scene.resolve(run, delivered=delivered)
        with pytest.raises(UsageError, match="is success: nothing in it is unknown"):
            scene.resolve(done, delivered=not delivered)
        assert len(scene.slack.sends) == (1 if delivered else 2)

    def test_it_spares_the_question(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        assert scene.resolve(run, delivered=True).status is Status.SUCCESS
        scene.tick("09:02")
        assert scene.slack.asked == []

    @pytest.mark.parametrize("now", ["09:00:10", "09:01:44", "09:02", "20:00"])
    def test_what_the_provider_finds_is_delivered_and_not_sent_again_and_that_is_said(
        self, scene: Scene, now: str
    ) -> None:
        """That it is there is proof at any time."""
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST, NO)
        scene.clock.set(at(now))
        scene.slack.answers += [Found("171.1")]
        done = scene.resolve(run, delivered=False)
        part = next(part for part in done.parts if part.target == "slack:C1")
        assert (part.outcome, part.message_id, part.error, part.repeats) == ("delivered", "171.1", None, 0)
        assert part.note == "it had arrived: found in the channel, and not sent again"
        assert (done.status, [asked.sent_at for asked in scene.slack.asked]) == (Status.PARTIAL, [at("09:00:05")])
        assert sorted(sent_to(scene)) == ["C1", "C2"]

    def test_what_is_provably_missing_is_sent_and_is_no_repeat(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.clock.set(at("09:01:45"))
        scene.slack.answers += [Absent()]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert scene.slack.texts("C1") == [BUILD_1, BUILD_1]

    @pytest.mark.parametrize(("now", "answer"), [("09:01:44", Absent()), ("09:02", CannotTell("missing_scope"))])
    def test_what_may_still_have_arrived_after_the_question_is_sent_and_marked(
        self, scene: Scene, now: str, answer: Absent | CannotTell
    ) -> None:
        """What is on its way yet cannot be found, and is not missing."""
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.clock.set(at(now))
        scene.slack.answers += [answer]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert scene.slack.texts("C1") == [BUILD_1, f"{BUILD_1} {MARK}"]

    def test_it_is_asked_once_more_after_all_questions_were_in_vain(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        run_with(scene, LOST)
        for now in ("09:02", "09:04", "09:14", "10:14", "14:14"):
            scene.tick(now)
        run = scene.run("09:00")
        assert (run.wake_at, len(scene.slack.asked)) == (None, 5)
        scene.slack.answers += [Found("1")]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert sent_to(scene) == ["C1"]

    def test_without_the_credentials_to_ask_it_stays_unknown_and_may_be_asked_later(self, scene: Scene) -> None:
        """Taken for a repeat that was refused, it would be asked about from that repeat on, and not be found."""
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.clock.set(at("09:02"))
        lacking = scene.process()
        lacking.lacks_tokens = True
        done = scene.resolve(run, delivered=False, process=lacking)
        assert (done.status, done.exit_code, done.wake_at) == (Status.UNKNOWN, 4, at("09:04"))
        scene.slack.answers += [Found("1")]
        scene.tick("09:04")
        assert [asked.sent_at for asked in scene.slack.asked] == [at("09:00:05")]
        assert (scene.run("09:00").status, sent_to(scene)) == (Status.SUCCESS, ["C1"])

    def test_the_parts_behind_one_that_is_found_are_sent_below_it(self, scene: Scene) -> None:
        scene.slack.parts = 2
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.clock.set(at("09:02"))
        scene.slack.answers += [Found("171.1")]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert [(sent.key.part, sent.first_id) for sent in scene.slack.sends] == [(1, None), (2, "171.1")]

    def test_a_later_part_is_asked_about_below_the_first(self, scene: Scene) -> None:
        scene.slack.parts = 2
        scene.slack.offers = Means(can_ask=True)
        scene.slack.script["C1"] += [Delivered("171.1")]
        run = run_with(scene, LOST)
        scene.clock.set(at("09:02"))
        scene.slack.answers += [Found("171.2")]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert [(asked.key.part, asked.first_id) for asked in scene.slack.asked] == [(2, "171.1")]
        assert len(scene.slack.sends) == 2

    def test_a_bug_in_the_question_decides_nothing(self, scene: Scene) -> None:
        def bug(*args: object, **more: object) -> None:
            raise RuntimeError("boom")

        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.slack.find = bug  # type: ignore[assignment,method-assign]
        assert scene.resolve(run, delivered=False).status is Status.SUCCESS
        assert scene.slack.texts("C1") == [BUILD_1, f"{BUILD_1} {MARK}"]

    def test_an_operator_whose_process_ends_over_the_question_has_sent_nothing(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)
        scene.clock.set(at("09:02"))
        process, runs = scene.process(), scene.store.runs
        write_outcome = runs.write_outcome

        def full(*args: object) -> None:
            raise StoreError("scheduler.db: database or disk is full")

        runs.write_outcome = full  # type: ignore[method-assign]
        scene.slack.answers += [Absent(), Found("1")]
        with pytest.raises(StoreError):
            scene.resolve(run, delivered=False, process=process)
        runs.write_outcome = write_outcome  # type: ignore[method-assign]
        scene.gone.add(process.services.owner.token)
        scene.tick("09:03")
        assert (scene.run("09:00").status, sent_to(scene)) == (Status.SUCCESS, ["C1"])

    def test_a_run_by_hand_is_asked_about_first_too(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        scene.add(cron="0 21 * * *")
        scene.slack.script["C1"] += [LOST]
        run = run_by_hand(scene)
        scene.slack.answers += [Found("1")]
        done = scene.resolve(run, delivered=False)
        assert (done.status, done.wake_at, sent_to(scene)) == (Status.SUCCESS, None, ["C1"])

    def test_a_refused_target_stays_refused(self, scene: Scene) -> None:
        run = run_with(scene, LOST, NO)
        done = scene.resolve(run, delivered=True)
        assert (done.status, done.error, sorted(sent_to(scene))) == (Status.PARTIAL, "not in channel", ["C1", "C2"])

    def test_of_two_operators_one_wins_and_the_other_is_told(self, scene: Scene) -> None:
        run = run_with(scene, LOST)
        barrier, told = threading.Barrier(2), list[str]()

        def decide() -> None:
            process = scene.process()
            barrier.wait()
            try:
                told.append(str(scene.resolve(run, delivered=False, process=process).status))
            except TryAgain:
                told.append("try again")

        threads = [threading.Thread(target=decide) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["success", "try again"]
        assert len(scene.slack.sends) == 2

    def test_a_tick_that_asks_and_an_operator_that_decides_do_not_both_send(self, scene: Scene) -> None:
        scene.slack.offers = Means(can_ask=True)
        run = run_with(scene, LOST)

        def ask(*args: object, **more: object) -> Found:
            with pytest.raises(TryAgain):
                scene.resolve(scene.run("09:00"), delivered=False)
            with pytest.raises(TryAgain):
                scene.resolve(run, delivered=False)
            return Found("1")

        scene.slack.find = ask  # type: ignore[assignment,method-assign]
        scene.tick("09:02")
        assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.SUCCESS, 1)


class TestTheOperatorsNotice:
    def test_it_ends_with_a_retry_that_goes_well(self, scene: Scene) -> None:
        scene.ops_target = Target.parse(OPS)
        run = run_with(scene, NO)
        scene.retry(run)
        scene.tick("09:01")
        assert ["recovered" in text for text in scene.ops_texts()] == [False, True]

    def test_it_stays_when_only_an_older_run_went_well(self, scene: Scene) -> None:
        scene.ops_target = Target.parse(OPS)
        scene.add()
        scene.slack.script["C1"] += [NO, NO]
        scene.tick("09:00")
        scene.tick("10:00")
        scene.retry(scene.run("09:00"))
        scene.tick("10:01")
        assert ["recovered" in text for text in scene.ops_texts()] == [False]
        scene.retry(scene.run("10:00"))
        scene.tick("10:02")
        assert ["recovered" in text for text in scene.ops_texts()] == [False, True]
        assert scene.ledger(TASK) == ["09:00 success", "10:00 success"]
