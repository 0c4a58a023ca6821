"""Shifts of what rule groups did, stored in a real Prometheus that is healthy now: which of them it was watching."""

from datetime import timedelta

import pytest

from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.prometheus import Prometheus

pytestmark = pytest.mark.service("prometheus", "promtool")

CLOCK = SystemClock()
MINUTE = 60
HOUR = 3600
SHIFT = 8 * HOUR
BAD = range(HOUR, 7 * HOUR, MINUTE)  # of a shift
STARTING = range(3 * HOUR, 4 * HOUR, MINUTE)

RULES = """\
groups:
  - name: alerts
    interval: 1s
    rules: [{alert: Errors, expr: "job:errors > 1"}, {alert: Watchdog, expr: vector(1)}]
  - name: more
    interval: 1s
    rules: [{alert: Never, expr: vector(0) > 1}]
  - name: 'records (1) \\ "old"'
    interval: 1s
    rules: [{record: "job:errors", expr: vector(0)}]
  - name: dashboards
    interval: 1s
    rules: [{record: "job:shown", expr: vector(0)}]
"""
RECORDS = 'records (1) \\ "old"'

OURS = {"job": "prometheus", "instance": "localhost:9090"}
SECOND = {"job": "prometheus", "instance": "second:9090"}
BUILD = {"version": "2.42.0", "goos": "linux", "revision": "r", "goversion": "go", "branch": "b"}

FAILED = "failed or missed evaluations again and again"
#: What went wrong in each shift, the last one first, and what is said of it.
STORIES = {
    "nothing": "",
    "renamed group failed": f"rule group alerts {FAILED} between",
    "removed group failed": f"rule group removed {FAILED} between",
    "slow group failed each time, and was removed": f"rule group slow {FAILED} between",
    "recording group failed": f"rule group {RECORDS} {FAILED} between",
    "recording group that no alert reads failed": "",
    "only recording groups left": "it had no rules between",
    "one alerting group was missing": "rule group more was missing between",
    "no rules, but a second server has some": "it had no rules between",
    "a second server lost its rules, failed, and was replaced": "",
    "all was well, and it was started for an hour": "",
}


class Shifts:
    """Samples of Prometheus's own metrics, each minute, over a shift for each story; they end four hours ago."""

    def __init__(self, rule_file: str) -> None:
        self.end = floor_minute(CLOCK.now()) - timedelta(hours=4)
        self.start = self.end - timedelta(seconds=len(STORIES) * SHIFT)
        self._file = rule_file
        self._samples: dict[str, dict[str, list[tuple[int, float]]]] = {}
        self._failures = dict.fromkeys(self._groups(), 0)
        for at in range(0, len(STORIES) * SHIFT, MINUTE):
            self._minute(at, list(STORIES)[-1 - at // SHIFT], at % SHIFT in BAD)

    def _groups(self) -> list[str]:
        files = dict.fromkeys(("alerts", "removed", "slow"), "old-rules.yml")
        names = ("alerts", "removed", "slow", RECORDS, "dashboards", "more")
        return [f"{files.get(name, self._file)};{name}" for name in names] + [f"{self._file};alerts"]

    def _minute(self, at: int, story: str, is_bad: bool) -> None:
        moved, removed, slow, records, dashboards, more, alerts = self._groups()
        failing = {
            "renamed group failed": moved,
            "removed group failed": removed,
            "slow group failed each time, and was removed": slow,
            "recording group failed": records,
            "recording group that no alert reads failed": dashboards,
        }
        has_second = "second server" in story
        self._add("up", OURS, at, 1)
        self._add("prometheus_build_info", OURS | BUILD, at, 1)
        is_starting = "started" in story and at % SHIFT in STARTING
        self._add("prometheus_config_last_reload_success_timestamp_seconds", OURS, at, 0 if is_starting else at)
        there = [moved, removed, slow, records, dashboards, more, alerts]
        if is_starting or (is_bad and story.startswith("no rules")):
            there = []
        elif is_bad and story.startswith("only recording"):
            there = [records, dashboards]
        elif is_bad and "missing" in story:
            there.remove(more)
        if is_bad and story in failing and (failing[story] != slow or at % 600 == 0):
            self._failures[failing[story]] += 1
        for group in there:
            self._add("prometheus_rule_group_iterations_total", OURS | {"rule_group": group}, at, at // MINUTE)
            interval = 600 if group == slow else 60
            self._add("prometheus_rule_group_interval_seconds", OURS | {"rule_group": group}, at, interval)
            failures = self._failures[group]
            self._add("prometheus_rule_evaluation_failures_total", OURS | {"rule_group": group}, at, failures)
        if has_second:
            group = {"rule_group": "/etc/theirs.yml;theirs"}
            self._add("prometheus_build_info", SECOND | BUILD, at, 1)
            if not (is_bad and "lost" in story):
                self._add("prometheus_rule_group_iterations_total", SECOND | group, at, at // MINUTE)
            if "failed" in story:
                self._add("prometheus_rule_evaluation_failures_total", SECOND | group, at, at)

    def _add(self, name: str, labels: dict[str, str], at: int, value: float) -> None:
        escaped = {key: text.replace("\\", "\\\\").replace('"', '\\"') for key, text in labels.items()}
        written = ",".join(f'{key}="{text}"' for key, text in escaped.items())
        self._samples.setdefault(name, {}).setdefault(written, []).append((at, value))

    def openmetrics(self) -> str:
        zero = int(epoch_seconds(self.start))
        lines = []
        for name, series in self._samples.items():
            lines.append(f"# TYPE {name} unknown")
            lines += [f"{name}{{{key}}} {value} {zero + at}" for key, found in series.items() for at, value in found]
        return "\n".join([*lines, "# EOF\n"])


def test_of_each_shift_is_known_whether_alerts_were_evaluated(prometheus_maker, wait_for):
    shifts = Shifts(f"{prometheus_maker.folder}/rules.yml")
    prometheus_maker.rules(RULES)
    prometheus_maker.backfill(shifts.openmetrics())
    source = Prometheus(prometheus_maker.start().url, clock=CLOCK)

    def coverage(back: int):
        end = shifts.end - timedelta(seconds=back * SHIFT)
        return source.read(end - timedelta(seconds=SHIFT), end).coverage

    wait_for(lambda: coverage(0).status is CoverageStatus.OK, "the first evaluations to be stored", 60)
    found = {story: coverage(back) for back, story in enumerate(STORIES)}
    said = {story: one.detail.partition(" 2")[0] if "between" in one.detail else "" for story, one in found.items()}
    assert said == STORIES
    assert [story for story, one in found.items() if one.status is CoverageStatus.OK] == [
        story for story, words in STORIES.items() if not words
    ]
