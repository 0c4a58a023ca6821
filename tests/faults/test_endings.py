"""How a tick ends when it is told to, or when something in it hangs: soon, releasing what it has not sent.

Some of these take half a minute by their nature, so all of them run at once, before the first test looks.
"""

import fcntl
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.scene import TASK, Scene
from watchbell.claims import Status
from watchbell.delivery.interface import Delivered, NotSent, Outcome
from watchbell.reports.interface import ReportRequest
from watchbell.stores.interface import Run
from watchbell.stores.local import LocalStore

LATER = timedelta(minutes=10)


@dataclass(frozen=True)
class Story:
    """One tick: of which task, and what is done to it when."""

    chat: str
    params: dict[str, Any]
    signals: tuple[signal.Signals, ...] = ()
    when: Callable[[Home], bool] = lambda home: False  # the moment of the first signal
    config: str = ""


@dataclass(frozen=True)
class Ending:
    """What came of it."""

    home: Home
    chat: str
    code: int
    errors: str
    seconds: float  # from the first signal, or from the start
    run: Run | None


def is_building(home: Home) -> bool:
    return home.built(TASK) > 0


def is_sending(home: Home) -> bool:
    run = home.run(TASK)
    return run is not None and any(part.outcome is None for part in run.parts)


def is_backing_off(home: Home) -> bool:
    run = home.run(TASK)
    return run is not None and any(part.outcome == "not_sent" for part in run.parts)


TERM, INT = signal.SIGTERM, signal.SIGINT
HANG = {"hang_while": "HANG"}
STORIES = {
    "term while building": Story("C1", {"sleep": 2}, (TERM,), is_building),
    "Ctrl-C while building": Story("C2", {"sleep": 2}, (INT,), is_building),
    "Ctrl-C twice while building": Story("C3", HANG, (INT, INT), is_building),
    "term while backing off": Story("C4-FAIL-429-ONCE", {}, (TERM,), is_backing_off),
    "term while sending": Story("C5-SLOW-3000MS", {}, (TERM,), is_sending),
    "term while a send hangs": Story("C6-FAIL-HANG-AFTER-ONCE", {}, (TERM,), is_sending),
    "term while a build hangs": Story("C7", HANG, (TERM,), is_building),
    "a build hangs past the deadline": Story("C8", HANG, config="deadline_seconds = 10\n"),
    "the store is held past the deadline": Story("C9", {"hold": True}, config="deadline_seconds = 10\n"),
}


DAEMON = "the daemon"
ADDED = "b1b2c3d4e5f6"


