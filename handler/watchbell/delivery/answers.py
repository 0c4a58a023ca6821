"""What an answer of a provider's HTTP API means. The tables are the providers'; here is what they share."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from watchbell.delivery.interface import NotSent, Outcome, Refused, Unknown
from watchbell.secrets.redaction import redact

#: Stands for a message id where the provider says that the message was sent and has been removed since.
REMOVED = "removed"

LONGEST_QUOTE = 200

#: A longer wait than a month is a mistake, and might not even be a time any more.
LONGEST_WAIT_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one code of a provider means for the message, and what the operator can do about it."""

    outcome: type[Refused] | type[NotSent] | type[Unknown]
    advice: str


def meanings(outcome: type[Refused] | type[NotSent] | type[Unknown], advice: str, *codes: str) -> dict[str, Meaning]:
    """Return table rows for codes that share one meaning."""
    return dict.fromkeys(codes, Meaning(outcome, advice))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `body` is None where the status was seen and the rest was lost or too long."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    def fields(self) -> dict[str, Any] | None:
        """Return the JSON object in the body, or None if there is none."""
        try:
            value = json.loads(self.body) if self.body is not None else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def retry_after(self, in_body: object = None) -> float | None:
        """Return how many seconds to wait: what the body said, else the header, as seconds or as a date."""
        said = _seconds(in_body)
        header = self.headers.get("retry-after", "")
        header_said = _seconds(header)
        if header_said is None:
            header_said = _seconds_until(header, self.headers.get("date", ""))
        known = [seconds for seconds in (said, header_said) if seconds is not None]
        return max(known, default=None)


def rate_limited(provider: str, answer: Answer, in_body: object = None) -> NotSent:
    """Return the outcome of a 429, whoever on the way sent it."""
    wait = answer.retry_after(in_body)
    when = "" if wait is None else f", again in {wait:g} s at the earliest"
    return NotSent(f"{provider}: too many messages{when}", retry_after=wait)


def told(provider: str, meaning: Meaning, said: str) -> Outcome:
    """Return the outcome that `meaning` stands for, quoting what the provider said."""
    return meaning.outcome(f"{provider}: {quoted(said)}: {meaning.advice}")


def not_understood(provider: str, answer: Answer) -> Outcome:
    """Return the outcome of an answer that is not the provider's own: it proves nothing but its status.

    Only a proxy that asks for a password has surely passed nothing on.
    """
    status = answer.status
    if status == 429:
        return rate_limited(provider, answer)
    if status == 407:
        return NotSent(f"{provider}: the proxy wants a password (HTTP 407): set it in HTTPS_PROXY")
    if 200 <= status < 300 and answer.body is None:
        return Unknown(f"{provider}: accepted (HTTP {status}), but the message id was lost on the way")
    if 300 <= status < 400:
        return Unknown(
            f"{provider}: redirected (HTTP {status}), which is not followed: check the API URL and the proxy"
        )
    if status >= 500:
        return Unknown(f"{provider}: failed with HTTP {status}; the message may have arrived")
    return Unknown(f"{provider}: HTTP {status} without {provider}'s own answer: check the API URL and the proxy")


def quoted(said: object) -> str:
    """Return a provider's words as one short safe line."""
    line = "".join(character if character.isprintable() else " " for character in redact(str(said)))
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…"


def words(values: Iterable[object]) -> str:
    """Return values as one quoted enumeration."""
    return quoted(", ".join(str(value) for value in values))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_WAIT_SECONDS) if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_until(date: str, sent: str) -> float | None:
    """Return the distance between two HTTP dates of one answer, so that this host's clock does not matter."""
    try:
        return max(0.0, (parsedate_to_datetime(date) - parsedate_to_datetime(sent)).total_seconds())
    except (ValueError, TypeError):
        return None
