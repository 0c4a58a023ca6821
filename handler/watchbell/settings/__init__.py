"""The only reader of the environment and of config.toml; everything else is given Settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from watchbell.errors import ConfigError
from watchbell.reports.analysis.hours import DEFAULT_HOURS, Hours
from watchbell.secrets.integrations import Place
from watchbell.secrets.references import SHARED, References, Referred, is_reference
from watchbell.settings.hours import hours_settings
from watchbell.settings.pipelines import PipelineSettings, read_pipelines
from watchbell.settings.sources import INTEGRATIONS_FILE, SourceSettings, named_sources, stored_sources
from watchbell.settings.store import dynamodb_prefix, queue_url
from watchbell.settings.table import Table, read_toml
from watchbell.tasks import Target

CONFIG_FILE = "config.toml"
TOP_KEYS = (
    "ops_target",
    "deadline_seconds",
    "workers",
    "history_days",
    "metrics_file",
    "charts",
    "sources",
    "hours",
    "pipelines",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and config.toml say."""

    home: Path
    config_file: Place
    integrations: Place  # where credentials are looked for first
    references: References = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    sources: tuple[SourceSettings, ...]
    slack_api_url: str
    telegram_api_url: str
    discord_api_url: str
    dynamodb_prefix: str | None = None  # of the tables' names; None is the local store
    queue_url: str | None = None
    ops_target: Target | None = None
    deadline: timedelta = timedelta(minutes=5)
    workers: int = 8
    keep_history: timedelta = timedelta(days=400)
    metrics_file: Path | None = None
    charts: bool = True  # where a plotting library is installed; else a line of text stands for them
    hours: Hours = DEFAULT_HOURS  # business, off and sleep hours, on the wall clock of each task's zone
    pipelines: tuple[PipelineSettings, ...] = ()  # besides the built-in one
    heartbeat_url: str | None = field(default=None, repr=False)  # a secret
    names_sources: bool = True  # config.toml or the environment do; else they are those of integrations.json

    @property
    def store_name(self) -> str:
        """The store in words: the home folder, or the tables."""
        return str(self.home) if self.dynamodb_prefix is None else f"dynamodb:{self.dynamodb_prefix}"

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
    return (Path(base) if base else _user_folder() / ".config") / "watchbell"


def _user_folder() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user that has no name; the local store then asks for WATCHBELL_HOME
        return Path("/nonexistent")


def load_settings(environ: Mapping[str, str] | None = None, references: References = SHARED) -> Settings:
    """Read the environment and config.toml.

    Raises ConfigError naming the file and the key, and TryAgain where one is kept elsewhere and cannot be reached now.
    """
    environ = dict(os.environ) if environ is None else environ
    home = home_folder(environ)
    prefix = dynamodb_prefix(environ)
    path = _config_place(home, environ, references)
    integrations = _integrations_place(home, environ, references)
    table = Table(path, read_toml(path, must_exist=bool(environ.get("WATCHBELL_CONFIG"))), TOP_KEYS)
    deadline = table.whole("deadline_seconds", 300, 10, 900)
    named = named_sources(path, table.get("sources", dict, {}), environ)
    return Settings(
        home=home,
        config_file=path,
        integrations=integrations,
        references=references,
        environ=environ,
        dynamodb_prefix=prefix,
        queue_url=queue_url(environ, prefix),
        sources=named or stored_sources(integrations) or (SourceSettings(kind="alert_log"),),
        names_sources=bool(named),
        slack_api_url=environ.get("WATCHBELL_SLACK_API_URL") or "https://slack.com/api",
        telegram_api_url=environ.get("WATCHBELL_TELEGRAM_API_URL") or "https://api.telegram.org",
        discord_api_url=environ.get("WATCHBELL_DISCORD_API_URL") or "https://discord.com/api/v10",
        ops_target=_ops_target(table),
        deadline=timedelta(seconds=deadline),
        workers=table.whole("workers", 8, 1, 64),
        keep_history=timedelta(days=table.whole("history_days", 400, 1, 36_500)),
        metrics_file=_metrics_file(table),
        charts=table.get("charts", bool, True),
        hours=hours_settings(path, table.get("hours", dict, {})),
        pipelines=read_pipelines(path, table.get("pipelines", dict, {}), longest_seconds=deadline),
        heartbeat_url=environ.get("WATCHBELL_HEARTBEAT_URL") or None,
    )


def _config_place(home: Path, environ: Mapping[str, str], references: References) -> Place:
    named = environ.get("WATCHBELL_CONFIG")
    if is_reference(named):
        return Referred(named, references, environ)
    return Path(named).expanduser() if named else home / CONFIG_FILE


def _integrations_place(home: Path, environ: Mapping[str, str], references: References) -> Place:
    named = environ.get("WATCHBELL_INTEGRATIONS")
    if not named:
        return home / INTEGRATIONS_FILE
    if not is_reference(named):
        raise ConfigError(
            f"WATCHBELL_INTEGRATIONS={named!r} is no reference; write ssm:NAME, secretsmanager:NAME or file:/PATH"
        )
    return Referred(named, references, environ)


def _ops_target(table: Table) -> Target | None:
    text = table.get("ops_target", str, None)
    if text is None:
        return None
    try:
        return Target.parse(text)
    except ValueError as error:
        raise ConfigError(f"{table.path}: ops_target: {error}") from None


def _metrics_file(table: Table) -> Path | None:
    text = table.get("metrics_file", str, None)
    return Path(text).expanduser() if text else None
