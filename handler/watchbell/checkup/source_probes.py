"""Asks a monitoring system whether it is up, and reads the last hour from it as a report would."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx

from watchbell.checkup.chat_probes import Probed
from watchbell.checkup.checks import SOURCE, Check, ok, problem, warning
from watchbell.clock import Clock
from watchbell.errors import ConfigError, CredentialError, SourceError, TryAgain
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.access import Access
from watchbell.reports.sources.http import Deadline, JsonReader
from watchbell.settings import Settings
from watchbell.settings.sources import SourceSettings
from watchbell.wiring.sources import make_source, make_sources

WINDOW = timedelta(hours=1)
_ABOUT = {"prometheus": "/api/v1/status/buildinfo", "alertmanager": "/api/v2/status"}
_SECONDS = 5.0
_ADVICE = {
    "prometheus": "see its address, its rules (Status > Rules) and the targets that it scrapes",
    "alertmanager": "see its address and its status page",
    "alert_log": "it needs an entry at regular times, such as Watchdog's; or `watchbell integrations set prometheus`",
    "cloudwatch": "see its region, the role's permissions and its alarms",
    "unreadable": "mend the file; it is never overwritten",
}


class _About(NamedTuple):
    version: str = ""
    starting: bool = False
    server_time: datetime | None = None


def probe_source(settings: Settings, configured: SourceSettings, clock: Clock, name: str) -> Probed:
    """Read the last hour as a report would, and say whether the source was provably watching."""
    try:
        followed = configured.followed(settings.references, settings.environ)
    except (CredentialError, ConfigError, TryAgain) as error:
        return Probed(_graded(name, str(error), "mend it where the secret is kept", configured.required))
    about = _ask(configured.kind, followed.options, clock) if configured.kind in _ABOUT else _About()
    source = make_source(settings, configured, clock)
    now = clock.now()
    coverage = source.read(now - WINDOW, now).coverage
    detail = f"{about.version}{coverage.detail}"
    if coverage.status is CoverageStatus.OK:
        return Probed(ok(name, f"{detail} (last hour)"), about.server_time)
    words = "is not provably watching" if coverage.status is CoverageStatus.UNPROVEN else "cannot be read"
    detail = f"{words}: {detail}" + (" (it is still starting)" if about.starting else "")
    if configured.group and _is_covered_for(settings, configured, clock):
        covered = f"{detail} ({configured.group} covers for it)"
        return Probed(warning(name, covered, _ADVICE[configured.kind]), about.server_time)
    return Probed(_graded(name, detail, _ADVICE[configured.kind], configured.required), about.server_time)


def _graded(name: str, detail: str, advice: str, required: bool) -> Check:
    """A required source that cannot be believed makes every report UNKNOWN; an optional one does not."""
    if required:
        return problem(name, detail, f"until then reports say UNKNOWN; {advice}", SOURCE)
    return warning(name, f"{detail} (optional)", advice)


def _is_covered_for(settings: Settings, configured: SourceSettings, clock: Clock) -> bool:
    """Say whether those that cover for a source were watching together."""
    now = clock.now()
    together = [source for source in make_sources(settings, clock) if source.name == configured.group]
    return any(source.read(now - WINDOW, now).coverage.status is CoverageStatus.OK for source in together)


def _ask(kind: str, options: Mapping[str, Any], clock: Clock) -> _About:
    """Return what the server says of itself; nothing where it does not: the reading that follows says why."""
    access: Any = {key: options[key] for key in Access.__annotations__ if key in options}
    reader, deadline = JsonReader(options["url"], **access), Deadline(clock, _SECONDS)
    try:
        ready, _ = reader.look("/-/ready", deadline)
        about, body = reader.look(_ABOUT[kind], deadline)
    except SourceError:
        return _About()
    return _About(_version(kind, body), ready.status_code == 503, _date(about))


def _version(kind: str, body: bytes) -> str:
    try:
        fields = json.loads(body)
        number = fields["data"]["version"] if kind == "prometheus" else fields["versionInfo"]["version"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{kind.capitalize()} {str(number)[:20]}: "


def _date(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
