"""One more try with a simpler message, within the same send, after an answer that proves that nothing was posted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from watchbell.delivery.answers import Answer
from watchbell.delivery.http import time_left
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Unknown

Body = Mapping[str, Any]

#: Sends a body within so many seconds.
Post = Callable[[Body, float], Answer | NotSent | Unknown]


@dataclass(frozen=True, slots=True)
class Simpler:
    """A message that the provider may take where it refused the first, and what the operator should know of it.

    `left_out` counts the lines of the first that there was no room for.
    """

    body: Body
    note: str
    left_out: int = 0

    @property
    def told(self) -> str:
        """The note, and what the readers do not get to see."""
        if not self.left_out:
            return self.note
        return f"{self.note}; {self.left_out} {'line' if self.left_out == 1 else 'lines'} left out"


def send_or_simplify(
    post: Post,
    body: Body,
    seconds: float,
    *,
    outcome: Callable[[Answer], Outcome],
    simplify: Callable[[Answer, Body], Simpler | None],
) -> Outcome:
    """Send `body`; where its answer calls for a simpler one, send that, once."""
    left = time_left(seconds)
    answer = post(body, seconds)
    if not isinstance(answer, Answer):
        return answer
    simpler = simplify(answer, body)
    if simpler is None:
        return outcome(answer)
    second = post(simpler.body, left())
    result = outcome(second) if isinstance(second, Answer) else second
    return noted(result, simpler.told) if isinstance(result, Delivered) else result


def noted(outcome: Outcome, note: str) -> Outcome:
    """Return the outcome with a word to the operator added."""
    if isinstance(outcome, Delivered):
        return replace(outcome, note="; ".join(filter(None, (outcome.note, note))))
    return replace(outcome, error=f"{outcome.error}; {note}")
