"""Stands for sources that cannot be known, because the file that names them cannot be read: never an all-clear."""

from datetime import datetime

from watchbell.reports.interface import Coverage, CoverageStatus, Evidence


class Unreadable:
    """Always fails, with the reason."""

    name = "integrations.json"
    required = True

    def __init__(self, detail: str) -> None:
        self._detail = detail

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the failure."""
        return Evidence(coverage=Coverage(source=self.name, status=CoverageStatus.FAILED, detail=self._detail))
