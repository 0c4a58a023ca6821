"""`--window since-last`: a task's reports tile the time, whatever becomes of ticks, sources and sends."""

import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.scene import TASK, Machine, Scene, a_scene, at
from watchbell.attempt import carry_out
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, Delivered, NotSent, Outcome, Refused, Unknown
from watchbell.errors import SourceError
from watchbell.rehearsal import rehearse
from watchbell.reports.codec import report_from_json
from watchbell.reports.interface import Report, ReportRequest, Verdict, Window
from watchbell.stores.interface import Run
from watchbell.tasks import MAX_WINDOW_HOURS, Task, task_from_json
from watchbell.tick import begin
from watchbell.windows import LONGEST_WINDOW, window_of


def report_of(scene: Scene, run: Run) -> Report:
    saved = scene.store.runs.saved_report(run.task_id, run.fire_time)
    assert saved is not None
    return report_from_json(saved)


def window_at(scene: Scene, fire: str) -> Window:
    return report_of(scene, scene.run(fire)).window


def hours_of(window: Window) -> str:
    return f"{window.start:%H:%M}-{window.end:%H:%M}"


def run_by_hand(scene: Scene, process: Machine) -> Run:
    """Do what `cron run` does."""
    limits = begin(process.services, threading.Event())
    now = scene.clock.now()
    expected = scene.store.tasks.expectation(TASK)
    assert expected is not None
    claimed = scene.store.runs.claim_adhoc(
        expected.task, f"{now:%Y-%m-%dT%H:%M:%S}.000Z-{len(scene.store.runs.history(TASK, limit=9999)):04x}",
        owner=process.services.owner, lease_until=limits.lease_until, now=now,
    )  # fmt: skip
    return carry_out(process.services, limits, claimed)[0]


@pytest.fixture
def hourly(scene: Scene) -> Scene:
    scene.add(window="since-last")
    return scene


def test_the_first_report_looks_back_as_many_hours_as_the_task_says_and_says_so(scene: Scene) -> None:
    scene.add(window="since-last", window_hours=3)
    scene.tick("09:00")
    window = window_at(scene, "09:00")
    assert (hours_of(window), window.note) == ("06:00-09:00", "no report before it, so 3 hours")


def test_a_report_begins_where_the_last_one_ended_however_late_either_ran(hourly: Scene) -> None:
    hourly.tick("09:00")
    hourly.tick("10:25")
    hourly.tick("11:00")
    assert [hours_of(window_at(hourly, fire)) for fire in ("10:00", "11:00")] == ["09:00-10:00", "10:00-11:00"]
    assert window_at(hourly, "10:00").note == "since the last report"


def test_what_was_missed_is_in_the_next_report_and_counted_in_its_header(hourly: Scene) -> None:
    hourly.tick("09:00")
    hourly.tick("13:00")
    window = window_at(hourly, "13:00")
    assert (hours_of(window), window.note) == ("09:00-13:00", "since the last report; 3 fires between brought none")


def test_reports_that_are_caught_up_cover_an_hour_each(scene: Scene) -> None:
    scene.add(window="since-last", catch_up="all")
    scene.tick("09:00")
    scene.tick("12:00")
    windows = [hours_of(window_at(scene, fire)) for fire in ("10:00", "11:00", "12:00")]
    assert windows == ["09:00-10:00", "10:00-11:00", "11:00-12:00"]


@pytest.mark.parametrize(
    ("outcome", "status", "following"),
    [
        (Delivered("1"), Status.SUCCESS, "10:00-11:00"),
        (Unknown("cut off"), Status.UNKNOWN, "10:00-11:00"),
        (Refused("no such channel"), Status.FAILED, "09:00-11:00"),
        (NotSent("unreachable"), Status.WAITING, "09:00-11:00"),
    ],
)
def test_a_window_moves_on_when_its_report_may_have_arrived(
    hourly: Scene, outcome: Outcome, status: Status, following: str
) -> None:
    hourly.tick("09:00")
    hourly.slack.script["C1"].extend([outcome] * 4)
    hourly.tick("10:00")
    assert hourly.run("10:00").status is status
    hourly.slack.script["C1"].clear()
    hourly.tick("11:00")
    assert hours_of(window_at(hourly, "11:00")) == following


