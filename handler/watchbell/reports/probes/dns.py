"""The DNS probe: passes when the name has records of the type, and among them every one in `answers`.

It asks the resolvers of this machine, or `server`; never /etc/hosts and never a cache of its own.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.params import Fields
from watchbell.reports.probes.interface import Outcome

FIELDS = ("dns", "type", "server", "answers")
TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")
DNS_PORT = 53
MOST_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsProbe:
    name: str
    timeout_seconds: float
    question: str
    type: str = "A"
    server: str | None = None
    port: int = DNS_PORT
    answers: tuple[str, ...] = ()

    def run(self, clock: Clock) -> Outcome:
        import dns.exception
        import dns.resolver

        began = clock.monotonic()
        try:
            resolver = dns.resolver.Resolver(configure=self.server is None)
            if self.server:
                resolver.nameservers, resolver.port = [self.server], self.port
            found = resolver.resolve(self.question, self.type, lifetime=self.timeout_seconds, search=False)
        except dns.resolver.NXDOMAIN:
            return Outcome(passed=False, detail="there is no such name")
        except dns.resolver.NoAnswer:
            return Outcome(passed=False, detail=f"the name has no {self.type} record")
        except dns.resolver.NoNameservers:
            return Outcome(passed=False, detail="no resolver gave a usable answer")
        except dns.resolver.NoResolverConfiguration:
            return Outcome(passed=False, detail="this machine has no resolver configured; set server")
        except dns.exception.Timeout:
            return Outcome(passed=False, detail=f"no answer within {self.timeout_seconds:g} s")
        except dns.exception.DNSException as error:
            return Outcome(passed=False, detail=f"the name cannot be asked for ({type(error).__name__})")
        answer = self._judge(sorted(_plain(record.to_text()) for record in found))
        return replace(answer, seconds=clock.monotonic() - began)

    def _judge(self, found: list[str]) -> Outcome:
        missing = [wanted for wanted in self.answers if _plain(wanted) not in found]
        more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        shown = ", ".join(found[:MOST_SHOWN]) + more
        if missing:
            return Outcome(passed=False, detail=f"{missing[0]} is missing; it answers {shown}")
        return Outcome(passed=True, detail=f"{self.type} {shown}")


def _plain(record: str) -> str:
    """Return a record without the dot at the end of names, quotes, and differences of case."""
    return record.strip('"').rstrip(".").lower()


def parse(fields: Fields, name: str | None, timeout_seconds: float) -> DnsProbe:
    """Return the probe that the fields describe; raises SourceError that names the wrong one."""
    import dns.exception
    import dns.resolver  # here, so that loading it takes none of the probe's time

    question = fields.text("dns") or ""
    try:
        dns.name.from_text(question)
    except dns.exception.DNSException as error:
        raise SourceError(f"{fields.path}.dns: {question[:80]!r} is no name ({type(error).__name__})") from None
    kind = fields.choice("type", TYPES, "A")
    server, port = _server(fields)
    return DnsProbe(
        name=name or f"{question} {kind}",
        timeout_seconds=timeout_seconds,
        question=question,
        type=kind,
        server=server,
        port=port,
        answers=fields.texts("answers"),
    )


def _server(fields: Fields) -> tuple[str | None, int]:
    """Return address and port of `server`: an IP address, with a port behind a colon or not."""
    text = fields.text("server")
    if text is None:
        return None, DNS_PORT
    host, colon, port = text.rpartition(":")
    if not colon or (text.count(":") > 1 and not host.endswith("]")):
        host, port = text, str(DNS_PORT)
    try:
        address = str(ip_address(host.strip("[]")))
        number = int(port)
    except ValueError:
        raise SourceError(
            f"{fields.path}.server must be an IP address such as 10.0.0.53 or 10.0.0.53:5353, not {text!r}"
        ) from None
    return address, number
