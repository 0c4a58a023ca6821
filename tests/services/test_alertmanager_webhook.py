"""`watchbell alerts receive`, and what a real Alertmanager really sends to it."""

import os
import re
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest

from watchbell.clock import SystemClock
from watchbell.instants import format_instant
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.alert_log import AlertLog

pytestmark = pytest.mark.service("alertmanager")

CLOCK = SystemClock()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def webhook(log, tmp_path, wait_for):
    """`watchbell alerts receive` on a free port, writing to the log; it has to end by itself when asked to."""
    (tmp_path / "config.toml").write_text(f'[sources.alert_log]\npath = "{log}"\n')
    arguments = [sys.executable, "-P", "-m", "watchbell_cli", "alerts", "receive", "--listen", "127.0.0.1:0"]
    with (tmp_path / "receive.log").open("wb") as said:
        process = subprocess.Popen(arguments, env=os.environ | {"WATCHBELL_HOME": str(tmp_path)}, stderr=said)
    try:
        wait_for(lambda: "records into" in (tmp_path / "receive.log").read_text(), "the receiver to listen")
        yield re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "receive.log").read_text())[0]
    finally:
        process.terminate()
        assert process.wait(15) == 0


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

    # The receiver notes whole seconds; what comes after the last heartbeat nothing vouches for.
    evidence = AlertLog(log).read(began, CLOCK.now())
    beat = evidence.covered_from
    assert beat is not None
    assert AlertLog(log).read(beat, beat + timedelta(minutes=1)).coverage.status is CoverageStatus.OK
    after = AlertLog(log).read(CLOCK.now() + timedelta(seconds=5), CLOCK.now() + timedelta(minutes=1))
    assert after.coverage.status is CoverageStatus.UNPROVEN
