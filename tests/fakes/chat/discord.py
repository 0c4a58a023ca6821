"""Discord's REST API: posting with nonces, reading back, and webhooks."""

import base64
import binascii
import re
from typing import Any

from fakes.chat import uploads
from fakes.chat.api import Place, Refusal, Reply, Request
from fakes.chat.room import Message, Room, run_named_in

NO_PINGS = ({"parse": []}, {"parse": [], "replied_user": False})
_API = "/discord/api/v10"
_WEBHOOK = re.compile(rf"{_API}/webhooks/(\d+)/([\w-]+)")
_MESSAGES = re.compile(rf"{_API}/channels/([^/]+)/messages")
_ONE_MESSAGE = re.compile(rf"{_API}/channels/([^/]+)/messages/(\d+)")


def no(status: int, code: int, message: str, **more: Any) -> Refusal:
    return Refusal(status, {"message": message, "code": code, **more})


def place(request: Request) -> Place:
    if found := _WEBHOOK.match(request.path):
        return Place(found[2], found[1], "webhook")
    found = re.match(rf"{_API}/channels/([^/]+)", request.path)
    kind = "read" if request.method == "GET" else "send"
    return Place(request.headers.get("Authorization", ""), found[1] if found else "", kind)


def handle(room: Room, request: Request) -> Reply | dict[str, Any]:
    if found := _WEBHOOK.fullmatch(request.path):
        return _webhook(room, request, found[1], found[2])
    if request.method == "GET":
        _authenticate(request.headers)
        return Reply(_read(room, request))
    found = _MESSAGES.fullmatch(request.path)
    if not found or request.method != "POST":
        raise no(404, 0, "404: Not Found")
    if request.content_type not in ("application/json", "multipart/form-data"):
        raise no(400, 50035, "Invalid Form Body")
    chat_id, payload = found[1], request.fields
    files = uploads.discord_files(request, payload) if request.content_type == "multipart/form-data" else []
    text, pings = discord_message(request.headers, chat_id, payload)
    _let_send(room, chat_id)
    return Reply(_shown(_posted(room, chat_id, text, pings, payload, files), request.headers))


def _posted(
    room: Room, chat_id: str, text: str, pings: list[str], payload: dict[str, Any], files: list[str]
) -> Message:
    marker = str(payload.get("nonce", "")) or run_named_in(text)
    message = room.post("discord", chat_id, text, pings, payload, marker=marker, files=files)
    if room.is_removed(message):  # the nonce is known, but its message was deleted since
        raise no(404, 10008, "Unknown Message")
    return message


def _let_send(room: Room, chat_id: str) -> None:
    if not room.may(chat_id, "membership"):
        raise no(404, 10003, "Unknown Channel")
    if not room.may(chat_id, "view"):
        raise no(403, 50001, "Missing Access")
    if not room.may(chat_id, "send"):
        raise no(403, 50013, "Missing Permissions")


def _webhook(room: Room, request: Request, webhook_id: str, token: str) -> Reply:
    """A webhook knows neither nonces nor, unless asked to wait, what became of the message."""
    if "REVOKED" in token:
        raise no(401, 50027, "Invalid Webhook Token")
    if request.method == "GET":
        return Reply({"id": webhook_id, "type": 1, "name": "watchbell", "channel_id": webhook_id})
    if request.method != "POST":
        raise no(405, 0, "405: Method Not Allowed")
    payload = request.fields
    if set(payload) & {"nonce", "enforce_nonce", "message_reference"}:
        raise no(400, 50035, "Invalid Form Body", errors={"nonce": "not for webhooks"})
    bot = {"Authorization": f"Bot {'A' * 24}.abcdef.{'A' * 27}", "User-Agent": request.headers.get("User-Agent")}
    text, pings = discord_message(bot, webhook_id if len(webhook_id) > 14 else "1" * 18, payload)
    files = uploads.discord_files(request, payload) if request.content_type == "multipart/form-data" else []
    message = _posted(room, request.query.get("thread_id") or webhook_id, text, pings, payload, files)
    if request.query.get("wait") != "true":
        return Reply("", status=204)
    return Reply({"id": message.id, "channel_id": webhook_id, "content": payload.get("content", "")})


def _read(room: Room, request: Request) -> Any:
    if request.path == f"{_API}/users/@me":
        return {"id": _own_id(request.headers), "bot": True, "username": "watchbell"}
    one = _ONE_MESSAGE.fullmatch(request.path)
    found = one or _MESSAGES.fullmatch(request.path)
    if not found:
        raise no(404, 0, "404: Not Found")
    chat_id = found[1]
    if not room.may(chat_id, "membership"):
        raise no(404, 10003, "Unknown Channel")
    if not room.may(chat_id, "view"):
        raise no(403, 50001, "Missing Access")
    if one:
        return _one(room, chat_id, one[2], request.headers)
    limit = int(request.query.get("limit", 50))
    bounds = [name for name in ("after", "before", "around") if name in request.query]
    if not 1 <= limit <= 100 or len(bounds) > 1:
        raise no(400, 50035, "Invalid Form Body", errors={"limit": "1 to 100, with one bound"})
    if not room.may(chat_id, "history"):
        return []  # not an error: this is what makes an empty list no proof
    return [_shown(message, request.headers) for message in _chosen(room, chat_id, request.query, limit)]


