"""A monitoring server for the faults that real ones will not show on demand; speaks Prometheus and Alertmanager.

with FakeMonitoring() as server:
    server.fault = web_page          # every path now answers with an HTML error page
    server.faults["/api/v1/rules"] = no_rules
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

Series = list[dict[str, Any]]


class FakeMonitoring:
    """A healthy server with one alerting rule and no alert, until told otherwise."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.faults: dict[str, Fault] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []  # path, headers, form
        self.rules: list[dict[str, Any]] = [rule("HighErrorRate")]
        self.samples: Series = []
        self.hole: tuple[float, float] | None = None
        self.ranges: dict[str, Series] = {}  # what a query_range answers that holds this text
        self.instants: dict[str, Series] = {}  # what an instant query answers that holds this text
        self.counts: dict[str, float] = {}  # what an instant `count(…)` answers that holds this text
        self.alerts: list[dict[str, Any]] = []
        self.silences: list[dict[str, Any]] = []
        self.cluster = "ready"
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> "FakeMonitoring":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, form: dict[str, str]) -> Any:
        """Return what a healthy server answers."""
        answers: dict[str, Callable[[], Any]] = {
            "/api/v1/rules": lambda: success(
                {"groups": [{"name": "g", "file": "/r.yml", "interval": 60, "rules": self.rules}]}
            ),
            "/api/v1/query": lambda: success(self._instant(form)),
            "/api/v1/query_range": lambda: success({"resultType": "matrix", "result": self._range(form)}),
            "/api/v2/status": lambda: {"cluster": {"status": self.cluster}},
            "/api/v2/alerts": lambda: self.alerts,
            "/api/v2/silences": lambda: self.silences,
        }
        return answers[path]() if path in answers else None

    def _instant(self, form: dict[str, str]) -> dict[str, Any]:
        for text, series in self.instants.items():
            if text in form["query"]:
                return {"resultType": "vector", "result": series}
        if not form["query"].startswith("count("):
            return {"resultType": "matrix", "result": self.samples}
        found = [count for text, count in self.counts.items() if text in form["query"]]
        return {"resultType": "vector", "result": [{"metric": {}, "value": [0, str(count)]} for count in found]}

    def _range(self, form: dict[str, str]) -> Series:
        if "max_over_time(" in form["query"]:
            return [self._samples(form)]
        start, end = float(form["start"]), float(form["end"])
        told = next((series for text, series in self.ranges.items() if text in form["query"]), [])
        return [{"metric": one["metric"], "values": [v for v in one["values"] if start <= v[0] <= end]} for one in told]

    def _samples(self, form: dict[str, str]) -> dict[str, Any]:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        times = [start + n * step for n in range(int((end - start) / step) + 1)]
        kept = [at for at in times if not self.hole or not self.hole[0] < at < self.hole[1]]
        return {"metric": {}, "values": [[at, "1"] for at in kept]}


Fault = Callable[["_Handler", FakeMonitoring], None]


def rule(name: str, *, health: str = "ok", error: str = "", evaluated: datetime | None = None) -> dict[str, Any]:
    """Return one alerting rule as the rules API shows it."""
    at = evaluated or datetime.now(UTC)
    return {
        "name": name,
        "type": "alerting",
        "duration": 0,
        "health": health,
        "lastError": error,
        "lastEvaluation": at.isoformat(),
    }


