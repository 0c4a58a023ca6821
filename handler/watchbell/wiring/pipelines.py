"""Settings -> whatever builds reports."""

from watchbell.clock import Clock
from watchbell.reports.interface import Pipeline
from watchbell.settings import Settings
from watchbell.wiring.sources import make_source


def make_pipeline(settings: Settings, clock: Clock) -> Pipeline:
    """Return the built-in pipeline over the configured sources."""
    from watchbell.reports.pipeline import BuiltinPipeline

    sources = [make_source(settings, source, clock) for source in settings.sources]
    return BuiltinPipeline(sources, clock=clock, hours=settings.hours)
