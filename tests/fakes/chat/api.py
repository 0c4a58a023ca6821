"""What the three fakes share: a request as it came, and the API's own no."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Refusal(Exception):
    """The API's own no."""

    def __init__(self, status: int, body: dict[str, Any] | str, **headers: str) -> None:
        super().__init__(body)
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Request:
    """One request; `fields` are its JSON or its form, `query` what stands behind the question mark."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> "Request":
        parts = urlsplit(target)
        return cls(method, parts.path, dict(parse_qsl(parts.query)), headers, raw)

    @property
    def content_type(self) -> str:
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip()

    @property
    def fields(self) -> dict[str, Any]:
        if self.content_type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.raw.decode("utf-8", "replace")))
        if self.content_type == "multipart/form-data":
            form = self.form[0]
            return json.loads(form["payload_json"]) if "payload_json" in form else form
        try:
            value = json.loads(self.raw or b"{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def form(self) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
        """The fields and the files of a multipart form."""
        head = f"Content-Type: {self.headers.get('Content-Type')}\r\n\r\n".encode()
        fields: dict[str, Any] = {}
        files: dict[str, tuple[str, bytes]] = {}
        for part in message_from_bytes(head + self.raw).walk():
            name, content = part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True)
            if not isinstance(name, str) or not isinstance(content, bytes):
                continue
            if part.get_filename():
                files[name] = (str(part.get_filename()), content)
            else:
                fields[name] = content.decode()
        return fields, files


@dataclass(frozen=True)
class Place:
    """Whom a request speaks for, and to which chat; `kind` chooses the rates."""

    bot: str
    chat_id: str
    kind: str = "send"  # send, webhook, read


@dataclass(frozen=True)
class Reply:
    """What the API answers when it agrees."""

    body: Any
    status: int = 200
