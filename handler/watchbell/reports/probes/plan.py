"""Reads `params.probes`: which probes there are to run."""

from collections.abc import Callable, Mapping
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports.params import Fields, objects
from watchbell.reports.probes import dns, http, tcp, tls
from watchbell.reports.probes.interface import MOST_PROBE_SECONDS, PROBE_SECONDS, Probe, without_secrets

MOST_PROBES = 200
EXAMPLE = '{"probes": [{"name": "shop", "url": "https://shop.example/health"}]}'

_Parse = Callable[[Fields, str | None, float], Probe]
#: By the field that says what to ask.
_KINDS: Mapping[str, tuple[tuple[str, ...], _Parse]] = {
    "url": (http.FIELDS, http.parse),
    "tcp": (tcp.FIELDS, tcp.parse),
    "tls": (tls.FIELDS, tls.parse),
    "dns": (dns.FIELDS, dns.parse),
}


def parse_probes(params: Mapping[str, Any]) -> list[Probe]:
    """Return the probes in their order; raises SourceError that names the wrong field."""
    return [
        _probe(raw, f"params.probes[{number}]")
        for number, raw in enumerate(objects(params, "probes", most=MOST_PROBES, example=EXAMPLE))
    ]


def _probe(raw: Any, path: str) -> Probe:
    kinds = [kind for kind in _KINDS if isinstance(raw, Mapping) and kind in raw]
    if len(kinds) != 1:
        raise SourceError(
            f'{path} must be an object with one of "url", "tcp" (host:port), "tls" (host:port) and "dns" (a name)'
        )
    known, parse = _KINDS[kinds[0]]
    fields = Fields(raw, path, ("name", "timeout_seconds", *known))
    if fields.text(kinds[0]) is None:
        raise SourceError(f"{path}.{kinds[0]} must be a text, not null")
    name = fields.text("name")
    seconds = fields.seconds("timeout_seconds", default=PROBE_SECONDS, most=MOST_PROBE_SECONDS)
    return parse(fields, name and without_secrets(name), seconds)
