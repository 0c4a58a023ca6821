"""Whatever a monitoring system does wrong, a source answers with a reason, in time, and never with an all-clear."""

import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from fakes import monitoring
from fakes.monitoring import FakeMonitoring
from fakes.odd_servers import tcp_server
from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds
from watchbell.reports.interface import CoverageStatus, ReportRequest, Verdict, Window
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.reports.sources.alertmanager import Alertmanager
from watchbell.reports.sources.http import JsonReader
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.tasks import Kind

CLOCK = SystemClock()
DAY = timedelta(days=1)


@pytest.fixture
def server():
    with FakeMonitoring() as fake:
        yield fake


def prometheus(server, **options):
    return Prometheus(server.url, clock=CLOCK, **options)


def read(source):
    now = CLOCK.now()
    return source.read(now - DAY, now)


def daily(*sources):
    now = CLOCK.now()
    window = Window(start=now - DAY, end=now, timezone="UTC")
    request = ReportRequest(task_id="t", name="", kind=Kind.DAILY_SUMMARY, window=window, params={})
    return build_or_notice(BuiltinPipeline(sources), request)


FAULTS = [
    (monitoring.web_page, "a web page instead of JSON"),
    (monitoring.unauthorised, "refused the credentials (401): token expired"),
    (monitoring.too_many_requests, "too many requests (429)"),
    (monitoring.unavailable, "503: query timed out"),
    (monitoring.unprocessable, "422: expanding series"),
    (monitoring.redirect, "redirects elsewhere (302)"),
    (monitoring.error_with_status_200, "answered with an error: no route to the store"),
    (monitoring.half_json, "not JSON, or breaks off"),
    (monitoring.half_body, "broke off its answer"),
    (monitoring.wrong_shape, "in a"),
]


def test_a_healthy_server_without_alerts_is_an_all_clear(server):
    report = daily(prometheus(server), Alertmanager(server.url, clock=CLOCK))
    assert (report.verdict, report.reason) == (Verdict.OK, "no incidents")
    assert [(n.name, n.value, n.previous) for n in report.numbers[:3]] == [
        ("new", 0, 0),
        ("resolved", 0, 0),
        ("still firing", 0, 0),
    ]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
@pytest.mark.parametrize("make", [prometheus, lambda server: Alertmanager(server.url, clock=CLOCK)])
def test_a_fault_is_a_failed_source_with_a_reason_of_one_line(server, make, fault, reason):
    server.fault = fault
    coverage = read(make(server)).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert reason in coverage.detail
    assert "\n" not in coverage.detail
    assert "secret" not in coverage.detail


@pytest.mark.parametrize("path", ["/api/v1/rules", "/api/v1/query", "/api/v1/query_range"])
@pytest.mark.parametrize(
    "fault",
    [*(fault for fault, _ in FAULTS), monitoring.warnings, monitoring.partial, monitoring.no_success],
    ids=lambda fault: fault.__name__,
)
def test_no_fault_of_any_single_answer_reads_as_an_all_clear(server, path, fault):
    server.faults[path] = fault
    report = daily(prometheus(server))
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason.startswith("pipeline unavailable: prometheus: ")
    assert report.source_error is not None
    assert all(number.value is None for number in report.numbers)


@pytest.mark.parametrize(
    "remark",
    [
        'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "reqs" (1:6)',
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)",
    ],
)
def test_what_a_server_remarks_on_a_question_takes_nothing_from_its_answer(server, remark):
    def remarking(*texts):
        return lambda handler, fake: handler.send_json(
            {**fake.answer(handler.clean_path, handler.form), "warnings": list(texts)}
        )

    server.instants["reqs"] = [{"metric": {}, "value": [0, "7"]}]
    server.fault = remarking(remark)
    assert read(prometheus(server)).coverage.status is CoverageStatus.OK
    assert prometheus(server).ask("rate(reqs[5m])", CLOCK.now()) == [({}, 7.0)]
    server.fault = remarking(remark, "store eu-1 did not answer")
    assert "only in part: store eu-1" in read(prometheus(server)).coverage.detail


def test_no_rules_is_no_proof(server):
    server.faults["/api/v1/rules"] = monitoring.no_rules
    coverage = read(prometheus(server)).coverage
    assert (coverage.status, coverage.detail) == (
        CoverageStatus.UNPROVEN,
        "it has no alerting rules, so it cannot know of any alert",
    )


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        (monitoring.rule("Slow", health="err", error="bad\nvector"), "rule Slow is failing: bad vector"),
        (monitoring.rule("Slow", health="ok", error="half bad"), "rule Slow is failing: half bad"),
        (monitoring.rule("Slow", health="unknown"), "rule Slow has not been evaluated yet"),
        (monitoring.rule("Slow", evaluated=datetime(2026, 1, 1, tzinfo=UTC)), "last evaluated at 2026-01-01T00:00Z"),
    ],
)
def test_a_rule_that_does_not_work_is_named(server, rule, detail):
    server.rules.append(rule)
    evidence = read(prometheus(server))
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert detail in evidence.coverage.detail
    assert evidence.covered_from is None


