"""Every httpx exception and every code that the providers document has a row, and each row says what to do."""

import json

import httpcore
import httpx
import pytest

from watchbell.delivery import discord, slack, telegram
from watchbell.delivery.answers import REMOVED, Answer
from watchbell.delivery.http import FAILURES, outcome_of
from watchbell.delivery.interface import Delivered, NotSent, Refused, Unknown
from watchbell.secrets.redaction import redact


def subclasses(kind):
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


HTTPX_EXCEPTIONS = sorted(
    {
        item
        for item in vars(httpx).values()
        if isinstance(item, type) and issubclass(item, Exception) and item.__module__.startswith("httpx")
    }
    | {item for item in subclasses(httpx.HTTPError) | subclasses(httpx.StreamError) if item.__module__ == "httpx"},
    key=lambda item: item.__name__,
)

SURELY_NOT_SENT = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
}


@pytest.mark.parametrize("kind", HTTPX_EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_httpx_exception_has_a_row_and_only_proof_makes_it_not_sent(kind):
    outcome, what = FAILURES[kind]
    assert outcome is (NotSent if kind in SURELY_NOT_SENT else Unknown)
    assert what


def test_the_walk_over_httpx_found_them_all():
    assert len(HTTPX_EXCEPTIONS) >= 28


@pytest.mark.parametrize(
    "error",
    [
        httpcore.RemoteProtocolError("x"),
        httpcore.ConnectionNotAvailable(),
        ConnectionResetError(104, "Connection reset by peer"),
        OSError("anything"),
        RuntimeError("anything"),
        type("FutureTransportError", (httpx.TransportError,), {})("anything"),
        type("FutureTimeout", (httpx.TimeoutException,), {})("anything"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_known_to_be_harmless_is_unknown(error):
    assert isinstance(outcome_of(error, "Slack"), Unknown)


@pytest.mark.parametrize("kind", HTTPX_EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_no_failure_text_quotes_the_request(kind):
    secret = "https://api.telegram.org/bot123456:tok Authorization: Bearer xoxb-12345-secret"
    error = kind.__new__(kind)
    Exception.__init__(error, secret)
    shown = outcome_of(error, "Telegram").error
    assert "xoxb" not in shown
    assert "123456:tok" not in shown
    assert shown.startswith("Telegram: ")


def answer(status, body):
    return Answer(status, {}, json.dumps(body).encode())


SLACK = {
    Refused: """channel_not_found not_in_channel is_archived restricted_action restricted_action_read_only_channel
        restricted_action_thread_only_channel messages_tab_disabled cannot_reply_to_message invalid_auth not_authed
        account_inactive token_revoked token_expired missing_scope not_allowed_token_type no_permission
        ekm_access_denied access_denied team_access_not_granted enterprise_is_restricted method_deprecated
        deprecated_endpoint two_factor_setup_required no_text msg_too_long msg_blocks_too_long invalid_blocks
        invalid_blocks_format too_many_attachments attachment_payload_limit_exceeded markdown_text_conflict
        invalid_metadata_format invalid_metadata_schema metadata_too_large metadata_must_be_sent_from_app
        invalid_arguments invalid_arg_name invalid_array_arg invalid_form_data invalid_post_type missing_post_type
        invalid_charset team_not_found duplicate_message_not_found duplicate_channel_not_found""",
    NotSent: """ratelimited rate_limited message_limit_exceeded service_unavailable team_added_to_org
        org_login_required accesslimited request_timeout""",
    Unknown: "fatal_error internal_error",
}


@pytest.mark.parametrize(
    ("code", "expected"), [(code, kind) for kind, codes in SLACK.items() for code in codes.split()]
)
def test_every_documented_slack_code_has_its_outcome(code, expected):
    assert code in slack.CODES or code.startswith("restricted_action_")
    outcome = slack.outcome(answer(200, {"ok": False, "error": code}))
    assert type(outcome) is expected
    assert code in outcome.error
    assert len(outcome.error) > len(f"Slack: {code}: ") + 10, "says what to do"


TELEGRAM = [
    (401, "Unauthorized", Refused),
    (404, "Not Found", Refused),
    (403, "Forbidden: bot was blocked by the user", Refused),
    (403, "Forbidden: user is deactivated", Refused),
    (403, "Forbidden: bot was kicked from the supergroup chat", Refused),
    (403, "Forbidden: bot is not a member of the channel chat", Refused),
    (403, "Forbidden: the group chat was deleted", Refused),
    (400, "Bad Request: chat not found", Refused),
    (400, "Bad Request: message thread not found", Refused),
    (400, "Bad Request: not enough rights to send text messages to the chat", Refused),
    (400, "Bad Request: TOPIC_CLOSED", Refused),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Refused),
    (400, "Bad Request: FROZEN_METHOD_INVALID", Refused),
    (400, "Bad Request: message text is empty", Refused),
    (400, "Bad Request: message is too long", Refused),
    (400, "Bad Request: can't parse entities: unsupported start tag", Refused),
    (400, "Bad Request: something new", Refused),
    (401, "Unauthorized: invalid token specified", Refused),
    (421, "Misdirected Request: unallowed token specified", Refused),
    (500, "Internal Server Error: restart", Unknown),
    (500, "Internal Server Error", Unknown),
    (502, "Bad Gateway", Unknown),
]


@pytest.mark.parametrize(("status", "description", "expected"), TELEGRAM)
def test_every_documented_telegram_error_has_its_outcome(status, description, expected):
    outcome = telegram.outcome(answer(status, {"ok": False, "error_code": status, "description": description}))
    assert type(outcome) is expected


def test_a_telegram_message_that_was_sent_and_removed_at_once_is_never_repeated():
    description = "Internal Server Error: sent message was immediately deleted and can't be returned"
    outcome = telegram.outcome(answer(500, {"ok": False, "error_code": 500, "description": description}))
    assert outcome == Delivered(REMOVED)


def test_a_telegram_group_that_moved_is_refused_with_its_new_id():
    outcome = telegram.outcome(
        answer(
            400,
            {
                "ok": False,
                "error_code": 400,
                "description": "Bad Request: group chat was upgraded to a supergroup chat",
                "parameters": {"migrate_to_chat_id": -1001234567890123},
            },
        )
    )
    assert isinstance(outcome, Refused)
    assert "telegram:-1001234567890123" in outcome.error


DISCORD = {
    Refused: """50014 40001 10003 10015 50027 50001 50013 50007 50278 50008 50024 160005 50083 40002 400001 220001
        220002 50006 50035 50045 40005 50109 200000 200001 240000 40333""",
    NotSent: "20016 20028 20029 40062 40006 130000",
}


@pytest.mark.parametrize(
    ("code", "expected"), [(int(code), kind) for kind, codes in DISCORD.items() for code in codes.split()]
)
def test_every_documented_discord_code_has_its_outcome_whatever_the_status(code, expected):
    assert str(code) in discord.CODES
    for status in (400, 403, 503):
        assert type(discord.outcome(answer(status, {"message": "No", "code": code}))) is expected


def test_discords_unknown_message_on_a_create_means_that_it_was_delivered_before():
    assert discord.outcome(answer(404, {"message": "Unknown Message", "code": 10008})) == Delivered(REMOVED)


@pytest.mark.parametrize("status", [401, 403, 404, 413])
def test_a_discord_refusal_without_a_known_code_goes_by_its_status(status):
    assert isinstance(discord.outcome(answer(status, {"message": f"{status}", "code": 0})), Refused)


def test_discord_names_the_fields_that_it_did_not_like():
    errors = {"content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer."}]}}
    outcome = discord.outcome(answer(400, {"message": "Invalid Form Body", "code": 50035, "errors": errors}))
    assert "content" in outcome.error


@pytest.mark.parametrize("provider", [slack, telegram, discord])
@pytest.mark.parametrize("status", [200, 201, 204, 301, 307, 400, 403, 404, 408, 500, 502, 503, 504, 520, 599])
def test_an_answer_that_is_not_the_providers_own_is_unknown(provider, status):
    for body in (None, b"", b"<html>", b"[]", b'"ok"', b"{}", b'{"ok": "yes"}', b"\xff\xfe", b"[" * 100_000):
        assert isinstance(provider.outcome(Answer(status, {}, body)), Unknown)


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        (slack, {"ok": True}),
        (slack, {"ok": True, "ts": ""}),
        (slack, {"ok": True, "ts": 5}),
        (telegram, {"ok": True}),
        (telegram, {"ok": True, "result": True}),
        (telegram, {"ok": True, "result": {"message_id": None}}),
        (discord, {"id": None}),
        (discord, {"id": ""}),
    ],
)
def test_delivered_needs_the_id_of_a_message(provider, body):
    assert isinstance(provider.outcome(answer(200, body)), Unknown)


