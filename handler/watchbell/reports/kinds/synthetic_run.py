"""The synthetic run: probes the configured addresses now, and reads what a blackbox exporter recorded over the window.

The task's params say what to probe; docs/how-to/synthetic.md lists all fields:

    {"probes": [{"name": "shop", "url": "https://shop.example/health", "contains": "ok"},
                {"name": "db", "tcp": "db.example:5432", "timeout_seconds": 3},
                {"tls": "shop.example:443"}, {"dns": "shop.example", "type": "AAAA"}],
     "blackbox": "probe_success{job=\\"blackbox\\"}", "certificate_days": 30}

The recorded probes are read where `blackbox` is set, or when there are no probes to run.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.analysis.probe_history import State
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Report, Section, Verdict, Window
from watchbell.reports.kinds.material import Material, headline
from watchbell.reports.kinds.probe_accounts import (
    ProbeAccount,
    Recorded,
    each_once,
    from_result,
    parse_blackbox,
    read_recorded,
)
from watchbell.reports.params import Fields
from watchbell.reports.probes.interface import Probe
from watchbell.reports.probes.plan import EXAMPLE, parse_probes
from watchbell.reports.probes.running import run_all

TITLE = "Synthetic run"
MOST_LINES = 20
CERTIFICATE_DAYS = 30
MOST_CERTIFICATE_DAYS = 3650
KNOWN_PARAMS = ("probes", "blackbox", "certificate_days")
WHAT_TO_SET = (
    f"set the task's params, such as {EXAMPLE}, "
    "or point WATCHBELL_PROMETHEUS_URL at a Prometheus that scrapes a blackbox exporter"
)


def build(material: Material) -> Report:
    """Run and read all probes; raises SourceError when none is configured or recorded ones cannot be read."""
    params = material.request.params
    probes, days = read_params(params)
    recorded = read_recorded(material, params, is_wanted=not probes)
    if not probes and not any(one.accounts for one in recorded):
        raise SourceError(f"no probe is configured; {WHAT_TO_SET}")
    live = [from_result(result) for result in run_all(probes, material.clock)]
    return _report(material, live, recorded, material.request.window.end + timedelta(days=days))


def read_params(params: Mapping[str, Any]) -> tuple[list[Probe], int]:
    """Return the probes to run, and how many days a certificate should still last; raises SourceError."""
    parse_blackbox(params)
    days = Fields(params, "params", KNOWN_PARAMS).whole("certificate_days", least=0, most=MOST_CERTIFICATE_DAYS)
    return parse_probes(params), CERTIFICATE_DAYS if days is None else days


def _report(material: Material, live: list[ProbeAccount], recorded: list[Recorded], limit: datetime) -> Report:
    request = material.request
    accounts = [*live, *each_once([account for one in recorded for account in one.accounts])]
    by_state = {state: [one for one in accounts if one.state is state] for state in State}
    expiring = sorted(
        (one for one in accounts if one.expires and one.expires < limit), key=lambda one: (one.expires, one.name)
    )
    verdict, reason = _judge(by_state, expiring, len(accounts))
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=(*_coverage_of_live(live), *(one.coverage for one in recorded)),
        numbers=_numbers(by_state, accounts, request.previous),
        actions=_actions(by_state, expiring, request.window),
        sections=_sections(by_state, expiring, request.window),
    )


def _judge(
    by_state: Mapping[State, list[ProbeAccount]], expiring: list[ProbeAccount], total: int
) -> tuple[Verdict, str]:
    """Say what is wrong, the worst first; what is not known is no all-clear."""
    counts = {str(state): len(some) for state, some in by_state.items() if state is not State.PASSING}
    counts["with gaps"] = sum(bool(one.gaps) for some in by_state.values() for one in some)
    said = [f"{count} {what}" for what, count in counts.items() if count]
    said += [f"{wording.many(len(expiring), 'certificate')} to renew"] if expiring else []
    if not said:
        return Verdict.OK, f"{wording.many(total, 'probe')} passed"
    reason = f"of {wording.many(total, 'probe')}: {', '.join(said)}"
    if by_state[State.FAILING]:
        return Verdict.DEGRADED, reason
    return (Verdict.UNKNOWN if by_state[State.NOT_RUN] or counts["with gaps"] else Verdict.ATTENTION), reason


def _numbers(
    by_state: Mapping[State, list[ProbeAccount]], accounts: list[ProbeAccount], previous: Report | None
) -> tuple[Number, ...]:
    before = {number.name: number.value for number in previous.numbers} if previous else {}
    slowest = max((one.seconds for one in accounts if one.seconds is not None), default=None)
    failing, not_run = len(by_state[State.FAILING]), len(by_state[State.NOT_RUN])
    figures = {
        "passing": float(len(accounts) - failing - not_run),
        "failing": float(failing),
        "slowest seconds": None if slowest is None else round(slowest, 3),
        **({"not run": float(not_run)} if not_run else {}),
    }
    return tuple(Number(name=name, value=value, previous=before.get(name)) for name, value in figures.items())


def _actions(
    by_state: Mapping[State, list[ProbeAccount]], expiring: list[ProbeAccount], window: Window
) -> tuple[str, ...]:
    actions = [f"Look at {one.name}: {one.detail}" for one in by_state[State.FAILING]]
    actions += [f"Find out why {one.name} does not run: {one.detail}" for one in by_state[State.NOT_RUN]]
    actions += [f"Renew the certificate of {_expiry(one, window)}" for one in expiring]
    actions += [f"Look at {one.name}: {one.detail}" for one in by_state[State.FLAKY]]
    return tuple(map(wording.shortened, actions[:3]))


def _sections(
    by_state: Mapping[State, list[ProbeAccount]], expiring: list[ProbeAccount], window: Window
) -> tuple[Section, ...]:
    """Return what is wrong, the worst first; what passes is one line."""
    titles = {
        State.FAILING: "Failing",
        State.NOT_RUN: "Not run",
        State.FLAKY: "Flaky",
        State.SLOWER: "Slower than usual",
        State.RECOVERED: "Recovered",
    }
    passing = by_state[State.PASSING]
    gaps = [f"{one.name}: {one.gaps}" for state in State for one in by_state[state] if one.gaps]
    return (
        *(part for state, title in titles.items() for part in _section(title, map(_line, by_state[state]))),
        *_section("Certificates to renew", [_expiry(one, window) for one in expiring]),
        *_section("Gaps, in which it is not known", gaps),
        *_section("Passing", [_all_passing(passing)] if passing else []),
    )


def _section(title: str, lines: Iterable[str]) -> tuple[Section, ...]:
    found = list(lines)
    return (Section(title=title, lines=wording.capped(found, MOST_LINES)),) if found else ()


def _line(one: ProbeAccount) -> str:
    return f"{one.name}: {one.detail}"


def _expiry(one: ProbeAccount, window: Window) -> str:
    assert one.expires is not None
    days = (one.expires - window.end).days
    when = wording.moment(one.expires, window.timezone)
    return f"{one.name}: ends in {wording.many(days, 'day')}, {when}" if days >= 0 else f"{one.name}: ended {when}"


def _all_passing(passing: list[ProbeAccount]) -> str:
    timed = [one for one in passing if one.seconds is not None]
    slowest = max(timed, key=lambda one: one.seconds or 0.0, default=None)
    if len(passing) == 1:
        took = f", {slowest.seconds:.2f} s" if slowest else ""
        return f"1 probe passed: {_line(passing[0])}{took}"
    slow = f"; the slowest is {slowest.name} with {slowest.seconds:.2f} s" if slowest else ""
    return f"{len(passing)} probes passed{slow}"


def _coverage_of_live(live: list[ProbeAccount]) -> tuple[Coverage, ...]:
    if not live:
        return ()
    idle = sum(one.state is State.NOT_RUN for one in live)
    status = CoverageStatus.UNPROVEN if idle else CoverageStatus.OK
    detail = f"{wording.many(len(live) - idle, 'probe')} run just now" + (f", {idle} not run" if idle else "")
    return (Coverage(source="probes", status=status, detail=detail),)
