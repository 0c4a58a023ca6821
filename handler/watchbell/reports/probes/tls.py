"""The TLS probe: passes when the certificate verifies; tells how long it, and the first of its chain to end, is good.

A certificate that does not verify (expired, another name, unknown issuer) is a failure with that reason.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from watchbell.clock import Clock
from watchbell.instants import from_epoch_seconds
from watchbell.reports.params import Fields
from watchbell.reports.probes.interface import Outcome, trust, why
from watchbell.reports.probes.tcp import address

FIELDS = ("tls", "server_name", "ca_file")
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProbe:
    name: str
    timeout_seconds: float
    host: str
    port: int
    server_name: str
    ca_file: str | None = None

    def run(self, clock: Clock) -> Outcome:
        context = trust(self.ca_file)
        began = clock.monotonic()
        try:
            with (
                socket.create_connection((self.host, self.port), timeout=self.timeout_seconds) as plain,
                context.wrap_socket(plain, server_hostname=self.server_name) as connection,
            ):
                ends = list(_ends(connection))
        except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
            return Outcome(passed=False, detail=why(error, self.timeout_seconds))
        return replace(_judge(ends, clock.now()), seconds=clock.monotonic() - began)


def _judge(ends: list[datetime], now: datetime) -> Outcome:
    """Tell the days left; the first of `ends` is that of the server's own certificate."""
    leaf, earliest = ends[0], min(ends)
    detail = f"certificate good for {_days(leaf, now)}, until {leaf:%d %b %Y}"
    if earliest < leaf:
        detail += f"; another of its chain for {_days(earliest, now)}, until {earliest:%d %b %Y}"
    return Outcome(passed=True, detail=detail, expires=earliest)


def _ends(connection: ssl.SSLSocket) -> Iterator[datetime]:
    """Yield when each certificate ends that the server presented, its own first."""
    leaf = connection.getpeercert() or {}
    yield _end(str(leaf["notAfter"]))
    # The whole chain has a public door only from Python 3.13 on, and there without a parser; where this one is
    # closed, the report tells of the server's own certificate alone.
    inner = getattr(connection, "_sslobj", None)
    presented = getattr(inner, "get_unverified_chain", None)
    for certificate in (presented() if presented else None) or ():
        yield _end(certificate.get_info()["notAfter"])


def _end(not_after: str) -> datetime:
    return from_epoch_seconds(ssl.cert_time_to_seconds(not_after))


def _days(end: datetime, now: datetime) -> str:
    days = (end - now).days
    return f"{days} day{'' if days == 1 else 's'}"


def parse(fields: Fields, name: str | None, timeout_seconds: float) -> TlsProbe:
    """Return the probe that the fields describe; raises SourceError that names the wrong one."""
    host, port = address(fields, "tls", default_port=HTTPS_PORT)
    return TlsProbe(
        name=name or f"{fields.text('tls')} certificate",
        timeout_seconds=timeout_seconds,
        host=host,
        port=port,
        server_name=fields.text("server_name") or host,
        ca_file=fields.text("ca_file"),
    )
