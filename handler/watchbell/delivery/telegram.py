"""Telegram: sendMessage of the Bot API. The token is a part of the URL, which is why no message here holds one."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from watchbell.clock import Clock
from watchbell.deliveries import Means
from watchbell.delivery.answers import REMOVED, Answer, Meaning, not_understood, quoted, rate_limited, told
from watchbell.delivery.fallback import Body, Simpler, noted, send_or_simplify
from watchbell.delivery.http import ChatApi, time_left
from watchbell.delivery.images import caption, file_name, problem
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
from watchbell.delivery.pace import LONGEST_WAIT_SECONDS, TELEGRAM, Pace, Paced, shared
from watchbell.delivery.place import Place, telegram_place
from watchbell.delivery.render import telegram as dialect
from watchbell.delivery.render.entries import notice
from watchbell.delivery.render.split import parts
from watchbell.reports.interface import Image, Report

NAME = "Telegram"

_BUG = "Telegram does not accept the message; please report this as a bug of Watchbell"
_RIGHTS = "give the bot the right to post there"

#: Telegram flattens its errors to a few statuses, so the description is read as well; the first match counts.
DESCRIPTIONS: tuple[tuple[str, Meaning], ...] = (
    ("chat not found", Meaning(Refused, "check the chat id, and add the bot to the chat")),
    ("message thread not found", Meaning(Refused, "check the topic; the General topic is addressed without a number")),
    ("not enough rights", Meaning(Refused, _RIGHTS)),
    ("topic_closed", Meaning(Refused, "open the topic again or choose another")),
    ("chat_write_forbidden", Meaning(Refused, _RIGHTS)),
    ("frozen_", Meaning(Refused, "Telegram has frozen the bot's account; see @SpamBot")),
    ("message text is empty", Meaning(Refused, _BUG)),
    ("message is too long", Meaning(Refused, _BUG)),
    ("can't parse entities", Meaning(Refused, _BUG)),
    ("bot was blocked", Meaning(Refused, "the user must start the bot again")),
    ("user is deactivated", Meaning(Refused, "the account is gone: choose another chat")),
    ("bot was kicked", Meaning(Refused, "add the bot to the chat again")),
    ("bot is not a member", Meaning(Refused, "add the bot to the chat")),
    ("group chat was deleted", Meaning(Refused, "choose another chat")),
    ("photo_", Meaning(Refused, "Telegram does not take the image; the text does not depend on it")),
    ("image_process_failed", Meaning(Refused, "Telegram does not take the image; the text does not depend on it")),
    ("unauthorized", Meaning(Refused, "store a valid bot token (TELEGRAM_BOT_TOKEN)")),
    ("invalid token specified", Meaning(Refused, "store a valid bot token (TELEGRAM_BOT_TOKEN)")),
    ("restart", Meaning(Unknown, "the server was closing; the message may have arrived")),
)

#: What a status means where the description says nothing known. Every other 4xx is a refusal as well.
STATUSES: Mapping[int, Meaning] = {
    400: Meaning(Refused, "check the chat id and the bot's rights"),
    401: Meaning(Refused, "store a valid bot token (TELEGRAM_BOT_TOKEN)"),
    403: Meaning(Refused, "add the bot to the chat and let it post"),
    404: Meaning(Refused, "the bot token is malformed: store it again (TELEGRAM_BOT_TOKEN)"),
    406: Meaning(Refused, "Telegram does not allow this bot to post"),
    408: Meaning(Unknown, "the message may have arrived"),
    421: Meaning(Refused, "this Bot API server does not serve this bot: check WATCHBELL_TELEGRAM_API_URL"),
}

#: A photo's limits, in pixels and as the longer side over the shorter.
LONGEST_SIDES = 10_000
WIDEST_RATIO = 20
LONGEST_CAPTION = 1_000

_SENT_AND_REMOVED = "sent message was immediately deleted"


class Telegram:
    """Posts to chats as a Telegram bot."""

    name = "telegram"

    def means(self, chat_id: str) -> Means:
        return Means()

    def __init__(
        self, api_url: str = "https://api.telegram.org", *, pace: Pace | None = None, clock: Clock | None = None
    ) -> None:
        self._api = ChatApi(NAME, api_url)
        self._pace = Paced(pace or shared(NAME, api_url, TELEGRAM), clock)

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        return parts(dialect.messages(report, stamp))

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        return Part(number=1, of=1, body=dialect.notice(notice(headline, lines)))

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float = LONGEST_WAIT_SECONDS) -> float:
        return self._pace.reserve(chat_id, credentials, within)

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        """Send one message. Telegram has no place for its key: it can neither drop a repeat nor be asked about one."""
        place = telegram_place(envelope.chat_id)
        if isinstance(place, Refused):
            return place
        chat = _Chat(self._api, place, envelope.credentials["bot_token"], envelope.first_id)

        def post(body: Body, left: float) -> Answer | NotSent | Unknown:
            return chat.call("sendMessage", body, left)

        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, outcome)
        return chat.noted(send_or_simplify(post, part.body, seconds, outcome=heard, simplify=_simpler))

    def attach(self, image: Image, envelope: Envelope, seconds: float) -> Outcome:
        """Send a photo as a reply to the report. Telegram has no place for its key."""
        place = telegram_place(envelope.chat_id)
        if isinstance(place, Refused):
            return place
        wrong = problem(NAME, image, longest_sides=LONGEST_SIDES, widest_ratio=WIDEST_RATIO)
        if wrong:
            return Refused(wrong)
        chat = _Chat(self._api, place, envelope.credentials["bot_token"], envelope.first_id)
        fields = {"caption": dialect.pingless(caption(image, LONGEST_CAPTION)), "disable_notification": True}
        answer = chat.call("sendPhoto", fields, seconds, {"photo": (file_name(image), image.png, "image/png")})
        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, outcome)
        return chat.noted(heard(answer) if isinstance(answer, Answer) else answer)

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        return CannotTell("Telegram lets no bot read what it has sent")


class _Chat:
    """One chat during one send, followed once where it has moved to: a moved group has surely got nothing."""

    def __init__(self, api: ChatApi, place: Place, token: str, first_id: str | None) -> None:
        self._api = api
        self._path = f"/bot{quote(token, safe=':')}"
        self._moved_to: str | None = None
        self._place: dict[str, Any] = {"chat_id": place.chat}
        if place.thread:
            self._place["message_thread_id"] = int(place.thread)
        if first_id and first_id.isdigit():
            self._place["reply_parameters"] = {"message_id": int(first_id), "allow_sending_without_reply": True}

    def call(
        self, method: str, fields: Mapping[str, Any], seconds: float, files: Mapping[str, Any] | None = None
    ) -> Answer | NotSent | Unknown:
        """Call a method on the chat within `seconds`, once more where the answer names the chat's new id."""
        left = time_left(seconds)
        answer = self._call_once(method, fields, seconds, files)
        moved_to = _moved_to(answer) if isinstance(answer, Answer) else None
        if moved_to is None or self._moved_to is not None:
            return answer
        self._moved_to = self._place["chat_id"] = moved_to
        return self._call_once(method, fields, left(), files)

    def noted(self, result: Outcome) -> Outcome:
        """Return the outcome, with the new id where the group has moved."""
        if self._moved_to is None:
            return result
        return noted(result, f"the group is now telegram:{self._moved_to}: change the task's target")

    def _call_once(
        self, method: str, fields: Mapping[str, Any], seconds: float, files: Mapping[str, Any] | None
    ) -> Answer | NotSent | Unknown:
        path, whole = f"{self._path}/{method}", {**fields, **self._place}
        if files is None:
            return self._api.post(path, headers={}, fields=whole, seconds=seconds)
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in whole.items()}
        return self._api.request("POST", path, headers={}, seconds=seconds, data=form, files=files)


