"""A heartbeat says how a tick ended, never holds it up, and never shows its address."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.switch import Switch
from watchbell.secrets.redaction import redact
from watchbell.telling.heartbeat import FAILING, address_for, beat, ping

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Switch() as running:
        yield running


def test_a_success_is_the_address_itself_and_a_failure_has_its_exit_code_behind_it(switch: Switch) -> None:
    assert ping(switch.url, 0) is None
    assert ping(switch.url, 7) is None
    assert ping(switch.url + "/", 75) is None
    assert switch.paths == ["/", "/7", "/75"]


def test_a_query_stays_at_the_end_of_the_address() -> None:
    assert address_for("https://hc-ping.com/key/slug?create=1", 5) == "https://hc-ping.com/key/slug/5?create=1"


def test_a_switch_that_does_not_answer_takes_no_longer_than_the_patience(switch: Switch) -> None:
    switch.silent = True
    began = time.monotonic()
    assert ping(switch.url, 0, seconds=0.3) == "no answer within 0.3 s"
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hc-ping.com/uuid", "ftp://example.org/x", "http://", "x"])
def test_what_is_no_web_address_is_not_asked_for(url: str) -> None:
    assert ping(url, 0) == "WATCHBELL_HEARTBEAT_URL is not an http or https URL"


def test_failures_are_told_without_the_address(switch: Switch) -> None:
    switch.status = 404
    assert ping(switch.url, 0) == "HTTP 404; is the address still right?"
    refused = ping("http://127.0.0.1:9/secret-path", 0)
    assert refused is not None
    assert "cannot connect" in refused
    assert "secret" not in refused


def test_that_pings_fail_is_said_once_and_that_they_arrive_again_once(
    switch: Switch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "watchbell")
    switch.status = 500
    for _ in range(3):
        beat(switch.url, 0, home=tmp_path, now=NOW)
    assert (tmp_path / FAILING).read_text().startswith("since 2026-11-22T09:00:00Z: HTTP 500")
    switch.status = 200
    for _ in range(3):
        beat(switch.url, 0, home=tmp_path, now=NOW)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the heartbeat did not arrive",
        "the heartbeat arrives again",
    ]
    assert not (tmp_path / FAILING).exists()
    assert len(switch.paths) == 6
    assert switch.url not in redact(f"asked {switch.url} in vain")
