"""Files: Slack's upload in three steps, Telegram's photos, Discord's attachments. A message keeps their names."""

import itertools
import json
import re
import struct
from typing import Any

from fakes.chat.api import Refusal, Reply, Request
from fakes.chat.room import Message, Room

_numbers = itertools.count(1)
_SLACK_METHODS = ("files.getUploadURLExternal", "files.completeUploadExternal")

#: Slack's uploads by file id: what was announced, and the bytes once they are there.
_announced: dict[str, dict[str, str]] = {}
_uploaded: dict[str, bytes] = {}


def size_of(png: bytes) -> tuple[int, int]:
    """Return width and height, or nothing where it is no PNG."""
    return struct.unpack(">II", png[16:24]) if png.startswith(b"\x89PNG\r\n\x1a\n") and len(png) >= 24 else (0, 0)


def is_slack(request: Request) -> bool:
    return request.path.startswith("/slack/upload/") or request.path.endswith(_SLACK_METHODS)


def slack(room: Room, request: Request) -> Reply | dict[str, Any]:
    if request.path.startswith("/slack/upload/"):
        return _slack_bytes(request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal(200, {"ok": False, "error": "invalid_arguments"})
    step = _slack_place if request.path.endswith(_SLACK_METHODS[0]) else _slack_share
    return step(room, request)


def _slack_place(room: Room, request: Request) -> dict[str, Any]:
    fields = request.fields
    if not fields.get("filename") or int(fields.get("length", 0)) < 1 or len(fields.get("alt_txt", "")) > 1000:
        raise Refusal(200, {"ok": False, "error": "invalid_arguments"})
    file_id = f"F{next(_numbers):08}"
    _announced[file_id] = fields
    return {"ok": True, "upload_url": f"http://{request.headers['Host']}/slack/upload/{file_id}", "file_id": file_id}


def _slack_bytes(request: Request) -> Reply:
    file_id = request.path.rsplit("/", 1)[1]
    if request.headers.get("Authorization"):
        raise Refusal(400, "the token has no business here")
    if file_id not in _announced or len(request.raw) != int(_announced[file_id]["length"]):
        raise Refusal(400, "not what was announced")
    _uploaded[file_id] = request.raw
    return Reply(f"OK - {len(request.raw)}")


def _slack_share(room: Room, request: Request) -> dict[str, Any]:
    fields = request.fields
    chat_id, files = fields.get("channel_id", ""), json.loads(fields.get("files", "[]"))
    if not files or any(file["id"] not in _uploaded for file in files):
        raise Refusal(200, {"ok": False, "error": "file_not_found"})
    if not re.fullmatch(r"[\w-]+", chat_id, re.ASCII):
        raise Refusal(200, {"ok": False, "error": "channel_not_found"})
    if not room.may(chat_id, "membership"):
        raise Refusal(200, {"ok": False, "error": "not_in_channel"})
    names, thread = [file["title"] for file in files], fields.get("thread_ts", "")
    room.post("slack", chat_id, "", [], dict(fields), thread=thread, files=names, author="file")
    return {"ok": True, "files": [{"id": file["id"], "title": file["title"]} for file in files]}


def telegram_photo(room: Room, request: Request) -> Message:
    def no(description: str) -> Refusal:
        return Refusal(400, {"ok": False, "error_code": 400, "description": f"Bad Request: {description}"})

    fields, files = request.form
    name, png = files.get("photo", ("", b""))
    sides = size_of(png)
    if len(png) > 10 * 1024 * 1024:
        raise Refusal(413, {"ok": False, "error_code": 413, "description": "Request Entity Too Large"})
    if not all(sides) or sum(sides) > 10_000 or max(sides) > 20 * min(sides):
        raise no("PHOTO_INVALID_DIMENSIONS")
    caption = fields.get("caption", "")
    if len(caption) > 1024 or fields.get("parse_mode"):
        raise no("message caption is too long")
    pings = re.findall(r"@\w{2,}", caption)
    return room.post("telegram", fields["chat_id"], caption, pings, dict(fields), files=[name], author="file")


def discord_files(request: Request, payload: dict[str, Any]) -> list[str]:
    """Return the names of the files, which the payload has to describe."""
    files = request.form[1]
    described = {f"files[{one['id']}]" for one in payload.get("attachments", [])}
    if not files or described != set(files) or not all(size_of(content)[0] for _, content in files.values()):
        raise Refusal(400, {"message": "Invalid Form Body", "code": 50035, "errors": {"attachments": {}}})
    if any(len(content) > 10 * 1024 * 1024 for _, content in files.values()):
        raise Refusal(413, {"message": "Request entity too large", "code": 40005})
    if any(len(one.get("description", "")) > 1024 for one in payload["attachments"]):
        raise Refusal(400, {"message": "Invalid Form Body", "code": 50035, "errors": {"attachments": {}}})
    return [name for name, _ in files.values()]
