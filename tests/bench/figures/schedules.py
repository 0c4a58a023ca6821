"""`is_due` and `next_fire` over many tasks, against croniter and cronsim."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from figures.figure import Figure

from watchbell.schedule import Schedule

TASKS, PAIRS, PEER_SAMPLE = 100_000, 5_000, 1_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago")
MINUTE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    chance = random.Random(7)
    pairs = [_pair(chance) for _ in range(PAIRS)]
    schedules = [Schedule.parse(*chance.choice(pairs)) for _ in range(TASKS)]
    sample = pairs[:PEER_SAMPLE]
    due = _each(lambda: [schedule.is_due(MINUTE) for schedule in schedules], TASKS)
    peer_due = _each(lambda: [_croniter_match(*pair) for pair in sample], PEER_SAMPLE)
    yield Figure(
        name=f"is_due over {TASKS:,} tasks (µs a task; peer: croniter.match)",
        ours=f"{due:.2f} µs",
        peer=f"{peer_due:.0f} µs",
        ratio=due,
        budget=1.0,
    )
    distinct = [Schedule.parse(*pair) for pair in pairs]
    following = _each(lambda: [schedule.next_fire(MINUTE) for schedule in distinct], PAIRS)
    peer_next = _each(
        lambda: [next(CronSim(cron, MINUTE.astimezone(ZoneInfo(zone)))) for cron, zone in sample], PEER_SAMPLE
    )
    yield Figure(
        name=f"next_fire over {PAIRS:,} schedules (µs each; peer: cronsim)",
        ours=f"{following:.1f} µs",
        peer=f"{peer_next:.0f} µs",
        ratio=following,
        budget=50.0,
    )


def _pair(chance: random.Random) -> tuple[str, str]:
    minute, hour = chance.randrange(60), chance.randrange(24)
    forms = (
        f"{minute} {hour} * * *",
        f"{minute} {hour} * * 1-5",
        f"{minute} {hour} {chance.randrange(1, 29)} * *",
        f"*/{chance.choice((5, 10, 15, 30))} * * * *",
        f"{minute} */{chance.choice((2, 3, 4, 6))} * * *",
        f"{minute} {hour} * * {chance.randrange(7)}",
    )
    return chance.choice(forms), chance.choice(ZONES)


def _croniter_match(cron: str, zone: str) -> bool:
    return bool(croniter.match(cron, MINUTE.astimezone(ZoneInfo(zone))))


def _each(call: Callable[[], object], count: int) -> float:
    """Return microseconds for each of `count`, the best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) / count * 1e6
