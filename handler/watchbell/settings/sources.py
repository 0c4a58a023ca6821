"""Which monitoring systems are configured: in config.toml, in the environment, or in the integration store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from watchbell.errors import ConfigError
from watchbell.integrations import Place, Stored, active_credentials
from watchbell.redaction import remember_secret
from watchbell.secret_references import References, is_reference
from watchbell.settings.table import Table

INTEGRATIONS_FILE = "integrations.json"
SOURCE_KEYS = {
    "prometheus": ("url", "optional", "bearer_token", "username", "password", "headers"),
    "alertmanager": ("url", "optional", "bearer_token", "username", "password", "headers"),
    "alert_log": ("path", "optional", "max_gap_minutes", "heartbeats"),
}
#: Stands for the sources where integrations.json cannot be read: which there would be is not known.
UNREADABLE = "unreadable"
_NO_SECRETS = ("name", "path", "username")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One configured source; `options` are the remaining keys of its table, checked."""

    kind: str
    required: bool = True
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold a password, or a reference to one

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
    """Return the sources that config.toml and the environment name."""
    merged = {kind: dict(table) if isinstance(table, dict) else table for kind, table in tables.items()}
    for kind, variable in (
        ("prometheus", "WATCHBELL_PROMETHEUS_URL"),
        ("alertmanager", "WATCHBELL_ALERTMANAGER_URL"),
    ):
        if environ.get(variable):
            merged.setdefault(kind, {})["url"] = environ[variable]
    return tuple(_source(path, kind, table) for kind, table in merged.items())


def _source(path: Place, kind: str, values: object) -> SourceSettings:
    if kind not in SOURCE_KEYS:
        raise ConfigError(f"{path}: unknown source sources.{kind}; known are {', '.join(SOURCE_KEYS)}")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: sources.{kind} must be a table")
    table = Table(path, values, SOURCE_KEYS[kind], prefix=f"sources.{kind}.")
    if "url" in SOURCE_KEYS[kind] and not table.get("url", str, ""):
        raise ConfigError(f"{path}: sources.{kind}.url is missing")
    optional = table.get("optional", bool, False)
    return SourceSettings(
        kind=kind,
        required=not optional,
        options={key: value for key, value in values.items() if key != "optional"},
    )


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
        if not isinstance(value, dict if key == "headers" else str):
            raise ConfigError(f"{one.where}: {key} is of the wrong type")
    for key in options.keys() & {"bearer_token", "password"}:
        if not is_reference(options[key]):
            remember_secret(options[key])
    if "url" not in options:
        raise ConfigError(f"{one.where}: url is missing: `watchbell integrations set {kind} url=http://…`")
    return SourceSettings(kind=kind, required=optional is not True, options=options | {"name": name})
