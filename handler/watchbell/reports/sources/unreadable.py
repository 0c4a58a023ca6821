"""Stands for a source whose settings cannot be had, and for all of them where that is not known: never an all-clear."""

from datetime import datetime

from watchbell.reports.interface import Coverage, CoverageStatus, Evidence


class Unreadable:
    """Always fails, with the reason."""

    def __init__(self, detail: str, *, name: str = "integrations.json", required: bool = True) -> None:
        self.name = name
        self.required = required
        self._detail = detail

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the failure."""
        return Evidence(coverage=Coverage(source=self.name, status=CoverageStatus.FAILED, detail=self._detail))
