"""Slack: chat.postMessage with a bot token. Slack answers 200 to refusals; the truth is `ok` in the body."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from watchbell.clock import Clock, SystemClock
from watchbell.deliveries import Means
from watchbell.delivery import slack_history, slack_webhook
from watchbell.delivery.answers import Answer, Meaning, meanings, not_understood, quoted, rate_limited, told
from watchbell.delivery.fallback import Body, Simpler, send_or_simplify
from watchbell.delivery.http import ChatApi
from watchbell.delivery.interface import (
    Absent,
    CannotTell,
    Delivered,
    Envelope,
    Found,
    NotSent,
    Outcome,
    Part,
    Refused,
    Stamp,
    Unknown,
)
from watchbell.delivery.pace import LONGEST_WAIT_SECONDS, SLACK, Pace, Paced, shared
from watchbell.delivery.place import Place, is_webhook, slack_place
from watchbell.delivery.render import slack as dialect
from watchbell.delivery.render.entries import notice
from watchbell.delivery.render.split import parts
from watchbell.delivery.slack_files import SlackFiles
from watchbell.delivery.slack_history import EVENT_TYPE
from watchbell.reports.interface import Image, Report

NAME = "Slack"

_BUG = "Slack does not accept the message; please report this as a bug of Watchbell"
_AUTHORISE = "store a valid bot token (SLACK_BOT_TOKEN), or allow this host's IP address in the app's settings"
_BLOCKED = "the workspace or its administrators do not allow this; ask them"

#: Slack's word for a first message that is gone. It says the same when asked afterwards, which then proves nothing.
NO_THREAD = "thread_not_found"

CODES: Mapping[str, Meaning] = {
    **meanings(Refused, "check the channel id (it begins with C or G; copy it from the channel's details)",
               "channel_not_found", "team_not_found"),
    **meanings(Refused, "invite the app to the channel (/invite @app)", "not_in_channel"),
    **meanings(Refused, "the channel is archived: unarchive it or choose another", "is_archived"),
    **meanings(Refused, "messages to this app are switched off in its settings", "messages_tab_disabled"),
    **meanings(Refused, "replies are not allowed there", "cannot_reply_to_message"),
    **meanings(Refused, "the thread is gone: choose another", NO_THREAD),
    **meanings(Refused, _AUTHORISE, "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
               "not_allowed_token_type"),
    **meanings(Refused, "give the app the scope chat:write (for images also files:write) and install it again",
               "missing_scope"),
    **meanings(Refused, _BLOCKED, "restricted_action", "no_permission", "ekm_access_denied", "access_denied",
               "team_access_not_granted", "enterprise_is_restricted", "two_factor_setup_required"),
    **meanings(Refused, "upgrade Watchbell", "method_deprecated", "deprecated_endpoint"),
    **meanings(Refused, _BUG, "no_text", "msg_too_long", "msg_blocks_too_long", "invalid_blocks",
               "invalid_blocks_format", "too_many_attachments", "attachment_payload_limit_exceeded",
               "markdown_text_conflict", "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large",
               "metadata_must_be_sent_from_app", "invalid_arguments", "invalid_arg_name", "invalid_array_arg",
               "invalid_form_data", "invalid_post_type", "missing_post_type", "invalid_charset",
               "duplicate_channel_not_found", "duplicate_message_not_found"),
    **meanings(NotSent, "too many messages", "ratelimited", "rate_limited"),
    **meanings(NotSent, "the workspace's message quota is used up", "message_limit_exceeded"),
    **meanings(NotSent, "Slack is not available", "service_unavailable"),
    **meanings(NotSent, "the workspace is being moved or is not reachable now", "team_added_to_org",
               "org_login_required", "accesslimited"),
    # Slack's word for a request whose body was missing or cut short: it was not carried out.
    **meanings(NotSent, "the request did not arrive whole", "request_timeout"),
    # Slack says of these that a part of the work may have been done.
    **meanings(Unknown, "Slack failed; the message may have been posted", "fatal_error", "internal_error"),
}  # fmt: skip


class Slack:
    """Posts to channels as a Slack app."""

    name = "slack"

    def means(self, chat_id: str) -> Means:
        return Means(can_ask=not is_webhook(chat_id))

    def __init__(
        self, api_url: str = "https://slack.com/api", *, pace: Pace | None = None, clock: Clock | None = None
    ) -> None:
        self._api = ChatApi(NAME, api_url)
        self._clock = clock or SystemClock()
        self._pace = Paced(pace or shared(NAME, api_url, SLACK), self._clock)

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        return parts(dialect.messages(report, stamp))

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        return Part(number=1, of=1, body=dialect.notice(notice(headline, lines)))

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float = LONGEST_WAIT_SECONDS) -> float:
        return self._pace.reserve(chat_id, credentials, within)

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        if is_webhook(envelope.chat_id):
            return self._send_to_webhook(part, envelope, seconds)
        place = slack_place(envelope.chat_id)
        if isinstance(place, Refused):
            return place
        marker = {"event_type": EVENT_TYPE, "event_payload": {"key": envelope.key.digest()}}
        fields = {**part.body, **_thread(place, envelope.first_id), "channel": place.chat, "metadata": marker}
        headers = _headers(envelope.credentials)

        def post(body: Body, left: float) -> Answer | NotSent | Unknown:
            return self._api.post("/chat.postMessage", headers=headers, fields=body, seconds=left)

        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, outcome)
        simplify = _simpler if place.thread else _simpler_or_unthreaded
        return send_or_simplify(post, fields, seconds, outcome=heard, simplify=simplify)

    def _send_to_webhook(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        url = slack_webhook.address(envelope.credentials)
        if isinstance(url, Refused):
            return url

        def post(body: Body, left: float) -> Answer | NotSent | Unknown:
            return self._api.post(url, headers={}, fields=body, seconds=left)

        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, slack_webhook.outcome)
        return send_or_simplify(post, part.body, seconds, outcome=heard, simplify=_simpler)

    def attach(self, image: Image, envelope: Envelope, seconds: float) -> Outcome:
        """Upload an image into the report's thread. Slack keeps no key for it."""
        if is_webhook(envelope.chat_id):
            return Refused(f"{NAME}: a webhook takes no images")
        place = slack_place(envelope.chat_id)
        if isinstance(place, Refused):
            return place
        thread = place.thread or _ts(envelope.first_id)
        return SlackFiles(self._api, envelope.credentials["bot_token"], outcome).share(
            image, place.chat, thread, seconds
        )

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        """Read the channel, or the thread that the part would be in; `slack_history` says what is proof."""
        if is_webhook(envelope.chat_id):
            return CannotTell(f"{NAME}: what was sent through a webhook cannot be asked about")
        place = slack_place(envelope.chat_id)
        if isinstance(place, Refused):
            return CannotTell(place.error)
        question = slack_history.Question(
            channel=place.chat,
            root=place.thread or _ts(envelope.first_id),
            marker=envelope.key.digest(),
            sent_at=sent_at,
            may_stand_alone=place.thread is None,
        )
        token = envelope.credentials["bot_token"]
        return slack_history.find(self._api, question, token=token, seconds=seconds, clock=self._clock)


