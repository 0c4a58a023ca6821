"""The custom investigation: PromQL questions with thresholds, and alerts that match. The task's params drive it:

    {"question": "Is checkout healthy?",
     "queries": [{"name": "p99 seconds", "promql": "…", "above": 0.5}, {"name": "replicas", "promql": "…", "below": 2}],
     "alerts": ["alertname=~\\"Checkout.*\\"", "severity=\\"critical\\""]}

A query is met when any of its series lies above or below; an alert counts when all matchers match.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.findings import Findings, judge, summarise_rules
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Number, Report, Section, Verdict
from watchbell.reports.kinds.daily_summary import alert_numbers, still_firing_lines
from watchbell.reports.kinds.material import Material, headline

TITLE = "Custom investigation"
MOST_SERIES = 10
EXAMPLE = '{"queries": [{"name": "error rate", "promql": "…", "above": 0.01}], "alerts": ["severity=\\"critical\\""]}'
_MATCHER = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    name: str
    promql: str
    above: float | None
    below: float | None

    def is_met(self, value: float) -> bool:
        over = self.above is not None and value > self.above
        return over or (self.below is not None and value < self.below)

    @property
    def threshold(self) -> str:
        sides = [("above", self.above), ("below", self.below)]
        return " or ".join(f"{side} {limit:g}" for side, limit in sides if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What one query brought: the lines to show, and whether its threshold was crossed or could not be judged."""

    section: Section
    met: int
    error: str | None = None


def build(material: Material) -> Report:
    """Answer the questions of the params; raises SourceError that says what to write when there are none."""
    params = material.request.params
    queries = [_query(raw, number) for number, raw in enumerate(_list(params, "queries"))]
    matchers = [_matcher(raw) for raw in _list(params, "alerts")]
    if not queries and not matchers:
        raise SourceError(f"there is nothing to investigate; set the task's params, such as {EXAMPLE}")
    answers = [_answer(material, query) for query in queries]
    found = _matching(material.findings(), matchers) if matchers else None
    return _report(material, answers, found)


def _report(material: Material, answers: list[_Answers], found: Findings | None) -> Report:
    request = material.request
    problems = [answer.error for answer in answers if answer.error]
    problems += found.problems if found else ()
    verdict, reason = _judge(answers, found, problems)
    sections = [answer.section for answer in answers]
    question = str(request.params.get("question") or "")
    if question:
        sections.insert(0, Section(title="Question", lines=(wording.shortened(question),)))
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=found.coverage if found else _coverage(material, problems),
        numbers=_numbers(answers, found),
        still_firing=still_firing_lines(found) if found else (),
        alerts=found.rules if found else (),
        sections=tuple(sections),
        source_error="; ".join(problems) or None,
    )


def _judge(answers: list[_Answers], found: Findings | None, problems: list[str]) -> tuple[Verdict, str]:
    if problems:
        return Verdict.UNKNOWN, f"pipeline unavailable: {problems[0]}"
    met = sum(bool(answer.met) for answer in answers)
    verdict, reason = judge(found) if found else (Verdict.OK, "")
    crossed = f"{wording.many(met, 'threshold')} crossed" if answers else ""
    if met and verdict is Verdict.OK:
        verdict = Verdict.ATTENTION
    return verdict, ", ".join(filter(None, (crossed or "", reason)))


def _numbers(answers: list[_Answers], found: Findings | None) -> tuple[Number, ...]:
    failed = any(answer.error for answer in answers)
    met = float(sum(bool(answer.met) for answer in answers))
    crossed = (Number(name="thresholds crossed", value=None if failed else met),) if answers else ()
    return (*crossed, *(alert_numbers(found, None) if found else ()))


def _coverage(material: Material, problems: list[str]) -> tuple[Coverage, ...]:
    status = CoverageStatus.FAILED if problems else CoverageStatus.OK
    detail = problems[0] if problems else "answered all queries"
    return tuple(Coverage(source=one.name, status=status, detail=detail) for one in material.queriers[:1])


def _answer(material: Material, query: _Query) -> _Answers:
    """Ask the first source that speaks PromQL."""
    try:
        if not material.queriers:
            raise SourceError("no Prometheus is configured to ask; set WATCHBELL_PROMETHEUS_URL")
        querier = material.queriers[0]
        try:
            series = querier.ask(query.promql, material.request.window.end)
        except SourceError as error:
            raise SourceError(f"{querier.name}: {error}") from None
        if not series:
            raise SourceError(f"{querier.name}: the query {query.name!r} found no series; is its promql right?")
    except SourceError as error:
        return _Answers(section=Section(title=query.name, lines=("no data", str(error))), met=0, error=str(error))
    met = [one for one in series if query.is_met(one[1])]
    shown = sorted(met or series, key=lambda one: (-one[1], sorted(one[0].items())))
    lines = [f"{wording.alert(labels) if labels else 'value'}: {value:g}" for labels, value in shown]
    verdict = f"{len(met)} of {len(series)} series {query.threshold}"
    section = Section(title=query.name, lines=(verdict, *wording.capped(lines, MOST_SERIES)))
    return _Answers(section=section, met=len(met))


def _matching(findings: Findings, matchers: list[tuple[str, str, str]]) -> Findings:
    def keep(episodes: tuple[Episode, ...]) -> tuple[Episode, ...]:
        return tuple(one for one in episodes if all(_matches(one.labels, *matcher) for matcher in matchers))

    kept = keep(findings.episodes)
    return replace(
        findings,
        episodes=kept,
        new=keep(findings.new),
        resolved=keep(findings.resolved),
        still_firing=keep(findings.still_firing),
        rules=summarise_rules(kept, findings.window),
    )


def _matches(labels: Mapping[str, str], name: str, operator: str, wanted: str) -> bool:
    value = labels.get(name, "")
    is_equal = bool(re.fullmatch(wanted, value)) if operator.endswith("~") else value == wanted
    return is_equal is not operator.startswith("!")


def _list(params: Mapping[str, Any], name: str) -> list[Any]:
    value = params.get(name) or []
    if not isinstance(value, list):
        raise SourceError(f"params.{name} must be a list, such as {EXAMPLE}")
    return value


def _query(raw: Any, number: int) -> _Query:
    if not isinstance(raw, dict) or not isinstance(raw.get("promql"), str):
        raise SourceError(f'params.queries[{number}] must be an object with a "promql" text, such as {EXAMPLE}')
    limits = {side: raw.get(side) for side in ("above", "below")}
    for side, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise SourceError(f"params.queries[{number}].{side} must be a number, not {limit!r}")
    if all(limit is None for limit in limits.values()):
        raise SourceError(f'params.queries[{number}] needs a threshold: "above" or "below" with a number')
    return _Query(name=str(raw.get("name") or raw["promql"]), promql=raw["promql"], **limits)


def _matcher(raw: Any) -> tuple[str, str, str]:
    parts = _MATCHER.fullmatch(raw) if isinstance(raw, str) else None
    if not parts:
        raise SourceError(f'params.alerts: {raw!r} is no matcher; write for example severity="critical"')
    name, operator, wanted = parts.groups()
    if operator.endswith("~"):
        try:
            re.compile(wanted)
        except re.error as error:
            raise SourceError(f"params.alerts: {wanted!r} is no regular expression: {error}") from None
    return name, operator, wanted
