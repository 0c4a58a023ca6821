"""The weekly audit: which alert rules made the noise, what would have helped, and what to tidy up."""

from collections.abc import Iterator, Sequence
from itertools import islice

from watchbell.reports import wording
from watchbell.reports.analysis.backtest import LONG, Setting, Suggestion, suggest
from watchbell.reports.analysis.hygiene import Hygiene, tidy
from watchbell.reports.analysis.pareto import pareto
from watchbell.reports.analysis.rule_rows import RuleRow, rule_rows
from watchbell.reports.findings import Findings, judge
from watchbell.reports.interface import Number, Report, Section, Window
from watchbell.reports.kinds.changed import changed
from watchbell.reports.kinds.daily_summary import alert_numbers, still_firing_lines
from watchbell.reports.kinds.material import UNAVAILABLE, Material, headline, number
from watchbell.reports.sources.heartbeats import HEARTBEATS

TITLE = "Weekly audit"
MOST_RULES = 20
MOST_DETAILS = 10
MOST_SUGGESTIONS = 5
MOST_LINES = 5
MOST_NAMES = 8
NOISY_FIRINGS = 5
NO_CHANGE = "The change is not known: nothing vouches for the window before."

Advice = tuple[RuleRow, Suggestion]


def build(material: Material) -> Report:
    """Build the audit; a source that cannot be believed makes it a notice that still shows what is known."""
    findings = material.findings()
    before = material.previous_findings() if findings.is_proven else None
    previous = before if before is not None and before.is_proven else None
    request = material.request
    verdict, reason = judge(findings, doubt=UNAVAILABLE)
    rows = rule_rows(findings, previous, material.hours)
    advice = _advice(rows, request.window)
    hygiene = tidy(findings, rows, HEARTBEATS)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=findings.coverage,
        numbers=(*alert_numbers(findings, previous), *_numbers(findings, previous, rows, material)),
        still_firing=still_firing_lines(findings),
        actions=_actions(findings, rows, advice, hygiene),
        alerts=findings.rules,
        sections=(*changed(findings, verdict, request), *_sections(findings, rows, advice, hygiene)),
        source_error=findings.source_error,
    )


def _advice(rows: Sequence[RuleRow], window: Window) -> list[Advice]:
    """Return what would have helped the noisiest rules."""
    noisiest = sorted(rows, key=lambda row: -row.firings)[:MOST_RULES]
    tried = ((row, suggest(row, window)) for row in noisiest)
    helpful = ((row, suggestion) for row, suggestion in tried if suggestion is not None)
    return list(islice(helpful, MOST_SUGGESTIONS))


def _numbers(
    findings: Findings, previous: Findings | None, rows: Sequence[RuleRow], material: Material
) -> Iterator[Number]:
    before = None if previous is None else rule_rows(previous, None, material.hours)
    for name, now, then in (
        ("firings in sleep hours", _asleep(rows), None if before is None else _asleep(before)),
        ("flaps", _flaps(rows), None if before is None else _flaps(before)),
    ):
        yield number(name, now, then, is_known=findings.is_proven)


def _asleep(rows: Sequence[RuleRow]) -> int:
    return sum(row.sleep_firings for row in rows)


def _flaps(rows: Sequence[RuleRow]) -> int:
    return sum(row.flaps for row in rows)


def _actions(
    findings: Findings, rows: Sequence[RuleRow], advice: Sequence[Advice], hygiene: Hygiene
) -> tuple[str, ...]:
    """Return at most three things to do: first what a setting would have spared, then what nobody acts on."""
    actions = [wording.MAKE_WHOLE] if findings.problem and not findings.is_past else []
    actions += [f"Quieten {_owned(row)}: {_sentence(suggestion)}" for row, suggestion in advice[:2]]
    for episode in hygiene.stuck[:1]:
        age = wording.duration((findings.window.end - episode.start).total_seconds())
        name = wording.alert(episode.labels) + wording.owned(episode.labels)
        actions.append(f"Mend, silence or delete {name}: it has fired for {age}")
    advised = [row for row, _ in advice]
    noisy = [row for row in rows if row.firings >= NOISY_FIRINGS and row not in advised]
    for row in sorted(noisy, key=lambda row: -row.firings):
        actions.append(f"Mend the cause of {_owned(row)}, or delete it: it fired {row.firings} times")
    return tuple(actions[:3])


def _owned(row: RuleRow) -> str:
    return wording.rule(row.summary) + wording.owned(row.summary.labels)


