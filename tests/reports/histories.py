"""Alert histories with known truth: as evidence, and as samples for `promtool tsdb create-blocks-from openmetrics`.

An alert is a rule and the spans in which its condition holds. The rule is evaluated here tick by tick as Prometheus
does it (pending for `for`, then firing, then kept for `keep_firing_for`), with other settings too, which is what a
back-test is compared with. What a report should say of a window is counted here by plain means of its own.

Seconds are counted from the start of the history. Evaluations need not be aligned to the clock (`phase`).
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from watchbell.reports.interface import AlertRule, Coverage, CoverageStatus, Episode, Evidence, Silence, Window

END = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
DAY = 86400
RUNBOOK = "https://runbooks.example"


@dataclass(frozen=True, kw_only=True)
class TrueRule:
    """An alerting rule; `hold` is its `for`, `keep` its `keep_firing_for`, both in seconds."""

    name: str
    hold: int = 0
    keep: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass
class TrueAlert:
    """One set of labels of a rule, and when its condition holds: [first, last) in seconds."""

    rule: TrueRule
    labels: dict[str, str]
    conditions: list[tuple[float, float]]


@dataclass(frozen=True)
class Firing:
    """What came of it; `end` is one evaluation after the last that fired, None where the history ends firing."""

    labels: dict[str, str]
    active_at: float
    start: float
    end: float | None

    def ends_before(self, at: float) -> bool:
        return self.end is not None and self.end < at


@dataclass(frozen=True)
class RuleTruth:
    """What is true of one rule in a window."""

    firings: int
    seconds: float
    firing_now: bool
    flaps: int
    asleep: int
    median: float | None
    instances: int


class TrueHistory:
    """Alerts over `days` days that end at `end`."""

    def __init__(
        self, *, end: datetime = END, days: float = 8, interval: float = 60, phase: float = 0, name: str = "prometheus"
    ) -> None:
        self.end = end
        self.seconds = days * DAY
        self.start = end - timedelta(seconds=self.seconds)
        self.interval = interval
        self.phase = phase
        self.name = name
        self.alerts: list[TrueAlert] = []
        self.silences: list[Silence] = []
        self.restarts: list[tuple[float, float]] = []
        self.losses: list[tuple[float, float]] = []
        self._firings: list[Firing] | None = None

    # making one

    def add(self, rule: TrueRule, conditions: Iterable[tuple[float, float]], **labels: str) -> TrueAlert:
        alert = TrueAlert(rule, {"alertname": rule.name, **rule.labels, **labels}, sorted(conditions))
        self.alerts.append(alert)
        self._firings = None
        return alert

    def relabel(self, alert: TrueAlert, at: float, **labels: str) -> TrueAlert:
        """From `at` on the same thing goes by other labels: to Prometheus, one alert ends and another begins."""
        later = [(max(a, at), b) for a, b in alert.conditions if b > at]
        alert.conditions = [(a, min(b, at)) for a, b in alert.conditions if a < at]
        new = TrueAlert(alert.rule, {**alert.labels, **labels}, later)
        self.alerts.append(new)
        self._firings = None
        return new

    def restart(self, first: float, last: float) -> None:
        """Nothing is evaluated or stored in [first, last); state is restored after it."""
        self.restarts.append((first, last))
        self._firings = None

    def lose(self, first: float, last: float) -> None:
        """Samples in [first, last) are lost. What begins or ends there nobody could know, so nothing may."""
        edges = [edge for one in self.firings() for edge in (one.start, one.end) if edge is not None]
        assert not [edge for edge in edges if first - 2 * self.interval <= edge <= last + 2 * self.interval]
        self.losses.append((first, last))

    # what Prometheus makes of it

    def ticks(self) -> Iterator[float]:
        at = self.phase
        while at < self.seconds:
            if not any(first <= at < last for first, last in self.restarts):
                yield at
            at += self.interval

    def samples(
        self, alert: TrueAlert, hold: float | None = None, keep: float | None = None
    ) -> list[tuple[float, str, float]]:
        """Return (when, "pending" or "firing", active at) for each evaluation at which the alert is active."""
        hold = alert.rule.hold if hold is None else hold
        keep = alert.rule.keep if keep is None else keep
        found: list[tuple[float, str, float]] = []
        active_at: float | None = None
        false_since: float | None = None
        state = "pending"
        spans, current = iter(alert.conditions), (-1.0, -1.0)
        for at in self.ticks():
            while current[1] <= at:
                current = next(spans, (float("inf"), float("inf")))
            if current[0] <= at:
                if active_at is None:
                    active_at, state = at, "pending"
                false_since = None
            elif active_at is not None:
                false_since = at if false_since is None else false_since
                if state == "pending" or at - false_since >= keep:
                    active_at = false_since = None
            if active_at is None:
                continue
            if state == "pending" and at - active_at >= hold:
                state = "firing"
            found.append((at, state, active_at))
        return found

    def firings_of(self, alert: TrueAlert, hold: float | None = None, keep: float | None = None) -> list[Firing]:
        spans: dict[float, list[float]] = defaultdict(list)
        for at, state, active_at in self.samples(alert, hold, keep):
            if state == "firing":
                spans[active_at].append(at)
        last_tick = max(self.ticks())
        return [
            Firing(alert.labels, active_at, times[0], None if times[-1] == last_tick else times[-1] + self.interval)
            for active_at, times in spans.items()
        ]

    def firings(self) -> list[Firing]:
        """Return all of them; kept until something is changed by the methods above."""
        if self._firings is None:
            self._firings = [one for alert in self.alerts for one in self.firings_of(alert)]
        return self._firings

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def offset(self, instant: datetime) -> float:
        return (instant - self.start).total_seconds()

    # as evidence

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return what a perfect source would: this makes a history a Source."""
        first, last = self.offset(start), self.offset(end)
        episodes = tuple(self._episode(one, last) for one in self._touching(first, last))
        watched = CoverageStatus.OK if first >= 0 else CoverageStatus.UNPROVEN
        return Evidence(
            coverage=Coverage(source=self.name, status=watched, detail="as it was"),
            episodes=tuple(sorted(episodes, key=lambda one: one.start)),
            silences=tuple(one for one in self.silences if one.start < end and one.end > start),
            rules=self.rules(),
            covered_from=max(start, self.start),
        )

    required = True

    def _episode(self, one: Firing, last: float) -> Episode:
        end = self.at(one.end) if one.end is not None and one.end < last else None
        return Episode(labels=one.labels, start=self.at(one.start), end=end, active_at=self.at(int(one.active_at)))

    def _touching(self, first: float, last: float) -> list[Firing]:
        return [one for one in self.firings() if one.start < last and not one.ends_before(first)]

    def rules(self) -> tuple[AlertRule, ...]:
        known = {id(alert.rule): alert.rule for alert in self.alerts}
        return tuple(
            AlertRule(
                name=one.name,
                group="truth",
                for_seconds=one.hold,
                keep_firing_seconds=one.keep,
                labels=one.labels,
                annotations=one.annotations,
            )
            for one in known.values()
        )

    # as what a server stores

    def openmetrics(self) -> str:
        """Return the samples of ALERTS, ALERTS_FOR_STATE and `up`."""
        zero = self.start.timestamp()
        alerts, states = ["# TYPE ALERTS gauge"], ["# TYPE ALERTS_FOR_STATE gauge"]
        for alert in self.alerts:
            labels = ",".join(f'{name}="{value}"' for name, value in alert.labels.items())
            kept = [one for one in self.samples(alert) if not self._is_lost(one[0])]
            alerts += [
                f'ALERTS{{{labels},alertstate="{wanted}"}} 1 {zero + at:.3f}'
                for wanted in ("pending", "firing")
                for at, state, _ in kept
                if state == wanted
            ]
            states += [f"ALERTS_FOR_STATE{{{labels}}} {int(zero + began)} {zero + at:.3f}" for at, _, began in kept]
        up = ["# TYPE up gauge"]
        up += [f'up{{job="app"}} 1 {zero + at:.3f}' for at in self.ticks() if not self._is_lost(at)]
        return "\n".join([*alerts, *states, *up, "# EOF\n"])

    def _is_lost(self, at: float) -> bool:
        return any(first <= at < last for first, last in self.losses)

    def rule_file(self) -> str:
        """Return the rules for a server, with expressions that never hold; the heartbeat shows that it evaluates."""
        lines = ["groups:", "- name: truth", "  interval: 1s", "  rules:", "  - {alert: Watchdog, expr: vector(1)}"]
        for rule in self.rules():
            lines += [f"  - alert: {rule.name}", "    expr: vector(0) > 1", f"    for: {rule.for_seconds}s"]
            lines += [f"    keep_firing_for: {rule.keep_firing_seconds}s"] if rule.keep_firing_seconds else []
            for title, texts in (("labels", rule.labels), ("annotations", rule.annotations)):
                lines += [f"    {title}: {{{', '.join(f'{k}: {v!r}' for k, v in texts.items())}}}"] if texts else []
        return "\n".join(lines) + "\n"

    # the truth of a window

    def window(self, *, days: float = 1, back: float = 0, timezone: str = "UTC") -> Window:
        """Return the window of `days` that ends `back` days before the history does."""
        end = self.end - timedelta(days=back)
        return Window(start=end - timedelta(days=days), end=end, timezone=timezone)

    def counts(self, window: Window) -> dict[str, int]:
        first, last = self.offset(window.start), self.offset(window.end)
        all_of_them = self.firings()
        return {
            "new": sum(first <= one.start < last for one in all_of_them),
            "resolved": sum(one.end is not None and first <= one.end < last for one in all_of_them),
            "still firing": sum(one.start < last and not one.ends_before(last) for one in all_of_them),
        }

    def transitions(self, window: Window) -> list[tuple[datetime, str, dict[str, str]]]:
        """Return every begin and end inside the window in the order of time."""
        found = [(one.start, "began", one.labels) for one in self.firings()]
        found += [(one.end, "ended", one.labels) for one in self.firings() if one.end is not None]
        inside = [(self.at(at), what, labels) for at, what, labels in found if window.start <= self.at(at) < window.end]
        return sorted(inside, key=lambda one: (one[0], one[1], sorted(one[2].items())))

    def by_rule(self, window: Window) -> dict[tuple[str, str, str], RuleTruth]:
        """Return the truth of each (alertname, team, severity) that fired in the window."""
        groups: dict[tuple[str, str, str], list[Firing]] = defaultdict(list)
        for one in self._touching(self.offset(window.start), self.offset(window.end)):
            groups[one.labels["alertname"], one.labels.get("team", ""), one.labels.get("severity", "")].append(one)
        return {key: self._rule_truth(group, window) for key, group in groups.items()}

    def _rule_truth(self, group: list[Firing], window: Window) -> RuleTruth:
        first, last = self.offset(window.start), self.offset(window.end)
        new = [one for one in group if one.start >= first]
        lengths = [one.end - one.start for one in new if one.end is not None and one.end < last]
        return RuleTruth(
            firings=len(new),
            seconds=sum(min(one.end or last, last) - max(one.start, first) for one in group),
            firing_now=any(not one.ends_before(last) for one in group),
            flaps=sum(self._is_flap(one, group, last) for one in new),
            asleep=sum(self.part(one, window.timezone) == "sleep" for one in new),
            median=median(lengths) if lengths else None,
            instances=len({one.labels.get("instance", str(sorted(one.labels.items()))) for one in group}),
        )

    def _is_flap(self, one: Firing, group: list[Firing], last: float) -> bool:
        if one.end is not None and one.end < last and one.end - one.start < 300:
            return True
        own = [other for other in group if other.labels == one.labels and other.end is not None]
        return any(0 <= one.start - (other.end or 0) <= 900 for other in own if other is not one)

    def part(self, one: Firing, timezone: str) -> str:
        """Return business, off or sleep by PagerDuty's hours."""
        local = self.at(one.start).astimezone(ZoneInfo(timezone))
        if local.isoweekday() <= 5 and 8 <= local.hour <= 17:
            return "business"
        return "off" if 8 <= local.hour <= 21 else "sleep"

    def pages(self, window: Window) -> Counter[str]:
        """Return the pages by hours, and under "hours" the number of different hours."""
        paged = [
            one
            for one in self.firings()
            if one.labels.get("severity") in ("critical", "page") and window.start <= self.at(one.start) < window.end
        ]
        found = Counter(self.part(one, window.timezone) for one in paged)
        local = [self.at(one.start).astimezone(ZoneInfo(window.timezone)) for one in paged]
        found["hours"] = len({one.strftime("%F %H %z") for one in local})
        return found


