"""What a provider promises, and the four outcomes of a send. Which exception or answer means what is the provider's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from watchbell.deliveries import Means
from watchbell.reports.interface import Image, Report


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider confirmed it with the id of the message; `note` says what the operator should know all the same."""

    message_id: str
    note: str | None = None


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
class Envelope:
    """What stands outside one message: where to, as whom, and what makes it the same message again.

    `credentials` are the resolved ones for the provider (`bot_token` …), empty for those that need none. `first_id` is
    the message id of part 1, for providers that thread the further ones below it.
    """

    chat_id: str
    key: SendKey
    credentials: Mapping[str, str] = field(repr=False)
    first_id: str | None = None


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


@dataclass(frozen=True, slots=True)
class Found:
    """The message of a send of unknown fate is there."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Absent:
    """It is provably not there: the provider was asked late enough, and the read provably works."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The provider has no means to tell, or the question failed; `why` is for the operator."""

    why: str


class Provider(Protocol):
    """A way to reach people."""

    name: str

    def means(self, chat_id: str) -> Means:
        """Return what the provider offers there against doubles: repeats that it drops, questions that it answers."""

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        """Return the report in this provider's dialect, within its limits, all outside text escaped. Pure."""

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        """Return a message of plain lines, escaped as a report is: what the operator is told. Pure."""

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float) -> float:
        """Take a place within the provider's documented rates; return the seconds to wait before sending.

        More than `within` seconds: there is no place so soon, and none was taken.
        """

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        """Send one part within `seconds`. Never raises for what the network or the provider does."""

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        """Ask what became of the send in this envelope, whose request began at or after `sent_at`.

        Absent only where that is proof: the caller asks no earlier than the send could still arrive.
        """


@runtime_checkable
class AttachesImages(Protocol):
    """A provider that can show an image below a report; the console is none."""

    def attach(self, image: Image, envelope: Envelope, seconds: float) -> Outcome:
        """Send one image within `seconds`, below the report's first part. Never raises.

        The envelope's key is the image's own: a part number that no part of the text has. The text does not depend on
        the outcome.
        """
