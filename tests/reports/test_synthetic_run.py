"""Probes that run now, what a recorded history means, and params that name the wrong field."""

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from fakes.odd_servers import dns_server, http_server, tcp_server, tls_server
from fakes.told import END, Ageing, Told, build, hour, lines, titles
from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.reports.analysis.probe_history import ProbeSamples, Slot, State, interval_of, judge_probe
from watchbell.reports.interface import CoverageStatus, Verdict, Window
from watchbell.reports.probes.blackbox import parse_selector, read_history
from watchbell.reports.probes.http import HttpProbe
from watchbell.reports.probes.interface import Outcome
from watchbell.reports.probes.running import run_all
from watchbell.tasks import Kind

CLOCK = SystemClock()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well"


def run(*probes, **more):
    return build(Kind.SYNTHETIC_RUN, params={"probes": list(probes), **more})


def only(report, title):
    (line,) = lines(report, title)
    return line


def failure(probe):
    return only(run(probe), "Failing").partition(": ")[2]


@pytest.fixture
def server():
    with http_server(OK) as url:
        yield url


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answering(status, *headers, body=b""):
    head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return http_server("\r\n".join(head).encode() + b"\r\n\r\n" + body)


# What runs now


def test_failing_probes_come_first_and_the_passing_ones_are_one_line(server, port, closed):
    report = run(
        {"name": "status", "url": server},
        {"name": "db", "tcp": f"127.0.0.1:{port}"},
        {"name": "closed", "tcp": f"127.0.0.1:{closed}"},
    )
    assert (report.verdict, report.reason) == (Verdict.DEGRADED, "of 3 probes: 1 failing")
    assert titles(report) == ["Failing", "Passing"]
    assert only(report, "Failing") == "closed: no connection: Connection refused"
    assert lines(report, "Passing")[0].startswith("2 probes passed; the slowest is ")
    assert [(n.name, n.value) for n in report.numbers][:2] == [("passing", 2), ("failing", 1)]
    assert report.actions == ("Look at closed: no connection: Connection refused",)


def test_all_passing_is_one_line_and_ok(server, port):
    report = run({"name": "web", "url": server}, {"name": "db", "tcp": f"127.0.0.1:{port}"})
    assert (report.verdict, report.reason) == (Verdict.OK, "2 probes passed")
    assert [len(one.lines) for one in report.sections] == [1]
    assert [one.detail for one in report.coverage] == ["2 probes run just now"]


def test_probes_run_side_by_side():
    with tcp_server(lambda connection: time.sleep(1)) as port:
        began = time.monotonic()
        report = run(*({"name": str(n), "url": f"http://127.0.0.1:{port}", "timeout_seconds": 0.5} for n in range(16)))
        assert time.monotonic() - began < 4
    assert report.numbers[1].value == 16


def test_numbers_are_set_against_the_last_report(server):
    previous = run({"url": server})
    report = build(Kind.SYNTHETIC_RUN, params={"probes": [{"url": server}, {"url": server}]}, previous=previous)
    assert (report.numbers[0].value, report.numbers[0].previous) == (2, 1)


def test_the_time_of_a_probe_is_the_time_that_the_other_side_took():
    with http_server(OK[:10], OK[10:], seconds=0.3) as url:
        report = run({"url": url, "contains": "well"})
    assert 0.3 <= report.numbers[2].value < 2


def test_what_fails_is_not_the_slowest():
    with tcp_server(lambda connection: time.sleep(2)) as port:
        report = run({"url": f"http://127.0.0.1:{port}", "timeout_seconds": 0.2})
    assert report.numbers[2].value is None


# HTTP


@pytest.mark.parametrize(
    ("status", "wanted", "passes"), [(204, None, True), (302, None, True), (404, None, False), (404, 404, True)]
)
def test_http_passes_on_2xx_and_3xx_or_on_exactly_the_wanted_status(status, wanted, passes):
    with answering(status, "Location: http://127.0.0.1:9/") as url:
        report = run({"name": "x", "url": url, **({"status": wanted} if wanted else {})})
    assert (report.verdict is Verdict.OK) is passes


