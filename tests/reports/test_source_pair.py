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


def knowing(server, value, *, text="increase(errors[24h])", **labels):
    server.instants = {text: [{"metric": labels, "value": [0, str(value)]}]}


def test_a_question_that_looks_back_is_answered_by_one_that_was_scraping_all_of_it(servers):
    question = "increase(errors[24h]) > 10"
    servers[0].hole = hole(-1, 20)  # new today, after the errors
    knowing(servers[0], 24)
    knowing(servers[1], 644)
    assert pair(servers).ask(question, NOW) == [({}, 644.0)]
    assert pair(servers[::-1]).ask(question, NOW) == [({}, 644.0)]
    knowing(servers[0], 24, text="errors")
    knowing(servers[1], 644, text="errors")
    assert pair(servers).ask("rate(errors[5m])", NOW) == [({}, 24.0)]  # both know of now


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("increase(errors[2h]) / increase(requests[2h])", 1.0),
        ("increase(errors[2h]) - increase(errors[2h] offset 2h)", 2.0),
        ("errors offset 1h30m", 1.0),
        ("errors offset 3h30m", 2.0),
        ("max_over_time(rate(errors[1h30m])[2h:5m])", 2.0),
        ('errors{window="3d"}', 1.0),
    ],
)
def test_how_far_a_question_looks_back_is_all_of_what_it_says(servers, question, value):
    servers[0].hole = hole(-200, 21)
    servers[1].hole = hole(21.5, 21.75)  # not whole for what both of them know of, but not new
    for server, number in zip(servers, (1, 2), strict=True):
        knowing(server, number, text="errors")
    if value == 2.0:
        servers[1].hole = None
    assert pair(servers).ask(question, NOW) == [({}, value)]


def test_nor_does_the_one_that_knows_less_answer_where_the_other_knows_of_nothing(servers):
    servers[0].hole = hole(-1, 20)
    knowing(servers[0], 24)
    servers[1].instants = {"errors": []}
    assert pair(servers).ask("increase(errors[24h]) < 300", NOW) == []


def test_where_none_was_scraping_all_of_it_they_have_to_answer_alike(servers):
    question = "increase(errors[24h])"
    servers[0].hole, servers[1].hole = hole(2, 4), hole(5, 8)
    knowing(servers[0], 100)
    knowing(servers[1], 105)
    assert pair(servers).ask(question, NOW) == [({}, 100.0)]
    knowing(servers[1], 150)
    with pytest.raises(SourceError, match=r"^prometheus/eu: its members do not answer alike.*24h"):
        pair(servers).ask(question, NOW)
    knowing(servers[1], 100, pod="a")
    with pytest.raises(SourceError, match="do not answer alike"):
        pair(servers).ask(question, NOW)


def test_an_answer_of_one_with_a_hole_is_none_while_the_other_only_tells_that_it_was_scraping(servers):
    servers[0].hole = hole(-1, 20)
    knowing(servers[0], 24)
    servers[1].faults["/api/v1/query"] = monitoring.unavailable
    with pytest.raises(SourceError, match=r"prometheus/b: .*503"):
        pair(servers).ask("increase(errors[24h])", NOW)
    servers[1].fault = monitoring.unavailable  # down: who asks hears of the hole
    assert pair(servers).ask("increase(errors[24h])", NOW) == [({}, 24.0)]


def test_what_none_of_them_could_scrape_makes_none_of_them_know_less(servers):
    servers[0].hole, servers[1].hole = hole(2, 8), hole(2.02, 7.98)
    knowing(servers[0], 100)
    knowing(servers[1], 200)
    assert pair(servers).ask("increase(errors[24h])", NOW) == [({}, 100.0)]


def test_of_each_point_that_looks_back_the_one_that_was_scraping_longest_tells(servers):
    servers[0].hole = hole(-40, 20)
    for server, value in zip(servers, ("24", "644"), strict=True):
        server.ranges = {"errors": [{"metric": {}, "values": [[epoch_seconds(NOW), value]]}]}
    both = pair(servers)
    for question, value in (("increase(errors[24h])", 644.0), ("rate(errors[5m])", 24.0)):
        assert both.ask_range(question, START, NOW, step=timedelta(hours=1)) == [({}, [(epoch_seconds(NOW), value)])]


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