def _sections(
    findings: Findings, rows: Sequence[RuleRow], advice: Sequence[Advice], hygiene: Hygiene
) -> Iterator[Section]:
    if findings.is_proven and not rows:
        yield Section(title="No incidents", lines=("No alert fired in this window, and none fires now.",))
    if rows:
        yield _noise(rows)
        yield _details(rows)
    if advice:
        yield Section(
            title="What another setting would have done",
            lines=tuple(f"{wording.rule(row.summary)}: {_sentence(suggestion)}" for row, suggestion in advice),
        )
    if lines := tuple(_hygiene(findings, hygiene)):
        yield Section(title="To tidy up", lines=lines)


def _noise(rows: Sequence[RuleRow]) -> Section:
    few = pareto([row.firings for row in rows])
    lines = []
    if few:
        share = wording.percent(few.firings / few.of_firings)
        lines.append(f"{few.rules} of {few.of_rules} rules made {share} of {few.of_firings:,} firings")
    return Section(
        title="Alert rules by firing time",
        lines=(*lines, *_shown(rows, MOST_RULES)),
        columns=("alert", "firings", "of time"),
        rows=tuple(
            (name, str(row.firings), wording.percent(row.share))
            for name, row in zip(_names(rows), rows[:MOST_RULES], strict=False)
        ),
    )


def _details(rows: Sequence[RuleRow]) -> Section:
    return Section(
        title="Each rule in detail",
        lines=(*_shown(rows, MOST_DETAILS), *([NO_CHANGE] if rows[0].previous_firings is None else [])),
        columns=("alert", "time", "change", "flaps", "in sleep hours", "median", "instances", "owner", "runbook"),
        rows=tuple(_detail(name, row) for name, row in zip(_names(rows), rows[:MOST_DETAILS], strict=False)),
    )


def _shown(rows: Sequence[RuleRow], limit: int) -> tuple[str, ...]:
    return wording.shown(min(limit, len(rows)), len(rows), "rule")


def _names(rows: Sequence[RuleRow]) -> list[str]:
    return wording.rules([row.summary for row in rows])


def _detail(name: str, row: RuleRow) -> tuple[str, ...]:
    """Return the cells of one rule; a cell is empty where there is nothing to measure."""
    return (
        name,
        wording.duration(row.summary.firing_seconds),
        "" if row.previous_firings is None else wording.difference(row.firings, row.previous_firings),
        "" if row.flap_score is None else wording.percent(row.flap_score),
        str(row.sleep_firings),
        "" if row.median_seconds is None else wording.duration(row.median_seconds),
        str(row.instances),
        row.owner or "none",
        "yes" if row.runbook else "none" if row.knows_runbook else wording.NO_DATA,
    )


def _sentence(one: Suggestion) -> str:
    """Say what the setting would have spared, and what it would have cost."""
    now = wording.setting(one.current) if one.current else "none"
    said = f"{one.setting}: {wording.setting(one.value)} (now {now}) would have"
    firings = wording.many(one.tested, "firing")
    if one.setting is Setting.KEEP_FIRING_FOR:
        later = wording.duration((one.value - one.current).total_seconds())
        return f"{said} joined {one.spared} of {firings} to the one before; none begins later, each ends {later} later"
    remaining = one.tested - one.spared
    if not remaining:
        return f"{said} removed all {firings}"
    delay = wording.duration(one.delay.total_seconds())
    lasted = wording.duration(LONG.total_seconds())
    long = f", {one.long_delayed} of which lasted over {lasted}" if one.long_delayed else ""
    return f"{said} removed {one.spared} of {firings}, and delayed the other {remaining} by {delay}{long}"


def _hygiene(findings: Findings, hygiene: Hygiene) -> Iterator[str]:
    window = findings.window
    stuck = [wording.still_firing(episode, window.end, window.timezone) for episode in hygiene.stuck]
    yield from (f"Stuck: {line}" for line in stuck[:MOST_LINES])
    if len(stuck) > MOST_LINES:
        yield f"and {len(stuck) - MOST_LINES} more that are stuck"
    silences = [wording.silence(one, window.timezone) for one in hygiene.old_silences]
    yield from (f"Silenced for over 30 d: {line}" for line in silences[:MOST_LINES])
    if len(silences) > MOST_LINES:
        yield f"and {len(silences) - MOST_LINES} more old silences"
    failing = [f"{rule.name}: {rule.last_error}" if rule.last_error else rule.name for rule in hygiene.failing]
    yield from (wording.shortened(f"Rule failing: {line}") for line in failing[:MOST_LINES])
    if len(failing) > MOST_LINES:
        yield f"and {len(failing) - MOST_LINES} more failing rules"
    whole = wording.duration((window.end - window.start).total_seconds())
    for title, names in (
        ("No owner (label team or owner)", hygiene.without_owner),
        ("No runbook", hygiene.without_runbook),
        (f"Did not fire in these {whole}", hygiene.did_not_fire),
    ):
        if names:
            yield f"{title}: {wording.joined(names, MOST_NAMES)}"
