"""Silence that was asked for, the proof of life that breaks it, and what a task remembers of its last report."""

import zlib
from datetime import timedelta
from typing import Any

import pytest

from faults.scene import TASK, Scene, at
from watchbell.claims import Status
from watchbell.delivery.interface import NotSent
from watchbell.errors import SourceError
from watchbell.reports.codec import report_from_json
from watchbell.reports.interface import Report, ReportRequest, Verdict
from watchbell.tasks import MAX_PROOF_OF_LIFE_EVERY


def statuses(scene: Scene) -> list[str]:
    return [str(run.status) for run in scene.store.runs.history(TASK, limit=9999)[::-1]]


def tick_hourly(scene: Scene, hours: int, verdict: Verdict = Verdict.OK, first: str = "09:00") -> None:
    process = scene.process()
    process.pipeline.verdict = verdict
    for hour in range(hours):
        scene.tick(at(first) + timedelta(hours=hour), process)


def test_after_n_quiet_reports_in_a_row_the_next_one_is_sent_and_says_why(scene: Scene) -> None:
    scene.add(skip_if_quiet=True, proof_of_life_every=3)
    tick_hourly(scene, 9)
    assert statuses(scene) == ["quiet"] * 3 + ["success"] + ["quiet"] * 3 + ["success", "quiet"]
    texts = scene.slack.texts("C1")
    assert len(texts) == 2
    assert all("a sign of life after 3 quiet reports that were not sent" in text for text in texts)


def test_a_report_that_is_sent_anyway_begins_the_count_anew(scene: Scene) -> None:
    scene.add(skip_if_quiet=True, proof_of_life_every=3)
    tick_hourly(scene, 2)
    tick_hourly(scene, 1, Verdict.ATTENTION, first="11:00")
    tick_hourly(scene, 4, first="12:00")
    assert statuses(scene) == ["quiet", "quiet", "success", "quiet", "quiet", "quiet", "success"]
    assert "sign of life" not in scene.slack.texts("C1")[0]


@pytest.mark.parametrize(("cron", "most"), [("0 */6 * * *", 28), ("0 9 * * *", 7), ("0 9 1 * *", 4)])
def test_unless_told_otherwise_silence_lasts_about_a_week(scene: Scene, cron: str, most: int) -> None:
    scene.add(cron=cron, skip_if_quiet=True, catch_up="none")
    process = scene.process()
    process.pipeline.verdict = Verdict.OK
    for _ in range(most + 1):
        expected = scene.store.tasks.expectation(TASK)
        assert expected is not None
        assert expected.next_fire is not None
        scene.tick(expected.next_fire, process)
    assert statuses(scene) == ["quiet"] * most + ["success"]


def test_a_task_may_ask_for_silence_without_end(scene: Scene) -> None:
    scene.add(cron="* * * * *", skip_if_quiet=True, proof_of_life_every=0)
    process = scene.process()
    process.pipeline.verdict = Verdict.OK
    for minute in range(40):
        scene.tick(at("09:00") + timedelta(minutes=minute), process)
    assert set(statuses(scene)) == {"quiet"}


def test_a_sign_of_life_that_did_not_arrive_is_retried_as_such(scene: Scene) -> None:
    scene.add(skip_if_quiet=True, proof_of_life_every=1)
    scene.slack.script["C1"].extend([NotSent("unreachable")] * 4)
    tick_hourly(scene, 2)
    assert statuses(scene) == ["quiet", "waiting"]
    scene.slack.script["C1"].clear()
    scene.tick("10:20")
    assert scene.run("10:00").status is Status.SUCCESS
    assert "a sign of life after 1 quiet report" in scene.slack.texts("C1")[-1]