def test_http_says_which_status_came_and_which_was_wanted():
    with answering(503) as url:
        assert failure({"name": "x", "url": url, "status": 200}) == "status 503, not 200"


def test_http_looks_for_a_text_in_the_answer(server):
    assert run({"name": "x", "url": server, "contains": "is well"}).verdict is Verdict.OK
    assert failure({"name": "x", "url": server, "contains": "is ill"}) == "status 200, but the text is not in it"


def test_http_reads_no_more_than_the_first_mebibyte():
    endless = [b"HTTP/1.1 200 OK\r\n\r\n", *([b"x" * 65536] * 64)]
    with http_server(*endless) as url:
        (result,) = run_all([HttpProbe(name="x", timeout_seconds=5, url=url, contains="never")], CLOCK)
    assert result.outcome is not None
    assert result.outcome.detail == "status 200, but the text is not in its first MiB"


def test_http_finds_a_text_that_lies_across_two_pieces():
    with http_server(OK[:-7], OK[-7:], seconds=0.1) as url:
        assert run({"name": "x", "url": url, "contains": "all is well"}).verdict is Verdict.OK


def test_http_head_asks_with_that_method():
    asked = []

    def answer(connection):
        asked.append(connection.recv(4096).split()[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    with tcp_server(answer) as port:
        assert run({"url": f"http://127.0.0.1:{port}", "method": "HEAD"}).verdict is Verdict.OK
    assert asked == [b"HEAD"]


def test_http_follows_redirects_only_as_far_as_it_is_told(server):
    with answering(302, f"Location: {server}") as url, answering(302, f"Location: {url}") as far:
        assert run({"url": url, "max_redirects": 1, "status": 200}).verdict is Verdict.OK
        assert failure({"name": "x", "url": far, "max_redirects": 1}) == "more than 1 redirects"
        assert failure({"name": "x", "url": url, "status": 200}) == "status 302, not 200"


@pytest.mark.parametrize("more", [{}, {"contains": "x"}])
def test_http_has_a_hard_end_also_for_a_server_that_drips(more):
    stop = threading.Event()
    with http_server(*([b"HTTP/1.1 200 OK\r\n"] + [b"X-Drip: 1\r\n"] * 200), pause=stop, seconds=0.1) as url:
        began = time.monotonic()
        said = failure({"name": "x", "url": url, "timeout_seconds": 0.4, **more})
        stop.set()
    assert said == "no complete answer within 0.4 s"
    assert time.monotonic() - began < 3


def test_http_that_gets_no_answer_says_how_long_it_waited():
    with tcp_server(lambda connection: time.sleep(2)) as port:
        assert failure({"name": "x", "url": f"http://127.0.0.1:{port}", "timeout_seconds": 0.2}) == (
            "no answer within 0.2 s"
        )


def test_http_says_that_the_answer_is_broken_without_quoting_it():
    with http_server(b"nonsense secret\r\n\r\n") as url:
        assert failure({"name": "x", "url": url}) == "broken answer (RemoteProtocolError)"


def test_no_password_of_an_address_is_in_the_report(closed, server):
    secret = f"http://eva:hunter22@127.0.0.1:{closed}/x?token=hunter22"
    report = run(
        {"url": secret}, {"name": f"named {secret}", "url": secret}, {"url": server.replace("//", "//a:hunter22@")}
    )
    assert "hunter22" not in repr(report)
    assert "eva" not in repr(report)
    with pytest.raises(SourceError) as refused:
        run({"url": "ftp://eva:hunter22@x"})
    assert "hunter22" not in str(refused.value)


def test_user_and_password_of_an_address_are_sent():
    asked = []

    def answer(connection):
        asked.append(connection.recv(4096).decode())
        connection.sendall(OK)

    with tcp_server(answer) as port:
        run({"url": f"http://eva:hunter22@127.0.0.1:{port}/"})
    assert "Authorization: Basic ZXZhOmh1bnRlcjIy" in asked[0]


# TCP


def test_tcp_says_that_a_name_is_unknown():
    assert failure({"name": "x", "tcp": "nowhere.invalid:80"}) == "no connection: unknown host name"


def test_tcp_reads_an_ipv6_address_in_brackets():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert run({"tcp": f"[::1]:{listener.getsockname()[1]}"}).verdict is Verdict.OK


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return str(path)


def serving(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return tls_server(context)


def ending_in(days):
    now = datetime.now(UTC)
    return {"not_before": now - timedelta(days=400), "not_after": now + timedelta(days=days, hours=1)}


def tls(port, ca_file, **more):
    return {"name": "shop", "tls": f"127.0.0.1:{port}", "server_name": "shop.test", "ca_file": ca_file, **more}


def probe_now(*probes, **more):
    """Run probes in a window that ends now: certificates are judged by it."""
    now = datetime.now(UTC)
    params = {"probes": list(probes), **more}
    return build(Kind.SYNTHETIC_RUN, params=params, window=(now - timedelta(hours=1), now))


def test_tls_tells_how_long_the_certificate_is_good(authority, ca_file):
    with serving(authority.issue_cert("shop.test", **ending_in(100))) as port:
        report = probe_now(tls(port, ca_file))
    assert report.verdict is Verdict.OK
    assert "certificate good for 100 days, until " in lines(report, "Passing")[0]


def test_tls_warns_of_a_certificate_that_ends_soon(authority, ca_file):
    with serving(authority.issue_cert("shop.test", **ending_in(12))) as port:
        report = probe_now(tls(port, ca_file))
        assert (report.verdict, report.reason) == (Verdict.ATTENTION, "of 1 probe: 1 certificate to renew")
        assert lines(report, "Certificates to renew")[0].startswith("shop: ends in 12 days, ")
        assert report.actions[0].startswith("Renew the certificate of shop: ends in 12 days")
        assert probe_now(tls(port, ca_file), certificate_days=10).verdict is Verdict.OK


def test_tls_goes_by_the_first_certificate_of_the_presented_chain_to_end(tmp_path):
    root = trustme.CA()
    middle = root.create_child_ca()
    leaf = middle.issue_cert("shop.test", **ending_in(100))
    other = root.issue_cert("other.test", **ending_in(7))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        b"".join(blob.bytes() for blob in (leaf.private_key_pem, *leaf.cert_chain_pems, other.cert_chain_pems[0]))
    )
    context.load_cert_chain(chain)
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(root.cert_pem.bytes())
    with tls_server(context) as port:
        report = probe_now(tls(port, str(ca_file)))
    assert "another of its chain for 7 days" in lines(report, "Passing")[0]
    assert lines(report, "Certificates to renew")[0].startswith("shop: ends in 7 days")


@pytest.mark.parametrize(
    ("name", "days", "is_trusted", "reason"),
    [
        ("shop.test", -3, True, "certificate not trusted: certificate has expired"),
        ("other.test", 100, True, "certificate not trusted: Hostname mismatch"),
        ("shop.test", 100, False, "certificate not trusted: unable to get local issuer certificate"),
    ],
)
def test_tls_fails_with_the_reason_when_the_certificate_does_not_verify(
    authority, ca_file, name, days, is_trusted, reason
):
    with serving(authority.issue_cert(name, **ending_in(days))) as port:
        (line,) = lines(probe_now(tls(port, ca_file if is_trusted else None)), "Failing")
    assert line.startswith(f"shop: {reason}")


def test_tls_on_a_port_without_tls_fails(server):
    port = server.rsplit(":", 1)[1].rstrip("/")
    assert failure({"name": "x", "tls": f"127.0.0.1:{port}", "timeout_seconds": 2}).startswith("no TLS connection: ")


def not_run(probe):
    """Return why a probe did not run; the one that it would have asked is then not known to be well, or ill."""
    report = run({"name": "x", **probe})
    assert report.verdict is Verdict.UNKNOWN
    assert [(one.status, one.detail) for one in report.coverage] == [
        (CoverageStatus.UNPROVEN, "0 probes run just now, 1 not run")
    ]
    return only(report, "Not run").partition(": ")[2]


@pytest.mark.parametrize("way", ["tls", "url"])
def test_a_probe_whose_authorities_cannot_be_read_is_not_run(port, tmp_path, monkeypatch, way):
    probe = {way: {"tls": f"127.0.0.1:{port}", "url": f"https://127.0.0.1:{port}"}[way]}
    missing = "cannot be read: No such file or directory"
    assert not_run({**probe, "ca_file": "/nowhere/ca.pem"}) == f"ca_file {missing}"
    (tmp_path / "empty.pem").touch()
    assert (
        not_run({**probe, "ca_file": str(tmp_path / "empty.pem")}) == "ca_file cannot be read: it holds no certificate"
    )
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert not_run(probe) == f"SSL_CERT_FILE {missing}"


def test_a_probe_that_a_wrong_proxy_keeps_from_asking_is_not_run(server, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "nonsense://eva:hunter22@proxy.test")
    said = not_run({"url": server})
    assert said == "check SSL_CERT_FILE and the proxy variables such as HTTPS_PROXY (ValueError)"


def test_https_probes_verify_certificates(authority, ca_file):
    with serving(authority.issue_cert("127.0.0.1", **ending_in(-3))) as port:
        (line,) = lines(run({"name": "x", "url": f"https://127.0.0.1:{port}", "ca_file": ca_file}), "Failing")
    assert line.startswith("x: certificate not trusted: certificate has expired")


# DNS


@pytest.fixture
def resolver():
    records = {
        ("shop.test", "A"): ["192.0.2.1", "192.0.2.2"],
        ("shop.test", "MX"): ["10 mail.shop.test."],
        ("empty.test", "A"): [],
    }
    with dns_server(records) as port:
        yield f"127.0.0.1:{port}"


def test_dns_passes_when_the_name_has_the_record(resolver):
    report = run({"dns": "shop.test", "server": resolver})
    assert only(report, "Passing").startswith("1 probe passed: shop.test A: A 192.0.2.1, 192.0.2.2, 0.")
    report = run({"dns": "shop.test", "type": "mx", "server": resolver, "answers": ["10 mail.shop.test"]})
    assert report.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        ({"dns": "other.test"}, "there is no such name"),
        ({"dns": "shop.test", "type": "AAAA"}, "the name has no AAAA record"),
        (
            {"dns": "shop.test", "answers": ["192.0.2.1", "192.0.2.9"]},
            "192.0.2.9 is missing; it answers 192.0.2.1, 192.0.2.2",
        ),
    ],
)
def test_dns_fails_with_the_reason(resolver, probe, reason):
    assert failure({"name": "x", "server": resolver, **probe}) == reason


