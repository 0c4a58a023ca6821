"""What sources tell beside alerts: rules, restarts, reloads, failed evaluations, silences that are over."""

import re
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest

from fakes.monitoring import FakeMonitoring, success
from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute, format_instant, from_epoch_seconds
from watchbell.reports.analysis.silencing import silenced_until
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.alertmanager import Alertmanager
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.reports.sources.prometheus_proof import RELOAD_FAILED, RELOADED, STARTED

CLOCK = SystemClock()
NOW = floor_minute(datetime.now(UTC))
DAY = timedelta(days=1)
START = NOW - DAY
ZERO = epoch_seconds(START)


@pytest.fixture
def server():
    with FakeMonitoring() as fake:
        yield fake


def read(server):
    return Prometheus(server.url, clock=CLOCK).read(START, NOW)


def told(evidence):
    return [(epoch_seconds(e.at) - ZERO, e.until and epoch_seconds(e.until) - ZERO, e.text) for e in evidence.events]


def constant(name, value, times, instance="eu:9090"):
    values = [[ZERO + at, str(value)] for at in times]
    return {"metric": {"__name__": name, "instance": instance}, "values": values}


def test_a_rule_comes_with_what_an_audit_needs(server):
    server.rules[0] |= {
        "duration": 300,
        "keepFiringFor": 60,
        "labels": {"severity": "page", "team": "web"},
        "annotations": {"runbook_url": "https://wiki/slow"},
    }
    (rule,) = read(server).rules
    assert (rule.name, rule.group, rule.for_seconds, rule.keep_firing_seconds) == ("HighErrorRate", "g", 300, 60)
    assert (rule.labels["team"], rule.annotations["runbook_url"]) == ("web", "https://wiki/slow")
    assert (rule.health, rule.last_error) == ("ok", "")


def test_an_episode_tells_since_when_its_condition_held(server):
    labels = {"alertname": "HighErrorRate", "pod": "a"}
    times = range(600, 1200, 60)
    server.samples = [
        {
            "metric": {"__name__": "ALERTS", "alertstate": "firing", **labels},
            "values": [[ZERO + t, "1"] for t in times],
        },
        constant("ALERTS_FOR_STATE", ZERO + 300, times) | {"metric": {"__name__": "ALERTS_FOR_STATE", **labels}},
    ]
    (episode,) = read(server).episodes
    assert (episode.active_at, episode.start) == (from_epoch_seconds(ZERO + 300), from_epoch_seconds(ZERO + 600))


def test_a_start_is_told_and_the_load_of_the_configuration_that_goes_with_it_is_not(server):
    server.ranges[STARTED] = [
        constant(STARTED, ZERO - 50_000, range(0, 7200, 240)),
        constant(STARTED, ZERO + 7260, range(7440, 86_400, 240)),
        constant(RELOADED, ZERO - 49_999, range(0, 7200, 240)),
        constant(RELOADED, ZERO + 7265, range(7440, 36_000, 240)),
        constant(RELOADED, ZERO + 36_001, range(36_240, 86_400, 240)),
        constant(RELOAD_FAILED, 0, range(48_000, 50_000, 240)),
    ]
    evidence = read(server)
    assert told(evidence) == [
        (7260, None, "Prometheus eu:9090 started"),
        (36_001, None, "Prometheus eu:9090 reloaded its configuration and rules"),
        (48_000, None, "Prometheus eu:9090 could not reload its configuration or rules"),
    ]
    assert evidence.coverage.status is CoverageStatus.OK


def test_a_hole_is_an_event_with_its_two_ends(server):
    server.hole = (ZERO + 3600, ZERO + 7200)
    assert told(read(server)) == [(3600, 7200, "no samples")]


def scraped(times):
    """Answer as one that scraped at these times only."""

    def answer(handler, fake):
        if "max_over_time(" not in handler.form["query"]:
            return handler.send_json(fake.answer(handler.clean_path, handler.form))
        start, end, step = (float(handler.form[name]) for name in ("start", "end", "step"))
        steps = {start + step * max(0, ceil((at - start) / step)) for at in times}
        values = [[at, "1"] for at in sorted(steps) if at <= end]
        return handler.send_json(success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]}))

    return answer


