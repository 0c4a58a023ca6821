"""A real tick against a server that enforces the documented rates; both go by one time, faster than the real one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chaos.plan import FIRST_HOUR
from chaos.simulated_tick import NumberedPipeline, SimulatedClock, hastened
from fakes.chat.timeline import Timeline
from fakes.chat_server import ChatServer
from watchbell.delivery.pace import TELEGRAM, Pace
from watchbell.delivery.telegram import Telegram
from watchbell.settings import load_settings
from watchbell.stores.local import LocalStore
from watchbell.tick import TickResult, begin, run_tick
from watchbell.wiring import open_services

TOKEN = "123456789:telegram-token-of-thirty-characters-0000"
GROUP = "-1001234567890"
#: How fast that time is. A machine that is busy elsewhere stalls threads for longer than rates allow; then the same is
#: tried in a slower time, in which a stall is less.
SPEEDS = (10.0, 10.0, 5.0, 2.0)
#: A busy machine holds a request up for this long between here and there, in the seconds of that time.
JITTER = 0.3


def least(count: int, *rates: tuple[int, float]) -> float:
    """Return the least seconds in which `count` messages fit into sliding windows of (how many, seconds)."""
    times: list[float] = []
    for number in range(count):
        times.append(max((times[number - many] + seconds for many, seconds in rates if number >= many), default=0.0))
    return times[-1]


@dataclass
class Place:
    """A home whose tasks are all due at the same minute, and the chats that they report to."""

    home: Path
    chats: ChatServer
    speed: float

    def add(self, targets: Sequence[str]) -> None:
        """Add one task for each chat, in this order of the file."""
        store = LocalStore(self.home)
        tasks: list[dict[str, Any]] = [
            {
                "id": f"task{number:03}",
                "kind": "daily_summary",
                "cron": f"0 {FIRST_HOUR.hour} {FIRST_HOUR.day} {FIRST_HOUR.month} *",
                "timezone": "UTC",
                "provider": "telegram",
                "chat_id": chat_id,
            }
            for number, chat_id in enumerate(targets)
        ]
        store.tasks.change(lambda _: tasks, now=FIRST_HOUR - timedelta(minutes=1))
        store.close()

    def tick(self, minute: datetime = FIRST_HOUR, **changes: Any) -> TickResult:
        """Run one tick, as a process that has sent nothing yet."""
        environ = {"WATCHBELL_HOME": str(self.home), "TELEGRAM_BOT_TOKEN": TOKEN}
        clock = SimulatedClock(self.chats.timeline)
        pace = Pace(TELEGRAM, slack_seconds=JITTER)
        telegram = hastened(Telegram, self.speed)(self.chats.telegram_url, pace=pace, clock=clock)
        with open_services(load_settings(environ), timer="test") as services:
            services = replace(
                services, pipeline=NumberedPipeline(), clock=clock, providers={"telegram": telegram}, **changes
            )
            result = run_tick(services, minute, begin(services, threading.Event()))
        telegram._api.close()
        return result

    def arrivals(self, *, in_group: bool) -> list[float]:
        """Return the seconds after the minute at which messages arrived."""
        sent = [message for message in self.chats.messages if (message.chat_id == GROUP) is in_group]
        return [message.at - FIRST_HOUR.timestamp() for message in sent]


@contextmanager
def a_place(home: Path, speed: float) -> Iterator[Place]:
    home.mkdir()
    with ChatServer(rates=1.0, timeline=Timeline(FIRST_HOUR.timestamp(), speed)) as chats:
        yield Place(home, chats, speed)


def three_hundred() -> list[str]:
    """Return the chats of 300 deliveries: 60 into one group."""
    return [GROUP] * 60 + [str(1000 + number % 60) for number in range(240)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_group_first", [True, False], ids=["group first", "group last"])
def test_a_tick_with_300_deliveries_meets_no_429_and_takes_little_longer_than_it_must(
    tmp_path: Path, is_group_first: bool
):
    """Nor does the slow group hold up the others: 240 messages take 8 seconds at 30 a second."""
    longest = 1.2 * least(60, (1, 1), (20, 60))
    for attempt, speed in enumerate(SPEEDS):
        with a_place(tmp_path / str(attempt), speed) as place:
            place.add(three_hundred() if is_group_first else three_hundred()[::-1])
            result = place.tick()
            took = place.chats.timeline.now() - FIRST_HOUR.timestamp()
            stats, others = place.chats.stats(), place.arrivals(in_group=False)
        if stats["429s"] == 0 and took <= longest and max(others) < 40:
            break
    assert stats["429s"] == 0
    assert stats["posted"] == {"telegram": 300}
    assert {run.status for run in result.runs} == {"success"}
    assert took <= longest
    assert max(others) < 40


@pytest.mark.timeout(300)
def test_what_does_not_fit_the_deadline_waits_for_the_next_tick(tmp_path: Path):
    for attempt, speed in enumerate(SPEEDS):
        with a_place(tmp_path / str(attempt), speed) as place:
            place.add([GROUP] * 30)
            place.tick(deadline=timedelta(seconds=50))
            in_time = len(place.arrivals(in_group=True))
            place.chats.timeline.skip(60)
            result = place.tick(FIRST_HOUR + timedelta(minutes=2))
            stats, arrived = place.chats.stats(), len(place.arrivals(in_group=True))
        if (stats["429s"], in_time) == (0, 20):
            break
    assert (stats["429s"], in_time, arrived) == (0, 20, 30)
    assert {run.status for run in result.runs} == {"success"}
