"""Tokens go in without being shown, come out masked, and are tried by calls that send nothing."""

import json
import os
import pty
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import Ended, command
from delivery.conftest import TOKENS, one_certificate  # noqa: F401  a fixture
from fakes.chat_server import ChatServer
from fakes.monitoring import FakeMonitoring, unauthorised

Run = Callable[..., Ended]
SLACK = TOKENS["slack"]


@pytest.fixture
def chats(home: Path, monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> Iterator[ChatServer]:  # noqa: F811
    with ChatServer() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
        for name in ("slack", "telegram", "discord"):
            monkeypatch.setenv(f"WATCHBELL_{name.upper()}_API_URL", getattr(server, f"{name}_url"))
        yield server


def test_a_token_from_standard_input_is_stored_closed_to_others_and_listed_masked(watchbell: Run, home: Path) -> None:
    ended = watchbell("integrations", "set", "slack", stdin=f"{SLACK}\n")
    assert ended.code == 0, ended.err
    assert SLACK not in ended.out + ended.err
    assert "watchbell integrations test slack" in ended.err
    assert SLACK in (home / "integrations.json").read_text()
    assert (home / "integrations.json").stat().st_mode & 0o777 == 0o600
    listed = watchbell("integrations", "list")
    assert "bot_token=***" in listed.out
    assert SLACK not in listed.out
    [entry] = watchbell("integrations", "list", "--json").json
    assert (entry["service"], entry["instance"], entry["fields"]) == ("slack", "default", {"bot_token": "***"})


@pytest.mark.parametrize(
    "argument", [f"bot_token={SLACK}", SLACK, "webhook_url=https://hooks.slack.com/services/T/B/x"]
)
def test_a_secret_on_the_command_line_is_refused_with_the_reason_and_not_repeated(
    watchbell: Run, home: Path, argument: str
) -> None:
    ended = watchbell("integrations", "set", "slack", argument)
    assert ended.code == 2
    assert "history" in ended.err
    assert argument.partition("=")[2] not in ended.err or argument == SLACK
    assert SLACK not in ended.err
    assert not (home / "integrations.json").exists()


def test_an_address_with_a_password_in_it_is_refused_on_the_command_line(watchbell: Run, home: Path) -> None:
    ended = watchbell("integrations", "set", "prometheus", "url=http://ops:hunter22@prometheus:9090")
    assert ended.code == 2
    assert "hunter22" not in ended.err
    assert not (home / "integrations.json").exists()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"url": "http://p:9090", "bearer_token": "s3cret-bearer"}', {"url", "bearer_token"}),
        ("url=http://p:9090\nusername=ops\npassword=two words = one\n", {"url", "username", "password"}),
        ("http://p:9090", {"url"}),
    ],
)
def test_standard_input_may_be_json_or_lines_or_one_value(
    watchbell: Run, home: Path, text: str, fields: set[str]
) -> None:
    assert watchbell("integrations", "set", "prometheus", stdin=text).code == 0
    [entry] = watchbell("integrations", "list", "--json").json
    assert set(entry["fields"]) == fields
    assert entry["fields"]["url"] == "http://p:9090"
    assert {entry["fields"].get("bearer_token", "***"), entry["fields"].get("password", "***")} == {"***"}


