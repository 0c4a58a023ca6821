"""Tells a dead man's switch (Healthchecks and its like) after each tick that it ran, and how it ended.

The URL is a secret: it appears in no message. A ping never takes longer than two seconds, name resolution included,
and never changes how a tick ends. That pings fail is said once, and once more when they arrive again.
"""

import logging
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from watchbell.instants import format_instant
from watchbell.secrets.redaction import remember_secret

log = logging.getLogger("watchbell")

PATIENCE_SECONDS = 2.0
#: A file in the home that is there while pings fail; doctor reads it.
FAILING = "heartbeat.failing"


def beat(url: str, exit_code: int, *, home: Path, now: datetime) -> None:
    """Ping, and log in one line when pings begin to fail or arrive again; never raises."""
    remember_secret(url)
    wrong = ping(url, exit_code)
    marker = home / FAILING
    is_known = False
    with suppress(OSError):
        is_known = marker.exists()
    if wrong and not is_known:
        log.warning("the heartbeat did not arrive: %s", wrong)
        with suppress(OSError):
            marker.write_text(f"since {format_instant(now)}: {wrong}\n", encoding="utf-8")
    elif not wrong and is_known:
        log.warning("the heartbeat arrives again")
        with suppress(OSError):
            marker.unlink()


def ping(url: str, exit_code: int, *, seconds: float = PATIENCE_SECONDS) -> str | None:
    """Say how a tick ended, within `seconds` in all; return what went wrong, without the URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return "WATCHBELL_HEARTBEAT_URL is not an http or https URL"
    address = address_for(url, exit_code)
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(_get(address, seconds)), name="heartbeat", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return "this host allows no more threads"
    thread.join(seconds)
    return answers[0] if answers else _late(seconds)


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def address_for(url: str, exit_code: int) -> str:
    """Return the URL itself for a success, and with the exit code as its last piece for a failure."""
    if exit_code == 0:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{exit_code}"))


def _get(address: str, seconds: float) -> str | None:
    request = urllib.request.Request(address, headers={"User-Agent": "watchbell"})  # noqa: S310  checked by `ping`
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            answer.read(1024)
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP {error.code}; is the address still right?"
    except TimeoutError:
        return _late(seconds)
    except urllib.error.URLError as error:
        return f"cannot connect [{type(error.reason).__name__}]"
    except Exception as error:  # noqa: BLE001  whatever it is, the tick is over and well
        return f"the request failed [{type(error).__name__}]"
    return None
