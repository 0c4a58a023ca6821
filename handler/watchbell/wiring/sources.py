"""Settings -> the monitoring systems that reports read; each connects when it is read."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from watchbell.clock import Clock
from watchbell.errors import ConfigError, CredentialError, TryAgain
from watchbell.reports.interface import Source
from watchbell.settings import Settings
from watchbell.settings.sources import UNREADABLE, SourceSettings

Make = Callable[[Settings, Clock, dict[str, Any]], Source]


def make_sources(settings: Settings, clock: Clock) -> list[Source]:
    """Return the configured sources in their order, those that cover for each other as one."""
    groups: dict[str | int, list[SourceSettings]] = defaultdict(list)
    for number, configured in enumerate(settings.sources):
        groups[configured.group or number].append(configured)
    return [_together(settings, members, clock) for members in groups.values()]


def make_source(settings: Settings, configured: SourceSettings, clock: Clock) -> Source:
    """Return one configured source; it connects when it is read. References to its secrets are followed here."""
    return _labelled(_bare_source(settings, configured, clock), configured)


def _bare_source(settings: Settings, configured: SourceSettings, clock: Clock) -> Source:
    try:
        options: dict[str, Any] = dict(configured.followed(settings.references, settings.environ).options)
    except (CredentialError, ConfigError, TryAgain) as error:
        from watchbell.reports.sources.unreadable import Unreadable, UnreadableQuerier

        stand_in = UnreadableQuerier if configured.kind == "prometheus" else Unreadable
        return stand_in(str(error), name=configured.name, required=configured.required)
    options["required"] = configured.required
    options.pop("labels", None)
    if "max_gap_minutes" in options:
        options["max_gap"] = timedelta(minutes=options.pop("max_gap_minutes"))
    return _MAKERS[configured.kind](settings, clock, options)


def _together(settings: Settings, members: Sequence[SourceSettings], clock: Clock) -> Source:
    if len(members) == 1:
        return make_source(settings, members[0], clock)
    from watchbell.reports.sources.pair import Pair

    pair = Pair([_bare_source(settings, member, clock) for member in members], name=members[0].group or "")
    return _labelled(pair, members[0])


def _labelled(source: Source, configured: SourceSettings) -> Source:
    if not configured.labels:
        return source
    from watchbell.reports.sources.labelled import labelled

    return labelled(source, configured.labels)


def _unreadable(settings: Settings, clock: Clock, options: dict[str, Any]) -> Source:
    from watchbell.reports.sources.unreadable import UnreadableQuerier

    return UnreadableQuerier(**options)  # any of those that it stands for may be a Prometheus


def _prometheus(settings: Settings, clock: Clock, options: dict[str, Any]) -> Source:
    from watchbell.reports.sources.prometheus import DEADLINE_SECONDS, Prometheus

    options.pop("ha", None)
    within = _within_a_tick(settings, DEADLINE_SECONDS)
    return Prometheus(options.pop("url"), clock=clock, deadline_seconds=within, **options)


def _alertmanager(settings: Settings, clock: Clock, options: dict[str, Any]) -> Source:
    from watchbell.reports.sources.alertmanager import DEADLINE_SECONDS, Alertmanager

    within = _within_a_tick(settings, DEADLINE_SECONDS)
    return Alertmanager(options.pop("url"), clock=clock, deadline_seconds=within, **options)


def _within_a_tick(settings: Settings, seconds: float) -> float:
    """Return how long a source may take: it is read twice, and the same tick has to send that it was too slow."""
    return min(seconds, settings.deadline.total_seconds() / 3)


def _cloudwatch(settings: Settings, clock: Clock, options: dict[str, Any]) -> Source:
    from watchbell.reports.sources.cloudwatch import CloudWatch

    return CloudWatch(clock=clock, **options)


def _alert_log(settings: Settings, clock: Clock, options: dict[str, Any]) -> Source:
    from watchbell.reports.sources.alert_log import AlertLog

    options.pop("path", None)
    return AlertLog(settings.alert_log, **options)


_MAKERS: Mapping[str, Make] = {
    UNREADABLE: _unreadable,
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "cloudwatch": _cloudwatch,
    "alert_log": _alert_log,
}
