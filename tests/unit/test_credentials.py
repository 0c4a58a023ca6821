"""Where tokens come from, in which order, and what is refused."""

import json
import logging

import pytest

from watchbell.errors import ConfigError, CredentialError
from watchbell.secrets.credentials import resolve, without_credentials
from watchbell.secrets.redaction import redact


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "integrations.json"

    def write(content):
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        path.chmod(0o600)
        return path

    write.path = path
    return write


def v1(token="stored-token", service="slack", **more):
    return {"id": "1", "service": service, "status": "active", "credentials": {"bot_token": token}, **more}


def token_of(path, environ=None, params=None, provider="slack"):
    found = resolve(provider, integrations=path, environ=environ or {}, params=params or {})
    return found["bot_token"]


def test_the_store_wins_over_the_environment_and_that_over_the_params(store):
    environ, params = {"SLACK_BOT_TOKEN": "environment-token"}, {"bot_token": "params-token"}
    assert token_of(store({"integrations": [v1()]}), environ, params) == "stored-token"
    assert token_of(store({"integrations": []}), environ, params) == "environment-token"
    assert token_of(store({"integrations": []}), {}, params) == "params-token"


@pytest.mark.parametrize("provider", ["slack", "telegram", "discord"])
def test_each_provider_has_its_variable_and_its_own_param(store, provider):
    path = store([])
    assert token_of(path, {f"{provider.upper()}_BOT_TOKEN": "of-environment"}, provider=provider) == "of-environment"
    params = {"bot_token": "for-anyone", f"{provider}_bot_token": "its-own"}
    assert token_of(path, {}, params, provider) == "its-own"
    assert token_of(path, {}, {"access_token": "accessible"}, provider) == "accessible"


def test_an_empty_variable_counts_as_not_set(store):
    assert token_of(store([]), {"SLACK_BOT_TOKEN": ""}, {"bot_token": "params-token"}) == "params-token"


@pytest.mark.parametrize(
    "content",
    [
        {"integrations": [v1()]},
        {"version": 1, "integrations": [v1()]},
        [v1()],
        [v1(service="telegram", token="other-token"), v1()],
        [v1(service="Slack")],
        [v1(status="Active")],
        [{"service": "slack", "credentials": {"slack_bot_token": "stored-token"}}],
        [v1(status="disabled", token="old-token"), v1()],
        [v1(token=""), v1()],
        {
            "version": 2,
            "integrations": [
                {
                    "id": "1",
                    "service": "slack",
                    "status": "active",
                    "instances": [
                        {"name": "empty", "tags": {}, "credentials": {}},
                        {"name": "default", "tags": {}, "credentials": {"bot_token": "stored-token"}},
                    ],
                }
            ],
        },
    ],
)
def test_every_known_shape_of_the_store_is_read(store, content):
    assert token_of(store(content)) == "stored-token"


def test_a_byte_order_mark_does_no_harm(store):
    assert token_of(store("\ufeff" + json.dumps([v1()]))) == "stored-token"


@pytest.mark.parametrize("status", ["disabled", "inactive", "error"])
def test_an_integration_that_is_not_active_is_passed_over(store, status):
    assert token_of(store([v1(status=status)]), {"SLACK_BOT_TOKEN": "environment-token"}) == "environment-token"


def test_without_any_token_the_error_says_what_to_do(store):
    with pytest.raises(CredentialError) as caught:
        token_of(store([]))
    message = str(caught.value)
    assert "put it into" in message
    assert "SLACK_BOT_TOKEN" in message
    assert str(store.path) in message
    assert "\n" not in message
    assert redact(message) == message, "reads the same in a log"


def test_a_store_that_does_not_exist_is_an_empty_one(tmp_path):
    assert token_of(tmp_path / "none.json", {"SLACK_BOT_TOKEN": "environment-token"}) == "environment-token"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"integrations": [\n  {"bot_token": "s3cr3t-token" oops}]}', "line 2, column 32"),
        ("", "line 1, column 1"),
        ('{"integrations": {}}', "integrations: expected a list"),
        ('"xoxb"', "integrations: expected a list"),
        ("[5]", "integrations[0]: expected an object"),
        ('[{"service": "slack", "credentials": []}]', "integrations[0].credentials: expected an object"),
        ('[{"service": "slack", "instances": {}}]', "integrations[0].instances: expected a list"),
        ('[{"service": "slack", "instances": [5]}]', "integrations[0].instances[0]: expected an object"),
        ('[{"service": "slack", "credentials": {"bot_token": 5}}]', "credentials: bot_token has to be a text"),
        ('{"version": 3, "integrations": []}', "upgrade"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_store_is_an_error_and_never_passed_over(store, content, says):
    with pytest.raises(ConfigError) as caught:
        token_of(store(content), {"SLACK_BOT_TOKEN": "environment-token"})
    assert says in str(caught.value)
    assert str(store.path) in str(caught.value)
    assert "s3cr3t" not in repr(caught.value)


def test_a_store_that_is_not_text_or_not_a_file_is_an_error(store, tmp_path):
    store.path.write_bytes(b"\xff\xfe[]")
    with pytest.raises(ConfigError, match="not UTF-8"):
        token_of(store.path, {"SLACK_BOT_TOKEN": "environment-token"})
    with pytest.raises(ConfigError, match="cannot be read"):
        token_of(tmp_path, {"SLACK_BOT_TOKEN": "environment-token"})


def test_a_store_that_others_can_read_is_named_once(store, caplog):
    path = store([v1()])
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING, logger="watchbell"):
        token_of(path)
        token_of(path)
    [record] = caplog.records
    assert "0644" in record.getMessage()
    assert f"chmod 600 {path}" in record.getMessage()


