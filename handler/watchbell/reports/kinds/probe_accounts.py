"""What is known of each probe, run now or recorded by a blackbox exporter: its state and a line that says why."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports import wording
from watchbell.reports.analysis.probe_history import ProbeHistory, State
from watchbell.reports.interface import Coverage, CoverageStatus, Querier, Window
from watchbell.reports.kinds.material import Material
from watchbell.reports.probes.blackbox import METRIC, parse_selector, read_history
from watchbell.reports.probes.interface import without_secrets
from watchbell.reports.probes.running import Result

MOST_GAPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAccount:
    """One probe in the report. `seconds` is how long it took to pass, or the 95th percentile; None is not known.

    `gaps` say when it should have run and did not, though it runs now.
    """

    key: str  # what is one probe, also where several sources tell of it
    name: str
    state: State
    detail: str
    seconds: float | None = None
    expires: datetime | None = None
    gaps: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one source had to tell."""

    coverage: Coverage
    accounts: tuple[ProbeAccount, ...]


def from_result(result: Result) -> ProbeAccount:
    """Return the account of a probe that was to run now."""
    outcome = result.outcome
    if outcome is None:
        return ProbeAccount(key=result.name, name=result.name, state=State.NOT_RUN, detail=result.why_not)
    return ProbeAccount(
        key=result.name,
        name=result.name,
        state=State.PASSING if outcome.passed else State.FAILING,
        detail=outcome.detail,
        seconds=outcome.seconds if outcome.passed else None,
        expires=outcome.expires,
    )


def parse_blackbox(params: Mapping[str, Any]) -> str:
    """Return the label part of the selector in `params.blackbox`, empty for all probes; raises SourceError."""
    selector = params.get("blackbox")
    if selector is not None and not isinstance(selector, bool | str):
        raise SourceError(f'params.blackbox must be true, false, or a selector such as {METRIC}{{job="blackbox"}}')
    return parse_selector(selector) if isinstance(selector, str) else ""


def read_recorded(material: Material, params: Mapping[str, Any], *, is_wanted: bool) -> list[Recorded]:
    """Ask every source that speaks PromQL for its blackbox probes; raises SourceError when a required one fails."""
    selector, labels = params.get("blackbox"), parse_blackbox(params)
    if not (is_wanted if selector is None else selector):
        return []
    if selector and not material.queriers:
        raise SourceError("params.blackbox needs a Prometheus; set WATCHBELL_PROMETHEUS_URL")
    recorded = _read_all(material, labels)
    if selector and not any(one.accounts for one in recorded):
        failed = next((one.coverage for one in recorded if one.coverage.status is CoverageStatus.FAILED), None)
        asked = ", ".join(querier.name for querier in material.queriers)
        none = f"{asked} has no blackbox probe for {METRIC}{labels}; is the exporter scraped?"
        raise SourceError(f"{failed.source}: {failed.detail}" if failed else none)
    return recorded


def each_once(accounts: Sequence[ProbeAccount]) -> list[ProbeAccount]:
    """Return each probe once, by the worst account of it where several instances scrape it; the worst first."""
    order = list(State)
    worst: dict[str, ProbeAccount] = {}
    for one in sorted(accounts, key=lambda one: (order.index(one.state), one.key, one.detail)):
        worst.setdefault(one.key, one)
    return list(worst.values())


def _read_all(material: Material, labels: str) -> list[Recorded]:
    """Read all of them side by side, so that a slow one costs its own time only."""
    if not material.queriers:
        return []
    with ThreadPoolExecutor(max_workers=len(material.queriers)) as pool:
        return list(pool.map(lambda one: _read_one(one, labels, material), material.queriers))


