"""Tests that go by the real minute, in this process and in others."""

import time


def stay_within_the_minute(seconds: float = 20.0) -> None:
    """Return when at least so many seconds of the clock's minute are left, at once or at the beginning of the next."""
    into = time.time() % 60
    if into > 60 - seconds:
        time.sleep(60 - into + 0.05)
