"""Asks Slack whether a message arrived: by its metadata in the channel's history, or in the thread it belongs to.

What counts as proof that it is not there:

- every page was Slack's own answer with `ok: true`. Slack lets a bot read only where it is a member and has the scope
  for that kind of channel, and says so otherwise (`not_in_channel`, `missing_scope`); it never shows less in silence;
- the pages were followed to the end, from before the send by Slack's own clock (compared by the answer's date);
- payloads of metadata were shown: a message of Watchbell's type without its key means that they were held back;
- in a thread, its first message was seen; it comes first whatever else there is.

That the question comes late enough is the caller's part. A message that somebody has deleted since is not there.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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

NAME = "Slack"

#: The type of the metadata that marks our messages.
EVENT_TYPE = "watchbell_delivery"

_AUTHORISE = "store a valid bot token (SLACK_BOT_TOKEN)"

#: What the operator can do so that Slack can be asked.
ADVICE: Mapping[str, str] = {
    "missing_scope": "give the app the scope channels:history (groups:history for private channels) and install it "
    "again",
    "not_in_channel": "invite the app to the channel (/invite @app): only members may read",
    "channel_not_found": "write the channel by its id, and invite the app",
    "thread_not_found": "the thread is gone",
    "ratelimited": "it is asked again later",
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"),
        _AUTHORISE,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where a message would be: in a channel, or below `root` in it; `marker` is the digest of its key.

    One that `may_stand_alone` is put into the channel where the thread is gone.
    """

    channel: str
    root: str | None
    marker: str
    sent_at: datetime
    may_stand_alone: bool = False


def find(api: ChatApi, question: Question, *, token: str, seconds: float, clock: Clock) -> Found | Absent | CannotTell:
    """Search for a message, within `seconds` in all."""
    left = time_left(seconds)
    if question.root is None:
        return _in_channel(_History(api, question, token, left), question, clock)
    told = _verdict(_History(api, question, token, left).pages(None), question)
    if not isinstance(told, CannotTell) or not question.may_stand_alone:
        return told
    alone = replace(question, root=None)
    found = _in_channel(_History(api, alone, token, left), alone, clock)
    return found if isinstance(found, Found) else told


def _in_channel(history: "_History", question: Question, clock: Clock) -> Found | Absent | CannotTell:
    since = first_guess(question.sent_at)
    page = history.page(since)
    if isinstance(page, CannotTell):
        return page
    begins = beginning(NAME, question.sent_at, page.answer, clock.now())
    if isinstance(begins, CannotTell):
        found = _look(page, question.marker)
        return found if isinstance(found, Found) else begins
    return _verdict(history.pages(begins, page if begins == since else None), question)


@dataclass(frozen=True, slots=True)
class _Page:
    answer: Answer
    messages: list[dict[str, Any]]
    cursor: str  # of the next page; empty at the end


class _History:
    """One channel's messages, or one thread's, page by page."""

    def __init__(self, api: ChatApi, question: Question, token: str, left: Callable[[], float]) -> None:
        self._api = api
        self._headers = {"Authorization": f"Bearer {token}"}
        self._left = left
        self._method = "conversations.history" if question.root is None else "conversations.replies"
        self._query = {"channel": question.channel, "include_all_metadata": "true", "limit": str(PAGE_LENGTH)}
        if question.root is not None:
            self._query["ts"] = question.root

    def pages(self, since: datetime | None, first: _Page | None = None) -> Iterator[_Page | CannotTell]:
        """Yield every page, or in the end why there is no next."""
        page = first or self.page(since)
        for _ in range(MOST_PAGES):
            yield page
            if isinstance(page, CannotTell) or not page.cursor:
                return
            page = self.page(since, page.cursor)
        yield too_much(NAME)

    def page(self, since: datetime | None, cursor: str = "") -> _Page | CannotTell:
        query = dict(self._query)
        if since is not None:
            query |= {"oldest": f"{since.timestamp():.6f}", "inclusive": "true"}
        if cursor:
            query["cursor"] = cursor
        answer = self._api.get(f"/{self._method}", headers=self._headers, query=query, seconds=self._left())
        return _read(answer) if isinstance(answer, Answer) else not_asked(answer)


def _read(answer: Answer) -> _Page | CannotTell:
    """Return a page, where the answer is one beyond doubt."""
    fields = answer.fields()
    if answer.status == 429 or fields is None or not isinstance(fields.get("ok"), bool):
        return not_answered(NAME, answer)
    if not fields["ok"] or answer.status != 200:
        code = str(fields.get("error", f"HTTP {answer.status}"))
        advice = ADVICE.get(code)
        return CannotTell(f"{NAME} does not let itself be asked: {quoted(code)}" + (f": {advice}" if advice else ""))
    messages = fields.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return CannotTell(f"{NAME}: the answer is no history")
    following = fields.get("response_metadata")
    cursor = following.get("next_cursor") if isinstance(following, dict) else ""
    if fields.get("has_more") and not cursor:
        return CannotTell(f"{NAME}: the history goes on, but not how")
    return _Page(answer, messages, str(cursor or ""))


def _verdict(pages: Iterator[_Page | CannotTell], question: Question) -> Found | Absent | CannotTell:
    """Look through all pages; doubts count only where the message is on none of them."""
    doubt: CannotTell | None = None
    is_root_seen = question.root is None
    for page in pages:
        if isinstance(page, CannotTell):
            return page
        seen = _look(page, question.marker)
        if isinstance(seen, Found):
            return seen
        doubt = doubt or seen
        is_root_seen = is_root_seen or any(message.get("ts") == question.root for message in page.messages)
    if not is_root_seen:
        return CannotTell(f"{NAME}: the thread's first message was not shown, so the thread may not be whole")
    return doubt or Absent()


def _look(page: _Page, marker: str) -> Found | CannotTell | None:
    doubt = None
    for message in page.messages:
        metadata = message.get("metadata")
        if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
            continue
        payload = metadata.get("event_payload")
        key = payload.get("key") if isinstance(payload, dict) else None
        if key == marker and message.get("ts"):
            return Found(str(message["ts"]))
        if not isinstance(key, str) or key == marker:
            doubt = CannotTell(f"{NAME} holds back what marks Watchbell's messages")
    return doubt
