"""The alert log, filled with what a real Alertmanager really sends to its webhook."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from watchbell.clock import SystemClock
from watchbell.instants import format_instant
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.alert_log import AlertLog, append

pytestmark = pytest.mark.service("alertmanager")

CLOCK = SystemClock()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def webhook(log):
    """A receiver that appends each payload to the log."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            append(log, payload, CLOCK.now())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_alertmanager_sends_becomes_episodes_with_proof(alertmanager_maker, webhook, log, wait_for):
    server = alertmanager_maker.start(webhook)
    began = CLOCK.now() - timedelta(minutes=30)

    def send(name, ends=None):
        alert = {"labels": {"alertname": name, "severity": "page"}, "startsAt": format_instant(began)}
        body = [alert if ends is None else {**alert, "endsAt": format_instant(ends)}]
        httpx.post(f"{server.url}/api/v2/alerts", json=body).raise_for_status()

    def read():
        return AlertLog(log).read(began, CLOCK.now() + timedelta(seconds=2))

    for name in ("Watchdog", "Slow", "Down"):
        send(name)
    wait_for(lambda: len(read().episodes) == 2, "two alerts to be notified")
    assert {(e.labels["alertname"], e.end) for e in read().episodes} == {("Slow", None), ("Down", None)}

    ended = CLOCK.now()
    send("Slow", ends=ended)
    wait_for(lambda: any(e.end for e in read().episodes), "the end to be notified")
    (over,) = [e for e in read().episodes if e.end]
    assert over.labels == {"alertname": "Slow", "severity": "page"}
    assert abs(over.end - ended) < timedelta(seconds=2)
    assert format_instant(over.start) == format_instant(began)

    after_first_beat = CLOCK.now()
    evidence = AlertLog(log).read(after_first_beat, after_first_beat + timedelta(minutes=1))
    assert evidence.coverage.status is CoverageStatus.OK
    assert evidence.covered_from == after_first_beat