def test_dns_has_a_hard_end():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        assert failure({"name": "x", "dns": "a.test", "server": server, "timeout_seconds": 0.3}) == (
            "no answer within 0.3 s"
        )


# Hard ends


class Hanging:
    name = "hanging"
    timeout_seconds = 0.1

    def run(self, clock):
        threading.Event().wait(30)


class Broken(Hanging):
    name = "broken"

    def run(self, clock):
        raise RuntimeError("with a secret")


def test_a_probe_that_hangs_where_no_timeout_reaches_is_left_behind():
    began = time.monotonic()
    (result,) = run_all([Hanging()], CLOCK)
    assert result.outcome == Outcome(passed=False, detail="no complete answer within 0.1 s")
    assert time.monotonic() - began < 5


def test_a_probe_that_breaks_does_not_hide_the_others():
    broken, other = run_all([Broken(), Hanging()], CLOCK)
    assert (broken.outcome, broken.why_not) == (None, "the probe itself broke (RuntimeError)")
    assert other.name == "hanging"


def test_what_has_not_begun_when_the_time_is_over_is_not_run_and_that_is_unknown(monkeypatch, port):
    results = run_all([Hanging()] * 40, CLOCK, run_seconds=0.3)
    assert [result.outcome for result in results[-8:]] == [None] * 8
    monkeypatch.setattr(
        "watchbell.reports.kinds.synthetic_run.run_all", lambda probes, clock: run_all(probes, clock, run_seconds=-1)
    )
    report = run({"name": "db", "tcp": f"127.0.0.1:{port}"})
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, "of 1 probe: 1 not run")
    assert [one.status for one in report.coverage] == [CoverageStatus.UNPROVEN]