def test_a_quiet_report_makes_no_undelivered_one_stale(scene: Scene) -> None:
    """What was wrong at nine is told though all was well at ten: a quiet report has told nobody of anything."""
    scene.add(skip_if_quiet=True, window_hours=1)
    scene.slack.script["C1"].extend([NotSent("unreachable")] * 4)
    tick_hourly(scene, 1, Verdict.DEGRADED)
    tick_hourly(scene, 1, first="10:00")
    scene.slack.script["C1"].clear()
    scene.tick("10:20")
    assert statuses(scene) == ["success", "quiet"]
    assert scene.slack.texts("C1")[-1].startswith("2026-11-22T09:00Z")


def test_what_could_not_be_looked_at_is_no_part_of_the_silence(scene: Scene) -> None:
    """A notice is sent whatever the task asks for, and counts as no quiet report."""
    scene.add(skip_if_quiet=True, proof_of_life_every=3)
    tick_hourly(scene, 2)
    tick_hourly(scene, 1, Verdict.UNKNOWN, first="11:00")
    tick_hourly(scene, 2, first="12:00")
    assert statuses(scene) == ["quiet", "quiet", "success", "quiet", "success"]
    assert "after 3 quiet reports" in scene.slack.texts("C1")[-1]


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, MAX_PROOF_OF_LIFE_EVERY + 1])
def test_a_proof_of_life_is_a_whole_number(scene: Scene, value: object) -> None:
    scene.add(proof_of_life_every=value)
    (error,) = scene.store.tasks.listing().errors
    assert "proof_of_life_every" in str(error)


class Remembered:
    """What a pipeline was told of the report before, for each report."""

    def __init__(self, scene: Scene, **fields: Any) -> None:
        scene.add(**fields)
        self.scene = scene
        self.process = scene.process()
        self.previous: list[Report | None] = []
        self.process.pipeline.meanwhile = self._note

    def _note(self, request: ReportRequest) -> None:
        self.previous.append(request.previous)

    def tick(self, when: str, verdict: Verdict = Verdict.ATTENTION) -> None:
        self.process.pipeline.verdict = verdict
        self.scene.tick(when, self.process)


def test_a_report_knows_the_facts_of_the_last_one(scene: Scene) -> None:
    remembered = Remembered(scene)
    remembered.tick("09:00")
    remembered.tick("10:00")
    saved = scene.store.runs.saved_report(TASK, "2026-11-22T09:00Z")
    assert saved is not None
    assert remembered.previous == [None, report_from_json(saved)]


def test_quiet_reports_are_remembered_and_notices_are_not(scene: Scene) -> None:
    remembered = Remembered(scene, skip_if_quiet=True)
    remembered.tick("09:00", Verdict.OK)
    remembered.tick("10:00", Verdict.UNKNOWN)
    remembered.tick("11:00")
    last = remembered.previous[-1]
    assert last is not None
    assert (last.verdict, last.window.end) == (Verdict.OK, at("09:00"))


def test_a_report_of_another_kind_is_not_what_has_changed(scene: Scene) -> None:
    remembered = Remembered(scene)
    remembered.tick("09:00")
    scene.edit(kind="weekly_audit")
    remembered.tick("10:00")
    assert remembered.previous == [None, None]


def test_a_kept_report_that_cannot_be_read_costs_the_memory_only(scene: Scene) -> None:
    remembered = Remembered(scene)
    remembered.tick("09:00")
    with scene.store.runs._database.write() as connection:
        connection.execute("UPDATE reports SET body = ?", (zlib.compress(b'{"of": "another version"}'),))
    remembered.tick("10:00")
    assert scene.run("10:00").status is Status.SUCCESS
    assert remembered.previous == [None, None]


def test_a_failed_run_is_not_remembered(scene: Scene) -> None:
    remembered = Remembered(scene, kind="synthetic_run")
    remembered.tick("09:00")

    def fail(request: ReportRequest) -> None:
        raise SourceError("down")

    remembered.process.pipeline.meanwhile = fail
    remembered.tick("10:00")
    assert scene.run("10:00").status is Status.FAILED
    remembered.process.pipeline.meanwhile = remembered._note
    remembered.tick("11:00")
    last = remembered.previous[-1]
    assert last is not None
    assert last.window.end == at("09:00")