@pytest.mark.parametrize("provider", [slack, telegram, discord])
def test_a_proxy_that_asks_for_a_password_has_passed_nothing_on(provider):
    assert isinstance(provider.outcome(Answer(407, {}, b"<html>")), NotSent)


@pytest.mark.parametrize("provider", [slack, telegram, discord])
def test_an_unknown_refusal_is_quoted_as_one_short_safe_line(provider):
    said = "new\n\x1b[31m\u202e" + "x" * 5000 + " xoxb-123456-secret"
    body = {"ok": False, "error": said, "description": said, "message": said, "code": 99}
    outcome = provider.outcome(answer(400, body))
    assert isinstance(outcome, Refused)
    assert outcome.error.isprintable()
    assert len(outcome.error) < 400


@pytest.mark.parametrize(
    "advice",
    sorted(
        {
            meaning.advice
            for table in (slack.CODES, discord.CODES, discord.STATUSES, dict(telegram.DESCRIPTIONS), telegram.STATUSES)
            for meaning in table.values()
        }
        | {what for _, what in FAILURES.values()}
    ),
)
def test_our_own_words_are_not_taken_for_secrets(advice):
    assert redact(f"Slack: some_code: {advice} [ReadError]") == f"Slack: some_code: {advice} [ReadError]"
