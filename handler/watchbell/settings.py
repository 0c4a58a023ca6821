"""The only reader of the environment and of config.toml; everything else is given Settings."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from watchbell.errors import ConfigError
from watchbell.integrations import Stored, active_credentials
from watchbell.redaction import remember_secret
from watchbell.tasks import Target

CONFIG_FILE = "config.toml"
INTEGRATIONS_FILE = "integrations.json"
_TOP_KEYS = ("ops_target", "deadline_seconds", "workers", "history_days", "metrics_file", "sources")
_SOURCE_KEYS = {
    "prometheus": ("url", "optional", "bearer_token", "username", "password", "headers"),
    "alertmanager": ("url", "optional", "bearer_token", "username", "password", "headers"),
    "alert_log": ("path", "optional", "max_gap_minutes", "heartbeats"),
}
#: Stands for the sources where integrations.json cannot be read: which there would be is not known.
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One configured source; `options` are the remaining keys of its table, checked."""

    kind: str
    required: bool = True
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and config.toml say."""

    home: Path
    config_file: Path
    environ: Mapping[str, str] = field(repr=False)
    sources: tuple[SourceSettings, ...]
    slack_api_url: str
    telegram_api_url: str
    discord_api_url: str
    ops_target: Target | None = None
    deadline: timedelta = timedelta(minutes=5)
    workers: int = 8
    keep_history: timedelta = timedelta(days=400)
    metrics_file: Path | None = None
    heartbeat_url: str | None = field(default=None, repr=False)  # a secret
    names_sources: bool = True  # config.toml or the environment do; else they are those of integrations.json

    @property
    def integrations_file(self) -> Path:
        """Where credentials are looked for first."""
        return self.home / INTEGRATIONS_FILE

    @property
    def alert_log(self) -> Path:
        """The alert log that `watchbell alerts record` appends to."""
        configured = next((source.options.get("path") for source in self.sources if source.kind == "alert_log"), None)
        return Path(configured).expanduser() if configured else self.home / "alerts.jsonl"


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the home: WATCHBELL_HOME, else watchbell in the XDG configuration folder."""
    if environ.get("WATCHBELL_HOME"):
        return Path(environ["WATCHBELL_HOME"]).expanduser()
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "watchbell"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and config.toml; raises ConfigError naming the file and the key."""
    environ = dict(os.environ) if environ is None else environ
    home = home_folder(environ)
    store = environ.get("WATCHBELL_STORE", "local")
    if store not in ("", "local"):
        raise ConfigError(f"WATCHBELL_STORE={store!r} is not a store that this version knows; unset it, or write local")
    path = Path(environ["WATCHBELL_CONFIG"]).expanduser() if environ.get("WATCHBELL_CONFIG") else home / CONFIG_FILE
    table = _Table(path, _read_toml(path, must_exist=bool(environ.get("WATCHBELL_CONFIG"))), _TOP_KEYS)
    named = _sources(path, table.get("sources", dict, {}), environ)
    return Settings(
        home=home,
        config_file=path,
        environ=environ,
        sources=named or stored_sources(home / INTEGRATIONS_FILE) or (SourceSettings(kind="alert_log"),),
        names_sources=bool(named),
        slack_api_url=environ.get("WATCHBELL_SLACK_API_URL") or "https://slack.com/api",
        telegram_api_url=environ.get("WATCHBELL_TELEGRAM_API_URL") or "https://api.telegram.org",
        discord_api_url=environ.get("WATCHBELL_DISCORD_API_URL") or "https://discord.com/api/v10",
        ops_target=_ops_target(table),
        deadline=timedelta(seconds=table.whole("deadline_seconds", 300, 10, 900)),
        workers=table.whole("workers", 8, 1, 64),
        keep_history=timedelta(days=table.whole("history_days", 400, 1, 36_500)),
        metrics_file=_metrics_file(table),
        heartbeat_url=environ.get("WATCHBELL_HEARTBEAT_URL") or None,
    )


class _Table:
    """One TOML table; every complaint names the file and the key."""

    def __init__(self, path: Path, values: Mapping[str, Any], known: tuple[str, ...], prefix: str = "") -> None:
        self.path = path
        self.values = values
        self.prefix = prefix
        for key in values:
            if key not in known:
                raise ConfigError(f"{path}: unknown key {prefix}{key}; known are {', '.join(known)}")

    def get(self, key: str, kind: type, default: Any) -> Any:
        """Return a value of the right type."""
        value = self.values.get(key, default)
        if value is not default and not isinstance(value, kind):
            raise ConfigError(f"{self.path}: {self.prefix}{key} must be of type {kind.__name__}, not {value!r}")
        return value

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        """Return a whole number within bounds."""
        value = self.get(key, int, default)
        if isinstance(value, bool) or not lowest <= value <= highest:
            raise ConfigError(f"{self.path}: {self.prefix}{key} must be between {lowest} and {highest}, not {value}")
        return int(value)


def _read_toml(path: Path, *, must_exist: bool) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"WATCHBELL_CONFIG names {path}, which does not exist") from None
        return {}
    except NotADirectoryError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _ops_target(table: _Table) -> Target | None:
    text = table.get("ops_target", str, None)
    if text is None:
        return None
    try:
        return Target.parse(text)
    except ValueError as error:
        raise ConfigError(f"{table.path}: ops_target: {error}") from None


def _sources(path: Path, tables: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[SourceSettings, ...]:
    """Return the sources that config.toml and the environment name."""
    merged = {kind: dict(table) if isinstance(table, dict) else table for kind, table in tables.items()}
    for kind, variable in (
        ("prometheus", "WATCHBELL_PROMETHEUS_URL"),
        ("alertmanager", "WATCHBELL_ALERTMANAGER_URL"),
    ):
        if environ.get(variable):
            merged.setdefault(kind, {})["url"] = environ[variable]
    return tuple(_source(path, kind, table) for kind, table in merged.items())


def _source(path: Path, kind: str, values: object) -> SourceSettings:
    if kind not in _SOURCE_KEYS:
        raise ConfigError(f"{path}: unknown source sources.{kind}; known are {', '.join(_SOURCE_KEYS)}")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: sources.{kind} must be a table")
    table = _Table(path, values, _SOURCE_KEYS[kind], prefix=f"sources.{kind}.")
    if "url" in _SOURCE_KEYS[kind] and not table.get("url", str, ""):
        raise ConfigError(f"{path}: sources.{kind}.url is missing")
    optional = table.get("optional", bool, False)
    return SourceSettings(
        kind=kind,
        required=not optional,
        options={key: value for key, value in values.items() if key != "optional"},
    )


def stored_sources(path: Path) -> tuple[SourceSettings, ...]:
    """Return the monitoring systems in integrations.json; the first of a kind goes by its kind, others by `kind/name`.

    Where the file cannot be read, one source says so whenever a report is built, so that nothing looks all clear.
    """
    found: list[SourceSettings] = []
    try:
        for kind in ("prometheus", "alertmanager"):
            for one in active_credentials(kind, path):
                name = f"{kind}/{one.name}" if any(other.kind == kind for other in found) else kind
                found.append(_stored_source(kind, name, one))
    except ConfigError as error:
        return (SourceSettings(kind=UNREADABLE, options={"name": INTEGRATIONS_FILE, "detail": str(error)}),)
    return tuple(found)


def _stored_source(kind: str, name: str, one: Stored) -> SourceSettings:
    options = {key: one.credentials[key] for key in _SOURCE_KEYS[kind] if one.credentials.get(key)}
    optional = options.pop("optional", False)
    for key, value in options.items():
        if not isinstance(value, dict if key == "headers" else str):
            raise ConfigError(f"{one.where}: {key} is of the wrong type")
    for key in options.keys() & {"bearer_token", "password"}:
        remember_secret(options[key])
    if "url" not in options:
        raise ConfigError(f"{one.where}: url is missing: `watchbell integrations set {kind} url=http://…`")
    return SourceSettings(kind=kind, required=optional is not True, options=options | {"name": name})


def _metrics_file(table: _Table) -> Path | None:
    text = table.get("metrics_file", str, None)
    return Path(text).expanduser() if text else None
