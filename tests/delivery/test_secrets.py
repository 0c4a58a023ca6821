"""No token and no webhook shows in anything that a send returns, logs or prints, on any path, at any log level."""

import json
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime

import pytest

from fakes.pictures import png
from watchbell.delivery.interface import CannotTell, Delivered, Envelope, NotSent, Refused, SendKey, Unknown
from watchbell.errors import ConfigError, CredentialError
from watchbell.reports.interface import Image
from watchbell.secrets.credentials import resolve

CHART = Image(name="chart", png=png(), alt="what it shows")

WEBHOOKS = {
    "slack": "/slack/services/T0123/B0123/DISTINCTIVE-slack-webhook",
    "discord": "/discord/api/webhooks/1100000000000000001/DISTINCTIVE-discord-webhook",
}
SECRET = "DISTINCTIVE"

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
    {"status": 407, "body": "<html>"},
    {"status": 400, "body": "invalid_blocks"},
    {"status": 200, "body": '{"ok": false, "error": "invalid_blocks"}'},
    {"status": 400, "body": '{"ok": false, "description": "can\'t parse entities"}'},
    {"status": 400, "body": '{"ok": false, "parameters": {"migrate_to_chat_id": -100987}}'},
    {"status": 400, "body": '{"message": "no", "code": 50035, "errors": {"embeds": {}}}'},
    {"status": 400, "body": "ECHO"},
]


class Subject:
    """One provider, reached by its bot or by a webhook."""

    def __init__(self, channel, chat_id, credentials):
        self.channel, self.chat_id, self.credentials = channel, chat_id, credentials

    def do(self, what, seconds=2.0):
        key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target="x", part=2)
        envelope = Envelope(chat_id=self.chat_id, key=key, credentials=self.credentials, first_id="1700000000.000100")
        provider = self.channel.provider
        if what == "find":
            return provider.find(envelope, datetime(2026, 11, 22, 9, tzinfo=UTC), seconds)
        if what == "attach":
            return provider.attach(CHART, envelope, seconds)
        return provider.send(self.channel.render()[0], envelope, seconds)


CHATS = {"slack": "C0123ABCD", "telegram": "-1001234567890", "discord": "1100000000000000001"}


@pytest.fixture(params=["slack", "telegram", "discord", "slack webhook", "discord webhook"])
def subject(request, open_channel, tmp_path):
    """With credentials as they are resolved in earnest."""
    name, _, webhook = request.param.partition(" ")
    channel = open_channel(name)
    stored = {"bot_token": channel.token}
    if webhook:
        stored["webhook_url"] = f"http://127.0.0.1:{channel.server.port}{WEBHOOKS[name]}"
    path = tmp_path / "integrations.json"
    path.write_text(json.dumps([{"service": name, "credentials": stored}]))
    path.chmod(0o600)
    chat_id = "webhook" if webhook else CHATS[name]
    return Subject(channel, chat_id, resolve(name, integrations=path, environ={}, params={}, chat_id=chat_id))


