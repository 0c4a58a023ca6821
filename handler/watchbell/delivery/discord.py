"""Discord: a bot's message to a channel, with an enforced nonce: a repeat within minutes is not a second message."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

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
from watchbell.delivery.http import ChatApi
from watchbell.delivery.interface import (
    Absent,
    CannotTell,
    Delivered,
    Found,
    NotSent,
    Outcome,
    Part,
    Refused,
    SendKey,
    Stamp,
    Unknown,
)
from watchbell.delivery.render import discord as dialect
from watchbell.delivery.render.entries import notice
from watchbell.delivery.render.split import parts
from watchbell.reports.interface import Report

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

#: What a status means where the code is not known.
STATUSES: Mapping[int, Meaning] = {
    400: Meaning(Refused, _BUG),
    401: Meaning(Refused, "store a valid bot token (DISCORD_BOT_TOKEN)"),
    403: Meaning(Refused, _RIGHTS),
    404: Meaning(Refused, "check the channel id"),
    405: Meaning(Refused, "check WATCHBELL_DISCORD_API_URL"),
    413: Meaning(Refused, _BUG),
}


class Discord:
    """Posts to channels as a Discord bot."""

    name = "discord"
    repeat_window = timedelta(minutes=2)

    def __init__(self, api_url: str = "https://discord.com/api/v10") -> None:
        self._api = ChatApi(NAME, api_url)

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        return parts(dialect.messages(report, stamp))

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        return Part(number=1, of=1, body=dialect.notice(notice(headline, lines)))

    def reserve(self, chat_id: str, credentials: Mapping[str, str]) -> float:
        return 0.0

    def send(
        self,
        chat_id: str,
        part: Part,
        *,
        key: SendKey,
        credentials: Mapping[str, str],
        seconds: float,
        first_id: str | None = None,
    ) -> Outcome:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", chat_id, re.ASCII):
            return Refused(f"{NAME}: a channel id is a number such as 1100000000000000000: check the chat id")
        marker = key.digest()
        answer = self._api.post(
            f"/channels/{chat_id}/messages",
            headers={"Authorization": f"Bot {credentials['bot_token']}", "User-Agent": _user_agent()},
            fields={**dialect.marked(part.body, marker), "nonce": marker, "enforce_nonce": True},
            seconds=seconds,
        )
        return outcome(answer) if isinstance(answer, Answer) else answer

    def find(
        self,
        chat_id: str,
        *,
        key: SendKey,
        sent_at: datetime,
        credentials: Mapping[str, str],
        seconds: float,
        first_id: str | None = None,
    ) -> Found | Absent | CannotTell:
        return CannotTell("Discord was not asked")


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


def _user_agent() -> str:
    """Discord wants this form; Cloudflare may block others."""
    try:
        number = version("watchbell")
    except PackageNotFoundError:  # a Lambda bundle is a folder, not an installed distribution
        number = "0"
    return f"DiscordBot (https://pypi.org/project/watchbell, {number})"