def _one(room: Room, chat_id: str, message_id: str, headers: Any) -> dict[str, Any]:
    if not room.may(chat_id, "history"):
        raise no(403, 50013, "Missing Permissions")
    for message in room.shown("discord", chat_id):
        if message.id == message_id:
            return _shown(message, headers)
    raise no(404, 10008, "Unknown Message")


def _chosen(room: Room, chat_id: str, query: Any, limit: int) -> list[Message]:
    """Newest first; `after` begins with the oldest of those after it."""
    shown = room.shown("discord", chat_id)
    if "after" in query:
        return [one for one in shown if int(one.id) > int(query["after"])][:limit][::-1]
    before = int(query.get("before", 1 << 63))
    return [one for one in shown if int(one.id) < before][-limit:][::-1]


def _own_id(headers: Any) -> str:
    """Return the bot's id: the first piece of its token is that, in base64."""
    piece = (headers.get("Authorization") or "").removeprefix("Bot ").partition(".")[0]
    try:
        text = base64.b64decode(piece + "=" * (-len(piece) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return "900000000000000001"
    return text if text.isdigit() else "900000000000000001"


def _shown(message: Message, headers: Any) -> dict[str, Any]:
    """What others wrote is hidden from a bot without the intent for it; a nonce is kept by nobody."""
    shown: dict[str, Any] = {"id": message.id, "channel_id": message.chat_id, "attachments": []}
    if message.author != "bot":
        return shown | {"content": "", "embeds": [], "author": {"id": "700000000000000007", "username": "person"}}
    kept = {"content": message.payload.get("content", ""), "embeds": message.payload.get("embeds", [])}
    return shown | kept | {"author": {"id": _own_id(headers), "bot": True, "username": "watchbell"}}


def _authenticate(headers: Any) -> None:
    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    if scheme != "Bot" or not re.fullmatch(r"[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}", token) or "REVOKED" in token:
        raise no(401, 0, "401: Unauthorized")
    if not re.match(r"DiscordBot \(https?://\S+, [\w.]+\)", headers.get("User-Agent") or ""):
        raise no(403, 40333, "Cloudflare is blocking your request")


def discord_message(headers: Any, chat_id: str, payload: dict[str, Any]) -> tuple[str, list[str]]:
    _authenticate(headers)
    if not re.fullmatch(r"\d{15,20}|[\w-]+-(FAIL|ERROR|SLOW)-[\w-]+", chat_id, re.ASCII):
        raise no(400, 50035, "Invalid Form Body", errors={"channel_id": "not a snowflake"})
    known = {"content", "nonce", "enforce_nonce", "allowed_mentions", "flags", "embeds", "tts", "message_reference",
             "attachments"}  # fmt: skip
    wrong = set(payload) - known
    if not isinstance(payload.get("nonce", ""), str | int) or len(str(payload.get("nonce", ""))) > 25:
        wrong.add("nonce")
    if payload.get("flags", 0) & 1 << 15:  # components, beside which nothing else may stand
        wrong.add("flags")
    mentions = payload.get("allowed_mentions", {})
    if "users" in mentions.get("parse", ()) and mentions.get("users"):
        wrong.add("allowed_mentions")
    content = str(payload.get("content", "")).strip()
    if len(content) > 2000:
        wrong.add("content")
    embeds = payload.get("embeds", [])
    wrong |= {"embeds"} if not _embeds_are_valid(embeds) else set()
    if wrong:
        raise no(400, 50035, "Invalid Form Body", errors={name: {"_errors": []} for name in sorted(wrong)})
    if not content and not any(embeds):
        raise no(400, 50006, "Cannot send an empty message")
    described = [str(embed.get("description", "")) for embed in embeds]
    feet = [str(embed.get("footer", {}).get("text", "")) for embed in embeds]
    pings = [] if payload.get("allowed_mentions") in NO_PINGS else re.findall(r"@\w+|<@[^>]*>", content)
    for markdown in (content, *described):
        pings += [] if markdown.count("```") % 2 == 0 else ["a broken code block"]
        outside = "".join(markdown.split("```")[::2])
        pings += re.findall(r"(?<!\\)(?:<[@#:!]|\[\w|~~|\|\||__)|^\d+\. ", outside, re.MULTILINE)
    pings += [] if payload.get("flags", 0) & 4 else re.findall(r"https?://", content)
    return "\n".join([*(_without_backslashes(text) for text in (content, *described)), *feet]), pings


def _embeds_are_valid(embeds: Any) -> bool:
    """Discord's limits, by the strictest count of what a character is."""
    if not isinstance(embeds, list) or len(embeds) > 10:
        return False
    total = 0
    for embed in embeds:
        parts = [
            (embed.get("description"), 4096),
            (embed.get("title"), 256),
            (embed.get("footer", {}).get("text"), 2048),
        ]
        lengths = [(len(str(text or "").strip().encode("utf-16-le")) // 2, limit) for text, limit in parts]
        if set(embed) - {"description", "title", "footer", "color", "image"} or any(n > most for n, most in lengths):
            return False
        if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            return False
        total += sum(length for length, _ in lengths)
    return total <= 6000


def _without_backslashes(markdown: str) -> str:
    """Markdown's escapes taken away, but not in code blocks, whose fences go as well."""
    pieces = markdown.split("```")
    pieces[::2] = [re.sub(r"\\([^\w\s]|_)", r"\1", piece) for piece in pieces[::2]]
    return "".join(pieces)
