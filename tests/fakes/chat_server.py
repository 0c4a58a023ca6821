"""A strict fake of the Slack, Telegram and Discord APIs over real HTTP, with faults on request.

In a test:

    with ChatServer() as server:
        Slack(server.slack_url)                  # also telegram_url, discord_url
        server.fault(then="reset", accept=True)  # the next request is accepted, then the connection is reset
        server.messages                          # what readers of the channels see

As a process: `python tests/fakes/chat_server.py --port 0 --journal FILE` prints its port. Each accepted message is
appended to the journal and fsynced before the answer goes out, so a test that kills the client can count real sends.
Faults come by `POST /_fault` (the arguments of `fault`, as JSON; also "provider" and "chat_id") or by a magic chat id:
one that ends in `FAIL-429`, `FAIL-RESET-AFTER` and so on (see MAGIC), `ERROR-<provider's code>` or `SLOW-<n>MS`;
with `-ONCE` behind it only the first request to it fails. A token with `REVOKED` in it is refused.
"""

import argparse
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NONCE_SECONDS = 120
NO_PINGS = ({"parse": []}, {"parse": [], "replied_user": False})
HTML_PAGE = "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request: it may be accepted first, then the connection takes its course."""

    then: str = "answer"  # answer, reset, hang, drip, drip_headers, truncate
    accept: bool = False  # the message is posted before it goes wrong
    status: int | None = None  # None: the API's own answer
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    seconds: float = 30.0  # how long it hangs or drips


MAGIC = {
    "RESET-BEFORE": Fault("reset"),
    "RESET-AFTER": Fault("reset", accept=True),
    "HANG": Fault("hang"),
    "HANG-AFTER": Fault("hang", accept=True),
    "DRIP": Fault("drip", accept=True),
    "TRUNCATE": Fault("truncate", accept=True),
    "HTML": Fault(status=502, body=HTML_PAGE),
    "HTML-AFTER": Fault(accept=True, status=502, body=HTML_PAGE),
    "REDIRECT": Fault(status=302, headers={"Location": "/elsewhere"}),
}


class Refusal(Exception):
    """The API's own no."""

    def __init__(self, status: int, body: dict[str, Any], **headers: str) -> None:
        super().__init__(body)
        self.status, self.body, self.headers = status, body, {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass(frozen=True)
class Message:
    provider: str
    chat_id: str
    id: str
    text: str  # as a reader sees it
    pings: list[str]  # what in it would ping, link or format where it must not
    payload: dict[str, Any]


class ChatServer:
    def __init__(self, port: int = 0, journal: str | None = None) -> None:
        self.messages: list[Message] = []
        self.requests: list[dict[str, Any]] = []
        self._faults: list[tuple[str | None, str | None, Fault]] = []
        self._failed: Counter[str] = Counter()
        self._nonces: dict[tuple[str, str], tuple[float, Message]] = {}
        self._lock = threading.Lock()
        self._journal = journal
        self.closing = threading.Event()
        self._http = _QuietServer(("127.0.0.1", port), type("Handler", (_Handler,), {"chats": self}))
        self.port = self._http.server_port

    @property
    def slack_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/slack/api"

    @property
    def telegram_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/telegram"

    @property
    def discord_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/discord/api/v10"

    def __enter__(self) -> "ChatServer":
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.005)

    def fault(self, *, provider: str | None = None, chat_id: str | None = None, times: int = 1, **fault: Any) -> None:
        """Let the next `times` requests (to that provider, to that chat) go wrong in this way."""
        with self._lock:
            self._faults += [(provider, chat_id, Fault(**fault))] * times

    def fault_for(self, provider: str, chat_id: str) -> Fault:
        with self._lock:
            for index, (for_provider, for_chat, fault) in enumerate(self._faults):
                if for_provider in (None, provider) and for_chat in (None, chat_id):
                    del self._faults[index]
                    return fault
            return self._magic(provider, chat_id)

    def _magic(self, provider: str, chat_id: str) -> Fault:
        name = chat_id.removesuffix("-ONCE")
        if name != chat_id:
            self._failed[chat_id] += 1
            if self._failed[chat_id] > 1:
                return Fault()
        if found := re.search(r"SLOW-(\d+)MS$", name):
            return Fault(delay_ms=int(found[1]))
        if found := re.search(r"ERROR-(\w+)$", name):
            return _provider_error(provider, found[1])
        found = re.search(r"FAIL-(\w+(?:-\w+)?)$", name)
        if not found:
            return Fault()
        if found[1].isdigit():
            return _provider_status(provider, int(found[1]))
        return MAGIC.get(found[1]) or Fault(status=501, body=f"<p>no such magic: {found[1]}</p>")

    def post(self, provider: str, chat_id: str, text: str, pings: list[str], payload: dict[str, Any]) -> Message:
        """Put a message into the channel, on disk before anyone is told; a nonce seen lately posts nothing."""
        nonce = str(payload.get("nonce", "")) if payload.get("enforce_nonce") else ""
        with self._lock:
            earlier = self._nonces.get((chat_id, nonce)) if nonce else None
            if earlier and time.monotonic() - earlier[0] < NONCE_SECONDS:
                return earlier[1]
            number = len(self.messages) + 1
            message_id = {"slack": f"1790000000.{number:06}", "telegram": str(number)}.get(
                provider, str(10**18 + number)
            )
            message = Message(provider, chat_id, message_id, text, pings, payload)
            self.messages.append(message)
            if nonce:
                self._nonces[chat_id, nonce] = time.monotonic(), message
            if self._journal:
                with open(self._journal, "a", encoding="utf-8") as journal:
                    journal.write(json.dumps(asdict(message)) + "\n")
                    journal.flush()
                    os.fsync(journal.fileno())
        return message


