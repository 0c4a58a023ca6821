"""What the three fakes share: a request as it came, and the API's own no."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
        try:
            value = json.loads(self.raw or b"{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


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