def play(story: Story, folder: Path, chats: Chats) -> Ending:
    home = Home(folder / "home", {"WATCHBELL_HOME": str(folder / "home"), **chats.environ})
    hang = folder / "hang"
    hang.touch()
    params = {key: str(hang) if value == "HANG" else value for key, value in story.params.items()}
    home.add(raw_task(TASK, f"slack:{story.chat}", params=params))
    if story.config:
        home.add(raw_task(ADDED, f"slack:B{story.chat}"))
    (home.path / "config.toml").write_text(story.config)
    with (home.path / "scheduler.lock").open("rb+") as lock:
        if params.get("hold"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        begun = time.monotonic()
        driver = str(Path(__file__).with_name("counted_tick.py"))
        process = home.popen([sys.executable, driver, str(home.builds), "tick", "--at", home.at])
        if story.signals:
            wait_until(lambda: story.when(home))
            begun = time.monotonic()
        for number in story.signals:
            process.send_signal(number)
            time.sleep(1)  # two that come at once are one
        _, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - begun
    hang.unlink()
    return Ending(home, story.chat, process.returncode, errors, seconds, home.run(TASK))


def play_daemon(folder: Path, chats: Chats) -> Ending:
    """Start the daemon, add a task while it runs, and end it in the middle of that task's first message."""
    home = Home(folder / "home", {"WATCHBELL_HOME": str(folder / "home"), **chats.environ})
    home.add(raw_task(TASK, "slack:C10", cron="0 0 29 2 *"))
    daemon = home.popen([sys.executable, "-P", "-m", "watchbell_cli", "cron", "start"])
    try:
        wait_until(lambda: has_ticked(home))
        home.change(lambda raws: [*raws, raw_task(ADDED, "slack:C11-SLOW-3000MS")])
        wait_until(lambda: any(run.parts for run in home.history(ADDED)), seconds=75)
        daemon.send_signal(TERM)
        begun = time.monotonic()
        _, errors = daemon.communicate(timeout=60)
        seconds = time.monotonic() - begun
    finally:
        daemon.kill()
    return Ending(home, "C11-SLOW-3000MS", daemon.returncode, errors, seconds, home.history(ADDED)[0])


def has_ticked(home: Home) -> bool:
    store = LocalStore(home.path)
    try:
        return store.ticks.ticked_between(home.minute - LATER, home.minute + LATER)
    finally:
        store.close()


def wait_until(is_true: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory, chats: Chats) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(len(STORIES) + 1) as pool:
        begun = {DAEMON: pool.submit(play_daemon, tmp_path_factory.mktemp("ending"), chats)}
        for name, story in STORIES.items():
            begun[name] = pool.submit(play, story, tmp_path_factory.mktemp("ending"), chats)
        yield begun


@pytest.fixture
def ending(request: pytest.FixtureRequest, endings: dict[str, Any]) -> Ending:
    end: Ending = endings[request.param].result()
    return end


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ending", names, indirect=True)


def the_run(ending: Ending) -> Run:
    assert ending.run is not None
    return ending.run


RELEASED = ("term while building", "Ctrl-C while building", "term while a build hangs")


@of(*RELEASED)
def test_a_run_that_was_not_sent_is_released_and_delivered_by_a_later_tick(ending: Ending, chats: Chats) -> None:
    run = the_run(ending)
    assert (run.status, run.owner, run.parts, run.crashes) == (Status.WAITING, None, (), 0)
    assert ending.code == 75
    assert chats.texts(ending.chat) == []

    assert ending.home.tick().exit_code == 0
    run = ending.home.settled(TASK)
    assert (run.status, run.attempt, run.crashes) == (Status.SUCCESS, 2, 0)
    assert len(chats.texts(ending.chat)) == 1
    was_built = "hang_while" not in run.definition["params"]
    assert ending.home.built(TASK) == (1 if was_built else 2), "what was built is not built again"


@of(*(name for name, story in STORIES.items() if story.signals))
def test_a_tick_is_over_within_35_seconds_of_the_signal(ending: Ending) -> None:
    assert ending.seconds < 35
    assert "Traceback" not in ending.errors


@of(*(name for name, story in STORIES.items() if story.config))
def test_a_tick_is_over_within_30_seconds_of_its_deadline(ending: Ending) -> None:
    starting_and_looking = 15
    assert ending.seconds < 10 + 30 + starting_and_looking
    assert "Traceback" not in ending.errors


@of("a build hangs past the deadline")
def test_a_build_that_hangs_by_itself_counts_as_a_crash(ending: Ending, chats: Chats) -> None:
    """So that it does not hang up one tick after the other until nobody wants its report any more."""
    assert (the_run(ending).status, ending.code) == (Status.RUNNING, 75)
    ending.home.tick()
    run = ending.home.settled(TASK)
    assert (run.status, run.attempt, run.crashes) == (Status.SUCCESS, 2, 1)
    assert len(chats.texts(ending.chat)) == 1


@of("a build hangs past the deadline")
def test_a_build_that_hangs_does_not_keep_the_other_tasks_from_their_reports(ending: Ending, chats: Chats) -> None:
    assert [run.status for run in ending.home.history(ADDED)] == [Status.SUCCESS]
    assert len(chats.texts(f"B{ending.chat}")) == 1


@of("term while backing off")
def test_a_pause_before_a_retry_ends_at_once(ending: Ending, chats: Chats) -> None:
    run = the_run(ending)
    assert ending.seconds < 10
    assert (run.status, run.parts[0].outcome, ending.code) == (Status.WAITING, "not_sent", 75)
    ending.home.tick(shift=LATER)
    run = ending.home.settled(TASK)
    assert (run.status, run.crashes, ending.home.built(TASK)) == (Status.SUCCESS, 0, 1)
    assert len(chats.texts(ending.chat)) == 1


@of("term while sending")
def test_a_send_in_flight_is_seen_through(ending: Ending, chats: Chats) -> None:
    assert (the_run(ending).status, ending.code) == (Status.SUCCESS, 0)
    assert len(chats.texts(ending.chat)) == 1


@of("term while a send hangs")
def test_a_send_that_hangs_is_left_behind_and_found_by_a_later_tick(ending: Ending, chats: Chats) -> None:
    assert (the_run(ending).status, ending.code) == (Status.RUNNING, 75)
    assert the_run(ending).parts[0].outcome is None
    ending.home.tick(shift=LATER)
    run = ending.home.settled(TASK)
    assert (run.status, run.wake_at, run.parts[0].attempts) == (Status.SUCCESS, None, 1)
    assert len(chats.texts(ending.chat)) == 1


@of("Ctrl-C twice while building")
def test_a_second_ctrl_c_ends_at_once_and_counts_as_a_crash(ending: Ending, chats: Chats) -> None:
    assert (ending.code, the_run(ending).status) == (130, Status.RUNNING)
    assert ending.seconds < 10
    ending.home.tick()
    run = ending.home.settled(TASK)
    assert (run.status, run.crashes, len(chats.texts(ending.chat))) == (Status.SUCCESS, 1, 1)


@of("the store is held past the deadline")
def test_a_tick_that_cannot_even_begin_ends_itself(ending: Ending, chats: Chats) -> None:
    assert ending.code == 75
    assert ending.errors == "watchbell: error: the tick hung past its deadline and ended itself\n"
    assert (ending.run, chats.texts(ending.chat)) == (None, [])
    ending.home.tick()
    assert ending.home.settled(TASK).status is Status.SUCCESS


@of(DAEMON)
def test_the_daemon_delivers_a_task_added_meanwhile_sees_its_send_through_and_exits_0(
    ending: Ending, chats: Chats
) -> None:
    assert ending.code == 0, ending.errors
    assert ending.seconds < 35
    assert "a tick each minute for 1 enabled task(s)" in ending.errors
    assert ending.errors.endswith("watchbell: stopped\n")
    (run,) = ending.home.history(ADDED)
    assert (run.status, len(chats.texts(ending.chat))) == (Status.SUCCESS, 1)
    assert (run.started_at - run.due_at).total_seconds() < 10
    assert ending.home.history(TASK) == []


# The same without waiting: what is begun after the request to stop.


def test_a_stop_before_anything_begins_leaves_all_of_it_due(scene: Scene) -> None:
    scene.add()
    stop = threading.Event()
    stop.set()
    result = scene.tick("09:00", stop=stop)
    assert (result.runs, result.exit_code) == ([], 75)
    assert scene.ledger() == []
    scene.tick("09:01")
    assert scene.ledger() == ["09:00 success"]


def test_a_stop_between_two_tasks_leaves_the_second_due(scene: Scene) -> None:
    stop = threading.Event()
    scene.add("a1b2c3d4e5f6", target="slack:C1")
    scene.add("b1b2c3d4e5f6", target="slack:C2")
    process = scene.process()
    process.services = replace(process.services, workers=1)

    def stopped_meanwhile() -> Outcome:
        stop.set()
        return Delivered("1")

    # Which of the two comes first is not fixed.
    for chat_id in ("C1", "C2"):
        scene.slack.script[chat_id] += [stopped_meanwhile]
    result = scene.tick("09:00", process, stop)
    assert result.exit_code == 75
    assert result.errors == ["1 task(s) or run(s) are left to a later tick"]
    (sent,) = scene.slack.sends
    later = {"C1": "b1b2c3d4e5f6", "C2": "a1b2c3d4e5f6"}[sent.chat_id]
    assert scene.store.runs.history(later, limit=9) == []
    scene.tick("09:01")
    assert scene.run("09:00", later).status is Status.SUCCESS


def test_a_stop_between_catch_up_runs_leaves_the_others_due(scene: Scene) -> None:
    stop = threading.Event()
    scene.add(cron="*/10 * * * *", catch_up="all")

    def stopped_meanwhile() -> Outcome:
        stop.set()
        return Delivered("1")

    scene.slack.script["C1"] += [Delivered("0"), stopped_meanwhile]
    scene.tick("09:00", stop=stop)
    assert scene.ledger() == ["08:10 success", "08:20 success"]
    scene.tick("09:01")
    assert scene.ledger() == [f"08:{minute}0 success" for minute in range(1, 6)] + ["09:00 success"]


def test_after_the_deadline_nothing_new_is_sent(scene: Scene) -> None:
    scene.add(targets=["slack:C2"], cron="0 9 * * *")
    process = scene.process()

    def long(request: ReportRequest) -> None:
        scene.clock.wait(threading.Event(), 301)

    process.pipeline.meanwhile = long
    result = scene.tick("09:00", process)
    assert (scene.run("09:00").status, result.exit_code, scene.slack.sends) == (Status.WAITING, 75, [])
    scene.tick("09:06")
    assert scene.run("09:00").status is Status.SUCCESS
    assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"]


def test_a_retry_pause_is_never_longer_than_the_deadline_leaves(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [NotSent("busy", retry_after=200), NotSent("busy", retry_after=200)]
    scene.tick("09:00")
    assert scene.clock.waits == [200]
    assert scene.run("09:00").status is Status.WAITING
