"""Rule groups that were not evaluated, or not there: whose they are, which of them matter, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.monitoring import FakeMonitoring, rule, success
from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute, format_instant, from_epoch_seconds
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.prometheus import Prometheus

CLOCK = SystemClock()
NOW = floor_minute(datetime.now(UTC))
START = NOW - timedelta(days=1)
ZERO = epoch_seconds(START)
DAY = 86_400

WITHOUT_RULES = "count without"
FAILURES = "prometheus_rule_evaluation_failures_total"
ITERATIONS = "prometheus_rule_group_iterations_total"
US = {"job": "prometheus", "instance": "eu:9090"}
THEM = {"job": "prometheus", "instance": "edge:9090"}


@pytest.fixture
def server():
    with FakeMonitoring() as fake:
        # Of two questions that hold the same words the fake answers the one that is first here.
        fake.ranges = {WITHOUT_RULES: [], FAILURES: [], ITERATIONS: had("/r.yml;g")}
        yield fake


def read(server):
    return Prometheus(server.url, clock=CLOCK).read(START, NOW)


def is_ok(server):
    return read(server).coverage.status is CoverageStatus.OK


def detail(server):
    coverage = read(server).coverage
    assert coverage.status is CoverageStatus.UNPROVEN, coverage
    return coverage.detail


def series(times, who=US, **labels):
    return {"metric": {**who, **labels}, "values": [[ZERO + at, "1"] for at in times]}


def had(*groups, who=US, first=-DAY, until=DAY, but=()):
    """The server had these groups all the time, also the day before, or from or until then."""
    times = [at for at in range(first, until + 1, 1800) if at not in but]
    return [series(times, who, rule_group=group) for group in groups]


def failed(times, group="/r.yml;g", who=US):
    return [series(times, who, rule_group=group)]


def group(name, *rules, file="/r.yml", interval=60):
    return {"name": name, "file": file, "interval": interval, "rules": list(rules)}


def alert(name, query="up == 0"):
    return rule(name) | {"query": query}


def record(name, query="sum(up)", **more):
    return {"name": name, "type": "recording", "query": query, "health": "ok", "lastError": "", **more} | {
        "lastEvaluation": more.get("lastEvaluation", datetime.now(UTC).isoformat())
    }


def serve_groups(server, *groups):
    server.faults["/api/v1/rules"] = lambda handler, fake: handler.send_json(success({"groups": list(groups)}))


def hours(first, last, step=240):
    return range(first * 3600, last * 3600, step)


def test_each_failure_of_a_slow_group_is_one_with_the_next_up_to_the_evaluation_that_is_well(server):
    serve_groups(server, group("slow", alert("Slow"), interval=600))
    server.ranges[ITERATIONS] = had("/r.yml;slow")
    server.ranges[FAILURES] = failed(hours(2, 12, step=600), "/r.yml;slow")
    evidence = read(server)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail.startswith("rule group slow failed or missed evaluations again and again between ")
    assert evidence.coverage.detail.count("more") == 0
    assert evidence.covered_from == from_epoch_seconds(ZERO + 12 * 3600 - 600 + 360)


def test_one_failure_of_a_slow_group_spoils_nothing(server):
    serve_groups(server, group("slow", alert("Slow"), interval=3600))
    server.ranges[FAILURES] = failed((7200, 7440), "/r.yml;slow")
    assert is_ok(server)


def test_failures_now_and_then_are_not_one_long_failure(server):
    server.ranges[FAILURES] = failed(hours(2, 12, step=600))
    assert is_ok(server)


def test_a_slow_group_beside_them_makes_them_none_either(server):
    serve_groups(server, group("g", alert("A")), group("slow", alert("Slow"), interval=3600))
    server.ranges[FAILURES] = failed(hours(2, 12, step=600))
    assert is_ok(server)


@pytest.mark.parametrize(
    ("name", "became"),
    [("/r-old.yml;g", "was moved to another file since"), ("/r.yml;removed", "is gone now")],
)
def test_a_group_that_failed_while_it_was_there_counts_though_it_is_gone(server, name, became):
    server.ranges[ITERATIONS] = had("/r.yml;g") + had(name, until=16 * 3600)
    server.ranges[FAILURES] = failed(hours(2, 12), name)
    bare = name.rpartition(";")[2]
    assert detail(server).startswith(f"rule group {bare} failed or missed evaluations again and again between ")
    assert detail(server).endswith(f", and {became}")


def test_how_slow_a_group_was_that_is_gone_is_asked_of_its_own_time(server):
    name = '/r.yml;"slow" one'
    server.ranges[ITERATIONS] = had("/r.yml;g") + had(name, until=16 * 3600)
    server.ranges[FAILURES] = failed(hours(2, 12, step=600), name)
    assert is_ok(server)  # as if it were evaluated each minute, as the others are
    server.instants[r'interval_seconds{rule_group="/r.yml;\"slow\" one"}'] = [{"metric": {}, "value": [0, "600"]}]
    assert detail(server).startswith('rule group "slow" one failed or missed evaluations again and again between ')


def test_one_that_another_server_evaluates_and_fails_does_not_though_it_shares_a_group(server):
    server.ranges[ITERATIONS] = had("/r.yml;g") + had("/r.yml;g", "/own.yml;theirs", who=THEM)
    server.ranges[FAILURES] = failed(hours(2, 12), "/own.yml;theirs", THEM) + failed(hours(2, 12), who=THEM)
    server.ranges[WITHOUT_RULES] = [series(hours(3, 9), THEM)]
    assert is_ok(server)


def test_right_after_a_change_of_rules_a_server_is_still_taken_for_ours(server):
    server.ranges[ITERATIONS] = had("/r.yml;g", "/r.yml;just-removed")
    server.ranges[FAILURES] = failed(hours(2, 12), "/r.yml;just-removed")
    assert detail(server).endswith("is gone now")


def test_a_recording_group_counts_where_an_alert_reads_what_it_records_also_by_way_of_another(server):
    server.ranges[FAILURES] = failed(hours(2, 12), "/rec.yml;first")
    recorded = (
        group("first", record("job:errors:rate", "rate(errors[5m])"), file="/rec.yml"),
        group("second", record("job:errors:share", "job:errors:rate / 2"), file="/rec.yml"),
    )
    serve_groups(server, group("g", alert("A", "job:errors:share > 1")), *recorded)
    assert detail(server).startswith("rule group first failed or missed evaluations again and again between ")
    serve_groups(server, group("g", alert("A", "errors > 1")), *recorded)
    assert is_ok(server)  # what only dashboards show


@pytest.mark.parametrize(
    "query", ['{__name__=~"job:.*"} > 1', '{"job:errors"} > 1', "max(job:errors offset 1h) > 1", ""]
)
def test_an_alert_reads_what_its_query_may_name(server, query):
    fails = record("job:errors", health="err", lastError="many-to-many\nmatching")
    serve_groups(server, group("g", alert("A", query)), group("r", fails))
    assert detail(server) == "recording rule job:errors is failing: many-to-many matching"
    serve_groups(server, group("g", alert("A", 'job:errors_total{job="errors"} > 1')), group("r", fails))
    assert is_ok(server)


def test_a_recording_rule_that_alerts_read_has_to_be_evaluated_lately(server):
    serve_groups(server, group("g", alert("A", "x > 1"), record("x", lastEvaluation="2026-01-01T00:00:00Z")))
    assert detail(server) == "recording rule x was last evaluated at 2026-01-01T00:00Z"
    serve_groups(server, group("g", alert("A", "x > 1"), record("x", health="unknown")))
    assert detail(server) == "recording rule x has not been evaluated yet"


@pytest.mark.parametrize(
    ("interval", "minutes", "expected"),
    [(3600, 40, True), (3600, 64, True), (3600, 70, False), (300, 4, False), (60, 1, False)],
)
@pytest.mark.parametrize("health", [{"health": "unknown", "lastEvaluation": "0001-01-01T00:00:00Z"}])
def test_a_slow_group_waits_for_its_turn_after_each_start_and_reload(server, interval, minutes, expected, health):
    alerting = group("g", alert("A", "x > 1"))
    for slow in (record("x") | health, alert("Slow") | health):
        serve_groups(server, alerting, group("slow", slow, interval=interval))
        server.faults.pop("/api/v1/status/runtimeinfo", None)
        assert detail(server).endswith(f"rule {slow['name']} has not been evaluated yet")
        loaded(server, CLOCK.now() - timedelta(minutes=minutes))
        assert is_ok(server) is expected
        serve_groups(server, alerting, group("slow", slow | {"health": "err"}, interval=interval))
        assert not is_ok(server)


def test_recording_rules_alone_know_of_no_alert(server):
    serve_groups(server, group("r", record("x")))
    assert detail(server).startswith("it has no alerting rules")


@pytest.mark.parametrize(
    ("hole", "told"),
    [
        ((2, 5), (2, 5)),
        ((-3, 5), (0, 5)),  # it was there the day before
        ((20, 23), (20, 23)),
    ],
)
def test_a_group_that_was_missing_and_is_back_is_no_proof_for_that_time(server, hole, told):
    serve_groups(server, group("g", alert("A")), group("h", alert("B")))
    gone = hours(*hole, step=1800)
    server.ranges[ITERATIONS] = (
        had("/r.yml;g") + had("/r.yml;h", until=gone[0]) + had("/r2.yml;h", first=gone[-1] + 1800)
    )
    evidence = read(server)
    assert detail(server).startswith("rule group h was missing between ")
    (event,) = evidence.events
    assert (epoch_seconds(event.at), epoch_seconds(event.until)) == tuple(ZERO + 3600 * hour for hour in told)


@pytest.mark.parametrize(
    "there",
    [
        {"first": 7200},  # new today
        {"until": 7200 + DAY // 2},  # removed, right now
        {"but": range(7200, 9000)},  # at one glance: the rules were being replaced
    ],
)
def test_groups_come_and_go_as_people_wish(server, there):
    serve_groups(server, group("g", alert("A")), group("h", alert("B")))
    server.ranges[ITERATIONS] = had("/r.yml;g") + had("/r.yml;h", **there)
    assert is_ok(server)


def test_a_hole_in_everything_is_no_missing_group(server):
    server.ranges[ITERATIONS] = had("/r.yml;g", but=hours(2, 5, step=1800))
    assert is_ok(server)


def test_a_time_without_rules_is_no_proof_where_the_server_tells_of_its_rules(server):
    server.ranges[WITHOUT_RULES] = [series(hours(17, 19))]
    evidence = read(server)
    assert detail(server).startswith("it had no rules between ")
    assert abs(evidence.covered_from - (NOW - timedelta(hours=5))) <= timedelta(minutes=4)
    assert [event.text for event in evidence.events] == ["no rules"]


def test_where_another_program_evaluates_the_rules_nobody_tells_of_them(server):
    server.ranges[WITHOUT_RULES] = [series(range(0, DAY, 240))]
    server.ranges[ITERATIONS] = []
    assert is_ok(server)


def test_another_server_without_rules_is_not_ours(server):
    server.ranges[WITHOUT_RULES] = [series(range(0, DAY, 240), THEM)]
    assert is_ok(server)
    server.ranges[ITERATIONS] += had("/own.yml;theirs", who=THEM)
    assert is_ok(server)


def test_of_several_with_our_rules_the_one_without_them_is_named(server):
    server.ranges[ITERATIONS] += had("/r.yml;g", who=THEM)
    server.ranges[WITHOUT_RULES] = [series(hours(17, 19), THEM)]
    assert detail(server).startswith("edge:9090 had no rules between ")


def loaded(server, at, **more):
    """Have the asked server say since when it has the rules of today."""
    told = {"lastConfigTime": format_instant(at), "reloadConfigSuccess": True, **more}
    server.faults["/api/v1/status/runtimeinfo"] = lambda handler, fake: handler.send_json(success(told))


WITHOUT_TO_THE_END = range(12 * 3600, DAY + 1, 240)


@pytest.mark.parametrize("left", [(), ("/rec.yml;rec",)])
def test_one_that_gave_up_its_rules_and_runs_on_is_not_the_one_that_was_asked(server, left):
    serve_groups(server, group("g", alert("A")), group("rec", record("x"), file="/rec.yml"))
    server.ranges[ITERATIONS] += had("/r.yml;g", who=THEM, until=DAY // 2) + had(*left, who=THEM)
    server.ranges[WITHOUT_RULES] = [series(WITHOUT_TO_THE_END, THEM)]
    loaded(server, NOW - timedelta(days=30))
    assert is_ok(server)
    server.ranges[WITHOUT_RULES] = [series(range(12 * 3600, 20 * 3600, 240), THEM)]  # it was stopped: who was it?
    assert detail(server).startswith("edge:9090 had no rules between ")


def test_one_that_tells_no_more_of_its_rules_has_some_all_the_same(server):
    server.ranges[ITERATIONS] = had("/r.yml;g", until=DAY // 2)
    server.ranges[WITHOUT_RULES] = [series(WITHOUT_TO_THE_END)]
    loaded(server, START + timedelta(hours=12))
    assert is_ok(server)


@pytest.mark.parametrize(
    ("at", "more"),
    [
        (NOW - timedelta(minutes=1), {}),  # the rules are back, and not in its samples yet
        (START, {"reloadConfigSuccess": False}),
        (START, {"lastConfigTime": None}),
    ],
)
def test_a_time_without_rules_that_has_only_just_ended_is_no_proof(server, at, more):
    server.ranges[ITERATIONS] = had("/r.yml;g", until=DAY // 2)
    server.ranges[WITHOUT_RULES] = [series(WITHOUT_TO_THE_END)]
    assert detail(server).startswith("it had no rules between ")  # no Prometheus itself, but Thanos for instance
    loaded(server, at, **more)
    assert detail(server).startswith("it had no rules between ")


def test_one_without_rules_to_the_end_that_has_some_since_had_none(server):
    server.ranges[ITERATIONS] = had("/r.yml;g", but=hours(12, 23, step=1800))
    server.ranges[WITHOUT_RULES] = [series(range(12 * 3600, 23 * 3600, 240))]
    loaded(server, START)
    coverage = Prometheus(server.url, clock=CLOCK).read(START, NOW - timedelta(hours=2)).coverage
    assert coverage.detail.startswith("it had no rules between ")


def test_servers_are_told_apart_by_all_labels_that_differ(server):
    one, other = {"job": "a", "instance": "localhost:9090"}, {"job": "b", "instance": "localhost:9090"}
    server.ranges[ITERATIONS] = had("/r.yml;g", who=one) + had("/r.yml;g", who=other)
    moments = [range(at, at + 7200, 720) for at in (17 * 3600, 17 * 3600 + 360)]
    server.ranges[WITHOUT_RULES] = [series(moments[0], one), series(moments[1], other)]
    assert is_ok(server)  # neither of them for long
    server.ranges[WITHOUT_RULES] = [series(hours(17, 19), other)]
    assert detail(server).startswith("b had no rules between ")


def test_groups_that_only_record_are_no_rules_to_go_by(server):
    serve_groups(
        server, group("g", alert("A")), group('"rec" (1)', record("x")), group("both", record("x"), alert("B"))
    )
    server.ranges[WITHOUT_RULES] = [series(hours(17, 19))]
    assert detail(server).endswith(", or only groups that now just record")
    (asked,) = {form["query"] for *_, form in server.requests if WITHOUT_RULES in form.get("query", "")}
    assert asked.endswith(r'{rule_group!~"[^;]*;(\"rec\"\\ \\(1\\))"})')


@pytest.mark.parametrize(("ahead", "expected"), [(timedelta(seconds=90), True), (timedelta(hours=5, minutes=1), False)])
def test_evaluations_in_our_future_are_a_clock_that_disagrees(server, ahead, expected):
    server.rules = [rule("A", evaluated=CLOCK.now() + ahead)]
    assert is_ok(server) is expected
    if not expected:
        assert "5 h" in detail(server)
        assert detail(server).endswith(" ahead of ours")
