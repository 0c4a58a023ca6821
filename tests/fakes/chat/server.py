"""The server: one port for the three APIs, and `/_…` for whoever runs the test."""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fakes.chat import discord, slack, telegram
from fakes.chat.api import Refusal, Reply, Request
from fakes.chat.faults import Chaos, Fault, magic
from fakes.chat.rates import Rates
from fakes.chat.room import Message, Room
from fakes.chat.timeline import Timeline

PROVIDERS = {"slack": slack, "telegram": telegram, "discord": discord}


class ChatServer:
    """`rates` enforces the documented rates, that many times faster; `chaos` fails that share.

    All of it goes by `timeline`; the seconds of rates and faults are its seconds.
    """

    def __init__(
        self,
        port: int = 0,
        journal: str | None = None,
        *,
        rates: float | None = None,
        chaos: Chaos | None = None,
        nonce_seconds: float = 120.0,
        timeline: Timeline | None = None,
    ) -> None:
        self.timeline = timeline or Timeline()
        self.room = Room(journal, nonce_seconds, self.timeline)
        self.rates = Rates(rates) if rates else None
        self.chaos = chaos
        self.requests: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self._faults: list[tuple[str | None, str | None, Fault]] = []
        self._failed: Counter[str] = Counter()
        self._undecided = 0
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._http = _QuietServer(("127.0.0.1", port), type("Handler", (_Handler,), {"chats": self}))
        self.port = self._http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def slack_url(self) -> str:
        return f"{self.url}/slack/api"

    @property
    def telegram_url(self) -> str:
        return f"{self.url}/telegram"

    @property
    def discord_url(self) -> str:
        return f"{self.url}/discord/api/v10"

    @property
    def messages(self) -> list[Message]:
        return self.room.messages

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

    def deny(self, chat_id: str, right: str) -> None:
        """Take a right away from the bot in a chat: view, send, history (Slack: its scope), membership."""
        self.room.denied.add((chat_id, right))

    def allow(self, chat_id: str, right: str) -> None:
        self.room.denied.discard((chat_id, right))

    def say(self, provider: str, chat_id: str, text: str, **payload: Any) -> Message:
        """Let a person write into a channel."""
        return self.room.post(provider, chat_id, text, [], {"content": text, "text": text} | payload, author="person")

    def stats(self) -> dict[str, Any]:
        """Return what happened so far."""
        posted = Counter(message.provider for message in self.messages if message.author == "bot")
        doubled = self.room.duplicates()
        return {
            "requests": self.counts["requests"],
            "429s": self.counts["429s"],
            "posted": dict(posted),
            "duplicates": doubled,
            "faults": {name[6:]: count for name, count in sorted(self.counts.items()) if name.startswith("fault ")},
        }

    def fault_for(self, provider: str, chat_id: str, *, sends: bool) -> Fault:
        with self._lock:
            for index, (for_provider, for_chat, fault) in enumerate(self._faults):
                if for_provider in (None, provider) and for_chat in (None, chat_id):
                    del self._faults[index]
                    return fault
            fault = self._magic(provider, chat_id) if sends else Fault()
        return self.chaos.fault(provider, chat_id) if fault == Fault() and self.chaos else fault

    def _magic(self, provider: str, chat_id: str) -> Fault:
        name = chat_id.removesuffix("-ONCE")
        if name != chat_id:
            self._failed[chat_id] += 1
            if self._failed[chat_id] > 1:
                return Fault()
        return magic(provider, name)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def carry_out(self, provider: str, request: Request) -> tuple[int, str, dict[str, str]]:
        """Do what a request asks for; return the API's own answer."""
        api, headers = PROVIDERS[provider], {}
        try:
            if self.rates:
                headers = self.rates.admit(provider, api.place(request), self.timeline.now())
            reply = api.handle(self.room, request)
        except Refusal as refusal:
            body = refusal.body if isinstance(refusal.body, str) else json.dumps(refusal.body)
            return refusal.status, body, headers | refusal.headers
        reply = reply if isinstance(reply, Reply) else Reply(reply)
        body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return reply.status, body, headers

    def later(self, seconds: float, provider: str, request: Request) -> None:
        """Carry a request out when its client has long gone."""

        def do() -> None:
            if not self.closing.is_set():
                self.carry_out(provider, request)

        self.timeline.later(seconds, do)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Mark a request that has come, and of which it is not yet sure what it does."""
        with self._lock:
            self._undecided += 1
        try:
            yield
        finally:
            with self._lock:
                self._undecided -= 1

    def settle(self, seconds: float = 0.05) -> None:
        """Wait until nothing is on its way any more that a client, dead or alive, has sent."""
        quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + seconds:
            time.sleep(0.005)
            if self._undecided:
                quiet_since = time.monotonic()


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
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, raw: bytes) -> None:
        request = Request.of(self.command, self.path, self.headers, raw)
        provider = request.path.split("/")[1]
        if provider.startswith("_"):
            return self._control(request)
        if provider not in PROVIDERS:
            return self._answer(404, "{}")
        place = PROVIDERS[provider].place(request)
        self.chats.count("requests")
        self.chats.requests.append({"path": self.path, "headers": dict(self.headers), "payload": request.fields})
        with self.chats.deciding():
            fault = self.chats.fault_for(provider, place.chat_id, sends=place.kind != "read")
            if fault.name:
                self.chats.count(f"fault {fault.name}")
            if self.chats.timeline.wait(self.chats.closing, fault.delay_ms / 1000):
                return None
            status, body, headers = 200, "{}", {}
            if fault.accept_after is not None:
                self.chats.later(fault.accept_after, provider, request)
            elif fault.accept or (fault.status is None and fault.then in ("answer", "undated")):
                status, body, headers = self.chats.carry_out(provider, request)
        if fault.status is not None:
            status, body, headers = fault.status, fault.body, fault.headers
        if status == 429:
            self.chats.count("429s")
        return getattr(self, f"_{fault.then}")(status, body, fault, headers)

    def _control(self, request: Request) -> None:
        chats, fields = self.chats, request.fields
        if request.path == "/_messages":
            return self._answer(200, json.dumps([asdict(message) for message in chats.messages]))
        if request.path == "/_stats":
            return self._answer(200, json.dumps(chats.stats()))
        actions = {"/_fault": chats.fault, "/_deny": chats.deny, "/_allow": chats.allow, "/_say": chats.say}
        actions["/_remove"] = chats.room.remove
        if request.method != "POST" or request.path not in actions:
            return self._answer(404, "{}")
        actions[request.path](**fields)
        return self._answer(200, "{}")

    def _answer(
        self, status: int, body: str, fault: Fault | None = None, headers: dict[str, str] | None = None
    ) -> None:
        content, headers = body.encode(), headers or {}
        self.send_response_only(status)
        date = headers.get("Date") or self.date_time_string(self.chats.room.now())
        for name, value in ({"Date": date} | headers).items():
            if name != "Date" or fault is None or fault.then != "undated":
                self.send_header(name, value)
        kind = "text/html" if body.startswith("<") else "application/json" if body[:1] in "{[" else "text/plain"
        self.send_header("Content-Type", kind)
        extra = 100 if fault is not None and fault.then == "truncate" else 0
        if status != 204:
            self.send_header("Content-Length", str(len(content) + extra))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if fault is not None and fault.then == "drip":
            return self._drip_bytes(content, fault)
        self.wfile.write(content)
        return None

    _truncate = _drip = _undated = _answer

    def _drip_headers(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self._drip_bytes(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000, fault)

    def _drip_bytes(self, content: bytes, fault: Fault) -> None:
        timeline = self.chats.timeline
        deadline = timeline.now() + fault.seconds
        self.close_connection = True
        for byte in content:
            if timeline.now() > deadline or timeline.wait(self.chats.closing, 0.1):
                return
            self.wfile.write(bytes([byte]))

    def _hang(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self.chats.timeline.wait(self.chats.closing, fault.seconds)
        self.close_connection = True

    def _reset(self, status: int, body: str, fault: Fault, headers: dict[str, str]) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