def test_what_the_provider_is_still_to_be_asked_about_moves_no_window(hourly: Scene) -> None:
    hourly.slack.offers = Means(can_ask=True)
    hourly.tick("09:00")
    hourly.slack.script["C1"].append(Unknown("cut off"))
    hourly.tick("10:00")
    assert hourly.run("10:00").status is Status.UNKNOWN
    hourly.tick("11:00")
    # It had not arrived; the report of 11:00, which has, tells what it would have told.
    hourly.slack.answers.append(Absent())
    hourly.tick("11:10")
    assert hourly.run("10:00").status is Status.FAILED
    assert hours_of(window_at(hourly, "11:00")) == "09:00-11:00"


def test_thousands_of_runs_that_could_not_look_do_not_hide_the_last_report(scene: Scene) -> None:
    scene.add(window="since-last", cron="* * * * *")
    scene.tick("09:00")
    with closing(sqlite3.connect(scene.home / "scheduler.db")) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        said = {"fire_time": "strftime('%Y-%m-%dT%H:%MZ', due_at + 60 * n, 'unixepoch')", "due_at": "due_at + 60 * n",
                "verdict": "'UNKNOWN'"}  # fmt: skip
        connection.execute(
            f"INSERT INTO runs ({', '.join(names)}) WITH RECURSIVE later (n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM later WHERE n < 5000)"
            f" SELECT {', '.join(said.get(name, name) for name in names)} FROM runs, later"
        )
    end = at("09:00") + timedelta(minutes=5001)
    scene.tick(end)
    window = report_of(scene, scene.store.runs.history(TASK, limit=1)[0]).window
    assert (window.start, window.end) == (at("09:00"), end)


