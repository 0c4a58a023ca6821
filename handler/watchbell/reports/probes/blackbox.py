"""What a blackbox exporter's probes did over a window, read from the Prometheus that scrapes it.

All is counted there: samples in slots that tile the window, the last run, changes, percentiles. What is sent is small
however often the probes run. Labels of a target decide what is one probe.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds
from watchbell.reports.analysis import matchers
from watchbell.reports.analysis.probe_history import ProbeHistory, ProbeSamples, Slot, judge_probe
from watchbell.reports.interface import Window

METRIC = "probe_success"
SLOTS = 288  # of five minutes each in a day
SHORTEST_SLOT = timedelta(minutes=1)
#: Subqueries look so often, at the least; the last good run is known to within this.
FINE_STEPS = 3_000
FINEST_SECONDS = 1
BASELINE = timedelta(days=7)
#: For all questions together: a tick has a deadline.
READ_SECONDS = 90.0
#: A probe that ran this shortly before the window and not in it is missed; after that it is taken as removed.
MISSED_AFTER = timedelta(days=1)

Labels = tuple[tuple[str, str], ...]
Values = dict[Labels, float]


class Asked(Protocol):
    """A source that answers PromQL questions."""

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]: ...

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]: ...


def parse_selector(text: str) -> str:
    """Return the label part of a selector of `probe_success`, in braces; raises SourceError.

    Only the labels of the text `probe_success{job="blackbox"}` matter: other metrics are read with the same ones.
    """
    inner = text.strip().removeprefix(METRIC).strip()
    if not inner or inner.replace(" ", "") == "{}":
        return ""
    try:
        return "{" + ", ".join(map(str, matchers.split(inner))) + "}"
    except SourceError as error:
        raise SourceError(
            f'params.blackbox must select by labels, such as {METRIC}{{job="blackbox"}}: {error}'
        ) from None


def read_history(querier: Asked, labels: str, window: Window, clock: Clock) -> list[ProbeHistory]:
    """Return every probe that ran in the window or in the day before it; raises SourceError."""
    start, end = epoch_seconds(window.start), epoch_seconds(window.end)
    reading = _Reading(querier, labels, window, clock, clock.monotonic() + READ_SECONDS)
    return [judge_probe(samples, start=start, end=end) for samples in reading.samples()]


@dataclass(frozen=True, slots=True)
class _Reading:
    querier: Asked
    labels: str
    window: Window
    clock: Clock
    until: float

    def samples(self) -> list[ProbeSamples]:
        length = self.window.end - self.window.start
        whole, inside = _seconds(length), _range(length)
        baseline = f"probe_duration_seconds{self.labels}{_range(BASELINE)} offset {whole}s"
        slots = self._slots()
        runs_before = self._ask(f"count_over_time({baseline})")
        success = f"{METRIC}{self.labels}"
        lately = self._ask(f"count_over_time({success}{_range(MISSED_AFTER)} offset {whole}s)")
        now = self._ask(f"last_over_time({success}{inside})")
        changes = self._ask(f"changes({success}{inside})")
        newest = self._ask(f"timestamp({success})")
        fine = f"[{whole}s:{max(FINEST_SECONDS, whole // FINE_STEPS)}s]"
        is_failing = any(value == 0 for value in now.values())
        last_good = self._ask(f"max_over_time((timestamp({success}) and ({success} == 1)){fine})") if is_failing else {}
        p95 = self._ask(f"quantile_over_time(0.95, probe_duration_seconds{self.labels}{inside})")
        p95_before = self._ask(f"quantile_over_time(0.95, {baseline})")
        expires = self._ask(f"last_over_time(probe_ssl_earliest_cert_expiry{self.labels}{inside})")
        return [
            ProbeSamples(
                labels=dict(key),
                slots=tuple(slots.get(key, ())),
                passes_now=now[key] == 1 if key in now else None,
                changes=int(changes.get(key, 0)),
                # One that begins within the window is new. When all of them do, nobody watched before.
                ran_before=key in lately or not lately,
                last_run=newest.get(key, slots[key][-1].end if key in slots else None),
                last_good=last_good.get(key, max((one.end for one in slots.get(key, ()) if one.passes), default=None)),
                p95=p95.get(key),
                p95_before=p95_before.get(key),
                runs_before=int(runs_before.get(key, 0)),
                expires=expires.get(key),
            )
            for key in sorted({*slots, *lately})
        ]

    def _slots(self) -> dict[Labels, list[Slot]]:
        window = self.window
        length = max(SHORTEST_SLOT, (window.end - window.start) / SLOTS)
        length = timedelta(milliseconds=length // timedelta(milliseconds=1))
        inside = f"{METRIC}{self.labels}{_range(length)}"
        runs, passes = (
            self.querier.ask_range(f"{count}({inside})", window.start + length, window.end, step=length)
            for count in ("count_over_time", "sum_over_time")
        )
        passed = {_key(labels): dict(points) for labels, points in passes}
        found: dict[Labels, list[Slot]] = defaultdict(list)
        for labels, points in runs:
            key = _key(labels)
            found[key] += [
                Slot(
                    start=at - length.total_seconds(),
                    end=at,
                    runs=int(count),
                    passes=int(passed.get(key, {}).get(at, 0)),
                )
                for at, count in points
            ]
        return found

    def _ask(self, promql: str) -> Values:
        if self.clock.monotonic() > self.until:
            raise SourceError(f"it did not tell of its probes within {READ_SECONDS:g} s")
        return {_key(labels): value for labels, value in self.querier.ask(promql, self.window.end)}


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def _range(length: timedelta) -> str:
    """Return a range that holds its end and not its start: Prometheus 2 counts a sample at either, so 1 ms less."""
    return f"[{length // timedelta(milliseconds=1) - 1}ms]"


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
