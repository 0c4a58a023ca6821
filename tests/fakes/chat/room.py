"""The channels: who may do what in them, what was posted, and what a reader sees."""

import json
import os
import re
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from fakes.chat.timeline import Timeline

#: The foot of a message names its run: by this a repeat is known where the provider keeps nothing better.
_RUN = re.compile(r"task (\w+) · (\S+)")
_PART = re.compile(r"\((\d+/\d+)\)$")

DISCORD_EPOCH_MS = 1_420_070_400_000


@dataclass(frozen=True)
class Message:
    provider: str
    chat_id: str
    id: str
    text: str  # as a reader sees it
    pings: list[str]  # what in it would ping, link or format where it must not
    payload: dict[str, Any]
    marker: str = ""  # what makes a repeat of it recognisable
    thread: str = ""
    at: float = 0.0
    author: str = "bot"  # the bot, or a name
    files: list[str] = field(default_factory=list)


def run_named_in(text: str) -> str:
    """Return which part of which run a message is, or nothing."""
    run = _RUN.search(text)
    part = _PART.search(text.partition("\n")[0])
    return f"{run[1]} {run[2]} {part[1] if part else '1/1'}" if run else ""


class Room:
    """Every channel of the three providers; each posted message is on disk before anyone is told."""

    def __init__(
        self, journal: str | None = None, nonce_seconds: float = 120.0, timeline: Timeline | None = None
    ) -> None:
        self.timeline = timeline or Timeline()
        self.messages: list[Message] = []  # all that was ever posted
        self.nonce_seconds = nonce_seconds
        self.clock_ahead = 0.0  # seconds by which this server's clock is ahead
        self.denied: set[tuple[str, str]] = set()  # (chat id, right)
        self._removed: set[str] = set()
        self._nonces: dict[tuple[str, str, str], tuple[float, Message]] = {}
        self._last_at = 0.0
        self._journal = journal
        self._lock = threading.RLock()

    def may(self, chat_id: str, right: str) -> bool:
        return (chat_id, right) not in self.denied

    def now(self) -> float:
        return self.timeline.now() + self.clock_ahead

    def post(
        self, provider: str, chat_id: str, text: str, pings: list[str], payload: dict[str, Any], **more: Any
    ) -> Message:
        """Put a message into the channel; a nonce seen lately posts nothing and returns the earlier message."""
        nonce = str(payload.get("nonce", "")) if payload.get("enforce_nonce") else ""
        key = (chat_id, more.get("author", "bot"), nonce)
        with self._lock:
            earlier = self._nonces.get(key) if nonce else None
            if earlier and self.timeline.now() - earlier[0] < self.nonce_seconds:
                return earlier[1]
            at = self._last_at = max(self.now(), self._last_at + 0.000_001)
            message_id = self._id(provider, at)
            message = Message(provider, chat_id, message_id, text, pings, payload, at=round(at, 6), **more)
            self.messages.append(message)
            if nonce:
                self._nonces[key] = self.timeline.now(), message
            self._write(message)
        return message

    def remove(self, message_id: str) -> None:
        """Somebody deletes a message; what was posted stays counted."""
        self._removed.add(message_id)

    def is_removed(self, message: Message) -> bool:
        return message.id in self._removed

    def shown(self, provider: str, chat_id: str) -> list[Message]:
        """Return what is in the channel now, oldest first."""
        with self._lock:
            return [
                message for message in self.messages
                if (message.provider, message.chat_id) == (provider, chat_id) and message.id not in self._removed
            ]  # fmt: skip

    def duplicates(self) -> dict[str, int]:
        """Return how many messages too many each provider got: same chat (or topic of Telegram's), same marker."""
        with self._lock:
            counts = Counter(
                (one.provider, one.chat_id, one.thread if one.provider == "telegram" else "", one.marker)
                for one in self.messages
                if one.marker
            )
        extra: Counter[str] = Counter()
        for (provider, _, _, _), count in counts.items():
            extra[provider] += count - 1
        return {provider: count for provider, count in extra.items() if count}

    def _id(self, provider: str, at: float) -> str:
        number = len(self.messages) + 1
        if provider == "slack":
            return f"{at:.6f}"
        if provider == "telegram":
            return str(number)
        return str((int(at * 1000) - DISCORD_EPOCH_MS << 22) + number % (1 << 22))

    def _write(self, message: Message) -> None:
        if self._journal:
            with open(self._journal, "a", encoding="utf-8") as journal:
                journal.write(json.dumps(asdict(message)) + "\n")
                journal.flush()
                os.fsync(journal.fileno())
