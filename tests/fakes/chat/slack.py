"""Slack's Web API: posting, reading back, and incoming webhooks. Its no comes with status 200."""

import re
from typing import Any

from fakes.chat import uploads
from fakes.chat.api import Place, Refusal, Reply, Request
from fakes.chat.room import Message, Room, run_named_in

_READS = ("conversations.history", "conversations.replies", "auth.test")


def no(error: str, **more: Any) -> Refusal:
    return Refusal(200, {"ok": False, "error": error} | more)


def place(request: Request) -> Place:
    if request.path.startswith("/slack/services/"):
        return Place(request.path, request.path.split("/")[-1], "webhook")
    kind = "read" if request.path.endswith(_READS) or uploads.is_slack(request) else "send"
    bot = f"{request.headers.get('Authorization', '')} {request.path if kind == 'read' else ''}"
    channel = request.query.get("channel") or request.fields.get("channel") or ""
    return Place(bot, str(channel), kind)


def handle(room: Room, request: Request) -> Reply | dict[str, Any]:
    if request.path.startswith("/slack/services/"):
        return _webhook(room, request)
    if uploads.is_slack(request):
        if not request.path.startswith("/slack/upload/"):
            _authenticate(request.headers)
        return uploads.slack(room, request)
    method = request.path.removeprefix("/slack/api/")
    if method == "chat.postMessage":
        return _post(room, request)
    if method not in _READS:
        raise Refusal(404, {"ok": False, "error": "unknown_method"})
    _authenticate(request.headers)
    if method == "auth.test":
        return {"ok": True, "user_id": "U0BOT", "bot_id": "B0BOT", "team_id": "T0TEAM"}
    if request.content_type == "application/json":
        raise no("invalid_arguments")
    arguments = {**request.query, **request.fields}
    _let_read(room, arguments)
    return _history(room, arguments) if method == "conversations.history" else _replies(room, arguments)


def _authenticate(headers: Any) -> None:
    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    if scheme != "Bearer" or not token:
        raise no("not_authed")
    if "REVOKED" in token:
        raise no("token_revoked")
    if not token.startswith("xoxb-"):
        raise no("invalid_auth")


