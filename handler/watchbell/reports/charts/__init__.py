"""Charts of a report: a timeline of firings, and firings over time against the window before.

Only what is proven is drawn: a picture of what could not be looked at would read as an all-clear.
"""

import logging
from dataclasses import replace
from importlib.util import find_spec

from watchbell.reports.charts.plan import Rates, Timeline, rates, timeline
from watchbell.reports.charts.sparkline import sparkline
from watchbell.reports.findings import Findings
from watchbell.reports.interface import Image, Report

log = logging.getLogger("watchbell")


def illustrate(report: Report, findings: Findings, previous: Findings | None) -> Report:
    """Return the report with its charts, or with a line of text where no plotting library is installed.

    Never raises: a report goes out without charts rather than not at all.
    """
    if not findings.is_proven:
        return report
    try:
        line, counts = timeline(findings), rates(findings, previous)
        if find_spec("matplotlib") is not None:
            return replace(report, images=(*report.images, *_draw(line, counts)))
        return report if counts is None else replace(report, sections=(*report.sections, sparkline(counts)))
    except Exception:
        log.exception("a bug: the charts of %r could not be drawn", report.title)
        return report


def _draw(line: Timeline | None, counts: Rates | None) -> tuple[Image, ...]:
    # What matplotlib has to say about its font cache is for nobody who reads our log.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from watchbell.reports.charts import drawing

    images = []
    if line is not None:
        images.append(Image(name="firing-timeline", png=drawing.draw_timeline(line), alt=_timeline_in_words(line)))
    if counts is not None:
        images.append(Image(name="firings-over-time", png=drawing.draw_rates(counts), alt=_rates_in_words(counts)))
    return tuple(images)


def _timeline_in_words(line: Timeline) -> str:
    rows = [f"{row.name}: {row.figures}{', fires now' if row.firing_now else ''}" for row in line.rows[:3]]
    more = line.more + len(line.rows) - len(rows)
    return "When alerts fired, worst first. " + "; ".join([*rows, *([f"and {more} more"] if more else [])])


def _rates_in_words(counts: Rates) -> str:
    before = f", {sum(counts.previous)} in the one before" if counts.previous is not None else ""
    return f"{counts.title}: {sum(counts.counts)} in this window{before}"