def test_a_hole_in_the_samples_is_named_and_bounds_what_is_covered(server):
    now = CLOCK.now()
    begin, over = now - timedelta(hours=7), now - timedelta(hours=5)
    server.hole = (epoch_seconds(begin), epoch_seconds(over))
    evidence = prometheus(server).read(now - DAY, now)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail.startswith("no samples between ")
    assert abs(evidence.covered_from - over) <= timedelta(minutes=1)


def test_what_fires_has_to_be_stored_where_it_is_looked_for(server):
    server.rules.append(monitoring.rule("Watchdog") | {"state": "firing"})
    evidence = read(prometheus(server))
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.UNPROVEN, None)
    assert evidence.coverage.detail == (
        "rule Watchdog fires, but no samples of ALERTS are stored where this address reads"
    )
    server.counts["ALERTS"] = 1  # it began to fire after the window
    assert read(prometheus(server)).coverage.status is CoverageStatus.OK


def test_what_is_known_is_shown_beside_the_failure(server):
    server.cluster = "settling"
    server.alerts = [
        {"labels": {"alertname": "DiskFull", "severity": "page"}, "startsAt": "2026-11-01T00:00:00.123456789Z"}
    ]
    report = daily(Alertmanager(server.url, clock=CLOCK))
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason == (
        "1 alert firing, 1 of them urgent; "
        "for the rest pipeline unavailable: alertmanager: its cluster is settling, not ready"
    )
    assert report.still_firing[0].startswith("DiskFull (page): for ")


def test_alertmanager_alone_cannot_give_an_all_clear(server):
    report = daily(Alertmanager(server.url, clock=CLOCK))
    assert report.verdict is Verdict.UNKNOWN
    assert "no source keeps a history" in report.reason


SLOW = [monitoring.silence, monitoring.slow_drip, monitoring.header_drip, monitoring.chunk_drip]


@pytest.mark.parametrize("path", ["/api/v1/rules", "/api/v1/query"])
@pytest.mark.parametrize("fault", SLOW)
def test_a_slow_server_costs_no_more_than_the_deadline(server, fault, path):
    server.faults[path] = fault
    began = time.monotonic()
    coverage = read(prometheus(server, deadline_seconds=1)).coverage
    assert time.monotonic() - began < 15
    assert coverage.status is CoverageStatus.FAILED
    assert "within 1 s" in coverage.detail


