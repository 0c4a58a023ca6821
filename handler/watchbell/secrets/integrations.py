"""The integration store, integrations.json: tokens and addresses of chat providers and monitoring systems.

It is a file in the home, or a document elsewhere that a reference names. It has two known shapes:
v1 is a list of records with `credentials` (bare, or under `integrations`); in v2 a record has `instances`, each with a
name and `credentials`. A file stays in the shape in which it is found, and what is not known in it survives.
"""

import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from watchbell.errors import ConfigError, CredentialError
from watchbell.secrets.references import Referred

#: What Watchbell uses of each service; everything but SHOWN is a secret.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "slack": ("bot_token", "webhook_url"),
    "telegram": ("bot_token",),
    "discord": ("bot_token", "webhook_url"),
    "prometheus": ("url", "bearer_token", "username", "password", "ca_file", "client_cert", "client_key"),
    "alertmanager": ("url", "bearer_token", "username", "password", "ca_file", "client_cert", "client_key"),
}
CHATS = ("slack", "telegram", "discord")
SHOWN = ("url", "username", "ca_file", "client_cert", "client_key")
#: Names under which other programs may have stored a field, in the order in which deliveries look for them.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "bot_token": ("{service}_bot_token", "bot_token", "access_token"),
    "webhook_url": ("{service}_webhook_url", "webhook_url"),
}

NEWEST_VERSION = 2
ACTIVE = "active"

#: Where a document is: a file, or elsewhere by a reference.
Place = Path | Referred


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One set of credentials in the file; `where` names its place for messages, `names` are what it goes by."""

    service: str
    names: tuple[str, ...]
    where: str
    active: bool
    credentials: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The name that people see; records of v1 may have none."""
        return self.names[0] if self.names else "default"


def active_credentials(service: str, place: Place) -> Iterator[Stored]:
    """Yield what is stored for a service and switched on, in the order of the file; raises ConfigError."""
    return (one for one in stored(place, only=service) if one.active)


def stored(place: Place, *, only: str | None = None) -> Iterator[Stored]:
    """Yield every set of credentials in the store, or those of one service.

    Raises ConfigError for what is broken, and TryAgain where the store is elsewhere and cannot be reached now.
    """
    for number, raw in enumerate(records_in(read(place), place)):
        where = f"{place}: integrations[{number}]"
        record = _object(raw, where)
        service = service_of(record)
        active = is_active(record)
        # What is wrong with other services, or switched off, is no business of whoever asks for this one.
        if only is not None and (service != only or not active):
            continue
        for names, there, holder in _holders(record, where):
            here = f"{there}.credentials"
            credentials = _object(holder.get("credentials", {}), here)
            yield Stored(service=service, names=names, where=here, active=active, credentials=credentials)


def field_of(credentials: Mapping[str, Any], service: str, field: str) -> str:
    """Return the name under which a field is stored; its own name where it is not."""
    names = [alias.format(service=service) for alias in ALIASES.get(field, (field,))]
    return next((name for name in names if credentials.get(name)), field)


def service_of(record: Mapping[str, Any]) -> str:
    """Return the service that a record is for."""
    return str(record.get("service", "")).strip().lower()


def is_active(record: Mapping[str, Any]) -> bool:
    """Say whether a record is switched on."""
    return str(record.get("status") or ACTIVE).strip().lower() == ACTIVE


def _holders(record: Mapping[str, Any], where: str) -> Iterator[tuple[tuple[str, ...], str, Mapping[str, Any]]]:
    """Yield the objects of a record that hold credentials: the record itself, or its instances."""
    instances = record.get("instances")
    if instances is None:
        yield _names(record.get("name"), record.get("id")), where, record
        return
    for number, one in enumerate(_list(instances, f"{where}.instances")):
        instance = _object(one, f"{where}.instances[{number}]")
        yield _names(instance.get("name")), f"{where}.instances[{number}]", instance


def _names(*values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values if value not in (None, ""))


def records_in(content: Any, place: Place) -> list[Any]:
    """Return the records of a v1 or v2 document, or of a plain list of records."""
    if isinstance(content, Mapping):
        version = content.get("version", 1)
        if not isinstance(version, int) or version > NEWEST_VERSION:
            raise ConfigError(f"{place}: version {version!r} is newer than this Watchbell knows; upgrade it")
        content = content.get("integrations", [])
    return _list(content, f"{place}: integrations")


def read(place: Place) -> Any:
    """Return the content of the store, an empty list where there is no file; raises ConfigError and TryAgain."""
    text = _elsewhere(place) if isinstance(place, Referred) else _in_file(place)
    if text is None:
        return []
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # The error holds the whole text, and with it every token: it must not travel on.
        raise ConfigError(f"{place}: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{place} is nested too deeply") from None


def _elsewhere(place: Referred) -> str:
    try:
        return place.text()
    except CredentialError as error:
        raise ConfigError(f"the integration store: {error}") from None


def _in_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            text = file.read().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})") from None
    if is_exposed(found):
        _warn_of_mode(path, stat.S_IMODE(found.st_mode))
    return text


def is_exposed(found: os.stat_result) -> bool:
    """Say whether others can get at a file.

    The group of a file counts only where the file is ours: a mounted Kubernetes secret belongs to root and is given to
    us by its group.
    """
    others = stat.S_IRWXO | (stat.S_IRWXG if found.st_uid == os.geteuid() else 0)
    return bool(found.st_mode & others)


@cache  # once per process and file, not once per delivery
def _warn_of_mode(path: Path, mode: int) -> None:
    logging.getLogger("watchbell").warning(
        "%s can be read by others (mode %04o) and holds tokens: run chmod 600 %s", path, mode, path
    )


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}: expected a list")
    return value


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected an object")
    return value
