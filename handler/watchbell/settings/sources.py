"""Which monitoring systems are configured: in config.toml, in the environment, or in the integration store."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from watchbell.errors import ConfigError
from watchbell.secrets.integrations import Place, Stored, active_credentials
from watchbell.secrets.redaction import remember_secret
from watchbell.secrets.references import References, is_reference
from watchbell.settings.table import Table

INTEGRATIONS_FILE = "integrations.json"
MOST_GAP_MINUTES = 2 * 24 * 60  # with a longer hole a source would prove nothing of a day
_SECRET_HEADER = re.compile(r"(?i)auth|token|key|secret|cookie")
#: As everywhere in Prometheus; what begins with __ is its own business, and the name of an alert is the alert's own.
_LABEL_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_OWN_LABELS = ("alertname", "alertstate")
_EVERY = {"name": str, "optional": bool, "labels": dict}
_OVER_HTTP = {
    **_EVERY,
    "url": str,
    "bearer_token": str,
    "username": str,
    "password": str,
    "headers": dict,
    "ca_file": str,
    "client_cert": str,
    "client_key": str,
    "heartbeats": list,
}
#: The keys of each source's table, and the type of each.
SOURCE_KEYS: Mapping[str, Mapping[str, type]] = {
    "prometheus": {**_OVER_HTTP, "ha": str, "replica_labels": list, "max_gap_minutes": int},
    "alertmanager": _OVER_HTTP,
    "alert_log": {"path": str, "optional": bool, "labels": dict, "max_gap_minutes": int, "heartbeats": list},
    "cloudwatch": {**_EVERY, "region": str, "name_prefix": str, "allow_insufficient_data": bool},
}
ONLY_ONE = ("alert_log",)  # `watchbell alerts` has to know where to write
#: Stands for the sources where integrations.json cannot be read: which there would be is not known.
UNREADABLE = "unreadable"
_FILES = ("path", "ca_file", "client_cert", "client_key")
_NO_SECRETS = (*_FILES, "name", "username", "labels", "ha", "region", "name_prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One configured source; `options` are the remaining keys of its table, checked."""

    kind: str
    required: bool = True
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold a password, or a reference to one

    @property
    def name(self) -> str:
        """What it goes by in reports."""
        return str(self.options.get("name", self.kind.replace("_", " ")))

    @property
    def group(self) -> str | None:
        """What it goes by together with those that cover for it, where there are any."""
        return f"{self.kind}/{self.options['ha']}" if self.options.get("ha") else None

    @property
    def labels(self) -> Mapping[str, str]:
        """What is added to all that it tells, where it does not say so itself."""
        labels: Mapping[str, str] = self.options.get("labels", {})
        return labels

    def followed(self, references: References, environ: Mapping[str, str]) -> "SourceSettings":
        """Return it with what its references stand for; raises CredentialError, ConfigError and TryAgain."""
        if self.kind == UNREADABLE:
            return self
        secret = {key: value for key, value in self.options.items() if key not in _NO_SECRETS}
        found = {**self.options, **references.followed(secret, environ)}
        if is_reference(found.get("username")):  # an ordinary word: masked, it would be missing all over the logs
            found["username"] = references.text(found["username"], environ)
        return replace(self, options=found)


