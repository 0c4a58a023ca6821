"""Every shape of secret is masked, and little else."""

import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbell.secrets.redaction import MASK, RedactingFilter, is_credential_key, redact, redact_json, remember_secret

SECRETS = {
    "slack bot": ("token xoxb-1234-5678-AbCdEf", "xoxb-1234-5678-AbCdEf"),
    "slack rotating": ("xoxe.xoxb-1-AbCdEf", "AbCdEf"),
    "slack refresh": ("xoxe-1-AbCdEf", "AbCdEf"),
    "slack app": ("xapp-1-A02-AbCdEf", "AbCdEf"),
    "slack legacy": ("xoxs-1-AbCdEf xoxa-1-AbCdEf xoxr-1-AbCdEf xoxc-1-AbCdEf xoxd-1-AbCdEf xoxp-1-AbCdEf", "AbCdEf"),
    "slack webhook": ("POST https://hooks.slack.com/services/T01/B02/s3cr3t", "s3cr3t"),
    "slack trigger": ("https://hooks.slack.com/triggers/T01/1/s3cr3t?x=1", "s3cr3t"),
    "telegram": ("123456789:AAE-abcdefghijklmnopqrstuvwxyz_0123", "AAE-abc"),
    "telegram url": ("https://api.telegram.org/bot123456:short/sendMessage", "short"),
    "telegram odd url": ("GET /botNONSENSE/getMe", "NONSENSE"),
    "telegram quoted": ("123456789%3AAAE-abcdefghijklmnopqrstuvwxyz_0123", "AAE-abc"),
    "discord bot": ("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789ABCD", "abcdefghijk"),
    "discord webhook": ("https://discord.com/api/v10/webhooks/123456/s3cr3t-part_x", "s3cr3t"),
    "discordapp webhook": ("https://discordapp.com/api/webhooks/123456/s3cr3t?wait=true", "s3cr3t"),
    "authorization": ("Authorization: Bot s3cr3t-value", "s3cr3t"),
    "authorization dict": ("{'authorization': 'Bearer s3cr3t-value'}", "s3cr3t"),
    "authorization bytes": ("[(b'Authorization', b'x')] authorization=b'Bearer s3cr3tvalue'", "s3cr3t"),
    "bearer": ("Illegal header value b'Bearer s3cr3t-value\\n'", "s3cr3t"),
    "basic": ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    "userinfo": ("postgres://me:s3cr3t@db/x", "s3cr3t"),
    "userinfo with an at": ("https://me:p@s3cr3t@db/x", "s3cr3t"),
    "userinfo alone": ("https://s3cr3tkey@sentry.example/1", "s3cr3t"),
    "password": ("password=s3cr3t", "s3cr3t"),
    "prefixed": ("DB_PASSWORD=s3cr3t&x=1", "s3cr3t"),
    "json": ('{"client_secret": "s3cr3t with space", "x": 1}', "s3cr3t with space"),
    "escaped json": ('"{\\"bot_token\\": \\"s3cr3t\\"}"', "s3cr3t"),
    "yaml": ("api_key: s3cr3t", "s3cr3t"),
    "camel": ("accessToken='s3cr3t'", "s3cr3t"),
    "query": ("https://x/y?api-key=s3cr3t&z=1", "s3cr3t"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_shape_of_secret_is_masked(name):
    text, secret = SECRETS[name]
    masked = redact(text)
    assert secret not in masked
    assert MASK in masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "no slack bot token: ",
        "put it into integrations.json or set SLACK_BOT_TOKEN",
        "task a1b2c3d4e5f6 ran at 2026-11-22T09:00:07Z, 12:30, 10.0.0.1:9090",
        "https://prometheus.example:9090/api/v1/query?query=ALERTS",
        "mail ops@example.com, see https://example.com/@team",
        "a basic example, the bearer of news",
        "token_budget=5 keyboard=de monkey=1 secretary=Ann",
        "slack:C0123ABCD telegram:-1001234567890/42",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text


@given(st.text())
@settings(max_examples=300)
def test_redacting_twice_changes_nothing_more(text):
    assert redact(redact(text)) == redact(text)


@given(st.text(alphabet="password=token:\"'{}\\ abc@/.-_xox:123 \n", max_size=200))
@settings(max_examples=300)
def test_redacting_twice_changes_nothing_more_in_texts_that_look_like_secrets(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["xoxb-1234-AbCdEf"], ValueError("xoxb-1234-AbCdEf")])
def test_anything_can_be_redacted(value):
    assert "AbCdEf" not in redact(value)


@pytest.mark.parametrize("text", ["a" * 50_000, "token " * 20_000, "://" * 20_000, "1" * 50_000, "A-" * 30_000 + "."])
def test_redacting_is_quick_whatever_the_text(text):
    redact(text)


def test_a_remembered_secret_is_masked_whatever_its_shape():
    remember_secret("plain words/with?odd&parts")
    assert redact("so plain words/with?odd&parts it is") == f"so {MASK} it is"
    assert "odd" not in redact("https://x/plain%20words%2Fwith%3Fodd%26parts/")


def test_a_remembered_secret_inside_a_longer_one_leaves_nothing_of_it():
    remember_secret("insideit-1")
    remember_secret("the-insideit-1-whole")
    assert redact("the-insideit-1-whole") == MASK


def test_a_short_value_is_not_remembered():
    remember_secret("abcde")
    assert redact("abcde") == "abcde"


CREDENTIAL_KEYS = """bot_token access_token accessToken api_key apiKey API-Key X-Api-Key apikey webhook_url webhookUrl
    secret token password passwd db_password DB_PASSWORD slack_bot_token clientSecret client-secret authorization
    Authorization proxy-authorization private_key privateKey secret_access_key aws_secret_access_key refreshToken
    passphrase credentials pass auth cookie Set-Cookie tokens bot_tokens api_keys bottoken SLACK_BOT_TOKEN token2"""

HARMLESS_KEYS = """token_budget keyboard monkey secretary max_tokens maxTokens compass bypass author authors key keys
    passenger tokenizer password_policy query prompt url webhook_enabled broken hotkey primary_key"""


def test_a_credential_key_is_recognised_however_it_is_written():
    assert [key for key in CREDENTIAL_KEYS.split() if not is_credential_key(key)] == []


def test_a_harmless_key_is_kept():
    assert [key for key in (*HARMLESS_KEYS.split(), 5, None, "") if is_credential_key(key)] == []


def test_json_is_redacted_at_any_depth():
    value = {"a": [{"bot_token": "x", "note": "see xoxb-1234-AbCdEf"}, 5, None, True], "password": {"any": "thing"}}
    assert redact_json(value) == {"a": [{"bot_token": MASK, "note": f"see {MASK}"}, 5, None, True], "password": MASK}
    assert json.loads(json.dumps(redact_json(value))) == redact_json(value)


def logged(caplog):
    caplog.handler.addFilter(redacting := RedactingFilter())
    return redacting


def test_the_log_filter_masks_message_arguments_exceptions_and_extra_fields(caplog):
    redacting = logged(caplog)
    log = logging.getLogger("watchbell.test_redaction")
    try:
        try:
            raise RuntimeError("xoxb-1234-CAUSE1")
        except RuntimeError as cause:
            raise ValueError("Bearer s3cr3t-value") from cause
    except ValueError:
        log.exception("sending %s", "https://hooks.slack.com/services/T/B/s3cr3t", extra={"bot_token": "s3cr3t"})
    log.error("100%", "not an argument xoxb-1234-AbCdEf")
    log.error("stack", stack_info=True, extra={"where": {"password": "s3cr3t"}})
    caplog.handler.removeFilter(redacting)
    formatted = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    for secret in ("s3cr3t", "CAUSE1", "AbCdEf"):
        assert secret not in formatted
    assert "ValueError" in formatted
    assert "Traceback" in formatted


def test_redaction_loads_next_to_nothing():
    heavy = "{'logging', 'json', 'httpx'}"
    program = f"import sys, watchbell.secrets.redaction; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