# Params


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "no probe is configured; set the task's params"),
        ({"probes": "http://x"}, "params.probes must be a list"),
        ({"probes": [{}] * 201}, "params.probes must be a list of at most 200"),
        ({"probe": []}, "params.probe is not known; did you mean 'probes'"),
        ({"probes": ["http://x"]}, r'params.probes\[0\] must be an object with one of "url"'),
        ({"probes": [{"tcp": "db:1"}, {"name": "x"}]}, r'params.probes\[1\] must be an object with one of "url"'),
        ({"probes": [{"url": "http://x", "tcp": "x:1"}]}, r"params.probes\[0\] must be an object with one of"),
        ({"probes": [{"url": None}]}, r"params.probes\[0\].url must be a text"),
        ({"probes": [{"url": 5}]}, r"params.probes\[0\].url must be a text, not 5"),
        ({"probes": [{"url": "ftp://x"}]}, r"params.probes\[0\].url must begin with http"),
        ({"probes": [{"url": "http://"}]}, "and name a host"),
        ({"probes": [{"url": "http://x", "status": "200"}]}, "status must be a whole number from 100 to 599"),
        ({"probes": [{"url": "http://x", "method": "POST"}]}, "method must be one of GET, HEAD, not 'POST'"),
        ({"probes": [{"url": "http://x", "method": "HEAD", "contains": "x"}]}, "contains needs an answer with a text"),
        ({"probes": [{"url": "http://x", "contain": "x"}]}, r"\[0\].contain is not known; did you mean 'contains'"),
        ({"probes": [{"url": "http://x", "max_redirects": 99}]}, "max_redirects must be a whole number from 0 to 10"),
        ({"probes": [{"tcp": "db"}]}, r"params.probes\[0\].tcp must look like db.example:5432"),
        ({"probes": [{"tcp": "db:99999"}]}, "must look like"),
        ({"probes": [{"tcp": "::1:80"}]}, "must look like"),
        ({"probes": [{"tcp": "a@db:1"}]}, "must look like"),
        ({"probes": [{"tcp": "db:1", "status": 200}]}, "status is not known"),
        ({"probes": [{"tcp": "db:1", "timeout_seconds": 900}]}, "timeout_seconds must be a number of seconds up to 60"),
        ({"probes": [{"tcp": "db:1", "timeout_seconds": True}]}, "timeout_seconds must be a number, not True"),
        ({"probes": [{"dns": "a..b"}]}, r"params.probes\[0\].dns: 'a..b' is no name"),
        ({"probes": [{"dns": "x", "type": "ANY"}]}, "type must be one of A, AAAA"),
        ({"probes": [{"dns": "x", "server": "dns.example"}]}, "server must be an IP address"),
        ({"probes": [{"dns": "x", "answers": "192.0.2.1"}]}, "answers must be a list of texts"),
        ({"blackbox": "probe_success"}, "params.blackbox needs a Prometheus"),
        ({"blackbox": 5}, "params.blackbox must be true, false, or a selector"),
        ({"certificate_days": -1}, "params.certificate_days must be a whole number"),
    ],
)
def test_params_that_are_wrong_are_refused_by_the_name_of_the_field(params, reason):
    with pytest.raises(SourceError, match=reason):
        build(Kind.SYNTHETIC_RUN, params=params)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("probe_success", ""),
        ("probe_success{}", ""),
        ('probe_success{job="blackbox"}', '{job="blackbox"}'),
        ('{job=~"a{2}|b", team!="x"}', '{job=~"a{2}|b", team!="x"}'),
        ("team=web", '{team="web"}'),
    ],
)
def test_recorded_probes_are_selected_by_labels(text, labels):
    assert parse_selector(text) == labels


