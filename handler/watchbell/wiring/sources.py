"""Settings -> the monitoring systems that reports read; each connects when it is read."""

from datetime import timedelta
from typing import Any

from watchbell.clock import Clock
from watchbell.errors import ConfigError, CredentialError, TryAgain
from watchbell.reports.interface import Source
from watchbell.settings import Settings
from watchbell.settings.sources import UNREADABLE, SourceSettings


def make_source(settings: Settings, configured: SourceSettings, clock: Clock) -> Source:
    """Return one configured source; it connects when it is read. References to its secrets are followed here."""
    try:
        options: dict[str, Any] = dict(configured.followed(settings.references, settings.environ).options)
    except (CredentialError, ConfigError, TryAgain) as error:
        from watchbell.reports.sources.unreadable import Unreadable

        name = str(configured.options.get("name", configured.kind))
        return Unreadable(str(error), name=name, required=configured.required)
    if configured.kind == UNREADABLE:
        from watchbell.reports.sources.unreadable import Unreadable

        return Unreadable(options["detail"])
    if configured.kind == "prometheus":
        from watchbell.reports.sources.prometheus import Prometheus

        return Prometheus(options.pop("url"), clock=clock, required=configured.required, **options)
    if configured.kind == "alertmanager":
        from watchbell.reports.sources.alertmanager import Alertmanager

        return Alertmanager(options.pop("url"), clock=clock, required=configured.required, **options)
    from watchbell.reports.sources.alert_log import AlertLog

    options.pop("path", None)
    if "max_gap_minutes" in options:
        options["max_gap"] = timedelta(minutes=options.pop("max_gap_minutes"))
    return AlertLog(settings.alert_log, required=configured.required, **options)
