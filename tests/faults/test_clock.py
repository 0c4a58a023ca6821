"""A wall clock that is set back or forward: nothing twice, nothing lost without a row, no live owner disturbed."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from fakes.minutes import stay_within_the_minute
from faults.conftest import Chats, Home, raw_task
from faults.scene import TASK, Scene, at
from watchbell.claims import Status
from watchbell.clock import SystemClock
from watchbell.deliveries import PartState
from watchbell.delivery.interface import Delivered, NotSent, Outcome
from watchbell.reports.interface import ReportRequest
from watchbell.stores.interface import Run

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def expected_minutes(scene: Scene, start: datetime, end: datetime) -> list[datetime]:
    """Return the fire times of the task in [start, end) that the ledger covers, each as often as it does."""
    covered = [run.due_at for run in scene.store.runs.history(TASK, limit=9999)]
    task = scene.store.tasks.expectation(TASK)
    assert task is not None
    for gap in scene.store.runs.gaps(TASK, limit=9999):
        fires = list(task.task.schedule.fires(gap.first, gap.last + timedelta(minutes=1)))
        assert len(fires) == gap.count
        covered += fires
    return sorted(fire for fire in covered if start <= fire < end)


@pytest.mark.parametrize("catch_up", ["latest", "all", "none"])
@pytest.mark.parametrize("step", [-HOUR, -timedelta(minutes=1), -DAY, HOUR, DAY, timedelta(seconds=61)])
def test_each_expected_minute_is_in_the_ledger_once_whatever_the_clock_did(
    scene: Scene, step: timedelta, catch_up: str
) -> None:
    scene.clock.set(at("08:00"))
    scene.add(cron="*/5 * * * *", catch_up=catch_up)
    now = at("08:01")
    for _ in range(20):
        scene.tick(now)
        now += timedelta(minutes=1)
    now += step
    furthest = now
    for _ in range(90):
        scene.tick(now)
        furthest = max(furthest, now)
        now += timedelta(minutes=1)

    task = scene.store.tasks.expectation(TASK)
    assert task is not None
    assert task.next_fire is not None
    wanted = list(task.task.schedule.fires(at("08:01"), task.next_fire))
    assert expected_minutes(scene, at("08:01"), task.next_fire) == wanted
    sent = [text.split()[0] for text in scene.slack.texts("C1")]
    assert len(sent) == len(set(sent)), "nothing twice"
    assert task.next_fire > furthest - timedelta(minutes=6)


def test_an_hour_back_delivers_nothing_twice_and_goes_on_after_it(scene: Scene) -> None:
    scene.add(cron="0 * * * *")
    for now in ("09:00", "10:00", "10:30", "09:31", "10:00", "10:30", "11:00"):
        scene.tick(now)
    assert scene.ledger() == ["09:00 success", "10:00 success", "11:00 success"]
    assert len(scene.slack.sends) == 3


def test_a_day_forward_records_what_it_skipped_as_missed(scene: Scene) -> None:
    scene.add(cron="0 * * * *")
    for now in ("09:00", "23T09:15", "23T10:00"):
        scene.tick(now)
    assert scene.ledger() == [
        "09:00 success", "10:00-08:00 missed 23 no tick", "09:00 success", "10:00 success",
    ]  # fmt: skip


def test_a_clock_set_forward_during_a_build_leaves_the_report_to_the_next_tick(scene: Scene) -> None:
    """The lease seems over: it may not send, and says so by waiting."""
    scene.add(cron="0 9 * * *")
    process = scene.process()

    def forward(request: ReportRequest) -> None:
        scene.clock.set(at("09:00") + HOUR)

    process.pipeline.meanwhile = forward
    scene.tick("09:00", process)
    assert scene.run("09:00").status is Status.WAITING
    assert scene.slack.sends == []
    scene.tick("10:01")
    assert scene.run("09:00").status is Status.SUCCESS
    assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"]


@pytest.mark.parametrize("step", [-HOUR, DAY])
def test_a_clock_stepped_during_a_send_changes_nothing_about_it(scene: Scene, step: timedelta) -> None:
    scene.add(cron="0 9 * * *")

    def stepped() -> Outcome:
        scene.clock.set(at("09:00:05") + step)
        return Delivered("1")

    scene.slack.script["C1"] += [stepped]
    scene.tick("09:00")
    assert scene.run("09:00").status is Status.SUCCESS
    scene.tick("09:01")
    assert len(scene.slack.sends) == 1


def test_a_process_that_was_frozen_between_intent_and_send_sends_no_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that slept, a function that was frozen: its monotonic clock may have stood still, its lease is over."""
    scene.add(cron="0 9 * * *")
    write_intent = scene.store.runs.write_intent

    def frozen(run: Run, part: PartState) -> str | None:
        withheld = write_intent(run, part)
        scene.clock.set(at("09:00") + HOUR)
        monkeypatch.setattr(scene.store.runs, "write_intent", write_intent)
        return withheld

    monkeypatch.setattr(scene.store.runs, "write_intent", frozen)
    scene.tick("09:00")
    assert (scene.run("09:00").status, scene.slack.sends) == (Status.WAITING, [])
    scene.tick("10:01")
    assert scene.run("09:00").status is Status.SUCCESS
    assert len(scene.slack.sends) == 1