@pytest.mark.parametrize("text", ["up", 'avg(probe_success{job="x"})', "probe_success > 0", 'probe_success{job="x"'])
def test_any_other_promql_is_no_selector_of_probes(text):
    with pytest.raises(SourceError, match=r"params\.blackbox must select by labels"):
        parse_selector(text)


def test_a_required_source_that_cannot_be_read_fails_the_run():
    with pytest.raises(SourceError, match="told: no such metric"):
        build(Kind.SYNTHETIC_RUN, Told())


class Blackbox(Told):
    """Has these probes, by instance: the last run of each passed (1) or failed (0)."""

    def __init__(self, name, **probes):
        super().__init__(name=name)
        self._probes = probes

    def ask(self, promql, at):
        if promql.startswith("last_over_time(probe_success"):
            return [({"instance": name}, float(value)) for name, value in self._probes.items()]
        if promql.startswith("timestamp("):
            return [({"__name__": "x", "instance": name}, at.timestamp()) for name in self._probes]
        return []

    def ask_range(self, promql, start, end, *, step):
        runs = {name: 5 if promql.startswith("count") else 5 * value for name, value in self._probes.items()}
        times = [(start + step * n).timestamp() for n in range(round((end - start) / step) + 1)]
        return [({"instance": name}, [(at, float(count)) for at in times]) for name, count in runs.items()]


