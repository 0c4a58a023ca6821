"""A service that builds reports: what it is asked, and what becomes of whatever it answers."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from fakes.watching import Watching, request
from watchbell.errors import CredentialError, SourceError
from watchbell.reports.interface import Verdict
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.reports.pipelines.http import HttpPipeline
from watchbell.reports.pipelines.vouching import own_account


class Service:
    """Answers every POST with what it was given, or as `behaviour` does."""

    def __init__(self, tls=None):
        self.requests = []
        self.answer = (200, "text/markdown; charset=utf-8", "# Checkout\nis slow")
        self.headers = {}
        self.behaviour = None
        self.stopping = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append((self.path, dict(self.headers), json.loads(body)))
                status, kind, text = service.answer
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": kind, **service.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    service.behaviour(self) if service.behaviour else self.wfile.write(text.encode())
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_port

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def service():
    with Service() as running:
        yield running


def pipeline(url, headers=None, **options):
    builtin = BuiltinPipeline([Watching()])
    return HttpPipeline(
        url,
        name="desk",
        account=lambda asked: own_account(builtin.material(asked)),
        headers=lambda: headers or {},
        **options,
    )


def of(service, **options):
    return pipeline(f"http://127.0.0.1:{service.port}/report?team=shop", **options)


def error_of(made):
    with pytest.raises(SourceError) as raised:
        made.build(request())
    return str(raised.value)


def test_markdown_becomes_a_report(service):
    report = of(service).build(request())
    assert (report.sections[0].title, report.sections[0].lines) == ("Checkout", ("is slow",))
    assert report.verdict is Verdict.ATTENTION


def test_json_becomes_a_report(service):
    service.answer = (200, "application/json", json.dumps({"verdict": "DEGRADED", "reason": "p99 is up"}))
    report = of(service).build(request())
    assert (report.verdict, report.reason) == (Verdict.DEGRADED, "p99 is up")


def test_the_question_is_posted_with_the_headers(service):
    of(service, headers={"Authorization": "Bearer t0ken", "X-Team": "shop"}).build(request())
    path, headers, asked = service.requests[0]
    assert path == "/report?team=shop"
    assert (headers["Authorization"], headers["X-Team"]) == ("Bearer t0ken", "shop")
    assert headers["Content-Type"] == "application/json"
    assert (asked["kind"], asked["findings"]["verdict"]) == ("daily_summary", "OK")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((401, "text/plain", "token expired"), "refused the credentials (401): token expired"),
        ((403, "text/html", "<html>"), "refused the credentials (403)"),
        ((404, "text/plain", ""), "answered 404"),
        ((429, "text/plain", "slow down"), "answered 429: slow down"),
        ((500, "text/plain", "token=hunter22 broke"), "answered 500: token=*** broke"),
        ((200, "text/html", "<html>please log in</html>"), "answered with text/html; it must be"),
        ((200, "application/json", '{"verdict": '), "answered with broken JSON"),
        ((200, "application/json", "[]"), "it must be an object"),
        ((200, "text/markdown", ""), "answered with no text"),
        ((204, "text/markdown", ""), "answered with no text"),
    ],
)
def test_every_failure_is_one_clear_line(service, answer, complaint):
    service.answer = answer
    error = error_of(of(service))
    assert error.startswith("pipeline desk: 127.0.0.1 ")
    assert complaint in error
    assert "\n" not in error


def test_a_failure_is_a_notice_for_the_audience(service):
    service.answer = (500, "text/plain", "")
    assert build_or_notice(of(service), request()).reason.startswith("pipeline unavailable: pipeline desk: ")


def refuses(*_):
    raise CredentialError("env:DESK_TOKEN is not set")


def breaks(*_):
    raise ValueError("hunter22")


def test_whatever_the_service_does_the_notice_tells_what_the_sources_say(service):
    service.answer = (500, "text/plain", "")
    late = of(service, timeout_seconds=0.2)
    late._url = "http://192.0.2.1/"  # nobody answers there
    without_a_token, broken = of(service), of(service)
    without_a_token._headers, broken._headers = refuses, breaks
    reasons = []
    for made in (of(service), pipeline("http://127.0.0.1:1/"), pipeline("http://[/"), late, without_a_token, broken):
        report = build_or_notice(made, request())
        assert report.verdict is Verdict.UNKNOWN
        assert report.reason.endswith("; the sources say OK: no incidents")
        assert [one.source for one in report.coverage] == ["prometheus"]
        assert report.actions == ("Mend the pipeline: see [pipelines.desk] in config.toml",)
        reasons.append(report.source_error)
    assert all(reason.startswith("pipeline desk: ") for reason in reasons)
    assert reasons[-2:] == [
        "pipeline desk: env:DESK_TOKEN is not set",
        "pipeline desk: failed unexpectedly (ValueError)",
    ]


def test_redirects_are_not_followed(service):
    with Service() as elsewhere:
        service.answer = (307, "text/plain", "")
        service.headers = {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        assert "redirects elsewhere (307)" in error_of(of(service, headers={"X-Api-Key": "k"}))
        assert elsewhere.requests == []


def drip(service):
    def behaviour(handler):
        while not service.stopping.wait(0.05):
            handler.wfile.write(b".")

    return behaviour


def silence(service):
    return lambda handler: service.stopping.wait(30)


@pytest.mark.parametrize("behaviour", [drip, silence])
def test_the_whole_answer_has_one_time_limit(service, behaviour):
    service.behaviour = behaviour(service)
    began = time.monotonic()
    assert error_of(of(service, timeout_seconds=0.5)).split("127.0.0.1 ")[1] in (
        "gave no complete answer within 0.5 s",
        "did not answer in time",
    )
    assert time.monotonic() - began < 5


def test_an_endless_answer_is_cut_off(service):
    def flood(handler):
        while not service.stopping.is_set():
            handler.wfile.write(b"x" * 65536)

    service.behaviour = flood
    assert error_of(of(service, most_bytes=100_000)).endswith("answered with more than 97 KiB")


def test_nobody_at_the_address_is_said_so():
    assert error_of(pipeline("http://127.0.0.1:9/")) == (
        "pipeline desk: 127.0.0.1 cannot be reached: connection refused"
    )


@pytest.mark.parametrize("url", ["http://[", "http://user:hunter22@127.0.0.1:9/x?key=hunter22"])
def test_an_address_is_never_told_with_its_secrets(url):
    error = error_of(pipeline(url))
    assert error.startswith("pipeline desk: ")
    assert "hunter22" not in error


def test_a_header_that_cannot_be_sent_is_not_quoted(service):
    assert "s3cret" not in error_of(of(service, headers={"Authorization": "Bearer s3cret\r\nX: y"}))


def test_a_certificate_that_nobody_trusts_is_refused_and_a_trusted_one_taken(tmp_path, monkeypatch):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Service(tls=context) as service:
        url = f"https://localhost:{service.port}/"
        assert "certificate is not trusted" in error_of(pipeline(url))
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert pipeline(url).build(request()).sections[0].lines == ("is slow",)