def _moved_to(answer: Answer) -> str | None:
    moved_to = _parameters(answer.fields()).get("migrate_to_chat_id")
    return str(moved_to) if isinstance(moved_to, int) else None


def _simpler(answer: Answer, body: Body) -> Simpler | None:
    """Return the message as plain text where Telegram refused its markup."""
    fields = answer.fields() or {}
    if "can't parse entities" not in str(fields.get("description", "")).lower() or "parse_mode" not in body:
        return None
    return Simpler(dialect.without_markup(body), "shown as plain text, because Telegram did not take the markup")


def outcome(answer: Answer) -> Outcome:
    """Return what Telegram's answer means."""
    fields = answer.fields()
    if answer.status == 429:
        return rate_limited(NAME, answer, _parameters(fields).get("retry_after"))
    if fields is None or not isinstance(fields.get("ok"), bool):
        return not_understood(NAME, answer)
    if fields["ok"]:
        result = fields.get("result")
        number = result.get("message_id") if isinstance(result, dict) else None
        if answer.status == 200 and isinstance(number, int):
            return Delivered(str(number))
        return Unknown(f"{NAME}: said ok, but named no message")
    return _refusal(answer, str(fields.get("description", "")), _parameters(fields))


def _refusal(answer: Answer, description: str, parameters: Mapping[str, Any]) -> Outcome:
    said = description.lower()
    if _SENT_AND_REMOVED in said:
        return Delivered(REMOVED)
    if "migrate_to_chat_id" in parameters:
        moved = quoted(parameters["migrate_to_chat_id"])
        return Refused(f"{NAME}: the group became a supergroup: change the task's target to telegram:{moved}")
    if answer.status < 400:
        return Unknown(f"{NAME}: HTTP {answer.status} with a refusal ({quoted(description)})")
    for text, meaning in DESCRIPTIONS:
        if text in said:
            return told(NAME, meaning, description)
    if answer.status in STATUSES:
        return told(NAME, STATUSES[answer.status], description)
    if answer.status >= 500:
        return not_understood(NAME, answer)
    return Refused(f"{NAME}: refused ({quoted(description)})")


def _parameters(fields: Mapping[str, Any] | None) -> Mapping[str, Any]:
    parameters = fields.get("parameters") if fields else None
    return parameters if isinstance(parameters, dict) else {}
