"""A limit on the whole of a piece of work, also where no time-out reaches, such as in a resolver of names."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from watchbell.errors import SourceError

Result = TypeVar("Result")


def within(seconds: float, work: Callable[[], Result], *, late: str) -> Result:
    """Return what `work` returns; raises what it raises, or SourceError(late) when it takes longer than `seconds`."""
    answer: Future[Result] = Future()

    def carry_out() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            answer.set_exception(error)

    # A daemon: what hangs for ever must not keep the process.
    threading.Thread(target=carry_out, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():  # the work's own TimeoutError
            raise
        raise SourceError(late) from None