def flapping(chance: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    """Short, with rests from a minute to an hour."""
    at = chance.uniform(0, 3600)
    while at < seconds:
        length = chance.choice((90, 150, 240, 400, 900))
        yield at, at + length
        at += length + chance.choice((70, 200, 500, 1300, 3600))


def blinking(chance: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    """Short, and far apart."""
    at = chance.uniform(0, 3600)
    while at < seconds:
        length = chance.choice((60, 150, 240, 300, 600, 2400))
        yield at, at + length
        at += length + chance.choice((2000, 3000, 5000))


def lasting(chance: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    """From half an hour to half a day, now and then."""
    at = chance.uniform(0, DAY / 2)
    while at < seconds:
        length = chance.uniform(1800, DAY / 2)
        yield at, at + length
        at += length + chance.uniform(1800, DAY)


def stuck(chance: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    """From some time on, without an end."""
    yield chance.uniform(0, seconds / 2), seconds * 2


RULES = (
    (TrueRule(name="HighLatency", labels={"severity": "warning", "team": "checkout"}), flapping),
    (TrueRule(name="HighLatency", hold=60, labels={"severity": "critical", "team": "checkout"}), blinking),
    (
        TrueRule(name="QueueFull", hold=300, labels={"severity": "page"}, annotations={"runbook_url": RUNBOOK}),
        lasting,
    ),
    (TrueRule(name="DiskFilling", keep=300, labels={"severity": "warning", "team": "storage"}), flapping),
    (TrueRule(name="CertExpiring", labels={"severity": "warning"}, annotations={"runbook": RUNBOOK}), stuck),
    (TrueRule(name="JobFailed"), lasting),
)


def random_history(seed: int, *, restarts: int = 1, **shape: float) -> TrueHistory:
    """Return a history of all kinds of alerts, with restarts of up to four minutes and one series relabelled."""
    chance = random.Random(seed)
    history = TrueHistory(**shape)  # type: ignore[arg-type]
    for rule, pattern in RULES:
        for number in range(chance.randint(1, 2)):
            history.add(rule, pattern(chance, history.seconds), instance=f"host-{number}:9100", pod=f"p{number}")
    history.relabel(chance.choice(history.alerts), chance.uniform(0, history.seconds), pod="moved")
    for _ in range(restarts):
        first = chance.uniform(DAY / 4, history.seconds - DAY / 4)
        history.restart(first, first + chance.uniform(30, 240))
    return history