def success(data: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": data, **more}


def web_page(handler: "_Handler", server: FakeMonitoring) -> None:
    """A login page of a proxy, with status 200."""
    handler.send(200, b"<!doctype html><html><body>Please log in</body></html>", "text/html; charset=utf-8")


def unauthorised(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(401, b'{"status":"error","errorType":"unauthorized","error":"token expired"}')


def too_many_requests(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(429, b"slow down", "text/plain")


def unavailable(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(503, b'{"status":"error","errorType":"timeout","error":"query timed out"}')


def unprocessable(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(
        422, b'{"status":"error","errorType":"execution","error":"expanding series: context deadline exceeded"}'
    )


def redirect(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(302, b"", "text/plain", Location="https://login.example/?next=secret")


def error_with_status_200(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(200, b'{"status":"error","errorType":"internal","error":"no route to the store"}')


def half_json(handler: "_Handler", server: FakeMonitoring) -> None:
    """JSON that breaks off, though the transfer is complete."""
    handler.send(200, b'{"status":"success","data":{"resultType":"matrix","resu')


def half_body(handler: "_Handler", server: FakeMonitoring) -> None:
    """A connection that closes before the announced length."""
    handler.send(200, b'{"status":"success"', length=1000)


def wrong_shape(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send(200, b'{"status":"success","data":{"surprise":[1,2,3]}}')


def silence(handler: "_Handler", server: FakeMonitoring) -> None:
    """Take the request and never answer."""
    server.stopping.wait(30)


def slow_drip(handler: "_Handler", server: FakeMonitoring) -> None:
    """One byte every 50 ms: no single wait is long, the whole never ends."""
    handler.begin(200, "application/json", 100_000)
    while not server.stopping.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def header_drip(handler: "_Handler", server: FakeMonitoring) -> None:
    """The same before there is any answer: a header without an end."""
    _drip(handler, server, b"HTTP/1.1 200 OK\r\nX-Padding: ")


def chunk_drip(handler: "_Handler", server: FakeMonitoring) -> None:
    """The same between two pieces of an answer: the length of a chunk, with an extension without an end."""
    _drip(handler, server, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n1;")


def _drip(handler: "_Handler", server: FakeMonitoring, beginning: bytes) -> None:
    handler.wfile.write(beginning)
    while not server.stopping.wait(0.05):
        handler.wfile.write(b"a")
        handler.wfile.flush()


def huge_body(handler: "_Handler", server: FakeMonitoring) -> None:
    """Far more than anybody asked for."""
    handler.begin(200, "application/json", 10**12)
    while not server.stopping.is_set():
        handler.wfile.write(b'["' + b"x" * 65536)


def no_rules(handler: "_Handler", server: FakeMonitoring) -> None:
    handler.send_json(success({"groups": []}))


def warnings(handler: "_Handler", server: FakeMonitoring) -> None:
    """A healthy-looking answer that says it is only a part."""
    answer = server.answer(handler.clean_path, handler.form)
    handler.send_json({**answer, "warnings": ["store eu-1 did not answer"]})


def no_success(handler: "_Handler", server: FakeMonitoring) -> None:
    """Data that is neither a success nor an error, as of a proxy with words of its own."""
    handler.send_json({**server.answer(handler.clean_path, handler.form), "status": "degraded"})


def partial(handler: "_Handler", server: FakeMonitoring) -> None:
    """The same, as VictoriaMetrics' cluster says it."""
    handler.send_json({**server.answer(handler.clean_path, handler.form), "isPartial": True})


class _Handler(BaseHTTPRequestHandler):
    server_state: FakeMonitoring
    form: dict[str, str]

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    @property
    def clean_path(self) -> str:
        return urlsplit(self.path).path

    def _answer(self, form: str) -> None:
        state = self.server_state
        self.form = {name: values[-1] for name, values in parse_qs(form).items()}
        state.requests.append((self.clean_path, dict(self.headers), self.form))
        fault = state.faults.get(self.clean_path, state.fault)
        try:
            if fault:
                fault(self, state)
            else:
                answer = state.answer(self.clean_path, self.form)
                self.send_json(answer) if answer is not None else self.send(404, b"404 page not found", "text/plain")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True

    def send_json(self, answer: Any) -> None:
        self.send(200, json.dumps(answer).encode())

    def send(
        self, status: int, body: bytes, kind: str = "application/json", *, length: int | None = None, **headers: str
    ) -> None:
        self.begin(status, kind, len(body) if length is None else length, **headers)
        self.wfile.write(body)

    def begin(self, status: int, kind: str, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        pass


def _handler(state: FakeMonitoring) -> type[_Handler]:
    return type("Handler", (_Handler,), {"server_state": state})
