"""Integrations for people and for programs: what is there, never what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchbell.secrets.integrations import CHATS, FIELDS, SHOWN, stored
from watchbell.secrets.redaction import MASK, redact
from watchbell.secrets.references import is_reference
from watchbell.settings import Settings

Entry = dict[str, Any]


def to_json(settings: Settings) -> list[Entry]:
    """Return every integration, those of other programs included; everything that may be a secret is masked."""
    entries = [
        _entry(one.service, one.name, "active" if one.active else "inactive", one.where, _masked(one.credentials))
        for one in stored(settings.integrations)
    ]
    variables = [
        (service, field, f"{service}_{field}".upper())
        for service in CHATS
        for field in FIELDS[service]
        if settings.environ.get(f"{service}_{field}".upper())
    ]
    return entries + [
        _entry(service, None, "active", name, _masked({field: settings.environ[name]}))
        for service, field, name in variables
    ]


def _entry(service: str, instance: str | None, status: str, where: str, fields: Mapping[str, str]) -> Entry:
    used = service in FIELDS
    return {
        "service": service,
        "instance": instance,
        "status": status,
        "used": used,
        "where": where,
        "fields": dict(fields),
    }


def _masked(credentials: Mapping[str, Any]) -> dict[str, str]:
    """Keep references, and an address without its password; whatever is not known to be harmless is masked."""
    return {name: _shown(name, value) for name, value in credentials.items()}


def _shown(name: str, value: object) -> str:
    if is_reference(value):
        return value
    return redact(value) if name in SHOWN and isinstance(value, str) else MASK if value else ""


def rows_of(entries: Sequence[Entry]) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table."""
    return [
        (
            entry["service"],
            entry["instance"] or f"({entry['where']})",
            entry["status"] if entry["used"] else "not used",
            "\n".join(f"{name}={value}" for name, value in entry["fields"].items()) or "none",
        )
        for entry in entries
    ]