def _read_one(querier: Querier, labels: str, material: Material) -> Recorded:
    window = material.request.window
    try:
        histories = read_history(querier, labels, window, material.clock)
    except SourceError as error:
        if querier.required:
            raise SourceError(f"{querier.name}: {error}") from None
        failed = Coverage(source=querier.name, status=CoverageStatus.FAILED, detail=str(error), required=False)
        return Recorded(coverage=failed, accounts=())
    accounts = tuple(_from_history(one, window) for one in histories)
    idle = sum(one.state is State.NOT_RUN for one in accounts)
    holed = sum(bool(one.gaps) for one in accounts)
    newest = max((one.samples.last_run for one in histories if one.samples.last_run is not None), default=None)
    coverage = Coverage(
        source=querier.name,
        status=CoverageStatus.UNPROVEN if idle or holed else CoverageStatus.OK,
        detail=wording.many(len(accounts), "blackbox probe")
        + (f", {idle} not run" if idle else "")
        + (f", {holed} with gaps" if holed else ""),
        age_seconds=None if newest is None else max(0.0, epoch_seconds(window.end) - newest),
        required=querier.required,
    )
    return Recorded(coverage=coverage, accounts=accounts)


def _from_history(history: ProbeHistory, window: Window) -> ProbeAccount:
    samples = history.samples
    return ProbeAccount(
        key=str(sorted(samples.labels.items())),
        name=_name(samples.labels),
        state=history.state,
        detail=_detail(history, window),
        seconds=None if history.state in (State.FAILING, State.NOT_RUN) else samples.p95,
        expires=_instant(samples.expires),
        gaps=_gaps(history, window),
    )


def _instant(seconds: float | None) -> datetime | None:
    """Return the instant of a sample; None where its value is none that a calendar has."""
    with suppress(OverflowError, ValueError):
        return None if seconds is None else from_epoch_seconds(seconds)
    return None


def _name(labels: Mapping[str, str]) -> str:
    """Return the target first, then all its other labels: what differs in any of them is another probe."""
    job = [f"({labels['job']})"] if labels.get("job") else []
    others = [f"{name}={value}" for name, value in sorted(labels.items()) if name not in ("instance", "job")]
    return without_secrets(wording.shortened(" ".join([labels.get("instance", "(no instance)"), *job, *others])))


def _gaps(history: ProbeHistory, window: Window) -> str:
    """Return in words when it did not run, the longest times first."""
    longest = sorted(history.gaps, key=lambda gap: gap[0] - gap[1])
    is_new = not history.samples.runs_before  # in seven days
    shown = [
        f"its first run was at about {_when(end, window)}"
        if is_new and start == epoch_seconds(window.start)
        else f"from {_when(start, window)} for {wording.duration(end - start)}"
        for start, end in longest
    ]
    return ", ".join(wording.capped(shown, MOST_GAPS))


def _when(seconds: float, window: Window) -> str:
    return wording.moment(from_epoch_seconds(seconds), window.timezone)


def _detail(history: ProbeHistory, window: Window) -> str:
    samples = history.samples
    failed = f"{history.fails} of {wording.many(history.runs, 'run')} failed"
    match history.state:
        case State.FAILING:
            return f"{_streak(samples.last_good, window)}; {failed}"
        case State.NOT_RUN:
            is_known = history.runs and samples.last_run is not None
            return f"last run {_when(samples.last_run or 0.0, window)}" if is_known else "no run in this window"
        case State.FLAKY:
            times = "once" if history.fail_stretches == 1 else f"{history.fail_stretches} times"
            return f"failed {times} in between; {failed}"
        case State.RECOVERED:
            return f"failed for about {wording.duration(history.failing_seconds)}; {failed}"
        case State.SLOWER:
            now, before = f"{samples.p95:.2f} s over {history.runs}", f"{samples.p95_before:.2f} s over"
            return f"p95 {now} runs, {before} {samples.runs_before} in the seven days before"
        case State.PASSING:
            return wording.many(history.runs, "run")


def _streak(last_good: float | None, window: Window) -> str:
    if last_good is None:
        return "no success in this window"
    lasting = wording.duration(epoch_seconds(window.end) - last_good)
    return f"for {lasting}, last good {_when(last_good, window)}"
