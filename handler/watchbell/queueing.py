"""Handing runs on: a tick with a queue claims, and whoever gets a message carries out (batches.py).

A message names a run and the attempt that it was sent for. It moves nothing: the store decides who takes a run over, so
a message that comes twice, late, out of order or never does no harm. What nobody took in time is owed again.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from watchbell.claims import Status
from watchbell.errors import TryAgain, UsageError, WatchbellError
from watchbell.stores.interface import Run
from watchbell.tasks import is_task_id

#: A run that nobody took within this time of its message is sent again.
PATIENCE = timedelta(minutes=2)
#: A queue that has fallen behind is not filled with more and more copies: each time a queued run waits twice as long.
MOST_PATIENCE = timedelta(hours=1)
#: A minute, or the instant and suffix of an ad-hoc run.
_FIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(Z|:\d\d\.\d{3}Z-[0-9a-f]{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """Asks for the attempt after `attempt` of one run."""

    task_id: str
    fire_time: str
    attempt: int

    @classmethod
    def of(cls, run: Run) -> "Message":
        """Return the message for a run as it was seen."""
        return cls(run.task_id, run.fire_time, run.attempt)

    def to_text(self) -> str:
        """Return the body that is sent."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Message":
        """Read a body; raises UsageError for what is none of ours."""
        try:
            raw = json.loads(text)
            message = cls(raw["task_id"], raw["fire_time"], raw["attempt"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(f"not a message of a tick ({type(error).__name__}): {str(text)[:200]!r}") from None
        # What could name no run is not looked up: among the items of a store there are others than runs.
        names_a_run = is_task_id(message.task_id) and _FIRE_TIME.fullmatch(str(message.fire_time))
        if not names_a_run or type(message.attempt) is not int:
            raise UsageError(f"not a message of a tick (it names no run): {text[:200]!r}")
        return message


class Queue(Protocol):
    """Somewhere to leave messages for other processes."""

    @property
    def most_at_once(self) -> int:
        """How many messages one call of `send` may have."""

    def send(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Send them; returns those that may not have been taken. Never raises for what the queue did."""


class Outbox:
    """Collects messages, and sends each full batch from the thread that has filled it."""

    def __init__(self, queue: Queue, fail: Callable[[WatchbellError], None]) -> None:
        self._queue = queue
        self._fail = fail
        self._waiting: list[Message] = []
        self._lock = threading.Lock()

    def put(self, run: Run) -> None:
        """Ask for the next attempt of a run."""
        with self._lock:
            self._waiting.append(Message.of(run))
            if len(self._waiting) < self._queue.most_at_once:
                return
            batch, self._waiting = self._waiting, []
        self._send(batch)

    def flush(self) -> None:
        """Send what has not filled a batch."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        if batch:
            self._send(batch)

    def _send(self, batch: Sequence[Message]) -> None:
        left = self._queue.send(batch)
        if left:
            self._fail(TryAgain(f"the queue did not take {len(left)} run(s); a later tick sends them again"))


def is_too_late(run: Run, now: datetime) -> bool:
    """Return whether a run has been queued for so long that its report would be of no use any more."""
    return run.status is Status.QUEUED and now > run.deliver_until


def owed_again_at(run: Run, now: datetime) -> datetime:
    """Return until when whoever gets a message that is sent now has to take the run over."""
    waited = now - run.started_at if run.status is Status.QUEUED else PATIENCE
    return now + min(max(PATIENCE, waited), MOST_PATIENCE)
