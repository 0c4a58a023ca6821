"""Asks Discord whether a message arrived: by the marker at its end, in the channel's messages.

What counts as proof that it is not there:

- every page was Discord's own list, followed to the end, from before the send by Discord's own clock;
- the right to read was seen at work. Without READ_MESSAGE_HISTORY Discord answers with an empty list, not with an
  error, so some message has to be shown: one written since, or else any earlier one. In a channel that has never had
  another message the absence cannot be proved;
- own messages were shown with their text. Discord hides from a bot what others write, never what it wrote itself.

That the question comes late enough is the caller's part. A message that somebody has deleted since is not there.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watchbell.clock import Clock
from watchbell.delivery.answers import Answer, quoted
from watchbell.delivery.asking import (
    MOST_PAGES,
    PAGE_LENGTH,
    beginning,
    first_guess,
    not_answered,
    not_asked,
    too_much,
)
from watchbell.delivery.http import ChatApi, time_left
from watchbell.delivery.interface import Absent, CannotTell, Found

NAME = "Discord"

_EPOCH_MS = 1_420_070_400_000

_RIGHT = "let the bot view the channel and read its message history"

#: What the operator can do so that Discord can be asked.
ADVICE: Mapping[str, str] = {
    "50001": _RIGHT,
    "50013": _RIGHT,
    "10003": "check the channel id",
    "0": "store a valid bot token (DISCORD_BOT_TOKEN)",
    "40001": "store a valid bot token (DISCORD_BOT_TOKEN)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where a message would be; `marker` is the digest of its key."""

    channel: str
    marker: str
    sent_at: datetime


def find(
    api: ChatApi, question: Question, *, headers: Mapping[str, str], seconds: float, clock: Clock
) -> Found | Absent | CannotTell:
    """Search for a message, within `seconds` in all; `headers` authorise and name the client."""
    history = _History(api, question.channel, headers, seconds)
    own = own_id(headers.get("Authorization", ""))
    since = first_guess(question.sent_at)
    page = history.page(after=_snowflake(since))
    if isinstance(page, CannotTell):
        return page
    begins = beginning(NAME, question.sent_at, page.answer, clock.now())
    if isinstance(begins, CannotTell):
        found = _look(page, question.marker, own)
        return found if isinstance(found, Found) else begins
    pages = history.pages(_snowflake(begins), page if begins == since else None)
    return _verdict(history, pages, question.marker, own)


def own_id(authorisation: str) -> str | None:
    """Return the bot's own id, which in base64 is the first piece of its token."""
    piece = authorisation.removeprefix("Bot ").partition(".")[0]
    try:
        text = base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text if text.isdigit() else None


@dataclass(frozen=True, slots=True)
class _Page:
    answer: Answer
    messages: list[dict[str, Any]]

    def newest(self) -> int:
        return max(int(message["id"]) for message in self.messages)


class _History:
    """One channel's messages, page by page."""

    def __init__(self, api: ChatApi, channel: str, headers: Mapping[str, str], seconds: float) -> None:
        self._api = api
        self._path = f"/channels/{channel}/messages"
        self._headers = headers
        self._left = time_left(seconds)

    def pages(self, after: int, first: _Page | None = None) -> Iterator[_Page | CannotTell]:
        """Yield every page, or in the end why there is no next."""
        page = first or self.page(after=after)
        for _ in range(MOST_PAGES):
            yield page
            if isinstance(page, CannotTell) or len(page.messages) < PAGE_LENGTH:
                return
            page = self.page(after=page.newest())
        yield too_much(NAME)

    def page(self, **query: int) -> _Page | CannotTell:
        text = {name: str(value) for name, value in ({"limit": PAGE_LENGTH} | query).items()}
        answer = self._api.get(self._path, headers=self._headers, query=text, seconds=self._left())
        return _read(answer) if isinstance(answer, Answer) else not_asked(answer)


def _read(answer: Answer) -> _Page | CannotTell:
    """Return a page, where the answer is one beyond doubt."""
    fields = answer.fields()
    if answer.status != 429 and fields is not None and "code" in fields:
        code = str(fields["code"])
        said = f"{quoted(fields.get('message', ''))} (code {quoted(code)})"
        advice = ADVICE.get(code)
        return CannotTell(f"{NAME} does not let itself be asked: {said}" + (f": {advice}" if advice else ""))
    try:
        messages = json.loads(answer.body) if answer.status == 200 and answer.body is not None else None
    except (ValueError, RecursionError):
        messages = None
    if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
        return not_answered(NAME, answer)
    return _Page(answer, messages)


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("id"), str) and message["id"].isdecimal()


def _verdict(
    history: _History, pages: Iterator[_Page | CannotTell], marker: str, own: str | None
) -> Found | Absent | CannotTell:
    """Look through all pages; doubts count only where the message is on none of them."""
    doubt: CannotTell | None = None
    is_anything_seen = False
    for page in pages:
        if isinstance(page, CannotTell):
            return page
        seen = _look(page, marker, own)
        if isinstance(seen, Found):
            return seen
        doubt = doubt or seen
        is_anything_seen = is_anything_seen or bool(page.messages)
    if is_anything_seen or doubt is not None:
        return doubt or Absent()
    return _with_control(history.page(limit=1), marker, own)


def _with_control(control: _Page | CannotTell, marker: str, own: str | None) -> Found | Absent | CannotTell:
    """Decide where nothing was written since: only a channel that shows its newest message has been read."""
    if isinstance(control, CannotTell):
        return control
    seen = _look(control, marker, own)
    if seen is not None:
        return seen
    if not control.messages:
        return CannotTell(f"{NAME} shows no message of the channel at all: {_RIGHT}")
    return Absent()


def _look(page: _Page, marker: str, own: str | None) -> Found | CannotTell | None:
    doubt = None
    for message in page.messages:
        author = message.get("author")
        is_own = own is None or (isinstance(author, dict) and author.get("id") == own)
        shown = [message.get(name) for name in ("content", "embeds")]
        if marker in json.dumps(shown):
            if is_own:
                return Found(message["id"])
            doubt = CannotTell(f"{NAME}: somebody else has posted this message's marker")
        elif own is not None and is_own and not any((*shown, message.get("attachments"), message.get("components"))):
            doubt = CannotTell(f"{NAME} holds back the text of the bot's own messages")
    return doubt


def _snowflake(moment: datetime) -> int:
    """Return the least message id of a moment."""
    return max(0, int(moment.timestamp() * 1000) - _EPOCH_MS) << 22
