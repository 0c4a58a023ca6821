"""What is to be delivered in a chaos run: tasks with targets, fire times and long reports, made of a seed."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

FIRST_HOUR = datetime(2026, 11, 22, 9, tzinfo=UTC)
_CHATS = 30
_LENGTHS = (0, 0, 0, 0, 40, 120, 240)  # lines of a report; the longest makes several parts everywhere


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The tasks as they stand in the file, and when the last of them fires."""

    tasks: tuple[dict[str, Any], ...]
    fires: int
    ends: datetime

    @property
    def deliveries(self) -> int:
        return self.fires * sum(1 + len(task.get("targets", ())) for task in self.tasks)


def make_plan(deliveries: int, seed: int, *, fires: int, minutes: tuple[int, ...] = (0, 20, 40)) -> Plan:
    """Return tasks that fire at so many hours, together at least so many deliveries."""
    rng = random.Random(f"plan {seed}")
    hours = f"{FIRST_HOUR.hour}-{FIRST_HOUR.hour + fires - 1}"
    tasks: list[dict[str, Any]] = []
    planned = 0
    while planned < deliveries:
        names = [rng.choice(("slack", "telegram", "discord")) for _ in range(rng.choice((1, 1, 2, 3, 4)))]
        targets = list(dict.fromkeys(f"{name}:{chat_of(name, rng.randrange(_CHATS))}" for name in names))
        provider, _, chat_id = targets[0].partition(":")
        task = {
            "id": f"task{len(tasks):04}",
            "kind": "daily_summary",
            "cron": f"{rng.choice(minutes)} {hours} {FIRST_HOUR.day} {FIRST_HOUR.month} *",
            "timezone": "UTC",
            "provider": provider,
            "chat_id": chat_id,
            "on_unknown": rng.choice(("hold", "resend")),
            "params": {"lines": rng.choice(_LENGTHS)},
        }
        tasks.append(task | ({"targets": targets[1:]} if targets[1:] else {}))
        planned += fires * len(targets)
    return Plan(tasks=tuple(tasks), fires=fires, ends=FIRST_HOUR + timedelta(hours=fires - 1, minutes=max(minutes)))


def chat_of(provider: str, number: int) -> str:
    """Return the id of one of a provider's chats; half of Telegram's are groups."""
    if provider == "slack":
        return f"C0CHAOS{number:02}"
    if provider == "discord":
        return f"11000000000000{number:05}"
    return f"{'-100' if number % 2 else ''}{2_000_000 + number}"


def discord_chats() -> list[str]:
    return [chat_of("discord", number) for number in range(_CHATS)]