def _provider_status(provider: str, status: int) -> Fault:
    if status == 429:
        body = {
            "slack": {"ok": False, "error": "ratelimited"},
            "telegram": {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 2",
                         "parameters": {"retry_after": 2}},
            "discord": {"message": "You are being rate limited.", "retry_after": 1.5, "global": False},
        }[provider]  # fmt: skip
        return Fault(status=429, body=json.dumps(body), headers={"Retry-After": "2"})
    return Fault(status=status, body=HTML_PAGE if status >= 500 else "{}")


def _provider_error(provider: str, code: str) -> Fault:
    if provider == "slack":
        return Fault(status=200, body=json.dumps({"ok": False, "error": code}))
    if provider == "discord":
        return Fault(status=403, body=json.dumps({"message": "No", "code": int(code)}))
    return Fault(status=400, body=json.dumps({"ok": False, "error_code": 400, "description": f"Bad Request: {code}"}))


def slack_message(headers: Any, payload: dict[str, Any]) -> tuple[str, list[str]]:
    def no(error: str) -> Refusal:
        return Refusal(200, {"ok": False, "error": error})

    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    if scheme != "Bearer" or not token:
        raise no("not_authed")
    if "REVOKED" in token:
        raise no("token_revoked")
    if not token.startswith("xoxb-"):
        raise no("invalid_auth")
    known = {"channel", "text", "blocks", "mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media",
             "thread_ts", "reply_broadcast", "metadata", "attachments", "username"}  # fmt: skip
    if set(payload) - known:
        raise no("invalid_arg_name")
    text, blocks = payload.get("text", ""), payload.get("blocks", [])
    if not text and not blocks:
        raise no("no_text")
    metadata = payload.get("metadata", {"event_type": "-", "event_payload": {}})
    if not (isinstance(metadata.get("event_type"), str) and isinstance(metadata.get("event_payload"), dict)):
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
    return item if len(item["text"]) <= limits[block["type"]] else None


def telegram_message(token: str, payload: dict[str, Any]) -> tuple[str, list[str]]:
    def no(code: int, description: str) -> Refusal:
        return Refusal(code, {"ok": False, "error_code": code, "description": description})

    if not re.fullmatch(r"\d{6,12}:[\w-]{30,}", token, re.ASCII):
        raise no(404, "Not Found")
    if "REVOKED" in token:
        raise no(401, "Unauthorized")
    text = payload.get("text", "")
    page = _TelegramHtml()
    if payload.get("parse_mode") == "HTML":
        try:
            page.feed(text)
            page.close()
        except ValueError as error:
            raise no(400, f"Bad Request: can't parse entities: {error}") from None
        if page.open:
            raise no(400, f"Bad Request: can't parse entities: end tag of {page.open[-1]} is missing")
    elif payload.get("parse_mode"):
        raise no(400, "Bad Request: unsupported parse_mode")
    else:
        page.handle_data(text)
    visible = "".join(page.text)
    if not visible.strip():
        raise no(400, "Bad Request: message text is empty")
    if len(visible.encode("utf-16-le")) // 2 > 4096:
        raise no(400, "Bad Request: message is too long")
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

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.TAGS or self.open[-1:] in (["code"], ["pre"]):
            raise ValueError(f"unsupported start tag {tag!r}")
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
        self.text.append(data)
        if not {"code", "pre"} & set(self.open):
            self.mentions += re.findall(r"@\w{2,}", data)


def discord_message(headers: Any, chat_id: str, payload: dict[str, Any]) -> tuple[str, list[str]]:
    def no(status: int, code: int, message: str, **more: Any) -> Refusal:
        return Refusal(status, {"message": message, "code": code, **more})

    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    if scheme != "Bot" or not re.fullmatch(r"[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}", token) or "REVOKED" in token:
        raise no(401, 0, "401: Unauthorized")
    if not re.match(r"DiscordBot \(https?://\S+, [\w.]+\)", headers.get("User-Agent") or ""):
        raise no(403, 40333, "Cloudflare is blocking your request")
    if not re.fullmatch(r"\d{15,20}|[\w-]+-(FAIL|ERROR|SLOW)-[\w-]+", chat_id, re.ASCII):
        raise no(400, 50035, "Invalid Form Body", errors={"channel_id": "not a snowflake"})
    known = {"content", "nonce", "enforce_nonce", "allowed_mentions", "flags", "embeds", "tts", "message_reference"}
    wrong = set(payload) - known
    if len(str(payload.get("nonce", ""))) > 25:
        wrong.add("nonce")
    content = str(payload.get("content", "")).strip()
    if len(content) > 2000:
        wrong.add("content")
    embeds = payload.get("embeds", [])
    wrong |= {"embeds"} if not _embeds_are_valid(embeds) else set()
    if wrong:
        raise no(400, 50035, "Invalid Form Body", errors={name: {"_errors": []} for name in sorted(wrong)})
    if not content and not embeds:
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
        total += sum(length for length, _ in lengths)
    return total <= 6000


