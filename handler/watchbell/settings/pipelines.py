"""Other ways to build a report: [pipelines.NAME] in config.toml, and only there.

A task may choose one by its name, never define one: whoever can write the tasks file must not be able to run commands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watchbell.errors import ConfigError
from watchbell.secrets.integrations import Place
from watchbell.secrets.redaction import is_credential_key, remember_secret
from watchbell.secrets.references import is_reference
from watchbell.settings.table import Table
from watchbell.tasks import Kind

#: The name of the pipeline that is always there.
BUILTIN = "builtin"

#: What each way understands; the first key is the one by which it is recognised.
PIPELINE_KEYS = {
    "command": ("command", "kinds", "timeout_seconds", "environment"),
    "http": ("url", "kinds", "timeout_seconds", "bearer_token", "headers"),
    "ai": ("model", "kinds", "timeout_seconds", "api_key", "base_url", "most_steps", "most_tokens"),
}
#: The makers of models whose interfaces are spoken, or imitated by whatever `base_url` names.
MODEL_INTERFACES = ("openai", "anthropic")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """One configured pipeline; `way` is a key of PIPELINE_KEYS, `kinds` are those that it builds unasked."""

    name: str
    way: str
    kinds: tuple[Kind, ...]
    timeout_seconds: int
    options: Mapping[str, Any] = field(repr=False)  # its other keys, checked; may hold secrets or references to them


def read_pipelines(path: Place, tables: Mapping[str, Any], *, longest_seconds: int) -> tuple[PipelineSettings, ...]:
    """Return the pipelines that config.toml names; raises ConfigError naming the file and the key.

    `longest_seconds` is the deadline of a tick: whatever takes longer would never come to its end.
    """
    pipelines = tuple(_pipeline(path, name, values, longest_seconds) for name, values in tables.items())
    takers: dict[Kind, str] = {}
    for pipeline in pipelines:
        for kind in pipeline.kinds:
            if takers.setdefault(kind, pipeline.name) != pipeline.name:
                raise ConfigError(f"{path}: both pipelines.{takers[kind]} and pipelines.{pipeline.name} take {kind}")
    return pipelines


def _pipeline(path: Place, name: str, values: object, longest_seconds: int) -> PipelineSettings:
    prefix = f"pipelines.{name}"
    if not _NAME.fullmatch(name) or name == BUILTIN:
        raise ConfigError(f"{path}: {prefix}: {name!r} cannot be a name; use letters, digits, _ and -, not {BUILTIN}")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {prefix} must be a table")
    ways = [way for way, keys in PIPELINE_KEYS.items() if keys[0] in values]
    if len(ways) != 1:
        raise ConfigError(f"{path}: {prefix} needs exactly one of command, url and model")
    table = Table(path, values, PIPELINE_KEYS[ways[0]], prefix=f"{prefix}.")
    return PipelineSettings(
        name=name,
        way=ways[0],
        kinds=_kinds(table),
        timeout_seconds=table.whole("timeout_seconds", min(120, longest_seconds), 1, longest_seconds),
        options=_OPTIONS[ways[0]](table),
    )


def _kinds(table: Table) -> tuple[Kind, ...]:
    kinds = _texts(table, "kinds")
    unknown = [kind for kind in kinds if kind not in list(Kind)]
    if unknown:
        raise ConfigError(f"{table.path}: {table.prefix}kinds: {unknown[0]!r} is no kind; kinds are {', '.join(Kind)}")
    return tuple(Kind(kind) for kind in kinds)


def _command(table: Table) -> dict[str, Any]:
    command = _texts(table, "command")
    if not command or not command[0]:
        raise ConfigError(f'{table.path}: {table.prefix}command must name a program, such as ["report", "--daily"]')
    return {"command": command, "environment": _texts(table, "environment")}


def _http(table: Table) -> dict[str, Any]:
    headers = table.get("headers", dict, {})
    if not all(isinstance(value, str) for value in headers.values()):
        raise ConfigError(f"{table.path}: {table.prefix}headers must hold texts only")
    return {
        "url": _address(table, "url"),
        "headers": {name: _secret(one) if is_credential_key(name) else one for name, one in headers.items()},
        "bearer_token": _secret(table.get("bearer_token", str, None)),
    }


def _ai(table: Table) -> dict[str, Any]:
    model = table.get("model", str, "")
    interface, _, model_name = model.partition(":")
    if interface not in MODEL_INTERFACES or not model_name:
        wanted = " or ".join(f"{known}:NAME" for known in MODEL_INTERFACES)
        raise ConfigError(f"{table.path}: {table.prefix}model must be {wanted}, not {model!r}")
    return {
        "model": model,
        "api_key": _secret(table.get("api_key", str, None)),
        "base_url": _address(table, "base_url") if "base_url" in table.values else None,
        "most_steps": table.whole("most_steps", 8, 1, 50),
        "most_tokens": table.whole("most_tokens", 100_000, 1_000, 10_000_000),
    }


_OPTIONS = {"command": _command, "http": _http, "ai": _ai}


def _secret(value: str | None) -> str | None:
    """Return what is a secret or a reference to one; a secret is masked from now on."""
    if value is not None and not is_reference(value):
        remember_secret(value)
    return value


def _texts(table: Table, key: str) -> tuple[str, ...]:
    values = table.get(key, list, [])
    if not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{table.path}: {table.prefix}{key} must be a list of texts")
    return tuple(values)


def _address(table: Table, key: str) -> str:
    url: str = table.get(key, str, "")
    if not re.match(r"https?://[^/\s]", url):
        # NOTE: not the value: it may hold a password.
        raise ConfigError(f"{table.path}: {table.prefix}{key} must begin with https:// or http:// and a host")
    return url
