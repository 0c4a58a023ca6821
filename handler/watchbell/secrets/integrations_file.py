"""Changes integrations.json: one writer at a time, replaced whole, closed to others, never overwritten unless read."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from watchbell.atomic_file import replace_file
from watchbell.errors import ConfigError, NotFound, StoreError, UsageError
from watchbell.file_lock import locked
from watchbell.secrets.integrations import (
    ACTIVE,
    NEWEST_VERSION,
    field_of,
    is_active,
    read,
    records_in,
    service_of,
    stored,
)

DEFAULT = "default"
_LOCK_SECONDS = 30.0
_MODE = 0o600

Json = dict[str, Any]


class IntegrationsFile:
    """The integrations of one home, to be changed."""

    def __init__(self, path: Path) -> None:
        # A linked file (a home kept in a repository of dotfiles) is replaced where it really is.
        self.path = Path(os.path.realpath(path))
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), timeout=_LOCK_SECONDS, mode=_MODE)

    def set(self, service: str, fields: Mapping[str, str | None], instance: str | None = None) -> str:
        """Store fields for a service (None takes one away) and return the name of the instance that holds them.

        Without `instance` it is the first one that is switched on: the one that deliveries look at first.
        """
        with self._changing() as content:
            holder, name = _holder(content, records_in(content, self.path), service, instance)
            credentials = holder.setdefault("credentials", {})
            if not isinstance(credentials, dict):
                raise ConfigError(f"{self.path}: the credentials of {service} are not an object; mend them by hand")
            for field, value in fields.items():
                key = field_of(credentials, service, field)
                if value is None:
                    credentials.pop(key, None)
                else:
                    credentials[key] = value
        return name

    def remove(self, service: str, instance: str | None = None) -> str:
        """Take a service, or one of its instances, out of the file and return the name of what is gone."""
        with self._changing() as content:
            records = records_in(content, self.path)
            names = [one.name for one in stored(self.path) if one.service == service]
            if not names:
                raise NotFound(f"{self.path} has nothing for {service}")
            if instance is None and len(names) > 1:
                raise UsageError(f"{service} has several instances; choose one: --instance {' | '.join(names)}")
            gone = _take_out(records, service, instance)
            if gone is None:
                raise NotFound(f"{service} has no instance {instance!r}; there are {', '.join(names)}")
        return gone

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        """Give the parsed file and write what became of it; whatever is raised leaves the file as it was."""
        with self._locked():
            content = read(self.path) if self.path.exists() else _new_file()
            list(stored(self.path))  # all of it has to be understood
            yield content
            text = json.dumps(content, indent=2, ensure_ascii=False)
            try:
                replace_file(self.path, text.encode("utf-8", "backslashreplace") + b"\n", mode=_MODE)
            except OSError as error:
                raise StoreError(f"{self.path}: {error.strerror}; nothing was changed") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path.parent}: {error.strerror}; it must be writable (WATCHBELL_HOME)") from error
        with locked(self._lock, self.path):
            yield


def _new_file() -> Json:
    return {"version": NEWEST_VERSION, "integrations": []}


def _holder(content: Any, records: list[Any], service: str, instance: str | None) -> tuple[Json, str]:
    """Return the object whose `credentials` are to be changed, made where there is none, and its name."""
    ours = [record for record in records if service_of(record) == service]
    found = _find(ours, instance)
    if found is not None:
        record, holder, name = found
        if not is_active(record):
            record["status"] = ACTIVE
        return holder, name
    name = instance or DEFAULT
    if _is_v2(content, records):
        return _new_instance(records, ours, service, name), name
    record = {"id": secrets.token_hex(6), "service": service, "status": ACTIVE, "credentials": {}}
    if instance:
        record["name"] = name
    records.append(record)
    return record, name


def _find(ours: list[Json], instance: str | None) -> tuple[Json, Json, str] | None:
    """Return the record and the object in it that goes by `instance`, or the first; what is switched on comes first."""
    for record in sorted(ours, key=lambda one: not is_active(one)):
        for holder in [record] if record.get("instances") is None else record["instances"]:
            names = [str(holder[key]) for key in ("name", "id") if holder.get(key) not in (None, "")]
            if instance is None or instance in (names or [DEFAULT]):
                return record, holder, instance or (names or [DEFAULT])[0]
    return None


def _new_instance(records: list[Any], ours: list[Json], service: str, name: str) -> Json:
    record = next((one for one in ours if one.get("instances") is not None), None)
    if record is None:
        record = {"id": secrets.token_hex(6), "service": service, "status": ACTIVE, "instances": []}
        records.append(record)
    holder: Json = {"name": name, "tags": {}, "credentials": {}}
    record["instances"].append(holder)
    return holder


def _is_v2(content: Any, records: list[Any]) -> bool:
    if isinstance(content, dict) and "version" in content:
        return bool(content["version"] >= NEWEST_VERSION)
    return any(record.get("instances") is not None for record in records)


def _take_out(records: list[Any], service: str, instance: str | None) -> str | None:
    found = _find([record for record in records if service_of(record) == service], instance)
    if found is None:
        return None
    record, holder, name = found
    if holder is not record:
        record["instances"] = [one for one in record["instances"] if one is not holder]
    if holder is record or not record["instances"]:
        records[:] = [one for one in records if one is not record]
    return name