@pytest.mark.parametrize("step", [-HOUR, DAY])
def test_a_clock_stepped_during_a_backoff_sends_once_more_at_most(scene: Scene, step: timedelta) -> None:
    scene.add(cron="0 9 22 11 *", deliver_within_hours=48)

    def stepped() -> Outcome:
        scene.clock.set(at("09:00:05") + step)
        return NotSent("busy", retry_after=30)

    scene.slack.script["C1"] += [stepped]
    scene.tick("09:00")
    scene.tick(at("09:02") + max(step, timedelta(0)))
    assert scene.run("09:00").status is Status.SUCCESS
    assert len(scene.slack.sends) == 2


def test_a_living_process_of_this_machine_keeps_its_run_whatever_the_clock_says(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    owner, other = scene.process(), scene.process()
    seen: list[object] = []

    def meanwhile(request: ReportRequest) -> None:
        for now in (at("09:10"), at("09:00") + DAY, at("09:00") + 300 * DAY, at("08:00")):
            seen.extend(scene.tick(now, other).runs)
        scene.clock.set(at("09:00:10"))

    owner.pipeline.meanwhile = meanwhile
    scene.tick("09:00", owner)
    assert seen == []
    assert (scene.run("09:00").status, scene.run("09:00").attempt) == (Status.SUCCESS, 1)
    assert len(scene.slack.sends) == 1


def test_a_living_process_with_the_real_lock_keeps_its_run_a_day_after_its_lease(
    home: Home, chats: Chats, chat: str
) -> None:
    home.add(raw_task(TASK, f"slack:{chat}", params={"sleep": 10}))
    tick = home.start()
    _wait_until(lambda: home.built(TASK) == 1)
    for shift in (DAY, -DAY, timedelta(hours=2)):
        assert home.tick(shift=shift).runs == []
    assert home.settled(TASK).status is Status.RUNNING
    tick.communicate(timeout=60)
    run = home.settled(TASK)
    assert (run.status, run.attempt, len(chats.texts(chat))) == (Status.SUCCESS, 1, 1)


def test_a_run_of_a_dead_process_is_taken_up_at_once_after_the_clock_was_set_back(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    dead = scene.process()

    def dies(request: ReportRequest) -> None:
        scene.gone.add(dead.services.owner.token)
        scene.clock.set(at("08:00:30"))
        dead.pipeline.meanwhile = lambda request: None
        scene.tick("08:01")

    dead.pipeline.meanwhile = dies
    scene.tick("09:00", dead)
    assert scene.run("09:00").attempt == 2


@pytest.mark.service("faketime")
@pytest.mark.parametrize(("set_to", "minutes_later"), [("-1h", 0), ("+1d", 1440)])
def test_real_ticks_under_a_clock_that_is_set(
    home: Home, chats: Chats, chat: str, program: Callable[[str], str | None], set_to: str, minutes_later: int
) -> None:
    """The whole command in processes of its own, told by libfaketime that it is another time."""
    stay_within_the_minute()
    home.add(raw_task(TASK, f"slack:{chat}", cron="*/1 * * * *"))
    assert _end(home.start())[0] == 0
    assert len(chats.texts(chat)) == 1

    faketime = program("faketime") or "faketime"
    (home.path / "config.toml").write_text("")
    command = [faketime, "-f", set_to, *_WATCHBELL, "tick", "--json"]
    for _ in range(2):
        code, _, err = _end(home.popen(command))
        assert code == 0, err
    assert len(chats.texts(chat)) == (1 if set_to == "-1h" else 2)
    missed = sum(gap.count for gap in home.gaps(TASK))
    assert abs(missed - max(0, minutes_later - 1)) <= 1
    assert all(run.status is Status.SUCCESS for run in home.history(TASK))


_WATCHBELL = [sys.executable, "-P", "-m", "watchbell_cli"]


def _end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def _wait_until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_system_clock_is_in_utc_and_its_monotonic_one_never_steps() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