def test_an_optional_source_that_cannot_be_read_is_named_in_the_coverage():
    report = build(Kind.SYNTHETIC_RUN, Blackbox("here", a=1), Told(name="there", required=False))
    assert [(one.source, one.status, one.detail) for one in report.coverage] == [
        ("here", CoverageStatus.OK, "1 blackbox probe"),
        ("there", CoverageStatus.FAILED, "no such metric"),
    ]
    with pytest.raises(SourceError, match="there: no such metric"):
        build(Kind.SYNTHETIC_RUN, Told(name="there", required=False), params={"blackbox": True})


def test_a_selector_that_finds_no_probe_fails_the_run():
    with pytest.raises(SourceError, match="here, there has no blackbox probe for probe_success"):
        build(Kind.SYNTHETIC_RUN, Blackbox("here"), Blackbox("there"), params={"blackbox": True})


def test_all_instances_are_asked_and_a_probe_of_two_counts_once_by_the_worse_account():
    report = build(Kind.SYNTHETIC_RUN, Blackbox("one", a=1, b=1), Blackbox("two", b=0, c=1))
    assert (report.verdict, report.reason) == (Verdict.DEGRADED, "of 3 probes: 1 failing")
    assert lines(report, "Failing") == ("b: no success in this window; 1440 of 1440 runs failed",)
    assert [one.detail for one in report.coverage] == ["2 blackbox probes"] * 2


def test_recorded_probes_are_read_beside_others_only_where_that_is_asked_for(port):
    probes = [{"tcp": f"127.0.0.1:{port}"}]
    assert len(build(Kind.SYNTHETIC_RUN, Blackbox("one", a=1), params={"probes": probes}).coverage) == 1
    both = build(Kind.SYNTHETIC_RUN, Blackbox("one", a=1), params={"probes": probes, "blackbox": True})
    assert both.numbers[0].value == 2