@pytest.mark.parametrize("text", ["", "xoxb-1 2", '{"bot_token": 5}', "{bot_token", "token=abc\nb=c", "xoxb-é"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(watchbell: Run, home: Path, text: str) -> None:
    ended = watchbell("integrations", "set", "slack", stdin=text)
    assert ended.code == 2, ended.err
    assert not text or text not in ended.err
    assert not (home / "integrations.json").exists()


def test_a_token_of_another_kind_is_stored_with_a_warning(watchbell: Run) -> None:
    ended = watchbell("integrations", "set", "slack", stdin="xapp-1-A-2-b")
    assert ended.code == 0
    assert "begins with xoxb-" in ended.err


def test_a_terminal_is_asked_without_echo(home: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("integrations", "set", "telegram"), stdin=follower, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    shown = _read_until(leader, b"bot token")
    until = time.monotonic() + 20
    while termios.tcgetattr(leader)[3] & termios.ECHO and time.monotonic() < until:
        time.sleep(0.05)
    os.write(leader, TOKENS["telegram"].encode() + b"\n")
    shown += _read_until(leader, b"try it")
    assert process.wait(30) == 0
    os.close(leader)
    assert TOKENS["telegram"].encode() not in shown
    assert TOKENS["telegram"] in (home / "integrations.json").read_text()


def _read_until(terminal: int, words: bytes) -> bytes:
    shown, until = b"", time.monotonic() + 20
    while words not in shown and time.monotonic() < until:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    return shown


@pytest.mark.parametrize("service", ["slack", "telegram", "discord"])
def test_trying_a_token_makes_a_real_call_and_sends_nothing(watchbell: Run, chats: ChatServer, service: str) -> None:
    watchbell("integrations", "set", service, stdin=TOKENS[service])
    ended = watchbell("integrations", "test", service)
    assert ended.code == 0, ended.out
    assert "signed in" in ended.out
    assert len(chats.requests) == 1
    assert chats.messages == []


@pytest.mark.parametrize("service", ["slack", "telegram", "discord"])
def test_a_refused_token_is_said_with_exit_code_4_and_never_shown(
    watchbell: Run, chats: ChatServer, service: str
) -> None:
    bad = {"slack": "xoxb-REVOKED-0001", "telegram": "123456789:REVOKED" + "0" * 30}.get(service, "A" * 24 + ".REVOKE.")
    bad = bad + "REVOKED" + "0" * 27 if service == "discord" else bad
    watchbell("integrations", "set", service, stdin=bad)
    ended = watchbell("integrations", "test", service, "--json")
    assert ended.code == 4, ended.out
    [check] = ended.json["checks"]
    assert check["status"] == "problem"
    assert f"integrations set {service}" in check["advice"]
    assert bad not in ended.out + ended.err


def test_a_token_of_the_environment_is_tried_as_well(
    watchbell: Run, chats: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", SLACK)
    ended = watchbell("integrations", "test", "slack")
    assert ended.code == 0
    assert "SLACK_BOT_TOKEN" in ended.out
    assert "SLACK_BOT_TOKEN" in watchbell("integrations", "list").out


def test_a_provider_that_cannot_be_reached_is_7_and_a_missing_token_is_4(
    watchbell: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watchbell("integrations", "test", "slack").code == 4
    monkeypatch.setenv("WATCHBELL_SLACK_API_URL", "http://127.0.0.1:9")
    watchbell("integrations", "set", "slack", stdin=SLACK)
    ended = watchbell("integrations", "test", "slack")
    assert ended.code == 7
    assert "cannot connect" in ended.out


def test_a_slack_app_that_may_not_write_is_told_which_scope_it_lacks(watchbell: Run, chats: ChatServer) -> None:
    watchbell("integrations", "set", "slack", stdin=SLACK)
    body = json.dumps({"ok": True, "user": "watchbell"})
    for scopes, code in (("channels:read,users:read", 4), ("channels:read,chat:write", 0)):
        chats.fault(provider="slack", status=200, accept=False, body=body, headers={"X-OAuth-Scopes": scopes})
        ended = watchbell("integrations", "test", "slack")
        assert ended.code == code
        assert ("without the scope chat:write" in ended.out) == (code == 4)


@pytest.mark.parametrize("service", ["slack", "telegram", "discord"])
def test_a_provider_that_answers_with_something_else_proves_nothing_of_the_token(
    watchbell: Run, chats: ChatServer, service: str
) -> None:
    watchbell("integrations", "set", service, stdin=TOKENS[service])
    chats.fault(provider=service, status=502, accept=False, body="<html>Bad gateway</html>")
    ended = watchbell("integrations", "test", service)
    assert ended.code == 7
    assert "HTTP 502" in ended.out
    chats.fault(provider=service, status=429, accept=False, body="{}")
    limited = watchbell("integrations", "test", service)
    assert limited.code == 0
    assert "too many requests" in limited.out


def test_without_a_service_everything_that_is_stored_or_set_is_tried(
    watchbell: Run, chats: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = watchbell("integrations", "test")
    assert (nothing.code, "nothing is stored" in nothing.out) == (4, True)
    watchbell("integrations", "set", "slack", stdin=SLACK)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKENS["telegram"])
    with FakeMonitoring() as server:
        watchbell("integrations", "set", "prometheus", f"url={server.url}")
        ended = watchbell("integrations", "test", "--json")
        names = [check["check"] for check in ended.json["checks"]]
        assert names == ["slack/default bot_token", "TELEGRAM_BOT_TOKEN", "prometheus/default"]
        assert ended.code == 0, ended.out
    assert watchbell("integrations", "test").code == 6
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123456789:REVOKED-token-of-thirty-characters-000")
    assert watchbell("integrations", "test").code == 4
    assert watchbell("integrations", "test", "--instance", "default").code == 2
    assert chats.messages == []


def test_webhooks_are_tried_without_a_message(watchbell: Run, chats: ChatServer) -> None:
    watchbell("integrations", "set", "slack", stdin=f"{chats.url}/slack/services/T1/B1/0123456789abcdef")
    watchbell("integrations", "set", "discord", stdin=f"{chats.url}/discord/api/webhooks/123456789012345678/token")
    assert watchbell("integrations", "test", "slack").code == 0
    chats.fault(provider="discord", status=200, accept=False, body='{"id": "1", "name": "alerts"}')
    ended = watchbell("integrations", "test", "discord")
    assert ended.code == 0, ended.out
    assert "webhook alerts is there" in ended.out
    chats.fault(provider="slack", status=404, accept=False, body="no_service")
    gone = watchbell("integrations", "test", "slack")
    assert gone.code == 4
    assert "no_service" in gone.out
    assert chats.messages == []


def test_a_real_message_goes_through_the_code_that_reports_go_through(watchbell: Run, chats: ChatServer) -> None:
    watchbell("integrations", "set", "slack", stdin=SLACK)
    ended = watchbell("integrations", "test", "slack", "--send", "--to", "slack:C0123ABCD")
    assert ended.code == 0, ended.out
    [message] = chats.messages
    assert message.chat_id == "C0123ABCD"
    assert "test message" in message.text
    chats.deny("C0123ABCD", "membership")
    refused = watchbell("integrations", "test", "slack", "--send", "--to", "C0123ABCD")
    assert refused.code == 7
    assert "not_in_channel" in refused.out
    assert watchbell("integrations", "test", "slack", "--send").code == 2


def test_a_real_message_can_go_by_a_named_instance(watchbell: Run, chats: ChatServer) -> None:
    watchbell("integrations", "set", "slack", "--instance", "other", stdin=SLACK)
    hook = f"{chats.url}/slack/services/T1/B1/0123456789abcdef"
    watchbell("integrations", "set", "slack", "--instance", "hook", stdin=hook)
    sent = watchbell("integrations", "test", "slack", "--instance", "hook", "--send", "--to", "webhook")
    assert sent.code == 0, sent.out
    assert watchbell("integrations", "test", "slack", "--instance", "other", "--send", "--to", "C0123ABCD").code == 0
    assert len(chats.messages) == 2
    assert watchbell("integrations", "test", "slack", "--instance", "none", "--send", "--to", "C0123ABCD").code == 4


def test_a_stored_prometheus_is_tried_and_is_what_reports_are_made_of(watchbell: Run, add: Run, home: Path) -> None:
    with FakeMonitoring() as server:
        text = json.dumps({"url": server.url, "bearer_token": "s3cret-bearer"})
        watchbell("integrations", "set", "prometheus", stdin=text)
        ended = watchbell("integrations", "test", "prometheus")
        assert ended.code == 0, ended.out
        assert "1 alerting rule, healthy" in ended.out
        assert {headers.get("Authorization") for _, headers, _ in server.requests} == {"Bearer s3cret-bearer"}
        task = add()
        preview = watchbell("cron", "preview", task, "--as", "json").json
        assert [one["source"] for one in preview["coverage"]] == ["prometheus"]
        server.fault = unauthorised
        refused = watchbell("integrations", "test", "prometheus")
    assert refused.code == 6
    assert "refused the credentials" in " ".join(refused.out.split())
    assert "s3cret-bearer" not in refused.out


def test_a_stored_source_that_does_not_count_is_said(watchbell: Run, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[sources.prometheus]\nurl = "http://elsewhere:9090"\n')
    ended = watchbell("integrations", "set", "alertmanager", "url=http://alertmanager:9093")
    assert ended.code == 0
    assert "it is not used" in ended.err


def test_several_configured_sources_go_by_their_names(watchbell: Run, home: Path) -> None:
    home.mkdir()
    tables = (f'[[sources.prometheus]]\nname = "{name}"\nurl = "http://127.0.0.1:1"\n' for name in ("eu", "us"))
    (home / "config.toml").write_text("".join(tables))
    tried = watchbell("integrations", "test", "prometheus", "--json").json
    assert [one["check"] for one in tried["checks"]] == ["prometheus/eu (configured)", "prometheus/us (configured)"]


def test_reports_do_not_look_well_when_the_stored_sources_cannot_be_read(watchbell: Run, add: Run, home: Path) -> None:
    task = add()
    (home / "integrations.json").write_text("{")
    (home / "integrations.json").chmod(0o600)
    preview = watchbell("cron", "preview", task, "--as", "json").json
    assert preview["verdict"] == "UNKNOWN"
    assert "integrations.json" in preview["coverage"][0]["detail"]


def test_removing_needs_a_name_where_there_are_several(watchbell: Run, home: Path) -> None:
    watchbell("integrations", "set", "slack", stdin=SLACK)
    watchbell("integrations", "set", "slack", "--instance", "two", stdin=SLACK)
    assert watchbell("integrations", "remove", "slack").code == 2
    assert watchbell("integrations", "remove", "slack", "--instance", "two").code == 0
    assert watchbell("integrations", "remove", "slack").code == 0
    assert watchbell("integrations", "list", "--json").json == []
    assert watchbell("integrations", "remove", "slack").code == 2


def test_an_unknown_service_is_refused_with_the_nearest_one(watchbell: Run, home: Path) -> None:
    ended = watchbell("integrations", "set", "slak", stdin=SLACK)
    assert ended.code == 2
    assert "did you mean slack?" in ended.err


def test_a_reference_is_no_secret_it_may_be_typed_and_is_shown(watchbell: Run, home: Path) -> None:
    done = watchbell("integrations", "set", "slack", "bot_token=ssm:/watchbell/slack")
    assert (done.code, "unusual form" in done.err) == (0, False)
    [entry] = watchbell("integrations", "list", "--json").json
    assert entry["fields"] == {"bot_token": "ssm:/watchbell/slack"}


def test_a_reference_in_a_variable_is_shown(watchbell: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "secretsmanager:bots#telegram")
    [entry] = watchbell("integrations", "list", "--json").json
    assert entry["fields"] == {"bot_token": "secretsmanager:bots#telegram"}


def test_a_reference_that_leads_nowhere_is_named_by_the_trial(watchbell: Run, home: Path) -> None:
    assert watchbell("integrations", "set", "slack", "bot_token=env:NOT_SET_ANYWHERE").code == 0
    done = watchbell("integrations", "test", "slack")
    assert done.code == 4
    assert "env:NOT_SET_ANYWHERE is not set" in done.out + done.err


@pytest.mark.parametrize("command", [("set", "slack", "bot_token=env:X"), ("remove", "slack")])
def test_a_store_that_is_kept_elsewhere_is_only_read(
    watchbell: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    kept = tmp_path / "elsewhere.json"
    kept.write_text('[{"service": "slack", "credentials": {"bot_token": "env:BOT"}}]')
    monkeypatch.setenv("WATCHBELL_INTEGRATIONS", f"file:{kept}")
    done = watchbell("integrations", *command)
    assert done.code == 3
    assert f"the integration store is file:{kept} (WATCHBELL_INTEGRATIONS)" in done.err
    assert "change it where it is kept" in done.err
    [entry] = watchbell("integrations", "list", "--json").json
    assert entry["fields"] == {"bot_token": "env:BOT"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("mode", "complains"), [(0o440, False), (0o444, True), (0o400, False)])
def test_the_group_of_a_mounted_secret_that_is_not_ours_is_no_fault(
    watchbell: Run, home: Path, mode: int, complains: bool
) -> None:
    watchbell("integrations", "set", "slack", "bot_token=env:X")
    path = home / "integrations.json"
    path.chmod(mode)
    os.chown(path, 12345, -1)
    assert ("can be read by others" in watchbell("integrations", "list").err) is complains
    checks = {check["check"]: check for check in watchbell("doctor", "--offline", "--json").json["checks"]}
    assert (checks["files"]["status"] == "problem") is complains