def _post(room: Room, request: Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise no("invalid_post_type")
    payload = request.fields
    text, pings = slack_message(request.headers, payload)
    chat_id = str(payload.get("channel", ""))
    if not re.fullmatch(r"[\w-]+", chat_id, re.ASCII):
        raise no("channel_not_found")
    if not room.may(chat_id, "membership") or not room.may(chat_id, "send"):
        raise no("not_in_channel")
    return {"ok": True, "channel": chat_id, "ts": _posted(room, chat_id, text, pings, payload).id}


def _posted(room: Room, chat_id: str, text: str, pings: list[str], payload: dict[str, Any]) -> Message:
    """Slack cuts a long text into several messages, and has repeated blocks whose fallback text was long."""
    marker = str(payload.get("metadata", {}).get("event_payload", {}).get("key", "")) or run_named_in(text)
    thread = str(payload.get("thread_ts") or "")
    for _ in range(max(1, -(-len(payload.get("text", "")) // 4000))):
        message = room.post("slack", chat_id, text, pings, payload, marker=marker, thread=thread)
    return message


def _webhook(room: Room, request: Request) -> Reply:
    """Answers in plain text with real statuses, and names no message."""
    payload = request.fields
    if not re.fullmatch(r"/slack/services/T\w+/B\w+/[\w-]+", request.path, re.ASCII):
        raise Refusal(404, "no_service")
    if "metadata" in payload or "channel" in payload:
        raise Refusal(400, "invalid_payload")
    try:
        text, pings = slack_message({"Authorization": "Bearer xoxb-webhook"}, payload)
    except Refusal as refusal:
        raise Refusal(400, str(refusal.body["error"]) if isinstance(refusal.body, dict) else "no") from None
    _posted(room, request.path.split("/")[-1], text, pings, payload)
    return Reply("ok")


def _let_read(room: Room, arguments: dict[str, Any]) -> None:
    """Refuse a read as Slack does; only `not_in_channel` proves membership by its absence."""
    chat_id = str(arguments.get("channel", ""))
    if not re.fullmatch(r"[\w-]+", chat_id, re.ASCII) or not room.may(chat_id, "view"):
        raise no("channel_not_found")
    if not room.may(chat_id, "history"):
        raise no("missing_scope", needed="channels:history", provided="chat:write")
    if not room.may(chat_id, "membership"):
        raise no("not_in_channel")
    if not 1 <= int(arguments.get("limit", 100)) <= 999:
        raise no("invalid_limit")
    for name in ("oldest", "latest"):
        if name in arguments and not re.fullmatch(r"\d+(\.\d+)?", str(arguments[name])):
            raise no(f"invalid_ts_{name}")


def _history(room: Room, arguments: dict[str, Any]) -> dict[str, Any]:
    shown = room.shown("slack", str(arguments["channel"]))
    chosen = [message for message in shown if not message.thread and _within(message.id, arguments)]
    return _page(chosen[::-1], arguments)


def _replies(room: Room, arguments: dict[str, Any]) -> dict[str, Any]:
    """The parent is always there, whatever `oldest` says."""
    root = str(arguments.get("ts", ""))
    shown = room.shown("slack", str(arguments["channel"]))
    parent = [message for message in shown if message.id == root]
    if not parent:
        raise no("thread_not_found")
    replies = [message for message in shown if message.thread == root and _within(message.id, arguments)]
    return _page(parent + replies, arguments)


def _within(ts: str, arguments: dict[str, Any]) -> bool:
    at, inclusive = float(ts), str(arguments.get("inclusive", "")).lower() in ("true", "1")
    oldest, latest = float(arguments.get("oldest", 0)), float(arguments.get("latest", "inf"))
    return oldest <= at <= latest if inclusive else oldest < at < latest


def _page(chosen: list[Message], arguments: dict[str, Any]) -> dict[str, Any]:
    begin = int(str(arguments.get("cursor") or "at:0").removeprefix("at:"))
    end = begin + int(arguments.get("limit", 100))
    whole = str(arguments.get("include_all_metadata", "")).lower() in ("true", "1")
    more = end < len(chosen)
    return {
        "ok": True,
        "messages": [_shown(message, whole) for message in chosen[begin:end]],
        "has_more": more,
        "response_metadata": {"next_cursor": f"at:{end}" if more else ""},
    }


def _shown(message: Message, whole: bool) -> dict[str, Any]:
    """Without `include_all_metadata` the payload of an undeclared type is dropped."""
    shown = {"type": "message", "ts": message.id, "text": message.text}
    shown |= {"thread_ts": message.thread} if message.thread else {}
    if message.author != "bot":
        return shown | {"user": "U0PERSON"}
    metadata = message.payload.get("metadata")
    if metadata:
        metadata = metadata if whole else {"event_type": metadata["event_type"]}
        shown |= {"metadata": metadata}
    return shown | {"user": "U0BOT", "bot_id": "B0BOT", "app_id": "A0APP"}


def slack_message(headers: Any, payload: dict[str, Any]) -> tuple[str, list[str]]:
    _authenticate(headers)
    known = {"channel", "text", "blocks", "mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media",
             "thread_ts", "reply_broadcast", "metadata", "attachments", "username"}  # fmt: skip
    if set(payload) - known:
        raise no("invalid_arg_name")
    text, blocks = payload.get("text", ""), payload.get("blocks", [])
    if not (isinstance(text, str) and isinstance(payload.get("thread_ts", ""), str)):
        raise no("invalid_arguments")
    if not text and not blocks:
        raise no("no_text")
    metadata = payload.get("metadata", {"event_type": "-", "event_payload": {}})
    event_type = metadata.get("event_type")
    is_named = isinstance(event_type, str) and re.fullmatch(r"[\w.-]+", event_type, re.ASCII)
    if not (is_named and isinstance(metadata.get("event_payload"), dict)):
        raise no("invalid_metadata_format")
    objects = [_slack_text(block) for block in blocks]
    if len(blocks) > 50 or not all(objects):
        raise no("invalid_blocks")
    if sum(len(item["text"]) for item in objects) > 13_200:
        raise no("msg_blocks_too_long")
    shown = [item["text"] for item in objects] or [text]
    pings = re.findall(r"<[!@#][^>]*>", "\n".join([*shown, text]))
    pings += [
        f"markup {item['text']}" for item in objects
        if item["type"] == "mrkdwn" and not re.fullmatch(r"```\n(?:(?!```).)*\n```", item["text"], re.DOTALL)
    ]  # fmt: skip
    pings += [name for name in ("unfurl_links", "unfurl_media") if payload.get(name) is not False]
    if payload.get("parse", "none") != "none" or payload.get("link_names"):
        pings.append("links names")
    visible = "\n".join(shown)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        visible = visible.replace(entity, character)
    return visible, pings


def _slack_text(block: dict[str, Any]) -> dict[str, str] | None:
    """The text object of a block, or None where Slack would refuse the block."""
    limits = {"header": 150, "section": 3000, "context": 3000}
    item = block["elements"][0] if block.get("type") == "context" else block.get("text")
    if block.get("type") not in limits or not isinstance(item, dict) or not item.get("text"):
        return None
    if block["type"] == "header" and item["type"] != "plain_text":
        return None
    if item.get("type") not in ("plain_text", "mrkdwn") or len(block.get("elements", ())) > 10:
        return None
    if set(item) - ({"type", "text", "verbatim"} if item["type"] == "mrkdwn" else {"type", "text", "emoji"}):
        return None
    return item if len(item["text"]) <= limits[block["type"]] else None