def test_reading_recorded_probes_ends_with_the_time_that_there_is_for_it():
    window = Window(start=hour(0), end=END, timezone="UTC")
    with pytest.raises(SourceError, match="it did not tell of its probes within 90 s"):
        read_history(Blackbox("one", a=1), "", window, Ageing())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e20])
def test_a_certificate_s_end_that_no_calendar_has_is_not_known_and_spoils_no_report(value):
    class Certified(Blackbox):
        def ask(self, promql, at):
            return [({"instance": "a"}, value)] if "cert_expiry" in promql else super().ask(promql, at)

    report = build(Kind.SYNTHETIC_RUN, Certified("one", a=1))
    assert (report.verdict, titles(report)) == (Verdict.OK, ["Passing"])


def test_no_password_of_a_recorded_address_is_in_the_report():
    report = build(Kind.SYNTHETIC_RUN, Blackbox("one", **{"https://eva:hunter22@shop.test/": 0}))
    assert lines(report, "Failing")[0].startswith("https://shop.test/: ")
    assert "hunter22" not in repr(report)


# What a history means

END_SECONDS = END.timestamp()


def samples(*runs, slot=300.0, **more):
    """Return samples out of (runs, passes) for each slot up to the end; None is a slot without a run."""
    begin = END_SECONDS - slot * len(runs)
    slots = tuple(
        Slot(start=begin + n * slot, end=begin + (n + 1) * slot, runs=pair[0], passes=pair[1])
        for n, pair in enumerate(runs)
        if pair is not None
    )
    known = {
        "labels": {"instance": "x"},
        "passes_now": True,
        "changes": 0,
        "ran_before": False,
        "last_run": slots[-1].end if slots else None,
        "last_good": None,
        "p95": 0.1,
        "p95_before": 0.1,
        "runs_before": 1000,
        "expires": None,
    }
    return ProbeSamples(slots=slots, **{**known, **more})


def judge(*runs, slot=300.0, **more):
    start = END_SECONDS - slot * len(runs)
    return judge_probe(samples(*runs, slot=slot, **more), start=start, end=END_SECONDS)


def state(*runs, **more):
    return judge(*runs, **more).state


def test_a_probe_is_failing_when_its_last_run_failed():
    assert state((5, 5), (5, 2), passes_now=False, changes=1) is State.FAILING


def test_a_probe_that_never_failed_is_passing():
    assert state((5, 5), (5, 5)) is State.PASSING


def test_a_probe_that_stopped_is_not_run_even_if_its_last_run_failed():
    assert state((5, 0), (5, 0), None, None, passes_now=False) is State.NOT_RUN
    assert state() is State.NOT_RUN


def test_one_outage_of_five_minutes_or_more_that_is_over_is_recovered():
    assert state((5, 5), (5, 0), (5, 5), changes=2) is State.RECOVERED
    assert state((5, 0), (5, 5), changes=1) is State.RECOVERED


def test_several_outages_or_a_short_one_are_flaky():
    assert state((5, 5), (5, 4), (5, 5), changes=2) is State.FLAKY
    assert state((5, 0), (5, 5), (5, 0), (5, 5), changes=3) is State.FLAKY


def test_fail_stretches_are_counted_out_of_the_changes():
    def stretches(**more):
        return judge((5, 3), (5, 3), **more).fail_stretches

    assert stretches(changes=2) == 1
    assert stretches(changes=1) == 1  # it failed at the start
    assert stretches(changes=4) == 2
    assert stretches(changes=0, passes_now=False) == 1
    assert stretches(changes=1, passes_now=False) == 1
    assert stretches(changes=2, passes_now=False) == 2
    assert stretches(changes=3, passes_now=False) == 2


