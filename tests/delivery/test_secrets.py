"""No token shows in anything that a send returns, logs or prints, on any path, with every logger at DEBUG."""

import logging

import pytest

from watchbell.delivery.interface import Delivered, NotSent, Refused, Unknown

FAULTS = [
    {},
    {"then": "reset"},
    {"then": "reset", "accept": True},
    {"then": "hang", "seconds": 2},
    {"then": "drip_headers", "seconds": 2},
    {"then": "drip", "accept": True, "seconds": 2},
    {"then": "truncate", "accept": True},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 500, "body": "<html>"},
    {"status": 302, "headers": {"Location": "/elsewhere"}},
    {"status": 200, "body": "not json"},
    {"status": 400, "body": "ECHO"},
]


def secret_part(token: str) -> str:
    return token[4:24]


@pytest.fixture
def everything_logged(caplog):
    for name in ("", "httpx", "httpcore", "watchbell"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values()))[:30] or "none")
def test_no_path_shows_the_token(channel, fault, everything_logged, capfd):
    if fault.get("body") == "ECHO":  # a server that quotes the request back
        path = f"/bot{channel.token}/sendMessage Authorization: Bearer {channel.token}"
        body = f'{{"ok": false, "error": "{path}", "description": "{path}", "message": "{path}", "code": 1}}'
        fault = {**fault, "body": body}
    channel.server.fault(**fault)
    outcome = channel.send(seconds=0.25)
    assert isinstance(outcome, Delivered | Refused | NotSent | Unknown)
    written = "".join(
        [repr(outcome), str(outcome), repr(channel.provider), everything_logged.text, *capfd.readouterr()]
    )
    assert secret_part(channel.token) not in written


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[broken", "ftp://x", "https://user:pass-word@127.0.0.1:1"]
)
def test_no_unreachable_server_shows_the_token(channel, url, everything_logged, capfd):
    channel.provider = type(channel.provider)(url)
    outcome = channel.send(seconds=0.25)
    written = "".join([repr(outcome), everything_logged.text, *capfd.readouterr()])
    assert secret_part(channel.token) not in written
    assert "pass-word" not in written


@pytest.mark.parametrize("bad", ["\n", "\r\nX: y", "\x00", "é", " "])
def test_no_unusable_token_shows_itself(channel, bad, everything_logged, capfd):
    outcome = channel.send(token=channel.token + bad, seconds=0.25)
    written = "".join([repr(outcome), everything_logged.text, *capfd.readouterr()])
    assert secret_part(channel.token) not in written


def test_the_http_clients_own_loggers_are_quiet_once_a_client_exists(channel):
    channel.send()
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.DEBUG)