def _headers(credentials: Mapping[str, str]) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {credentials['bot_token']}",
        "Content-Type": "application/json; charset=utf-8",
    }


def _thread(place: Place, first_id: str | None) -> dict[str, Any]:
    """Further parts stand below part 1, unless the target is a thread itself: Slack has no threads in threads."""
    ts = place.thread or _ts(first_id)
    return {"thread_ts": ts, "reply_broadcast": False} if ts else {}


def _ts(message_id: str | None) -> str | None:
    return message_id if message_id and re.fullmatch(r"\d+\.\d+", message_id) else None


def _simpler(answer: Answer, body: Body) -> Simpler | None:
    """Return a message that Slack may take instead of one whose blocks it refused."""
    code = str((answer.fields() or {}).get("error", "")) or slack_webhook.word(answer)
    if code in slack_webhook.NOT_TAKEN and "blocks" in body:
        plain, left_out = dialect.without_markup(body)
        return Simpler(plain, f"shown as plain text, because Slack did not take the blocks ({code})", left_out)
    return None


def _simpler_or_unthreaded(answer: Answer, body: Body) -> Simpler | None:
    """Return the same as `_simpler`; a part whose first part is gone stands by itself."""
    code = (answer.fields() or {}).get("error")
    if code == NO_THREAD and "thread_ts" in body:
        rest = {name: value for name, value in body.items() if name not in ("thread_ts", "reply_broadcast")}
        return Simpler(rest, "not in the thread of the first part, because that is gone")
    return _simpler(answer, body)


def outcome(answer: Answer) -> Outcome:
    """Return what Slack's answer means."""
    fields = answer.fields()
    if answer.status == 429:
        return rate_limited(NAME, answer)
    if fields is None or not isinstance(fields.get("ok"), bool):
        return not_understood(NAME, answer)
    if fields["ok"]:
        ts = fields.get("ts")
        if answer.status == 200 and ts and isinstance(ts, str):
            return Delivered(ts)
        return Unknown(f"{NAME}: said ok, but named no message")
    return _refusal(answer, str(fields.get("error", "")))


def _refusal(answer: Answer, code: str) -> Outcome:
    meaning = CODES.get(code)
    if meaning is None and code.startswith("restricted_action"):
        meaning = CODES["restricted_action"]
    if meaning is None:
        if answer.status >= 500:
            return not_understood(NAME, answer)
        return Refused(f"{NAME}: refused ({quoted(code)})")
    if meaning.outcome is NotSent:
        return NotSent(f"{NAME}: {code}: {meaning.advice}", retry_after=answer.retry_after())
    return told(NAME, meaning, code)