@pytest.mark.parametrize(
    ("now", "before", "runs_before", "expected"),
    [
        (0.31, 0.20, 1000, State.SLOWER),
        (0.29, 0.20, 1000, State.PASSING),
        (0.04, 0.01, 1000, State.PASSING),
        (0.30, 0.20, 19, State.PASSING),
        (None, 0.20, 1000, State.PASSING),
        (0.30, None, 0, State.PASSING),
    ],
)
def test_slower_needs_half_as_long_again_and_fifty_milliseconds_and_enough_runs(now, before, runs_before, expected):
    assert state(*[(5, 5)] * 4, p95=now, p95_before=before, runs_before=runs_before) is expected


def test_a_stretch_without_runs_is_a_gap_from_five_minutes_and_three_intervals_on():
    history = judge((5, 5), None, (5, 5), (5, 5))
    assert history.interval == 60
    assert [end - start for start, end in history.gaps] == [300]


def test_a_short_stretch_without_runs_is_no_gap():
    assert judge((5, 5), None, (5, 5), (5, 5), slot=240.0).gaps == ()


def test_a_probe_that_ran_before_has_a_gap_at_the_start_where_a_new_one_has_none():
    assert len(judge(None, (5, 5), (5, 5), ran_before=True).gaps) == 1
    assert judge(None, (5, 5), (5, 5)).gaps == ()
    assert judge((5, 5), (5, 5), (5, 5), ran_before=True).gaps == ()


def test_a_gap_is_no_all_clear():
    class Holed(Blackbox):
        def ask_range(self, promql, start, end, *, step):
            whole = [start + step * n for n in range(288)]
            return [({"instance": "a"}, [(at.timestamp(), 5.0) for at in whole if not hour(3) < at < hour(5)])]

    report = build(Kind.SYNTHETIC_RUN, Holed("one", a=1))
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, "of 1 probe: 1 with gaps")
    assert lines(report, "Gaps, in which it is not known") == ("a: from 21 Nov 12:00 UTC for 1 h 55 m",)
    assert [(one.status, one.detail) for one in report.coverage] == [
        (CoverageStatus.UNPROVEN, "1 blackbox probe, 1 with gaps")
    ]


@pytest.mark.parametrize("one_ran_before", [False, True])
def test_probes_that_all_begin_within_the_window_vouch_for_nothing_before(one_ran_before):
    class Young(Blackbox):
        def ask(self, promql, at):
            if one_ran_before and promql.startswith("count_over_time(probe_success"):
                return [({"instance": "old"}, 5.0)]
            return super().ask(promql, at)

        def ask_range(self, promql, start, end, *, step):
            return [
                (labels, points if labels["instance"] == "old" else points[-5:])
                for labels, points in super().ask_range(promql, start, end, step=step)
            ]

    report = build(Kind.SYNTHETIC_RUN, Young("one", **({"old": 1} if one_ran_before else {}), new=1))
    assert report.verdict is (Verdict.OK if one_ran_before else Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("runs_before", "told"),
    [(0, "its first run was at about 22 Nov 08:35 UTC"), (9, "from 21 Nov 09:00 UTC for 23 h 35 m")],
)
def test_a_probe_that_never_ran_before_tells_of_its_first_run(runs_before, told):
    class Young(Blackbox):
        def ask(self, promql, at):
            if promql.startswith("count_over_time(probe_duration_seconds"):  # of seven days
                return [({"instance": "new"}, float(runs_before))]
            return super().ask(promql, at)

        def ask_range(self, promql, start, end, *, step):
            return [(labels, points[-5:]) for labels, points in super().ask_range(promql, start, end, step=step)]

    assert lines(build(Kind.SYNTHETIC_RUN, Young("one", new=1)), "Gaps, in which it is not known") == (f"new: {told}",)


def test_slots_between_rare_runs_are_no_gaps():
    history = judge((1, 1), None, (1, 1), None, (1, 1), slot=60.0)
    assert (history.interval, history.gaps) == (120, ())


def test_the_interval_is_not_known_from_one_run():
    assert interval_of(samples((1, 1)).slots) is None


def test_the_worst_state_is_named_first():
    assert list(State)[:2] == [State.FAILING, State.NOT_RUN]
