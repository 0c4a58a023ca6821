"""The replay of a window: what changed before, the incidents, and one list in the order of time over all sources.

It orders and groups and says by which rule; it claims no cause.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchbell.reports import wording
from watchbell.reports.analysis.incidents import Incident, incidents, usual, weightiest_first
from watchbell.reports.findings import Findings, RuleKey, find, judge, rule_key
from watchbell.reports.interface import Episode, Event, Number, Report, Section, Window
from watchbell.reports.kinds.material import Material, headline, refuse_failed
from watchbell.reports.kinds.timeline import UNLISTED, USUAL, entries, first_signal, timeline

TITLE = "Incident window replay"
CHANGES_BEFORE = timedelta(hours=2)
MOST_LINES = 10
MOST_INCIDENTS = 20
MOST_REMARKS = 9
MOST_QUIET = 2
FIGURES = ("incidents", "new", "still firing", "resolved")
THE_RULE = (
    "An incident: alerts that overlap or follow within 5 minutes, and share a name, service, job, namespace or "
    "instance."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replay:
    """What the report is made of. `before` is the time before the window, at least two hours of it.

    `previous` is the part of that which is as long as the window.
    """

    findings: Findings
    before: Findings
    previous: Findings
    usual: tuple[Episode, ...]
    incidents: tuple[Incident, ...]  # the first symptom first

    @property
    def weightiest(self) -> list[Incident]:
        """All of them, the one to read first at the head."""
        return weightiest_first(self.incidents)

    @property
    def listed(self) -> dict[str, Incident]:
        """Those that the report has room for, by their numbers in the order of time."""
        chosen = {id(one) for one in self.weightiest[:MOST_INCIDENTS]}
        kept = [one for one in self.incidents if id(one) in chosen]
        return {str(number): one for number, one in enumerate(kept, 1)}


def build(material: Material) -> Report:
    """Build the replay; raises SourceError when a required source did not answer."""
    findings = material.findings()
    refuse_failed(findings)
    replay = _replay(material, findings)
    request = material.request
    verdict, reason = judge(findings)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=findings.coverage,
        numbers=_numbers(replay),
        still_firing=wording.capped(
            [wording.still_firing(one, request.window.end, request.window.timezone) for one in findings.still_firing],
            MOST_LINES,
        ),
        actions=(wording.MAKE_WHOLE,) if findings.problem and not findings.is_past else (),
        alerts=findings.rules,
        sections=_sections(replay),
        source_error=findings.source_error,
    )


def _replay(material: Material, findings: Findings) -> _Replay:
    window = findings.window
    length = window.end - window.start
    start = window.start - max(CHANGES_BEFORE, length)
    evidence = material.readings.read(start, window.start)
    before = find(replace(window, start=start, end=window.start), evidence)
    ratio = (window.end - window.start) / (before.window.end - before.window.start)
    noisy = usual(findings.new, before.new, ratio) if before.is_proven else set()
    noise = tuple(one for one in findings.episodes if rule_key(one.labels) in noisy)
    return _Replay(
        findings=findings,
        before=before,
        previous=find(replace(window, start=window.start - length, end=window.start), evidence),
        usual=noise,
        incidents=_without(noisy, findings),
    )


def _without(noisy: set[RuleKey], findings: Findings) -> tuple[Incident, ...]:
    rest = [one for one in findings.episodes if rule_key(one.labels) not in noisy]
    return incidents(rest, findings.silences, findings.window)


def _numbers(replay: _Replay) -> tuple[Number, ...]:
    """Return the figures of the window and of the one before, both without the same usual noise in the incidents."""
    noisy = {rule_key(one.labels) for one in replay.usual}
    now = _figures(replay.findings, replay.incidents)
    before = _figures(replay.previous, _without(noisy, replay.previous))
    return tuple(Number(name=name, value=now.get(name), previous=before.get(name)) for name in FIGURES)


def _figures(findings: Findings, found: Sequence[Incident]) -> dict[str, float]:
    """Return no figure at all where they are not proven."""
    counted = (found, findings.new, findings.still_firing, findings.resolved)
    return {name: float(len(some)) for name, some in zip(FIGURES, counted, strict=True) if findings.is_proven}


def _sections(replay: _Replay) -> tuple[Section, ...]:
    window = replay.findings.window
    numbers = {id(one): number for number, one in replay.listed.items()}
    groups = [(numbers.get(id(one), UNLISTED), one.episodes) for one in replay.weightiest]
    found = entries(replay.findings, [*groups, (USUAL, replay.usual)])
    return (
        *_changes(replay, first_signal(found) or window.start),
        *_incidents(replay),
        *_gaps(replay),
        *_noise(replay),
        timeline(found, window),
    )


def _changes(replay: _Replay, signal: datetime) -> tuple[Section, ...]:
    """Return what changed in the two hours before the first signal, as far as sources tell of changes."""
    window = replay.findings.window
    events = {one for one in (*replay.before.events, *replay.findings.events) if one.until is None}
    found = [(one.at, f"{one.source}: {one.text}") for one in events]
    for silence in {one.id: one for one in (*replay.before.silences, *replay.findings.silences)}.values():
        what = wording.silence(silence, window.timezone)
        found += [(silence.start, f"silenced: {what}"), (silence.end, f"silence ended: {what}")]
    lines = [
        f"{wording.clock_time(at, window.timezone)} {wording.shortened(what)}"
        for at, what in sorted(found)
        if signal - CHANGES_BEFORE <= at <= signal
    ]
    if not lines and not replay.incidents:
        return ()
    nothing = ("None that the sources tell of; they do not see deployments.",)
    return (Section(title="Changes in the 2 hours before", lines=wording.capped(lines, MOST_LINES) or nothing),)


def _incidents(replay: _Replay) -> tuple[Section, ...]:
    if not replay.incidents:
        return ()
    window = replay.findings.window
    rows = tuple(_row(number, one, window) for number, one in replay.listed.items())
    return (
        Section(
            title="Incidents",
            lines=(f"Times in {window.timezone}. {THE_RULE}", *_remarks(replay), *_left_out(replay)),
            columns=("incident", "first symptom", "recovery", "duration", "alerts", "peak", "began with"),
            rows=rows,
        ),
    )


def _left_out(replay: _Replay) -> Iterable[str]:
    """Yield how many incidents have no row, and what they are."""
    rest = replay.weightiest[MOST_INCIDENTS:]
    if rest:
        (shown,) = wording.shown(MOST_INCIDENTS, len(replay.incidents), "incident")
        firing, urgent = sum(one.recovered is None for one in rest), sum(one.is_urgent for one in rest)
        which = "first what still fires, then what is urgent, then what fired longest"
        yield f"{shown}, {which}; left out: {len(rest)}, of them {firing} still firing, {urgent} urgent"


def _row(number: str, one: Incident, window: Window) -> tuple[str, ...]:
    lasting = wording.duration(((one.recovered or window.end) - one.first_symptom).total_seconds())
    first = min(one.episodes, key=lambda episode: episode.active_at or episode.start)
    return (
        f"Incident {number}",
        wording.clock_time(one.first_symptom, window.timezone),
        wording.clock_time(one.recovered, window.timezone) if one.recovered else "not yet",
        lasting if one.recovered else f"{lasting} so far",
        str(len(one.episodes)),
        str(one.peak),
        wording.alert(first.labels),
    )


def _remarks(replay: _Replay) -> tuple[str, ...]:
    """Return what the table has no room for, of the heaviest incidents where that is too much for all."""
    numbers = {id(one): int(number) for number, one in replay.listed.items()}
    window = replay.findings.window
    found = [
        (numbers[id(one)], place, f"Incident {numbers[id(one)]}: {said}")
        for one in replay.weightiest[:MOST_INCIDENTS]
        for place, said in enumerate(_remarks_on(one, window))
    ]
    more = [f"and {len(found) - MOST_REMARKS} more"] if len(found) > MOST_REMARKS else []
    return (*(line for *_, line in sorted(found[:MOST_REMARKS])), *more)


def _remarks_on(one: Incident, window: Window) -> Iterable[str]:
    """Yield silences in force, and long stretches in which nothing changed."""
    for silence in one.silences[:MOST_QUIET]:
        yield f"silence in force: {wording.silence(silence, window.timezone)}"
    for start, end in one.quiet[:MOST_QUIET]:
        lasting = wording.duration((end - start).total_seconds())
        yield f"nothing began or ended for {lasting} from {wording.clock_time(start, window.timezone)}"


def _gaps(replay: _Replay) -> tuple[Section, ...]:
    """Return the stretches in which a source was not watching: what happened in them is not known."""
    window = replay.findings.window
    lines = [_gap(one, window) for one in replay.findings.events if one.until is not None]
    return (Section(title="Not watched", lines=wording.capped(lines, MOST_LINES)),) if lines else ()


def _gap(one: Event, window: Window) -> str:
    assert one.until is not None
    start, end = (wording.clock_time(at, window.timezone) for at in (one.at, one.until))
    return wording.shortened(f"{one.source}: {one.text} from {start} to {end}")


def _noise(replay: _Replay) -> tuple[Section, ...]:
    if not replay.before.is_proven:
        return (
            Section(title="Usual noise", lines=(f"Not marked, because of the time before: {replay.before.problem}",)),
        )
    now, before = (Counter(rule_key(one.labels) for one in some) for some in (replay.findings.new, replay.before.new))
    alike = {rule_key(one.labels): one for one in replay.usual}
    span = replay.before.window
    lasting = wording.duration((span.end - span.start).total_seconds())
    lines = [
        f"{one.labels.get('alertname', '')}: {now[key]} firings, {before[key]} in the {lasting} before"
        for key, one in sorted(alike.items(), key=lambda item: (-now[item[0]], item[0]))
    ]
    return (Section(title="Usual noise", lines=wording.capped(lines, MOST_LINES)),) if lines else ()
