"""The TCP probe: passes when a connection is made. Also where the addresses `host:port` of other probes are read."""

import socket
from dataclasses import dataclass

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.params import Fields
from watchbell.reports.probes.interface import Outcome, why

FIELDS = ("tcp",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    name: str
    timeout_seconds: float
    host: str
    port: int

    def run(self, clock: Clock) -> Outcome:
        began = clock.monotonic()
        try:
            socket.create_connection((self.host, self.port), timeout=self.timeout_seconds).close()
        except OSError as error:
            return Outcome(passed=False, detail=why(error, self.timeout_seconds))
        return Outcome(passed=True, detail="connected", seconds=clock.monotonic() - began)


def parse(fields: Fields, name: str | None, timeout_seconds: float) -> TcpProbe:
    """Return the probe that the fields describe; raises SourceError that names the wrong one."""
    host, port = address(fields, "tcp", default_port=None)
    return TcpProbe(name=name or f"{fields.text('tcp')}", timeout_seconds=timeout_seconds, host=host, port=port)


def address(fields: Fields, field: str, *, default_port: int | None) -> tuple[str, int]:
    """Return host and port of `db.example:5432`, `[::1]:5432`, or a host alone where the port has a default."""
    text = fields.text(field) or ""
    host, colon, port = text.rpartition(":")
    if default_port is not None and (not colon or text.endswith("]")):
        host, port = text, str(default_port)
    is_bracketed = host.startswith("[") and host.endswith("]")
    is_host = bool(host) and not set(host) & set("/@ ") and (is_bracketed or ":" not in host)
    if not is_host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        example = f"{'db' if field == 'tcp' else 'shop'}.example:{default_port or 5432}"
        raise SourceError(f"{fields.path}.{field} must look like {example}; an IPv6 address stands in [ ]")
    return host.strip("[]"), int(port)
