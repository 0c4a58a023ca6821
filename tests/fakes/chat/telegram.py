"""Telegram's Bot API: sendMessage. A bot can read nothing back."""

import json
import re
from html.parser import HTMLParser
from typing import Any

from fakes.chat import uploads
from fakes.chat.api import Place, Refusal, Reply, Request
from fakes.chat.room import Room, run_named_in


def place(request: Request) -> Place:
    bot = request.path.split("/")[2] if request.path.count("/") > 2 else ""
    return Place(bot, str(request.fields.get("chat_id", "")), "read" if request.path.endswith("/getMe") else "send")


def handle(room: Room, request: Request) -> Reply | dict[str, Any]:
    found = re.fullmatch(r"/telegram/bot([^/]*)/(\w+)", request.path)
    if found is None or found[2] not in ("sendMessage", "sendPhoto", "getMe"):
        raise _no(404, "Not Found")
    if found[2] == "getMe":
        _authenticate(found[1])
        return {"ok": True, "result": {"id": int(found[1].split(":")[0]), "is_bot": True, "first_name": "Watchbell"}}
    payload = request.fields
    if found[2] == "sendPhoto":
        _authenticate(found[1])
        _let_send(room, str(payload.get("chat_id", "")), payload)
        photo = uploads.telegram_photo(room, request)
        return {"ok": True, "result": {"message_id": int(photo.id), "photo": []}}
    if request.method == "POST" and request.content_type not in (
        "application/json",
        "application/x-www-form-urlencoded",
    ):
        raise _no(400, "Bad Request: message text is empty")
    text, pings = telegram_message(found[1], payload)
    chat_id = str(payload.get("chat_id", ""))
    _let_send(room, chat_id, payload)
    thread = str(payload.get("message_thread_id", ""))
    message = room.post("telegram", chat_id, text, pings, payload, marker=run_named_in(text), thread=thread)
    return {"ok": True, "result": {"message_id": int(message.id), "chat": {"id": chat_id}, "text": text}}


def _let_send(room: Room, chat_id: str, payload: dict[str, Any]) -> None:
    if not re.fullmatch(r"-?\d+|@\w+|[\w-]+-(FAIL|ERROR|SLOW)-[\w-]+", chat_id, re.ASCII) or not room.may(
        chat_id, "view"
    ):
        raise _no(400, "Bad Request: chat not found")
    if not room.may(chat_id, "membership"):
        raise _no(403, "Forbidden: bot was kicked from the group chat")
    if not room.may(chat_id, "send"):
        raise _no(400, "Bad Request: not enough rights to send text messages to the chat")
    topic = str(payload.get("message_thread_id", "2"))
    if topic == "1" or not re.fullmatch(r"\d+", topic, re.ASCII):  # the General topic must not be addressed
        raise _no(400, "Bad Request: message thread not found")
    reply = payload.get("reply_parameters", {"message_id": 1})
    reply = json.loads(reply) if isinstance(reply, str) and reply.startswith("{") else reply
    if not isinstance(reply, dict) or not isinstance(reply.get("message_id"), int):
        raise _no(400, "Bad Request: object expected as reply parameters")


def _no(code: int, description: str) -> Refusal:
    return Refusal(code, {"ok": False, "error_code": code, "description": description})


def _authenticate(token: str) -> None:
    if not re.fullmatch(r"\d{6,12}:[\w-]{30,}", token, re.ASCII):
        raise _no(404, "Not Found")
    if "REVOKED" in token:
        raise _no(401, "Unauthorized")


def telegram_message(token: str, payload: dict[str, Any]) -> tuple[str, list[str]]:
    _authenticate(token)
    text = payload.get("text", "")
    page = _TelegramHtml()
    if payload.get("parse_mode") == "HTML":
        page.is_markup = True
        try:
            page.feed(text)
            page.close()
        except ValueError as error:
            raise _no(400, f"Bad Request: can't parse entities: {error}") from None
        if page.open:
            raise _no(400, f"Bad Request: can't parse entities: end tag of {page.open[-1]} is missing")
    elif payload.get("parse_mode"):
        raise _no(400, "Bad Request: unsupported parse_mode")
    else:
        page.handle_data(text)
    visible = "".join(page.text)
    if not visible.strip():
        raise _no(400, "Bad Request: message text is empty")
    if len(visible.encode("utf-16-le")) // 2 > 4096:
        raise _no(400, "Bad Request: message is too long")
    previews = [] if payload.get("link_preview_options", {}).get("is_disabled") else ["link preview"]
    return visible, page.mentions + previews


class _TelegramHtml(HTMLParser):
    """Telegram's HTML: few tags, properly nested, nothing inside code, four named entities."""

    TAGS = frozenset({"b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote", "a"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.text: list[str] = []
        self.mentions: list[str] = []
        self.is_markup = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.TAGS or self.open[-1:] in (["code"], ["pre"]):
            raise ValueError(f"unsupported start tag {tag!r}")
        if tag == "blockquote" and tag in self.open:
            raise ValueError("blockquote entity can't be nested")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"unexpected end tag {tag!r}")

    def handle_entityref(self, name: str) -> None:
        if name not in ("lt", "gt", "amp", "quot"):
            raise ValueError(f"unknown entity {name!r}")
        self.text.append({"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[name])

    def handle_charref(self, name: str) -> None:
        self.text.append(chr(int(name[1:], 16) if name[0] in "xX" else int(name)))

    def handle_data(self, data: str) -> None:
        if self.is_markup and "<" in data:
            raise ValueError("unsupported start tag")
        self.text.append(data)
        if not {"code", "pre"} & set(self.open):
            self.mentions += re.findall(r"@\w{2,}", data)
