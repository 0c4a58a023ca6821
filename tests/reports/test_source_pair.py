"""Instances that cover for each other: one that watched is enough for any instant, and none is never an all-clear."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from fakes import monitoring
from fakes.monitoring import FakeMonitoring
from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, floor_minute, from_epoch_seconds
from watchbell.reports.findings import merge_episodes
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.pair import Pair
from watchbell.reports.sources.prometheus import Prometheus

CLOCK = SystemClock()
NOW = floor_minute(datetime.now(UTC))
START = NOW - timedelta(days=1)
ZERO = epoch_seconds(START)


@pytest.fixture
def servers():
    with ExitStack() as stack:
        yield [stack.enter_context(FakeMonitoring()) for _ in range(2)]


def pair(servers):
    members = [
        Prometheus(server.url, clock=CLOCK, name=f"prometheus/{name}")
        for name, server in zip("ab", servers, strict=True)
    ]
    return Pair(members, name="prometheus/eu")


def read(servers):
    return pair(servers).read(START, NOW)


def hole(first, last):
    return ZERO + first * 3600, ZERO + last * 3600


def firing(times, active_at):
    labels = {"alertname": "HighErrorRate", "pod": "a"}
    return [
        {
            "metric": {"__name__": "ALERTS", "alertstate": "firing", **labels},
            "values": [[ZERO + t, "1"] for t in times],
        },
        {
            "metric": {"__name__": "ALERTS_FOR_STATE", **labels},
            "values": [[ZERO + t, str(ZERO + active_at)] for t in times],
        },
    ]


def test_two_that_watched_are_one_source_with_the_rules_once(servers):
    evidence = read(servers)
    assert evidence.coverage.source == "prometheus/eu"
    assert evidence.coverage.detail == "1 alerting rule, healthy; no hole in its samples"
    assert (evidence.covered_from, len(evidence.rules)) == (START, 1)


def test_one_that_is_down_is_covered_for_and_named(servers):
    servers[0].fault = monitoring.unavailable
    evidence = read(servers)
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.OK, START)
    assert "(but prometheus/a: " in evidence.coverage.detail


def test_holes_at_different_times_are_covered_for(servers):
    servers[0].hole, servers[1].hole = hole(2, 4), hole(5, 8)
    evidence = read(servers)
    assert evidence.coverage.status is CoverageStatus.OK
    assert [event.text for event in evidence.events] == ["no samples", "no samples"]


def test_holes_at_the_same_time_are_not(servers):
    servers[0].hole, servers[1].hole = hole(2, 4), hole(3, 8)
    evidence = read(servers)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail.startswith("none watched between ")
    assert evidence.covered_from == START + timedelta(hours=4)


@pytest.mark.parametrize("fault", [monitoring.unavailable, monitoring.web_page, monitoring.half_json])
def test_both_down_is_a_failed_source(servers, fault):
    for server in servers:
        server.fault = fault
    coverage = read(servers).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert "prometheus/a: " in coverage.detail
    assert "prometheus/b: " in coverage.detail


def test_failing_rules_in_one_and_a_hole_in_the_other_are_no_proof(servers):
    servers[0].rules.append(monitoring.rule("Slow", health="err", error="bad"))
    servers[1].hole = hole(2, 4)
    evidence = read(servers)
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.UNPROVEN, START + timedelta(hours=4))


def test_an_alert_that_both_saw_counts_once_and_one_that_one_missed_is_there(servers):
    servers[0].hole = hole(5, 8)
    servers[0].samples = firing(range(3600, 7200, 60), 3600)
    servers[1].samples = [
        {"metric": one["metric"], "values": one["values"] + more["values"]}
        for one, more in zip(
            firing(range(3607, 7207, 60), 3607), firing(range(21_600, 22_200, 60), 21_600), strict=True
        )
    ]
    found = merge_episodes([read(servers)])
    assert [(epoch_seconds(e.start) - ZERO, epoch_seconds(e.end) - ZERO) for e in found] == [
        (3600, 7207),
        (21_600, 22_200),
    ]


def test_a_question_goes_to_the_one_that_answers(servers):
    servers[0].fault = monitoring.unavailable
    both = pair(servers)
    servers[1].samples = []
    assert both.ask("up", NOW) == []
    assert both.ask_range("up", START, NOW, step=timedelta(hours=1)) == []
    servers[1].fault = monitoring.unavailable
    with pytest.raises(SourceError, match=r"prometheus/a: .*; prometheus/b: "):
        both.ask("up", NOW)


def test_a_question_over_time_is_answered_by_all_together_and_each_series_is_there_once(servers):
    hours = [ZERO + number * 3600 for number in range(25)]
    one, other = {"job": "api"}, {"job": "web"}
    servers[0].ranges = {"errors": [{"metric": one, "values": [[at, "1"] for at in hours[:10]]}]}
    servers[1].ranges = {
        "errors": [
            {"metric": one, "values": [[at, "2"] for at in hours[8:]]},
            {"metric": other, "values": [[hours[0], "3"]]},
        ]
    }
    found = pair(servers).ask_range("errors", START, NOW, step=timedelta(hours=1))
    assert found == [
        (one, [(at, 1.0 if at < hours[10] else 2.0) for at in hours]),
        (other, [(hours[0], 3.0)]),
    ]
    servers[0].fault = monitoring.unavailable
    (kept, _) = pair(servers).ask_range("errors", START, NOW, step=timedelta(hours=1))
    assert kept == (one, [(at, 2.0) for at in hours[8:]])
    servers[1].fault = monitoring.unavailable
    with pytest.raises(SourceError, match=r"prometheus/a: .*; prometheus/b: "):
        pair(servers).ask_range("errors", START, NOW, step=timedelta(hours=1))


def test_a_question_is_answered_by_one_that_has_data(servers):
    servers[1].instants = {"errors": [{"metric": {}, "value": [0, "7"]}]}
    servers[0].instants = {"errors": []}
    assert pair(servers).ask("errors", NOW) == [({}, 7.0)]
    servers[1].fault = monitoring.unavailable
    assert pair(servers).ask("errors", NOW) == []


def test_what_began_when_nobody_knows_is_not_covered(servers):
    servers[0].hole, servers[1].hole = hole(-1, 6), hole(-1, 3)
    assert read(servers).covered_from == from_epoch_seconds(ZERO + 3 * 3600)


def test_one_that_breaks_its_promise_is_a_failed_one_and_covered_for(servers, capfd):
    class Breaking(Prometheus):
        def watch(self, start, end):
            raise RuntimeError("with a secret")

    breaking = Breaking(servers[0].url, clock=CLOCK, name="prometheus/a")
    healthy = Prometheus(servers[1].url, clock=CLOCK, name="prometheus/b")
    coverage = Pair([breaking, healthy], name="prometheus/eu").read(START, NOW).coverage
    assert coverage.status is CoverageStatus.OK
    assert "but prometheus/a: reading it failed unexpectedly (RuntimeError)" in coverage.detail
    coverage = Pair([breaking, breaking], name="prometheus/eu").read(START, NOW).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert capfd.readouterr().err == ""