@pytest.mark.parametrize("more", [{}, {"skip_if_quiet": True}])
def test_a_damaged_report_costs_the_memory_of_it_not_the_reports_after_it(
    hourly: Scene, more: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    hourly.edit(**more)
    hourly.tick("09:00")
    with closing(sqlite3.connect(hourly.home / "scheduler.db")) as connection, connection:
        connection.execute("UPDATE reports SET body = x'00'")
    assert hourly.tick("10:00").exit_code == 0
    assert hourly.ledger() == ["09:00 success", "10:00 success"]
    assert hours_of(window_at(hourly, "10:00")) == "09:00-10:00"
    assert f"{TASK}@2026-11-22T09:00Z is damaged" in caplog.text


def test_a_partial_report_moves_the_window_and_so_does_a_quiet_one(scene: Scene) -> None:
    scene.add(window="since-last", targets=["telegram:1"], skip_if_quiet=True)
    process = scene.process()
    scene.slack.script["C1"].append(Refused("no"))
    scene.tick("09:00", process)
    process.pipeline.verdict = Verdict.OK
    scene.tick("10:00", process)
    scene.tick("11:00", process)
    assert scene.ledger() == ["09:00 partial", "10:00 quiet", "11:00 quiet"]
    assert [hours_of(window_at(scene, fire)) for fire in ("10:00", "11:00")] == ["09:00-10:00", "10:00-11:00"]


def test_a_report_that_could_not_look_moves_no_window(hourly: Scene) -> None:
    process = hourly.process()
    hourly.tick("09:00", process)
    process.pipeline.verdict = Verdict.UNKNOWN
    hourly.tick("10:00", process)
    assert hourly.run("10:00").status is Status.SUCCESS
    process.pipeline.verdict = Verdict.OK
    hourly.tick("11:00", process)
    window = window_at(hourly, "11:00")
    assert (hours_of(window), window.note) == ("09:00-11:00", "since the last report; 1 fire between brought none")


def test_a_run_by_hand_begins_at_the_last_report_and_moves_nothing(hourly: Scene) -> None:
    process = hourly.process()
    hourly.tick("09:00", process)
    hourly.clock.set(at("09:40:20"))
    by_hand = run_by_hand(hourly, process)
    assert by_hand.status is Status.SUCCESS
    assert hours_of(report_of(hourly, by_hand).window) == "09:00-09:40"
    hourly.tick("10:00", process)
    assert hours_of(window_at(hourly, "10:00")) == "09:00-10:00"


def test_many_runs_by_hand_do_not_hide_the_last_report(hourly: Scene) -> None:
    process = hourly.process()
    hourly.tick("09:00", process)
    for second in range(120):
        hourly.clock.set(at("09:30") + timedelta(seconds=second))
        run_by_hand(hourly, process)
    hourly.tick("10:00", process)
    assert hours_of(window_at(hourly, "10:00")) == "09:00-10:00"


def test_a_run_that_is_taken_up_again_keeps_the_window_of_its_saved_report(hourly: Scene) -> None:
    hourly.tick("09:00")
    hourly.slack.script["C1"].extend([NotSent("unreachable")] * 4)
    hourly.tick("10:00")
    hourly.slack.script["C1"].clear()
    hourly.tick("10:20")
    assert hourly.run("10:00").status is Status.SUCCESS
    assert hours_of(window_at(hourly, "10:00")) == "09:00-10:00"


def test_a_window_of_hours_takes_no_notice_of_other_reports(scene: Scene) -> None:
    scene.add(window_hours=2)
    scene.tick("09:00")
    scene.tick("10:00")
    window = window_at(scene, "10:00")
    assert (hours_of(window), window.note) == ("08:00-10:00", "")


def test_a_rehearsal_shows_the_window_that_the_tick_would_have(hourly: Scene) -> None:
    hourly.tick("09:00")
    hourly.clock.set(at("11:00"))
    rehearsed = next(rehearse(hourly.process().services, at("11:00")))
    assert rehearsed.report is not None
    hourly.tick("11:00")
    assert rehearsed.report.window == window_at(hourly, "11:00")


def test_no_window_is_longer_than_the_longest(scene: Scene) -> None:
    task: Task = task_from_json({"id": TASK, "kind": "daily_summary", "cron": "0 9 1 1 *", "provider": "console",
                                 "chat_id": "x", "window": "since-last"})  # fmt: skip
    end = at("09:00")
    window = window_of(task, end, end - timedelta(days=5000))
    assert window.end - window.start == LONGEST_WINDOW == timedelta(hours=MAX_WINDOW_HOURS)
    assert window.note == "the last report is older, but 366 days are the most"


def _source_down(request: ReportRequest) -> None:
    raise SourceError("down")


def _nothing(request: ReportRequest) -> None:
    return None


def _run(scene: Scene, process: Machine, what: str, minutes: int) -> None:
    scene.clock.set(scene.clock.now() + timedelta(minutes=minutes))
    sends: dict[str, Callable[[], Outcome]] = {
        "refused": lambda: Refused("no"),
        "not sent": lambda: NotSent("unreachable"),
        "may have arrived": lambda: Unknown("cut off"),
    }
    script = scene.slack.script["C1"]
    script.clear()
    script.extend([sends[what]] * 12 if what in sends else [])
    process.pipeline.meanwhile = _source_down if what == "source down" else _nothing
    process.pipeline.verdict = Verdict.OK if what == "quiet" else Verdict.ATTENTION
    if what == "by hand":
        run_by_hand(scene, process)
    else:
        scene.tick(process=process)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["delivered", "delivered", "quiet", "refused", "not sent", "may have arrived", "source down", "by hand"]
        ),
        st.integers(1, 200),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sampled_from(["latest", "all", "none"]), st.booleans())
def test_whatever_happens_the_windows_of_settled_reports_leave_no_hole_and_no_overlap(
    steps: list[tuple[str, int]], catch_up: str, skip_if_quiet: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, a_scene(Path(folder) / "home") as scene:
        scene.add(window="since-last", catch_up=catch_up, skip_if_quiet=skip_if_quiet)
        process = scene.process()
        for what, minutes in steps:
            _run(scene, process, what, minutes)
        told = [run for run in scene.store.runs.history(TASK, limit=9999)[::-1] if _counts(run)]
        for before, after in pairwise(told):
            end, start = report_of(scene, before).window.end, report_of(scene, after).window.start
            assert start <= end, f"a hole before {after.fire_time}"
            assert before.finished_at is not None
            # Only a report that was brought to an end after the next one had been built may share time with it.
            assert start == end or before.finished_at >= after.started_at, f"an overlap before {after.fire_time}"


def _counts(run: Run) -> bool:
    settled = {Status.SUCCESS, Status.PARTIAL, Status.UNKNOWN, Status.QUIET}
    return not run.adhoc and run.status in settled and run.verdict != Verdict.UNKNOWN


def test_the_end_of_a_window_is_its_fire_time(hourly: Scene) -> None:
    hourly.tick("09:25")
    ends: list[datetime] = [report_of(hourly, run).window.end for run in hourly.store.runs.history(TASK, limit=9)]
    assert ends == [at("09:00")]
