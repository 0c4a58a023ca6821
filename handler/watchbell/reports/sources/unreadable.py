"""Stands for a source whose settings cannot be had, and for all of them where that is not known: never an all-clear."""

from datetime import datetime, timedelta

from watchbell.errors import SourceError
from watchbell.reports.interface import Coverage, CoverageStatus, Evidence


class Unreadable:
    """Always fails, with the reason."""

    def __init__(self, detail: str, *, name: str = "integrations.json", required: bool = True) -> None:
        self.name = name
        self.required = required
        self._detail = detail

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the failure."""
        return Evidence(
            coverage=Coverage(
                source=self.name, status=CoverageStatus.FAILED, detail=self._detail, required=self.required
            )
        )


class UnreadableQuerier(Unreadable):
    """Stands for one that would be asked PromQL questions: whoever asks all of them must hear of this one too."""

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Raise the failure."""
        raise SourceError(self._detail)

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Raise the failure."""
        raise SourceError(self._detail)