def test_a_server_that_is_slow_behind_tls_costs_no_more_either(tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    over = threading.Event()

    def drip(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nX-Padding: ")
            while not over.wait(0.05):
                secure.sendall(b"a")

    began = time.monotonic()
    with tcp_server(drip) as port:
        url, trusted = f"https://127.0.0.1:{port}", str(tmp_path / "ca.pem")
        source = Prometheus(url, clock=CLOCK, deadline_seconds=1, ca_file=trusted)
        with pytest.raises(SourceError, match="gave no complete answer within 1 s"):
            source.ask("up", CLOCK.now())
        over.set()
    assert time.monotonic() - began < 15


def test_a_source_that_hangs_for_ever_is_cut_off(server):
    class Hanging:
        name = "stuck"
        required = True

        def read(self, start, end):
            server.stopping.wait(20)

    now = CLOCK.now()
    request = ReportRequest(
        task_id="t",
        name="",
        kind=Kind.DAILY_SUMMARY,
        window=Window(start=now - DAY, end=now, timezone="UTC"),
        params={},
    )
    report = build_or_notice(BuiltinPipeline([Hanging(), prometheus(server)], read_seconds=0.5), request)
    assert report.reason == "pipeline unavailable: stuck: did not answer within 0.5 s"
    assert [one.status for one in report.coverage] == [CoverageStatus.FAILED, CoverageStatus.OK]


def test_a_huge_answer_is_not_read_to_its_end(server):
    server.fault = monitoring.huge_body
    reader = JsonReader(server.url, max_bytes=1_000_000)
    coverage = read(Alertmanager(server.url, clock=CLOCK, reader=reader)).coverage
    assert (coverage.status, "more than 976 KiB" in coverage.detail) == (CoverageStatus.FAILED, True)


def test_too_many_samples_are_asked_for_in_smaller_pieces(server):
    def refuse_long_ranges(handler, fake):
        seconds = int(handler.form["query"].rpartition("[")[2].rstrip("s]"))
        if seconds > 20_000:
            handler.send(422, b'{"status":"error","errorType":"execution","error":"query would load too many samples"}')
        else:
            handler.send_json(fake.answer(handler.clean_path, handler.form))

    server.faults["/api/v1/query"] = refuse_long_ranges
    assert read(prometheus(server)).coverage.status is CoverageStatus.OK


def test_answers_that_are_too_large_are_asked_for_in_smaller_pieces(server):
    asked = []

    def pad(handler, fake):
        seconds = int(handler.form["query"].rpartition("[")[2].rstrip("s]"))
        asked.append(seconds)
        handler.send(200, json.dumps(fake.answer(handler.clean_path, handler.form)).encode() + b" " * seconds)

    server.faults["/api/v1/query"] = pad
    reader = JsonReader(server.url, max_bytes=50_000)
    assert read(Prometheus(server.url, clock=CLOCK, reader=reader)).coverage.status is CoverageStatus.OK
    assert sum(seconds for seconds in asked if seconds < 50_000) >= 86_400


def test_what_stays_too_large_is_a_failed_source(server):
    server.faults["/api/v1/query"] = monitoring.huge_body
    reader = JsonReader(server.url, max_bytes=50_000)
    coverage = read(Prometheus(server.url, clock=CLOCK, reader=reader)).coverage
    assert (coverage.status, "more than 48 KiB" in coverage.detail) == (CoverageStatus.FAILED, True)


def test_a_closed_port_is_named_without_user_and_password():
    source = Prometheus("http://alice:hunter2@127.0.0.1:9/prom", clock=CLOCK)
    assert read(source).coverage.detail == "cannot connect to http://127.0.0.1:9/prom: connection refused"


def test_credentials_reach_the_server_and_a_path_in_the_address_is_kept(server):
    reader = JsonReader(f"{server.url}/tenant/", bearer_token="s3cret", headers={"X-Scope-OrgID": "ops"})
    read(Alertmanager(server.url, clock=CLOCK, reader=reader))
    path, headers, _ = server.requests[0]
    assert path == "/tenant/api/v2/status"
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer s3cret", "ops")


def test_basic_credentials_of_the_address_or_the_settings_are_sent(server):
    read(Alertmanager(server.url.replace("http://", "http://alice:pw@"), clock=CLOCK))
    read(Alertmanager(server.url, clock=CLOCK, username="alice", password="pw"))
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Basic YWxpY2U6cHc="}


def test_a_token_with_a_line_break_never_shows_in_the_reason(server):
    coverage = read(Alertmanager(server.url, clock=CLOCK, bearer_token="s3cret\n")).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert "s3cret" not in coverage.detail


@pytest.mark.parametrize("address", ["", "localhost:9090", "ftp://host", "http://", "http://host:port"])
def test_an_address_that_is_none_is_a_failed_source_and_never_stops_the_others(address):
    coverage = read(Alertmanager(address, clock=CLOCK)).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert coverage.detail == "its address is not usable; write it like http://host:9090"


def test_a_token_that_is_not_ascii_is_named_as_what_it_is():
    coverage = read(Prometheus("http://127.0.0.1:9", clock=CLOCK, bearer_token="schlüssel")).coverage
    assert coverage.detail == "the request to http://127.0.0.1:9 cannot be sent: a header or token is not ASCII"


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"ca_file": "{folder}/none.pem"}, "cannot read ca_file {folder}/none.pem: No such file or directory"),
        ({"ca_file": "{folder}"}, "cannot read ca_file {folder}: Is a directory"),
        ({"ca_file": "{folder}/empty"}, "ca_file {folder}/empty is empty"),
        ({"ca_file": "{folder}/text"}, "ca_file {folder}/text holds no certificate in PEM"),
        ({"client_cert": "{folder}/none.pem"}, "cannot read client_cert {folder}/none.pem: No such file"),
        ({"client_cert": "{folder}/text"}, "client_cert {folder}/text do not hold a certificate and its key in PEM"),
        (
            {"client_cert": "{folder}/text", "client_key": "{folder}/text"},
            "client_cert {folder}/text and client_key {folder}/text do not hold a certificate and its key",
        ),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named_by_option_and_file(tmp_path, access, words):
    (tmp_path / "empty").write_text("")
    (tmp_path / "text").write_text("this is s3cret")
    options = {key: path.format(folder=tmp_path) for key, path in access.items()}
    coverage = read(Prometheus("https://127.0.0.1:9", clock=CLOCK, **options)).coverage
    assert coverage.status is CoverageStatus.FAILED
    assert words.format(folder=tmp_path) in coverage.detail
    assert "s3cret" not in coverage.detail
