"""The configured pipelines: whether programs, libraries and keys are there; nothing is run and nobody is asked."""

import os
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from watchbell.checkup.buildable import pipeline_of
from watchbell.checkup.checks import SOURCE, Check, named, ok, problem, warning
from watchbell.checkup.references import references_within, without_asking
from watchbell.errors import ConfigError, CredentialError, SourceError, TryAgain
from watchbell.reports.pipeline import ILLUSTRATED
from watchbell.reports.pipelines.choose import has_prompt
from watchbell.settings import Settings
from watchbell.settings.pipelines import PipelineSettings
from watchbell.tasks import Task

_LIBRARIES = ("pydantic_ai", "openai", "anthropic")


def check_pipelines(settings: Settings, tasks: Sequence[Task], *, offline: bool) -> Iterator[Check]:
    """Look at each configured pipeline; what a task cannot do without is a problem, anything else a warning."""
    users: dict[str, list[Task]] = {}
    for task in tasks:
        chosen = _chosen(task, settings)
        if chosen is not None:
            users.setdefault(chosen.name, []).append(task)
    for pipeline in settings.pipelines:
        yield _check(settings, pipeline, users.get(pipeline.name, []), offline=offline)
    if settings.charts and find_spec("matplotlib") is None and any(task.kind in ILLUSTRATED for task in tasks):
        advice = "pip install 'watchbell[charts]'; or charts = false in config.toml"
        yield ok("charts", "a line of text stands for each: matplotlib is not installed", advice)


def _chosen(task: Task, settings: Settings) -> PipelineSettings | None:
    try:
        return pipeline_of(task, settings)
    except SourceError:
        return None  # that is another check's finding


def _check(settings: Settings, pipeline: PipelineSettings, users: Sequence[Task], *, offline: bool) -> Check:
    name = f"pipeline {pipeline.name}"
    wrong, advice = _WAYS[pipeline.way](settings, pipeline)
    if not wrong:
        wrong, advice = _unreadable(settings, pipeline, offline=offline), "mend it where the secret is kept"
    if wrong:
        # Without its model a report is still computed, and says that the text is missing; a question stays unanswered.
        needed = [one for one in users if pipeline.way != "ai" or has_prompt(one.kind, one.params)]
        if needed:
            said = f"{wrong}; needed by {named(one.name or one.id for one in needed)}"
            return problem(name, said, advice, SOURCE)
        return warning(name, wrong, advice)
    open_host = _open_host(pipeline)
    if open_host:
        advice = "write https://, or let it listen on this machine only"
        return warning(name, f"findings and credentials go to {open_host} unencrypted", advice)
    return ok(name, _WORDS[pipeline.way].format(**pipeline.options))


def _command(settings: Settings, pipeline: PipelineSettings) -> tuple[str, str]:
    program = str(pipeline.options["command"][0])
    if "/" not in program:
        if shutil.which(program, path=settings.environ.get("PATH", os.defpath)):
            return "", ""
        return f"{program} is not in the PATH of this shell", "write its full path; timers have a short PATH"
    config = settings.config_file
    path = (config.parent if isinstance(config, Path) else Path()) / program
    if not path.is_file():
        return f"there is no program {path}", "mend `command` in config.toml; it is relative to that file's folder"
    return ("", "") if os.access(path, os.X_OK) else (f"{path} cannot be run by this user", f"chmod +x {path}")


def _http(settings: Settings, pipeline: PipelineSettings) -> tuple[str, str]:
    return "", ""


def _ai(settings: Settings, pipeline: PipelineSettings) -> tuple[str, str]:
    if any(find_spec(library) is None for library in _LIBRARIES):
        return "the extra `ai` is not installed", "pip install 'watchbell[ai]' where ticks run"
    if not pipeline.options["api_key"] and not pipeline.options["base_url"]:
        return (
            "it has no key",
            "give its table in config.toml an api_key, such as env:OPENAI_API_KEY, or a base_url of your own server",
        )
    return "", ""


_WAYS = {"command": _command, "http": _http, "ai": _ai}
_WORDS = {"command": "{command[0]} is there", "http": "configured; it is not asked", "ai": "{model}; it is not asked"}


def _unreadable(settings: Settings, pipeline: PipelineSettings, *, offline: bool) -> str:
    """Return why one of its secrets cannot be had."""
    for reference in references_within(pipeline.options):
        if offline and without_asking(reference):
            continue
        try:
            settings.references.text(reference, settings.environ)
        except (CredentialError, ConfigError, TryAgain) as error:
            return str(error)
    return ""


def _open_host(pipeline: PipelineSettings) -> str:
    """Return the host to which things go unencrypted, over a network that others may listen to."""
    address = urlsplit(pipeline.options.get("url") or pipeline.options.get("base_url") or "")
    is_told_secrets = pipeline.way == "http" or pipeline.options.get("api_key")
    if address.scheme != "http" or not is_told_secrets:
        return ""
    host = address.hostname or ""
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
    return "" if is_here else host
