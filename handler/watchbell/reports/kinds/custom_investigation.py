"""The custom investigation: PromQL questions with thresholds, and alerts that match. The task's params drive it:

    {"question": "Is checkout healthy?",
     "queries": [{"name": "p99 seconds", "promql": "…", "above": 0.5, "for_minutes": 10},
                 {"name": "replicas", "promql": "…", "below": 2, "source": "prometheus"}],
     "alerts": ["alertname=~\\"Checkout.*\\"", "severity=\\"critical\\""]}

A query is met when any of its series is; an alert counts when all matchers match. docs/how-to/investigations.md
lists all fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.analysis.matchers import Matcher, all_match, parse
from watchbell.reports.analysis.questions import Query, parse_queries
from watchbell.reports.findings import Findings, fired, judge, reason_of_unknown, summarise_rules
from watchbell.reports.interface import (
    Coverage,
    CoverageStatus,
    Episode,
    Number,
    Report,
    ReportRequest,
    Section,
    Verdict,
)
from watchbell.reports.kinds.answers import Answer, answer_all
from watchbell.reports.kinds.material import UNAVAILABLE, Material, headline
from watchbell.reports.kinds.scraping import vouching
from watchbell.reports.params import Fields, objects

TITLE = "Custom investigation"
QUESTION = "Question"
KNOWN_PARAMS = ("question", "queries", "alerts", "prompt")
MOST_QUERIES = 50
MOST_LINES = 10
CROSSED = "thresholds crossed"
EXAMPLE = '{"queries": [{"name": "error rate", "promql": "…", "above": 0.01}], "alerts": ["severity=\\"critical\\""]}'


def build(material: Material) -> Report:
    """Answer the questions of the params; raises SourceError that says what to write when there are none."""
    question, queries, matchers = read_params(material.request.params)
    answers = answer_all(queries, material.queriers, material.request.window, material.clock, vouching(material))
    found = _matching(material.findings(), matchers) if matchers else None
    return _report(material, answers, found, question)


def read_params(params: Mapping[str, Any]) -> tuple[str, list[Query], list[Matcher]]:
    """Return question, queries and matchers; raises SourceError that says what to write when there are none."""
    fields = Fields(params, "params", KNOWN_PARAMS)
    if fields.text("prompt"):
        raise SourceError(
            "params.prompt needs the `ai` pipeline: configure a model in config.toml ([pipelines.ai] model = …), "
            "or ask with params.queries and params.alerts"
        )
    question = wording.shortened(fields.text("question") or "")
    queries = parse_queries(objects(params, "queries", most=MOST_QUERIES, example=EXAMPLE))
    matchers = _matchers(fields.texts("alerts"))
    if not queries and not matchers:
        raise SourceError(f"there is nothing to investigate; set the task's params, such as {EXAMPLE}")
    return question, queries, matchers


def _report(material: Material, answers: list[Answer], found: Findings | None, question: str) -> Report:
    request = material.request
    # Of a source that was down every question says the same.
    problems = list(dict.fromkeys(one.problem for one in answers if one.problem)) + list(
        found.problems if found else ()
    )
    verdict, reason = _judge(answers, found, problems)
    numbers = _numbers(answers, found, _comparable(request, question))
    firing = found.still_firing if found else ()
    lines = [wording.still_firing(one, request.window.end, request.window.timezone) for one in firing]
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=_coverage(material, answers, found),
        numbers=numbers,
        still_firing=wording.capped(lines, MOST_LINES),
        actions=() if _is_past(answers, found) else (wording.MAKE_WHOLE,),
        alerts=found.rules if found else (),
        sections=(
            *_section(QUESTION, [question] if question else []),
            *_changed(numbers, request, question),
            *(one.section for one in answers),
            *_section("Not checked", _not_checked(material, answers, found)),
        ),
        source_error="; ".join(problems) or None,
    )


def _is_past(answers: list[Answer], found: Findings | None) -> bool:
    """Say whether nothing is unknown but what no source can tell of any more."""
    return all(one.is_past for one in answers if one.problem) and (not found or found.is_proven or found.is_past)


def _judge(answers: list[Answer], found: Findings | None, problems: list[str]) -> tuple[Verdict, str]:
    met = sum(bool(one.met) for one in answers)
    crossed = f"{wording.many(met, 'threshold')} crossed" if answers else ""
    if problems:
        seen = (crossed if met else "", fired(found) if found else "")
        return Verdict.UNKNOWN, reason_of_unknown(", ".join(filter(None, seen)), UNAVAILABLE + problems[0])
    verdict, reason = judge(found) if found else (Verdict.OK, "")
    if met and verdict is Verdict.OK:
        verdict = Verdict.ATTENTION
    return verdict, ", ".join(filter(None, (crossed, reason)))


def _numbers(answers: list[Answer], found: Findings | None, previous: Report | None) -> tuple[Number, ...]:
    before = {number.name: number.value for number in previous.numbers} if previous else {}
    figures: dict[str, float | None] = {}
    if answers:
        met = float(sum(bool(one.met) for one in answers))
        is_known = not any(one.problem for one in answers)
        figures[CROSSED] = met if is_known or met else None
        if not is_known:
            before.pop(CROSSED, None)  # so many at least: the difference is not known
    if found:
        alerts = {"new": found.new, "resolved": found.resolved, "still firing": found.still_firing}
        figures |= {name: float(len(some)) if found.is_proven else None for name, some in alerts.items()}
    figures |= {wording.shortened(one.query.name): one.value for one in answers}
    return tuple(Number(name=name, value=value, previous=before.get(name)) for name, value in figures.items())


def _comparable(request: ReportRequest, question: str) -> Report | None:
    """Return the last report if it answered the same question."""
    previous = request.previous
    if previous is None or previous.kind is not request.kind:
        return None
    asked = next((" ".join(one.lines) for one in previous.sections if one.title == QUESTION), "")
    return previous if asked == question else None


def _changed(numbers: Sequence[Number], request: ReportRequest, question: str) -> tuple[Section, ...]:
    """Return the difference to the last run of the same question, from its numbers and never from its text."""
    previous = _comparable(request, question)
    if previous is None:
        return ()
    before = {number.name: number.value for number in previous.numbers}
    lines = [
        f"{one.name}: {_at_least(one, before[one.name])}{_figure(one.value)}, was {_figure(before[one.name])}"
        for one in numbers
        if one.name in before and one.value != before[one.name]
    ]
    lines += [f"{one.name}: not asked the last time" for one in numbers if one.name not in before]
    lines += [f"{name}: asked the last time only" for name in sorted(before.keys() - {one.name for one in numbers})]
    since = wording.moment(previous.window.end, request.window.timezone)
    return _section(f"Changed since {since}", lines or ["nothing"])


def _at_least(one: Number, before: float | None) -> str:
    """Say so of a number that is compared with nothing, though there is one."""
    return "at least " if one.value is not None and one.previous is None and before is not None else ""


def _figure(value: float | None) -> str:
    return "no data" if value is None else f"{value:g}"


def _section(title: str, lines: Sequence[str]) -> tuple[Section, ...]:
    return (Section(title=title, lines=wording.capped(lines, MOST_LINES)),) if lines else ()


def _not_checked(material: Material, answers: list[Answer], found: Findings | None) -> list[str]:
    """Return where nobody looked: what was not asked for, failed, or had nothing to say."""
    lines = [wording.shortened(remark) for one in answers for remark in one.remarks]
    lines += [wording.shortened(f"{one.query.name}: not answered in full") for one in answers if one.problem]
    for one in answers:
        unasked = [querier.name for querier in material.queriers if one.query.source not in (None, querier.name)]
        lines += [f"{one.query.name}: only {one.query.source} was asked, not {', '.join(unasked)}"] if unasked else []
    if found is None:
        lines.append("alerts: params.alerts has no matcher")
    if not answers:
        lines.append("metrics: params.queries has no query")
    return lines


def _coverage(material: Material, answers: list[Answer], found: Findings | None) -> tuple[Coverage, ...]:
    """Return one entry for each source: of alerts as it proved itself, of questions by what its answers prove."""
    troubles = {name: (CoverageStatus.UNPROVEN, why) for one in answers for name, why in one.unproven}
    troubles |= {name: (CoverageStatus.FAILED, why) for one in answers for name, why in one.failed}
    known = list(found.coverage) if found else []
    asked = [
        Coverage(source=one.name, status=CoverageStatus.OK, detail="answered all queries", required=one.required)
        for one in material.queriers
        if one.name not in {entry.source for entry in known}
        and any(each.query.source in (None, one.name) for each in answers)
    ]
    return tuple(_worse(one, *troubles[one.source]) if one.source in troubles else one for one in (*known, *asked))


def _worse(entry: Coverage, status: CoverageStatus, why: str) -> Coverage:
    """Return the entry with what an answer says against the source, unless it is known to be as bad already."""
    is_worse = status is CoverageStatus.FAILED or entry.status is CoverageStatus.OK
    return replace(entry, status=status, detail=why) if is_worse else entry


def _matchers(texts: Sequence[str]) -> list[Matcher]:
    try:
        return [matcher for text in texts for matcher in parse(text)]
    except SourceError as error:
        raise SourceError(f"params.alerts: {error}") from None


def _matching(findings: Findings, matchers: Sequence[Matcher]) -> Findings:
    def keep(episodes: tuple[Episode, ...]) -> tuple[Episode, ...]:
        return tuple(one for one in episodes if all_match(matchers, one.labels))

    kept = keep(findings.episodes)
    nameless = () if kept else _nameless(findings, matchers)
    return replace(
        findings,
        problems=(*findings.problems, *nameless),
        is_past=findings.is_past and not nameless,
        episodes=kept,
        new=keep(findings.new),
        resolved=keep(findings.resolved),
        still_firing=keep(findings.still_firing),
        rules=summarise_rules(kept, findings.window),
    )


def _nameless(findings: Findings, matchers: Sequence[Matcher]) -> tuple[str, ...]:
    """Say whether no alert rule has such a name: what is looked for under a wrong name never fires."""
    names = {rule.name for rule in findings.alert_rules}
    wanted = [one for one in matchers if one.name == "alertname"]
    if not names or any(all_match(wanted, {"alertname": name}) for name in names):
        return ()
    told = wording.shortened(", ".join(map(str, wanted)))
    return (f"params.alerts: no alert rule goes by {told}; all matchers have to match at once",)