def _without_backslashes(markdown: str) -> str:
    """Markdown's escapes taken away, but not in code blocks, whose fences go as well."""
    pieces = markdown.split("```")
    pieces[::2] = [re.sub(r"\\([^\w\s]|_)", r"\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are a part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    chats: ChatServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""

    def do_GET(self) -> None:
        if self.path == "/_messages":
            return self._answer(200, json.dumps([asdict(message) for message in self.chats.messages]))
        return self._answer(404, "{}")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        payload = json.loads(raw or b"{}")
        if self.path == "/_fault":
            self.chats.fault(**payload)
            return self._answer(200, "{}")
        provider = self.path.split("/")[1]
        self.chats.requests.append({"path": self.path, "headers": dict(self.headers), "payload": payload})
        chat_id = str(payload.get("channel") or payload.get("chat_id") or self.path.split("/")[-2])
        fault = self.chats.fault_for(provider, chat_id)
        if self.chats.closing.wait(fault.delay_ms / 1000):
            return None
        status, body, headers = 200, "{}", {}
        if fault.accept or (fault.status is None and fault.then == "answer"):
            status, body, headers = self._carry_out(provider, chat_id, payload)
        if fault.status is not None:
            status, body, headers = fault.status, fault.body, fault.headers
        return getattr(self, f"_{fault.then}")(status, body, fault, headers)

    def _carry_out(self, provider: str, chat_id: str, payload: dict[str, Any]) -> tuple[int, str, dict[str, str]]:
        try:
            if not re.match(r"application/json\b", self.headers.get("Content-Type") or ""):
                raise Refusal(200, {"ok": False, "error": "invalid_post_type"})
            if self.path == "/slack/api/chat.postMessage":
                text, pings = slack_message(self.headers, payload)
                message = self._post_slack(chat_id, text, pings, payload)
                answer: dict[str, Any] = {"ok": True, "channel": chat_id, "ts": message.id}
            elif found := re.fullmatch(r"/telegram/bot([^/]*)/sendMessage", self.path):
                text, pings = telegram_message(found[1], payload)
                message = self.chats.post(provider, chat_id, text, pings, payload)
                answer = {"ok": True, "result": {"message_id": int(message.id), "chat": {"id": chat_id}, "text": text}}
            elif found := re.fullmatch(r"/discord/api/v10/channels/([^/]+)/messages", self.path):
                text, pings = discord_message(self.headers, found[1], payload)
                message = self.chats.post(provider, chat_id, text, pings, payload)
                answer = {"id": message.id, "channel_id": chat_id, "content": payload["content"]}
            else:
                raise Refusal(404, {"ok": False, "error": "unknown_method", "message": "404: Not Found", "code": 0})
        except Refusal as refusal:
            return refusal.status, json.dumps(refusal.body), refusal.headers
        return 200, json.dumps(answer), {}

    def _post_slack(self, chat_id: str, text: str, pings: list[str], payload: dict[str, Any]) -> Message:
        """Slack cuts a long text into several messages, and has repeated blocks whose fallback text was long."""
        copies = max(1, -(-len(payload.get("text", "")) // 4000))
        for _ in range(copies):
            message = self.chats.post("slack", chat_id, text, pings, payload)
        return message

    def _answer(
        self, status: int, body: str, fault: Fault | None = None, headers: dict[str, str] | None = None
    ) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if body.startswith("<") else "application/json")
        extra = 100 if fault is not None and fault.then == "truncate" else 0
        self.send_header("Content-Length", str(len(content) + extra))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if fault is not None and fault.then == "drip":
            return self._drip_bytes(content, fault)
        self.wfile.write(content)
        return None

    _truncate = _drip = _answer

    def _drip_headers(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self._drip_bytes(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000, fault)

    def _drip_bytes(self, content: bytes, fault: Fault) -> None:
        deadline = time.monotonic() + fault.seconds
        for byte in content:
            if time.monotonic() > deadline or self.chats.closing.wait(0.1):
                return
            self.wfile.write(bytes([byte]))

    def _hang(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self.chats.closing.wait(fault.seconds)
        self.close_connection = True

    def _reset(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--journal")
    options = arguments.parse_args()
    server = ChatServer(options.port, options.journal)
    print(server.port, flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