def named_sources(path: Place, tables: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[SourceSettings, ...]:
    """Return the sources that config.toml and the environment name, in the order of the file.

    `[sources.KIND]` is one; `[[sources.KIND]]` is one of several, each with a name of its own.
    """
    merged = dict(tables)
    for kind, variable in (
        ("prometheus", "WATCHBELL_PROMETHEUS_URL"),
        ("alertmanager", "WATCHBELL_ALERTMANAGER_URL"),
    ):
        if environ.get(variable):
            merged[kind] = _with_url(path, kind, merged.get(kind, {}), variable, environ[variable])
    found = [source for kind, tables in merged.items() for source in _sources(path, kind, tables)]
    names = Counter(source.name for source in found) + Counter({source.group for source in found if source.group})
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(f"{path}: two sources go by {twice[0]}; give each a name of its own")
    _check_pairs(path, found)
    return tuple(found)


def _check_pairs(path: Place, found: Sequence[SourceSettings]) -> None:
    """Those that cover for each other see the same alerts; with other labels each would count once for each of them."""
    first: dict[str, SourceSettings] = {}
    for one in found:
        if one.group and first.setdefault(one.group, one).labels != one.labels:
            other = first[one.group]
            raise ConfigError(
                f"{path}: {other.name} and {one.name} cover for each other as {one.group}, so their labels must be the "
                "same; give both those of the pair, and none that tells them apart"
            )


def _with_url(path: Place, kind: str, tables: Any, variable: str, url: str) -> Any:
    if isinstance(tables, list):
        raise ConfigError(f"{path}: {variable} names one address, and sources.{kind} has several; unset it")
    return {**tables, "url": url} if isinstance(tables, dict) else tables


def _sources(path: Place, kind: str, tables: object) -> Iterator[SourceSettings]:
    if kind not in SOURCE_KEYS:
        raise ConfigError(f"{path}: unknown source sources.{kind}; known are {', '.join(SOURCE_KEYS)}")
    if isinstance(tables, dict):
        yield _source(path, kind, f"sources.{kind}.", tables)
        return
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: sources.{kind} must be a table")
    if kind in ONLY_ONE:
        raise ConfigError(f"{path}: there is one {kind} only; write [sources.{kind}]")
    for number, table in enumerate(tables, 1):
        if len(tables) > 1 and not table.get("name"):
            raise ConfigError(f"{path}: sources.{kind} number {number} needs a name, since there are several")
        yield _source(path, kind, f"sources.{kind}.", table)


def _source(path: Place, kind: str, prefix: str, values: Mapping[str, Any]) -> SourceSettings:
    table = Table(path, values, tuple(SOURCE_KEYS[kind]), prefix=prefix)
    for key, wanted in SOURCE_KEYS[kind].items():
        table.get(key, wanted, None)
    _check_lists_and_bounds(path, prefix, values)
    _check_labels(f"{path}: {prefix}labels", values.get("labels", {}))
    if "url" in SOURCE_KEYS[kind]:
        _check_address(path, prefix, values)
    _mask(values)
    name = f"{kind}/{values['name']}" if values.get("name") else None
    options = {key: value for key, value in values.items() if key not in ("optional", "name")}
    return SourceSettings(
        kind=kind, required=not values.get("optional", False), options=options | ({"name": name} if name else {})
    )


def _check_lists_and_bounds(path: Place, prefix: str, values: Mapping[str, Any]) -> None:
    for key in ("heartbeats", "replica_labels"):
        if not all(isinstance(one, str) for one in values.get(key, ())):
            raise ConfigError(f"{path}: {prefix}{key} must be a list of texts")
    if not all(isinstance(one, str) for one in values.get("headers", {}).values()):
        raise ConfigError(f"{path}: {prefix}headers must be texts")
    minutes = values.get("max_gap_minutes", 1)
    if isinstance(minutes, bool) or not 1 <= minutes <= MOST_GAP_MINUTES:
        raise ConfigError(f"{path}: {prefix}max_gap_minutes must be from 1 to {MOST_GAP_MINUTES}, not {minutes}")


def _check_labels(where: str, labels: Mapping[str, Any]) -> None:
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name):
            raise ConfigError(f"{where}: {name!r} is no name of a label; write one such as cluster")
        if name in _OWN_LABELS:
            raise ConfigError(
                f"{where}: {name} is each alert's own; name what tells this source apart, such as cluster"
            )
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}.{name} must be a text that is not empty")


def _check_address(path: Place, prefix: str, values: Mapping[str, Any]) -> None:
    if not values.get("url"):
        raise ConfigError(f"{path}: {prefix}url is missing")
    if values.get("bearer_token") and values.get("username"):
        raise ConfigError(f"{path}: {prefix}bearer_token and {prefix}username exclude each other")
    if values.get("client_key") and not values.get("client_cert"):
        raise ConfigError(f"{path}: {prefix}client_key needs {prefix}client_cert")
    for key in ("ca_file", "client_cert"):
        if values.get(key) and values["url"].startswith("http:"):
            raise ConfigError(f"{path}: {prefix}{key} needs an address that begins with https://")


def _mask(values: Mapping[str, Any]) -> None:
    headers = {key: value for key, value in values.get("headers", {}).items() if _SECRET_HEADER.search(key)}
    for secret in (values.get("bearer_token"), values.get("password"), *headers.values()):
        if secret and not is_reference(secret):
            remember_secret(secret)


def stored_sources(place: Place) -> tuple[SourceSettings, ...]:
    """Return the monitoring systems in integrations.json; the first of a kind goes by its kind, others by `kind/name`.

    Where the file cannot be read, one source says so whenever a report is built, so that nothing looks all clear.
    """
    found: list[SourceSettings] = []
    try:
        for kind in ("prometheus", "alertmanager"):
            for one in active_credentials(kind, place):
                name = f"{kind}/{one.name}" if any(other.kind == kind for other in found) else kind
                found.append(_stored_source(kind, name, one))
    except ConfigError as error:
        return (SourceSettings(kind=UNREADABLE, options={"name": INTEGRATIONS_FILE, "detail": str(error)}),)
    return tuple(found)


def _stored_source(kind: str, name: str, one: Stored) -> SourceSettings:
    options = {key: one.credentials[key] for key in SOURCE_KEYS[kind] if one.credentials.get(key)}
    optional = options.pop("optional", False)
    for key, value in options.items():
        if not isinstance(value, SOURCE_KEYS[kind][key]):
            raise ConfigError(f"{one.where}: {key} is of the wrong type")
    _check_labels(f"{one.where}: labels", options.get("labels", {}))
    _mask(options)
    if "url" not in options:
        raise ConfigError(f"{one.where}: url is missing: `watchbell integrations set {kind} url=http://…`")
    return SourceSettings(kind=kind, required=optional is not True, options=options | {"name": name})