@pytest.fixture
def everything_logged(caplog):
    for name in ("", "httpx", "httpcore", "watchbell"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def echoing(fault, subject):
    """Let a server quote the request back."""
    if fault.get("body") != "ECHO":
        return fault
    secrets = " ".join(subject.credentials.values())
    path = f"/bot{secrets}/sendMessage Authorization: Bearer {secrets}"
    return {**fault, "body": json.dumps({"ok": False, "error": path, "description": path, "message": path, "code": 1})}


@pytest.mark.parametrize("what", ["send", "attach", "find"])
def test_no_path_shows_a_secret(subject, what, everything_logged, capfd):
    for fault in FAULTS:
        subject.channel.server.fault(**echoing(fault, subject))
        outcome = subject.do(what, seconds=0.08 if "seconds" in fault else 2.0)
        if what != "find":
            assert isinstance(outcome, Delivered | Refused | NotSent | Unknown)
        written = [repr(outcome), str(outcome), repr(subject.channel.provider), everything_logged.text]
        assert SECRET not in "".join([*written, *capfd.readouterr()]), fault


@pytest.mark.parametrize("what", ["send", "attach", "find"])
def test_turning_the_http_clients_loggers_up_again_shows_no_secret(subject, what, everything_logged, capfd):
    """Their records are masked where they are made, before any handler of whoever asked for them."""
    subject.do("send")
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        subject.do(what)
    finally:
        for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
            logging.getLogger(name).setLevel(logging.WARNING if name in ("httpx", "httpcore") else logging.NOTSET)
    webhook_is_not_asked = what == "find" and subject.chat_id == "webhook"
    slack_takes_no_image = what == "attach" and "slack" in str(subject.credentials)
    telegram_cannot_be_asked = what == "find" and subject.channel.name == "telegram"
    if not (webhook_is_not_asked or slack_takes_no_image or telegram_cannot_be_asked):
        assert "HTTP Request" in everything_logged.text or "send_request" in everything_logged.text
    assert SECRET not in "".join([everything_logged.text, *capfd.readouterr()])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[broken", "ftp://x", "https://user:pass-word@127.0.0.1:1"]
)
def test_no_unreachable_server_shows_the_token(channel, url, everything_logged, capfd):
    channel.provider = type(channel.provider)(url)
    outcome = channel.send(seconds=0.25)
    written = "".join([repr(outcome), everything_logged.text, *capfd.readouterr()])
    assert SECRET not in written
    assert "pass-word" not in written


@pytest.mark.parametrize("bad", ["\n", "\r\nX: y", "\x00", "é", " "])
def test_no_unusable_secret_shows_itself(subject, bad, everything_logged, capfd):
    subject.credentials = {name: value + bad for name, value in subject.credentials.items()}
    outcomes = [subject.do("send"), subject.do("attach")]
    assert SECRET not in "".join([repr(outcomes), everything_logged.text, *capfd.readouterr()])


def test_no_exception_of_resolving_shows_a_secret(tmp_path):
    path = tmp_path / "integrations.json"
    broken = [
        '[{"service": "slack", "credentials": {"bot_token": "xoxb-DISTINCTIVE" oops}}]',
        '[{"service": "slack", "credentials": {"bot_token": "xoxb-DISTINCTIVE\\n"}}]',
        '[{"service": "slack", "credentials": {"bot_token": ["xoxb-DISTINCTIVE"]}}]',
        '{"service": "slack", "credentials": "xoxb-DISTINCTIVE", "version": 9}',
    ]
    for content in broken:
        path.write_text(content)
        path.chmod(0o600)
        for chat_id in ("C1", "webhook", "webhook/ops"):
            with pytest.raises((ConfigError, CredentialError)) as caught:
                resolve("slack", integrations=path, environ={}, params={}, chat_id=chat_id)
            assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


PROGRAM = """
import json, logging, sys
from datetime import datetime, timezone
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from watchbell.delivery.discord import Discord
from watchbell.delivery.interface import Envelope, SendKey, Stamp
from watchbell.delivery.slack import Slack
from watchbell.delivery.telegram import Telegram
from watchbell.reports.interface import Image, Report, Verdict, Window
from watchbell.tasks import Kind

now = datetime(2026, 11, 22, 9, tzinfo=timezone.utc)
report = Report(title="t", kind=Kind.DAILY_SUMMARY, verdict=Verdict.OK, reason="r",
                window=Window(start=now, end=now, timezone="UTC"))
for name, url, chat_id, credentials, faults in json.load(sys.stdin):
    provider = {"slack": Slack, "telegram": Telegram, "discord": Discord}[name](url)
    [part] = provider.render(report, Stamp(task_id="t", fire_time="f"))
    for number in range(faults):
        key = SendKey(task_id="t", fire_time="f", target="x", part=number)
        envelope = Envelope(chat_id=chat_id, key=key, credentials=credentials)
        print(provider, envelope, provider.send(part, envelope, 0.12))
        print(provider.attach(Image(name="x", png=b""), envelope, 0.12))
raise SystemExit("crash" if len(sys.argv) > 1 else 0)
"""


def test_a_process_that_logs_everything_shows_no_secret_on_any_path(server, monkeypatch):
    """Nothing here has resolved or remembered a secret: this is what never left, not what was masked."""
    jobs = []
    tokens = {
        "slack": "xoxb-1111-DISTINCTIVE-slack-token",
        "telegram": "123456789:DISTINCTIVE-telegram-token-0000000",
        "discord": "DISTINCTIVEdiscordtoken0.abcdef.0123456789012345678901234567",
    }
    for name, token in tokens.items():
        url = getattr(server, f"{name}_url")
        jobs.append((name, url, CHATS[name], {"bot_token": token}, len(FAULTS)))
        jobs.append((name, "http://127.0.0.1:1", CHATS[name], {"bot_token": token}, 1))
        if name in WEBHOOKS:
            credentials = {"webhook_url": f"http://127.0.0.1:{server.port}{WEBHOOKS[name]}"}
            jobs.append((name, url, "webhook", credentials, len(FAULTS)))
            jobs.append((name, url, "webhook", {"webhook_url": f"http://[broken{WEBHOOKS[name]}"}, 1))
        for _ in range(2 if name in WEBHOOKS else 1):
            for fault in FAULTS:
                server.fault(**{"provider": name, **fault})
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PROGRAM], input=json.dumps(jobs), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Unknown(") > 20
    assert SECRET not in done.stdout + done.stderr


def test_the_http_clients_own_loggers_are_quiet_once_a_client_exists(channel):
    channel.send()
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.DEBUG)


def test_a_webhook_that_cannot_be_asked_says_so_without_its_url(subject):
    answer = subject.do("find")
    if subject.chat_id == "webhook" or subject.channel.name == "telegram":
        assert isinstance(answer, CannotTell)
    assert SECRET not in repr(answer)
