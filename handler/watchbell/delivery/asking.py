"""What asking a provider afterwards has in common: since when to look, and that a failed question proves nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from watchbell.delivery.answers import Answer
from watchbell.delivery.interface import CannotTell, NotSent, Unknown

#: Clocks are never quite alike, and a provider writes down its own time.
MARGIN = timedelta(seconds=5)

#: A clock may be off by this much without another look; an HTTP date has whole seconds, and the answer took a while.
TOLERATED = timedelta(seconds=60)

#: A channel in which more was written since then is not searched to its end.
MOST_PAGES = 20
PAGE_LENGTH = 100


def first_guess(sent_at: datetime) -> datetime:
    """Return since when to look while it is not known how far the clocks are apart."""
    return sent_at - MARGIN - TOLERATED


def beginning(name: str, sent_at: datetime, answer: Answer, now: datetime) -> datetime | CannotTell:
    """Return, by the provider's clock, since when a message sent at `sent_at` by ours would be in its history.

    Were our clock ahead unnoticed, the search would begin after the message, and its absence would prove nothing.
    """
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return CannotTell(f"{name}: the answer has no date, so the clocks cannot be compared")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    if sent_at > now + MARGIN:
        return CannotTell(f"{name}: this host's clock was set back since the message was sent")
    ahead = now - theirs
    return first_guess(sent_at) - (ahead if ahead > TOLERATED else timedelta())


def not_asked(failure: NotSent | Unknown) -> CannotTell:
    """Return what a question without an answer tells."""
    return CannotTell(f"asking failed: {failure.error}")


def not_answered(name: str, answer: Answer) -> CannotTell:
    """Return what an answer tells that is not the provider's own, or that asks for patience."""
    if answer.status == 429:
        wait = answer.retry_after((answer.fields() or {}).get("retry_after"))
        again = f" (again in {wait:.3g} s)" if wait is not None else ""
        return CannotTell(f"{name}: too many questions{again}; it is asked again later")
    if answer.body is None:
        return CannotTell(f"{name}: the answer was cut short or too long")
    return CannotTell(f"{name}: HTTP {answer.status} without {name}'s own answer")


def too_much(name: str) -> CannotTell:
    """Return what an endless history tells."""
    return CannotTell(f"{name}: more than {MOST_PAGES * PAGE_LENGTH:,} messages were written there since")
