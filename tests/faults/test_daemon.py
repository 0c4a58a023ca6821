"""`watchbell cron start`: a tick each minute, without drift, through suspend and clock steps, until it is ended.

That the real one ends as it should is told in test_endings.py.
"""

import subprocess
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from faults.scene import StepClock, at
from watchbell_cli.start_command import run_until


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