@pytest.mark.parametrize(
    ("apart", "down", "is_ok"),
    [
        (15, 5 * 60, True),
        (15, 7 * 60, False),
        (60, 3 * 60, True),
        (60, 7 * 60, False),
        (120, 3 * 60, True),
        (120, 9 * 60, False),
        (240, 3 * 60, True),
        (240, 15 * 60, False),
        (900, 0, False),
    ],
)
def test_a_hole_may_be_as_much_longer_as_scrapes_are_further_apart_than_a_minute(server, apart, down, is_ok):
    zero, began = epoch_seconds(START), epoch_seconds(START) + 6 * 3600 - 30
    times = [zero + at for at in range(0, 86_401, apart) if not began <= zero + at < began + down]
    server.faults["/api/v1/query_range"] = scraped(times)
    assert (read(server).coverage.status is CoverageStatus.OK) is is_ok


def failures(times, group="/r.yml;g"):
    return [{"metric": {"rule_group": group}, "values": [[ZERO + t, "3"] for t in times]}]


def test_rules_that_did_not_evaluate_for_long_are_no_proof_though_they_are_healthy_now(server):
    server.ranges["prometheus_rule_evaluation_failures_total"] = failures(range(7200, 14_400, 240))
    evidence = read(server)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail.startswith("rule group g failed or missed evaluations again and again between ")
    assert told(evidence) == [(6960, 14_160, "rule group g failed or missed evaluations")]
    assert evidence.covered_from == from_epoch_seconds(ZERO + 14_160)


def test_one_failed_evaluation_is_told_and_spoils_nothing(server):
    server.ranges["prometheus_rule_evaluation_failures_total"] = failures((7200, 7440))
    evidence = read(server)
    assert evidence.coverage.status is CoverageStatus.OK
    assert [text for *_, text in told(evidence)] == ["rule group g failed or missed evaluations"]


def test_failed_evaluations_of_another_server_s_groups_are_not_ours(server):
    server.ranges["prometheus_rule_evaluation_failures_total"] = failures(range(0, 86_400, 240), "/elsewhere.yml;g")
    evidence = read(server)
    assert (evidence.coverage.status, evidence.events) == (CoverageStatus.OK, ())


def silence(number, state, start, end):
    times = {"startsAt": format_instant(NOW + start), "endsAt": format_instant(NOW + end)}
    return {"id": str(number), "status": {"state": state}, "matchers": [], **times}


def test_silences_in_force_within_the_window_are_told_though_they_are_over(server):
    hour = timedelta(hours=1)
    server.silences = [
        silence(1, "active", -hour, hour),
        silence(2, "expired", -3 * hour, -hour),
        silence(3, "expired", -60 * hour, -23 * hour),
        silence(4, "expired", -60 * hour, -25 * hour),
        silence(5, "pending", -hour, hour),
        silence(6, "expired", hour, hour),  # ended by hand before it began
        silence(7, "active", -60 * hour, hour),
    ]
    evidence = Alertmanager(server.url, clock=CLOCK).read(START, NOW)
    assert [one.id for one in evidence.silences] == ["1", "2", "3", "7"]


@pytest.mark.parametrize("value", ['a"b, c="d', "a\\b", "a\nb", "ü|*", '"', "\\"])
@pytest.mark.parametrize("is_regex", [False, True])
def test_a_silence_covers_what_it_covers_for_alertmanager_whatever_its_value(server, value, is_regex):
    written = re.escape(value) if is_regex else value
    matcher = {"name": "instance", "value": written, "isRegex": is_regex, "isEqual": True}
    server.silences = [silence(1, "active", -DAY, DAY) | {"matchers": [matcher]}]
    found = Alertmanager(server.url, clock=CLOCK).read(START, NOW).silences
    assert silenced_until({"instance": value}, found, NOW) == NOW + DAY
    assert silenced_until({"instance": f"{value}."}, found, NOW) is None


def test_a_range_of_any_length_is_asked_for_in_pieces_that_a_server_gives(server):
    seen = []

    def answer(handler, fake):
        start, end, step = (float(handler.form[name]) for name in ("start", "end", "step"))
        count = int((end - start) / step) + 1
        if count > 3000:
            handler.send(422, b'{"status":"error","errorType":"execution","error":"query would load too many samples"}')
            return
        seen.append(count)
        values = [[start + n * step, "1"] for n in range(count)]
        handler.send_json({"status": "success", "data": {"result": [{"metric": {"a": "b"}, "values": values}]}})

    server.faults["/api/v1/query_range"] = answer
    source = Prometheus(server.url, clock=CLOCK)
    ((labels, points),) = source.ask_range("up", NOW - timedelta(days=20), NOW, step=timedelta(minutes=1))
    assert labels == {"a": "b"}
    first = epoch_seconds(NOW - timedelta(days=20))
    assert [at for at, _ in points] == [first + 60 * n for n in range(20 * 1440 + 1)]
    assert len(seen) > 1
