"""Discord: a bot's message to a channel, with an enforced nonce: a repeat within minutes is not a second message."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from watchbell.clock import Clock, SystemClock
from watchbell.deliveries import Means
from watchbell.delivery import discord_history, discord_webhook
from watchbell.delivery.answers import (
    REMOVED,
    Answer,
    Meaning,
    meanings,
    not_understood,
    quoted,
    rate_limited,
    told,
    words,
)
from watchbell.delivery.fallback import Body, Simpler, send_or_simplify
from watchbell.delivery.http import ChatApi
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
from watchbell.delivery.pace import DISCORD, LONGEST_WAIT_SECONDS, Pace, Paced, shared
from watchbell.delivery.place import discord_place, is_webhook
from watchbell.delivery.render import discord as dialect
from watchbell.delivery.render.entries import notice
from watchbell.delivery.render.split import parts
from watchbell.reports.interface import Image, Report

NAME = "Discord"

_BUG = "Discord does not accept the message; please report this as a bug of Watchbell"
_RIGHTS = "let the bot view the channel and send messages there"
_THREAD = "the thread or forum does not take this message: choose another channel"

CODES: Mapping[str, Meaning] = {
    **meanings(Refused, "store a valid bot token (DISCORD_BOT_TOKEN)", "40001", "50014"),
    **meanings(Refused, "verify the account that owns the bot", "40002"),
    **meanings(Refused, "check the channel id", "10003", "50008", "50024"),
    **meanings(Refused, "the webhook is gone: store a new one", "10015", "50027"),
    **meanings(Refused, _RIGHTS, "50001", "50013"),
    **meanings(Refused, "let the bot read the message history there", "160002"),
    **meanings(Refused, "the user does not take messages from this bot", "50007", "50278"),
    **meanings(Refused, _THREAD, "160005", "50083", "220001", "220002"),
    **meanings(Refused, "uploads are limited there", "400001"),
    **meanings(Refused, _BUG, "50006", "50035", "50045", "40005", "50109"),
    **meanings(Refused, "the server's moderation rules or link filter blocked the text", "200000", "200001", "240000"),
    **meanings(Refused, "Cloudflare blocked this host: see Discord's support", "40333"),
    **meanings(NotSent, "too many messages", "20016", "20028", "20029", "40062"),
    **meanings(NotSent, "Discord is overloaded or has switched this off for now", "40006", "130000"),
}  # fmt: skip

#: With an enforced nonce, "unknown message" says that this very message was created earlier and deleted since.
CREATED_AND_DELETED = 10008

#: Answers after which a simpler message may be taken.
INVALID_FORM = 50035
MISSING_PERMISSIONS = 50013
NO_HISTORY = 160002

#: Discord's limit for the description of a file.
LONGEST_ALT = 1_000

#: What a status means where the code is not known.
STATUSES: Mapping[int, Meaning] = {
    400: Meaning(Refused, _BUG),
    401: Meaning(Refused, "store a valid bot token (DISCORD_BOT_TOKEN)"),
    403: Meaning(Refused, _RIGHTS),
    404: Meaning(Refused, "check the channel id"),
    405: Meaning(Refused, "check WATCHBELL_DISCORD_API_URL"),
    413: Meaning(Refused, _BUG),
}


#: The reference promises "a few minutes" for an enforced nonce; this much is relied on.
REPEAT_WINDOW = timedelta(minutes=2)


class Discord:
    """Posts to channels as a Discord bot."""

    name = "discord"

    def means(self, chat_id: str) -> Means:
        """Tell apart a bot and a webhook, which knows no nonces: its repeat is a second message."""
        return Means() if is_webhook(chat_id) else Means(repeat_window=REPEAT_WINDOW, can_ask=True)

    def __init__(
        self, api_url: str = "https://discord.com/api/v10", *, pace: Pace | None = None, clock: Clock | None = None
    ) -> None:
        self._api = ChatApi(NAME, api_url)
        self._clock = clock or SystemClock()
        self._pace = Paced(pace or shared(NAME, api_url, DISCORD), self._clock)

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        return parts(dialect.messages(report, stamp))

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        return Part(number=1, of=1, body=dialect.notice(notice(headline, lines)))

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float = LONGEST_WAIT_SECONDS) -> float:
        return self._pace.reserve(chat_id, credentials, within)

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        way = _way(envelope.chat_id, envelope.credentials)
        if isinstance(way, Refused):
            return way
        path, headers = way

        def post(body: Body, left: float) -> Answer | NotSent | Unknown:
            return self._api.post(path, headers=headers, fields=body, seconds=left)

        marker = envelope.key.digest()
        fields = dialect.marked(part.body, marker) | _bots_own(envelope, marker)
        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, outcome)
        return send_or_simplify(post, fields, seconds, outcome=heard, simplify=_simpler)

    def attach(self, image: Image, envelope: Envelope, seconds: float) -> Outcome:
        """Send an image as a message of its own, in reply to the report; as with text a repeat is not a second one."""
        way = _way(envelope.chat_id, envelope.credentials)
        if isinstance(way, Refused):
            return way
        wrong = problem(NAME, image)
        if wrong:
            return Refused(wrong)
        path, headers = way

        def post(body: Body, left: float) -> Answer | NotSent | Unknown:
            form, files = {"payload_json": json.dumps(body)}, {"files[0]": (file_name(image), image.png, "image/png")}
            return self._api.request("POST", path, headers=headers, seconds=left, data=form, files=files)

        marker = envelope.key.digest()
        fields = dialect.pictured(caption(image, LONGEST_ALT), marker) | _bots_own(envelope, marker)
        heard = self._pace.hearing(envelope.chat_id, envelope.credentials, outcome)
        return send_or_simplify(post, fields, seconds, outcome=heard, simplify=_simpler)

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        """Read the channel; `discord_history` says what is proof."""
        if is_webhook(envelope.chat_id):
            return CannotTell(f"{NAME}: what was sent through a webhook cannot be asked about")
        way = _way(envelope.chat_id, envelope.credentials)
        if isinstance(way, Refused):
            return CannotTell(way.error)
        question = discord_history.Question(channel=envelope.chat_id, marker=envelope.key.digest(), sent_at=sent_at)
        return discord_history.find(self._api, question, headers=way[1], seconds=seconds, clock=self._clock)


def _way(chat_id: str, credentials: Mapping[str, str]) -> tuple[str, dict[str, str]] | Refused:
    """Return where to post to, and the headers: as the bot, or through a webhook, whose URL says it all."""
    if is_webhook(chat_id):
        url = discord_webhook.address(credentials)
        return url if isinstance(url, Refused) else (url, {"User-Agent": user_agent()})
    place = discord_place(chat_id)
    if isinstance(place, Refused):
        return place
    headers = {"Authorization": f"Bot {credentials['bot_token']}", "User-Agent": user_agent()}
    return f"/channels/{place.chat}/messages", headers


def _bots_own(envelope: Envelope, marker: str) -> dict[str, Any]:
    """Return what only a bot can add: the nonce, and the link to part 1, which pings nobody."""
    first_id = envelope.first_id
    if is_webhook(envelope.chat_id):
        return {}
    nonce = {"nonce": marker, "enforce_nonce": True}
    if not first_id or not first_id.isdigit():
        return nonce
    reference = {"message_id": first_id, "fail_if_not_exists": False}
    return nonce | {"message_reference": reference, "allowed_mentions": {"parse": [], "replied_user": False}}


def _simpler(answer: Answer, body: Body) -> Simpler | None:
    """Return a message that Discord may take instead of the one that it refused."""
    fields = answer.fields() or {}
    code, errors = fields.get("code"), fields.get("errors")
    named = errors if code == INVALID_FORM and isinstance(errors, dict) else {}
    if "message_reference" in body and (code == NO_HISTORY or "message_reference" in named):
        rest = {name: value for name, value in body.items() if name != "message_reference"}
        return Simpler(rest, "not linked to the first part: let the bot read the message history")
    if body.get("embeds") and (code == MISSING_PERMISSIONS or "embeds" in named):
        note = "shown as plain text, because Discord did not take the embed: let the bot embed links"
        plain, left_out = dialect.without_markup(body)
        return Simpler(plain, note, left_out)
    return None


def outcome(answer: Answer) -> Outcome:
    """Return what Discord's answer means."""
    fields = answer.fields()
    if answer.status == 429:
        return rate_limited(NAME, answer, fields.get("retry_after") if fields else None)
    if fields is None:
        return not_understood(NAME, answer)
    if 200 <= answer.status < 300:
        message_id = fields.get("id")
        if message_id and isinstance(message_id, str):
            return Delivered(message_id)
        return Unknown(f"{NAME}: said yes, but named no message")
    return _refusal(answer, fields)


def _refusal(answer: Answer, fields: Mapping[str, Any]) -> Outcome:
    code = fields.get("code")
    if code == CREATED_AND_DELETED:
        return Delivered(REMOVED)
    said = f"{fields.get('message', '')} (code {code})"
    if isinstance(fields.get("errors"), dict):
        said += f" in {words(fields['errors'])}"
    meaning = CODES.get(str(code))
    if meaning is not None and meaning.outcome is NotSent:
        wait = answer.retry_after(fields.get("retry_after"))
        return NotSent(f"{NAME}: {quoted(said)}: {meaning.advice}", retry_after=wait)
    if meaning is None and "code" in fields:
        meaning = STATUSES.get(answer.status)
    return told(NAME, meaning, said) if meaning else not_understood(NAME, answer)


def user_agent() -> str:
    """Discord wants this form; Cloudflare may block others."""
    try:
        number = version("watchbell")
    except PackageNotFoundError:  # a Lambda bundle is a folder, not an installed distribution
        number = "0"
    return f"DiscordBot (https://pypi.org/project/watchbell, {number})"
