"""What a probe promises, and what all of them share: outcomes, trust, and words for what went wrong."""

import re
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.secrets.redaction import redact

PROBE_SECONDS = 10.0
MOST_PROBE_SECONDS = 60.0

_USER = re.compile(r"(://)[^/\s?#]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one probe saw. `detail` holds no secret; `expires` is when the first certificate shown to it ends.

    `seconds` is how long the other side took, without this side's preparations.
    """

    passed: bool
    detail: str
    seconds: float | None = None
    expires: datetime | None = None


class Probe(Protocol):
    """Something to ask."""

    @property
    def name(self) -> str:
        """Return what reports call it; without credentials."""

    @property
    def timeout_seconds(self) -> float:
        """Return the time in which it must have passed."""

    def run(self, clock: Clock) -> Outcome:
        """Ask now, within `timeout_seconds` as far as the system lets one; what goes wrong is an outcome.

        Raises SourceError where it cannot ask at all: that says nothing about whom it was to ask.
        """


def without_secrets(text: str) -> str:
    """Return a text, often an address, without user and password, and with other secrets masked."""
    return redact(_USER.sub(r"\1", text))


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies names and chains; raises SourceError when whom to trust cannot be read."""
    import httpx

    try:
        # As all other connections: SSL_CERT_FILE, else certifi's list.
        return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()
    except ssl.SSLError:
        reason = "it holds no certificate"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise SourceError(f"{'ca_file' if ca_file else 'SSL_CERT_FILE'} cannot be read: {reason}")


def why(error: BaseException, seconds: float) -> str:
    """Return why there was no connection or answer, out of the error and what caused it; never an error's full text."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"certificate not trusted: {one.verify_message}"
    if any(isinstance(one, TimeoutError) or "Timeout" in type(one).__name__ for one in chain):
        return f"no answer within {seconds:g} s"
    return next(filter(None, map(_reason, chain)), f"broken answer ({type(error).__name__})")


def _reason(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        return "no connection: unknown host name"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {(error.reason or 'broken off').replace('_', ' ').lower()}"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or type(error).__name__}"
    return None