@pytest.mark.parametrize("bad", ["\n", " ", "\t", "\x00", "\x7f", "é", "\r\n", "\u200b"])
@pytest.mark.parametrize("source", ["store", "environment", "params"])
def test_a_token_that_would_break_a_header_is_refused_and_not_shown(store, bad, source):
    token = f"s3cr3t-token{bad}"
    path = store([v1(token=token)] if source == "store" else [])
    environ = {"SLACK_BOT_TOKEN": token} if source == "environment" else {}
    with pytest.raises(CredentialError) as caught:
        token_of(path, environ, {"bot_token": token} if source == "params" else {})
    assert "s3cr3t" not in str(caught.value)


def test_a_resolved_token_is_masked_from_then_on(store):
    token_of(store([v1(token="resolved-and-distinctive")]))
    assert "distinctive" not in redact("oops resolved-and-distinctive oops")


def test_the_console_needs_no_token(tmp_path):
    assert resolve("console", integrations=tmp_path, environ={}, params={}) == {}


def test_credentials_are_stripped_from_params_at_any_depth():
    params = {
        "query": "up",
        "bot_token": "x",
        "headers": {"Authorization": "x", "Accept": "y"},
        "list": [{"clientSecret": "x", "name": "n"}, ["deep", {"db_password": "x"}], 5],
        "token_budget": 5,
        "keyboard": "de",
        "monkey": True,
        "secretary": "Ann",
    }
    before = json.dumps(params)
    assert without_credentials(params) == {
        "query": "up",
        "headers": {"Accept": "y"},
        "list": [{"name": "n"}, ["deep", {}], 5],
        "token_budget": 5,
        "keyboard": "de",
        "monkey": True,
        "secretary": "Ann",
    }
    assert json.dumps(params) == before, "the task itself is not changed"


URL = "https://hooks.slack.com/services/T0/B0/s3cr3t-webhook"
OTHER = "https://hooks.slack.com/services/T0/B0/s3cr3t-other"


def webhook_of(path, chat_id="webhook", environ=None, params=None, provider="slack"):
    return resolve(provider, integrations=path, environ=environ or {}, params=params or {}, chat_id=chat_id)


def test_a_webhook_target_gets_its_url_and_no_token(store):
    path = store([v1(), {"service": "slack", "credentials": {"bot_token": "t-o-k-e-n", "webhook_url": URL}}])
    assert webhook_of(path) == {"webhook_url": URL}
    assert webhook_of(path, "C0123ABCD") == {"bot_token": "stored-token"}


@pytest.mark.parametrize("provider", ["slack", "discord"])
def test_a_webhooks_url_comes_from_the_store_then_the_environment_then_the_params(store, provider):
    environ, params = {f"{provider.upper()}_WEBHOOK_URL": "https://of.environment/x"}, {"webhook_url": "https://of.p/x"}
    stored = {"service": provider, "credentials": {"webhook_url": URL}}
    assert webhook_of(store([stored]), environ=environ, params=params, provider=provider) == {"webhook_url": URL}
    found = webhook_of(store([]), environ=environ, params=params, provider=provider)
    assert found == {"webhook_url": "https://of.environment/x"}
    assert webhook_of(store([]), params=params, provider=provider) == {"webhook_url": "https://of.p/x"}


@pytest.mark.parametrize(
    "content",
    [
        {
            "version": 2,
            "integrations": [
                {
                    "service": "slack",
                    "instances": [
                        {"name": "default", "credentials": {"webhook_url": OTHER}},
                        {"name": "ops", "credentials": {"webhook_url": URL}},
                    ],
                }
            ],
        },
        [
            {"service": "slack", "id": "1", "credentials": {"webhook_url": OTHER}},
            {"service": "slack", "id": "2", "name": "ops", "credentials": {"slack_webhook_url": URL}},
        ],
    ],
)
def test_a_name_chooses_among_several_webhooks(store, content):
    path = store(content)
    assert webhook_of(path, "webhook/ops") == {"webhook_url": URL}
    assert webhook_of(path) == {"webhook_url": OTHER}


def test_a_name_that_is_not_stored_never_falls_back_to_another_webhook(store):
    path = store([{"service": "slack", "credentials": {"webhook_url": OTHER}}])
    with pytest.raises(CredentialError, match="no webhook URL called 'ops' for slack"):
        webhook_of(path, "webhook/ops", {"SLACK_WEBHOOK_URL": URL}, {"webhook_url": URL})


def test_without_any_webhook_the_error_names_the_variable(store):
    with pytest.raises(CredentialError, match=r"there is no webhook URL for discord.*or set DISCORD_WEBHOOK_URL"):
        webhook_of(store([]), provider="discord")


def test_telegram_has_no_webhooks(store):
    assert webhook_of(store([]), environ={"TELEGRAM_BOT_TOKEN": "t-o-k-e-n"}, provider="telegram") == {
        "bot_token": "t-o-k-e-n"
    }


def test_a_resolved_webhook_is_masked_whole_and_in_pieces(store):
    url = "https://chat.example/hooks/T0/very-s3cr3t-piece"
    webhook_of(store([{"service": "slack", "credentials": {"webhook_url": url}}]))
    for said in (url, "POST /hooks/T0/very-s3cr3t-piece HTTP/1.1", "piece very-s3cr3t-piece"):
        assert "s3cr3t" not in redact(said)


@pytest.mark.parametrize("bad", ["\n", " ", "é"])
def test_a_webhooks_url_that_would_break_a_request_is_refused_and_not_shown(store, bad):
    with pytest.raises(CredentialError, match="the webhook URL from SLACK_WEBHOOK_URL holds") as caught:
        webhook_of(store([]), environ={"SLACK_WEBHOOK_URL": URL + bad})
    assert "s3cr3t" not in str(caught.value)
