"""What a provider promises, and the four outcomes of a send. Which exception or answer means what is the provider's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from watchbell.reports.interface import Report


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider confirmed it with the id of the message."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no, and would say no again; `error` says what to do."""

    error: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """It surely did not arrive; repeating it is safe, not before `retry_after` seconds where the provider set that."""

    error: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have arrived; repeating it blindly could double it."""

    error: str


Outcome = Delivered | Refused | NotSent | Unknown

#: The word that the ledger, the logs and JSON use for each outcome.
OUTCOME_WORDS: Mapping[type[Outcome], str] = {
    Delivered: "delivered",
    Refused: "refused",
    NotSent: "not_sent",
    Unknown: "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendKey:
    """What makes a send the same send again: (task, fire time, target, part)."""

    task_id: str
    fire_time: str
    target: str
    part: int

    def digest(self) -> str:
        """Return 24 URL-safe characters that stand for the key with a provider (a nonce, a marker)."""
        text = "\n".join((self.task_id, self.fire_time, self.target, str(self.part)))
        return sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the foot of a message says about its run; `repeat` warns that the reader may have it already."""

    task_id: str
    fire_time: str
    late_seconds: int = 0
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One message in a provider's own dialect; `number` counts from 1 to `of`."""

    number: int
    of: int
    body: Mapping[str, Any]


class Provider(Protocol):
    """A way to reach people."""

    name: str

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        """Return the report in this provider's dialect, within its limits, all outside text escaped. Pure."""

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        """Return a message of plain lines, escaped as a report is: what the operator is told. Pure."""

    def send(
        self, chat_id: str, part: Part, *, key: SendKey, credentials: Mapping[str, str], seconds: float
    ) -> Outcome:
        """Send one part within `seconds`. Never raises for what the network or the provider does.

        `credentials` are the resolved ones for this provider (`bot_token` …), empty for those that need none.
        """
