"""`watchbell cron start`: a tick each minute, without drift, through suspend and clock steps, until it is ended."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.scene import TASK, StepClock, at
from watchbell.claims import Status
from watchbell.clock import SystemClock
from watchbell.stores.local import LocalStore
from watchbell_cli.start_command import run_until

OTHER = "b1b2c3d4e5f6"


class FakeTick:
    """A tick that has ended, or one that goes on until it is told to stop, or even then."""

    def __init__(self, code: int | None = 0, *, stubborn: bool = False) -> None:
        self.code = code
        self.stubborn = stubborn
        self.signals: list[str] = []

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.signals.append("terminate")
        self.code = None if self.stubborn else -15

    def kill(self) -> None:
        self.signals.append("kill")
        self.code = -9

    def wait(self, timeout: float | None = None) -> int:
        if self.code is None:
            raise subprocess.TimeoutExpired("tick", timeout or 0)
        return self.code


class Daemon:
    """`run_until` on a clock that a test steps, until a number of waits are over."""

    def __init__(self, now: str, make: Callable[[], Any] = FakeTick) -> None:
        self.stop = threading.Event()
        self.clock = SteppedClock(at(now), self)
        self.make = make
        self.launched: list[datetime] = []
        self.ticks: list[Any] = []
        self.steps: dict[int, timedelta] = {}
        self.waits = 0
        self.last_wait = 0

    def launch(self) -> "subprocess.Popen[bytes]":
        self.launched.append(self.clock.now())
        tick = self.make()
        self.ticks.append(tick)
        return cast("subprocess.Popen[bytes]", tick)

    def run(self, waits: int) -> list[str]:
        self.last_wait = waits
        run_until(self.stop, self.clock, self.launch)
        return [f"{moment:%H:%M:%S}" for moment in self.launched]


class SteppedClock(StepClock):
    def __init__(self, now: datetime, daemon: Daemon) -> None:
        super().__init__(now)
        self._daemon = daemon

    def wait(self, event: threading.Event, seconds: float) -> bool:
        super().wait(event, seconds)
        self._daemon.waits += 1
        self.set(self.now() + self._daemon.steps.get(self._daemon.waits, timedelta(0)))
        if self._daemon.waits >= self._daemon.last_wait:
            event.set()
        return event.is_set()


def test_there_is_one_tick_at_the_start_of_each_minute_and_never_a_drift() -> None:
    daemon = Daemon("09:00:17.250")
    launched = daemon.run(waits=12 * 180)
    assert launched[0] == "09:00:17"
    assert launched[1:4] == ["09:01:00", "09:02:00", "09:03:00"]
    assert len(launched) >= 180
    assert all(moment.second == 0 and moment.microsecond == 0 for moment in daemon.launched[1:])
    assert len({moment.replace(second=0, microsecond=0) for moment in daemon.launched}) == len(launched)


def test_slow_launches_do_not_add_up() -> None:
    daemon = Daemon("09:00")

    def slow() -> FakeTick:
        daemon.clock.set(daemon.clock.now() + timedelta(seconds=1.7))
        return FakeTick()

    daemon.make = slow
    daemon.run(waits=12 * 30)
    assert {moment.second for moment in daemon.launched} == {0}
    assert len(daemon.launched) >= 29


def test_it_never_sleeps_longer_than_five_seconds_so_that_a_step_is_seen() -> None:
    daemon = Daemon("09:00")
    daemon.run(waits=100)
    assert max(daemon.clock.waits) <= 5


def test_after_a_suspend_one_tick_runs_at_once_and_the_ledger_sees_to_the_rest() -> None:
    daemon = Daemon("09:00")
    daemon.steps[3] = timedelta(hours=8, seconds=20)
    launched = daemon.run(waits=20)
    assert launched == ["09:00:00", "17:00:35", "17:01:00"]


def test_a_clock_set_back_goes_on_with_a_tick_each_minute() -> None:
    daemon = Daemon("09:00")
    daemon.steps[14] = -timedelta(hours=1)
    launched = daemon.run(waits=40)
    assert launched == ["09:00:00", "09:01:00", "08:01:10", "08:02:00", "08:03:00"]


def test_a_clock_that_repeats_a_minute_loses_no_tick_that_still_runs() -> None:
    daemon = Daemon("09:00", make=lambda: FakeTick(None))
    daemon.steps[13] = -timedelta(seconds=70)
    daemon.steps[16] = timedelta(seconds=-30)
    daemon.run(waits=30)
    assert len(daemon.ticks) == len(daemon.launched) > 3
    assert all(tick.signals == ["terminate"] for tick in daemon.ticks)


def test_ticks_that_go_on_do_not_delay_the_next_ones_up_to_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    daemon = Daemon("09:00", make=lambda: FakeTick(None))
    daemon.run(waits=12 * 20)
    assert len(daemon.launched) == 10
    assert "10 ticks still run; 2026-11-22T09:10Z is left to the next one" in caplog.text


def test_a_tick_that_fails_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    daemon = Daemon("09:00", make=lambda: FakeTick(7))
    assert len(daemon.run(waits=25)) == 3
    assert "the tick of 2026-11-22T09:00Z ended with 7" in caplog.text


def test_a_machine_without_room_for_a_process_is_tried_again_the_next_minute(caplog: pytest.LogCaptureFixture) -> None:
    daemon = Daemon("09:00")

    def full() -> FakeTick:
        if len(daemon.launched) == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return FakeTick()

    daemon.make = full
    assert len(daemon.run(waits=25)) == 3
    assert "cannot launch a tick; 2026-11-22T09:00Z is left to the next one" in caplog.text


def test_at_the_end_running_ticks_are_asked_to_stop_and_stubborn_ones_killed() -> None:
    ticks = iter([FakeTick(None), FakeTick(None, stubborn=True), FakeTick(0)])
    daemon = Daemon("09:00", make=lambda: next(ticks, FakeTick(0)))
    with pytest.raises(subprocess.TimeoutExpired):
        FakeTick(None).wait(1)
    daemon.run(waits=25)
    assert [tick.signals for tick in daemon.ticks] == [["terminate"], ["terminate", "kill"], ["terminate"]]


@pytest.mark.service("faketime")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_real_daemon_sees_new_tasks_and_ends_within_35_seconds(
    home: Home, chats: Chats, chat: str, program: Callable[[str], str | None], number: signal.Signals
) -> None:
    """Its clock is set to ten seconds before a minute, so that nobody waits for one."""
    slow = f"C{chat}-SLOW-3000MS"
    home.add(raw_task(TASK, f"slack:{chat}", cron="0 0 29 2 *"))
    (home.path / "config.toml").write_text("")
    ahead = timedelta(seconds=(52 - SystemClock().now().second) % 60)
    command = [sys.executable, "-P", "-m", "watchbell_cli", "cron", "start"]
    daemon = home.popen(command, environ=_ahead(program("faketime") or "faketime", ahead))
    try:
        _wait_until(lambda: _ticked(home))
        home.change(lambda raws: [*raws, raw_task(OTHER, f"slack:{slow}")], now=SystemClock().now() + ahead)
        _wait_until(lambda: any(run.parts for run in home.history(OTHER)))
        daemon.send_signal(number)
        begun = time.monotonic()
        _, errors = daemon.communicate(timeout=40)
        assert time.monotonic() - begun < 35
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.communicate()
    assert daemon.returncode == 0, errors
    assert "a tick each minute for 1 enabled task(s)" in errors
    assert errors.endswith("watchbell: stopped\n")
    (run,) = home.history(OTHER)
    assert (run.status, len(chats.texts(slow))) == (Status.SUCCESS, 1), "the send in flight was seen through"
    assert (run.started_at - run.due_at).total_seconds() < 5
    assert home.history(TASK) == []


def _ahead(faketime: str, ahead: timedelta) -> dict[str, str]:
    """Return what faketime adds to the environment; the program itself would stand between us and the signals."""
    options = ["--exclude-monotonic", "-f", f"+{ahead.seconds}s"]
    done = subprocess.run([faketime, *options, "env"], capture_output=True, text=True, check=True)
    wanted = ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC")
    return {
        name: value for name, _, value in (line.partition("=") for line in done.stdout.splitlines()) if name in wanted
    }


def _ticked(home: Home) -> bool:
    store = LocalStore(home.path)
    try:
        return store.ticks.ticked_between(at("00:00"), SystemClock().now() + timedelta(days=1))
    finally:
        store.close()


def _wait_until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.1)
