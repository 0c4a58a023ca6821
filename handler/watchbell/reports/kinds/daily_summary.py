"""The daily summary: what is new, what is over, what still fires, who was woken, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

from watchbell.reports import wording
from watchbell.reports.analysis.hours import Hours
from watchbell.reports.analysis.ownership import runbook_of
from watchbell.reports.analysis.pages import count_pages
from watchbell.reports.analysis.silencing import silenced_until
from watchbell.reports.findings import Findings, ended_before, firing_seconds, is_urgent, judge
from watchbell.reports.interface import Episode, Number, Report, Section, Silence, Window
from watchbell.reports.kinds.changed import changed
from watchbell.reports.kinds.material import UNAVAILABLE, Material, headline, number

TITLE = "Daily summary"
MOST_LINES = 10
MOST_RULES = 5
NOISY_FIRINGS = 3
SOON = timedelta(hours=24)
PAGE_NUMBERS = ("pages in business hours", "pages in off hours", "pages in sleep hours", "hours with a page")
NO_SEVERITIES = "n/a: no alert has a severity label, so what paged somebody cannot be told"


def build(material: Material) -> Report:
    """Build the daily summary; a source that cannot be believed makes it a notice that still shows what is known."""
    findings = material.findings()
    previous = material.previous_findings() if findings.is_proven else None
    request = material.request
    verdict, reason = judge(findings, doubt=UNAVAILABLE)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=findings.coverage,
        numbers=(*alert_numbers(findings, previous), *_page_numbers(findings, previous, material.hours)),
        still_firing=still_firing_lines(findings),
        actions=_actions(findings),
        alerts=findings.rules,
        sections=(*changed(findings, verdict, request), *_sections(findings, material.hours)),
        source_error=findings.source_error,
    )


def alert_numbers(findings: Findings, previous: Findings | None) -> tuple[Number, ...]:
    """Return new, resolved and still firing, each with the figure of the window before where that is proven."""
    before = previous if previous is not None and previous.is_proven else None
    figures = {
        "new": (len(findings.new), len(before.new) if before else None),
        "resolved": (len(findings.resolved), len(before.resolved) if before else None),
        "still firing": (len(findings.still_firing), len(before.still_firing) if before else None),
    }
    return tuple(number(name, now, then, is_known=findings.is_proven) for name, (now, then) in figures.items())


def still_firing_lines(findings: Findings) -> tuple[str, ...]:
    """Return what still fires, oldest first, with its owner and the end of its silence where there are such."""
    window = findings.window
    lines = [
        wording.still_firing(
            episode,
            window.end,
            window.timezone,
            silenced_until=silenced_until(episode.labels, findings.silences, window.end),
        )
        for episode in findings.still_firing[:MOST_LINES]
    ]
    more = len(findings.still_firing) - len(lines)
    return (*lines, f"and {more} more") if more else tuple(lines)


def _page_numbers(findings: Findings, previous: Findings | None, hours: Hours) -> tuple[Number, ...]:
    """Return the pages by hours; nothing where they cannot be told from other alerts."""
    pages = count_pages(findings, hours)
    if pages is None:
        return ()
    before = count_pages(previous, hours) if previous is not None and previous.is_proven else None
    then = (None,) * len(PAGE_NUMBERS) if before is None else astuple(before)
    return tuple(
        number(name, value, value_before, is_known=findings.is_proven)
        for name, value, value_before in zip(PAGE_NUMBERS, astuple(pages), then, strict=True)
    )


def _actions(findings: Findings) -> tuple[str, ...]:
    """Return at most three things to do, the most pressing first."""
    actions = [wording.MAKE_WHOLE] if findings.problem and not findings.is_past else []
    pressing = sorted(findings.still_firing, key=lambda one: _pressing(one, findings))
    for episode in pressing[:1]:
        runbook = runbook_of(episode.annotations)
        link = f"; runbook: {runbook}" if runbook else ""
        urgent = sum(_pressing(one, findings) == (False, False) for one in pressing[1:])
        more = f", and {urgent} more urgent" if urgent else ""
        actions.append(f"Look at {wording.alert(episode.labels)}{wording.owned(episode.labels)}{more}{link}")
    noisiest = max(findings.rules, key=lambda rule: rule.firings, default=None)
    if noisiest and noisiest.firings >= NOISY_FIRINGS:
        name = wording.alert(noisiest.labels)
        actions.append(
            f"Quieten {name}: it fired {noisiest.firings} times; mend the cause, or see what the weekly audit suggests"
        )
    actions += [f"Renew or drop this silence: {line}" for line in _ending_soon(findings)[:1]]
    return tuple(actions[:3])


def _pressing(episode: Episode, findings: Findings) -> tuple[bool, bool]:
    """Order what somebody has silenced last, and what is urgent before the rest."""
    until = silenced_until(episode.labels, findings.silences, findings.window.end)
    return until is not None, not is_urgent(episode.labels)


def _ending_soon(findings: Findings) -> list[str]:
    window = findings.window
    return [wording.silence(one, window.timezone) for one in findings.silences if _ends_soon(one, window)]


def _ends_soon(silence: Silence, window: Window) -> bool:
    return silence.start < window.end < silence.end <= window.end + SOON


def _sections(findings: Findings, hours: Hours) -> tuple[Section, ...]:
    window = findings.window
    if findings.is_proven and not findings.episodes:
        quiet = Section(title="No incidents", lines=("No alert fired in this window, and none fires now.",))
        return (quiet, *_expiring_silences(findings))
    untold = count_pages(findings, hours) is None
    return (
        *_top_rules(findings),
        *_section("Pages", [NO_SEVERITIES] if untold else []),
        *_section("New", [_began(group, window) for group in _by_alert(findings.new)]),
        *_section("Resolved", [_ended(group, window) for group in _by_alert(sorted(findings.resolved, key=_end))]),
        *_expiring_silences(findings),
    )


def _section(title: str, lines: list[str]) -> tuple[Section, ...]:
    return (Section(title=title, lines=wording.capped(lines, MOST_LINES)),) if lines else ()


def _by_alert(episodes: Iterable[Episode]) -> list[list[Episode]]:
    """Return the episodes of each alert, so that one that flaps is one line; the order of the first stays."""
    groups: dict[tuple[tuple[str, str], ...], list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(tuple(sorted(episode.labels.items())), []).append(episode)
    return list(groups.values())


def _began(group: Sequence[Episode], window: Window) -> str:
    first, last = group[0], group[-1]
    name, began = wording.alert(first.labels), wording.moment(first.start, window.timezone)
    still = "" if ended_before(last, window.end) else ", still firing"
    if len(group) > 1:
        return f"{name}: {len(group)} times, from {began} to {wording.moment(last.start, window.timezone)}{still}"
    if still:
        return f"{name}: since {began}{still}"
    return f"{name}: at {began}, for {wording.duration(firing_seconds(first, window))}"


def _ended(group: Sequence[Episode], window: Window) -> str:
    name, last = wording.alert(group[0].labels), group[-1]
    ended = wording.moment(_end(last), window.timezone)
    if len(group) > 1:
        return f"{name}: {len(group)} times, the last at {ended}"
    return f"{name}: at {ended}, after {wording.duration((_end(last) - last.start).total_seconds())}"


def _end(episode: Episode) -> datetime:
    return episode.end or episode.start


def _top_rules(findings: Findings) -> tuple[Section, ...]:
    if not findings.rules:
        return ()
    shown = findings.rules[:MOST_RULES]
    return (
        Section(
            title="Top by firing time",
            lines=wording.shown(len(shown), len(findings.rules), "rule"),
            columns=("alert", "firings", "firing time"),
            rows=tuple(
                (name, str(rule.firings), wording.duration(rule.firing_seconds))
                for name, rule in zip(wording.rules(shown), shown, strict=True)
            ),
        ),
    )


def _expiring_silences(findings: Findings) -> tuple[Section, ...]:
    return _section("Silences that end within 24 hours", _ending_soon(findings))
