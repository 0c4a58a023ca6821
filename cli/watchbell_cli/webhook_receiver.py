"""The receiver of Alertmanager's webhook: what is answered 200 is on disk.

Alertmanager repeats what is answered 5xx, and drops what is answered 4xx: what it tells an interval later, if anything,
is what its alerts are by then. So 4xx is for what could never be taken in: no JSON, no payload of Alertmanager's, too
large, or the wrong token. Of all but the last the refusal is on disk before it is answered, for nobody can know which
alerts were lost with it; without the right token nothing is written.
"""

import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from watchbell.errors import StoreError, UsageError

log = logging.getLogger("watchbell")

#: A line of the log is at most 16 MiB, and letters beyond ASCII take up to three times their bytes there. What grows
#: even more (DEL six times, 1e15 four times) is refused by `append`, should it not fit.
MOST_BYTES = 5 * 1024 * 1024
#: A sender that does not go on for this long is left.
PATIENCE_SECONDS = 10.0
MOST_AT_ONCE = 32
HEALTH = "/-/healthy"
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

#: Adds one payload, durable on return, and returns how many alerts it held; raises UsageError and StoreError.
Append = Callable[[object], int]
#: Notes why a payload was refused, durable on return; raises StoreError.
NoteRefusal = Callable[[str], None]


class Receiver(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers. Closing it waits for what is being written."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, append: Append, note_refusal: NoteRefusal, token: str | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.append = append
        self.note_refusal = note_refusal
        self.token = token
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a thread for the request, or say at once that there is none."""
        if not self._room.acquire(blocking=False):
            request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be had
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line that a connection broke."""
        log.warning("the connection of %s broke before it was answered", client_address[0])


class _Refused(Exception):
    """What the sender is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    server_version = "watchbell"
    sys_version = ""
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        if self.path == HEALTH:
            self._answer(200, "ok")
        else:
            self._answer(404, f"POST Alertmanager's payload here; GET {HEALTH} to see that it runs")

    def do_POST(self) -> None:
        try:
            self._check_token()
            count = self._take_in_or_note()
        except _Refused as refused:
            log.warning("refused a payload of %s: %s", self.client_address[0], refused.reason)
            self._answer(refused.status, refused.reason)
        except StoreError as error:
            log.error("%s", error)
            self._answer(503, "it could not be written; send it again")
        except OSError:
            self.close_connection = True  # the sender is gone, or too slow: it sends it again
        except Exception:
            log.exception("a bug: the payload was not recorded")
            self._answer(500, "it was not recorded; send it again")
        else:
            log.info("recorded %d alert(s) from %s", count, self.client_address[0])
            self._answer(200, f"recorded {count} alert(s)")

    def _take_in_or_note(self) -> int:
        try:
            return self._take_in()
        except _Refused as refused:
            self.server.note_refusal(refused.reason)
            raise

    def _take_in(self) -> int:
        try:
            payload = json.loads(self._body())
        except (ValueError, RecursionError):
            raise _Refused(400, "this is not JSON") from None
        try:
            return self.server.append(payload)
        except UsageError as error:
            raise _Refused(400, str(error)) from None

    def _check_token(self) -> None:
        if self.server.token is None:
            return
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise _Refused(401, "the token is missing or wrong")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refused(411, "the length of the payload is missing")
        return self._exactly(_allowed(int(length)))

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            head = self.rfile.readline(100)
            if not head:
                raise ConnectionError("the payload breaks off")
            try:
                size = int(head.partition(b";")[0], 16)
            except ValueError:
                raise _Refused(400, "the payload's chunks cannot be read") from None
            if size <= 0:
                return bytes(body)
            _allowed(len(body) + size)
            body += self._exactly(size)
            self.rfile.readline(3)

    def _exactly(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the payload breaks off")
        return body

    def _answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing: what is worth a line is logged where it happens."""


def _allowed(length: int) -> int:
    if length > MOST_BYTES:
        advice = "send smaller groups (group_by: ['...'] in Alertmanager)"
        raise _Refused(413, f"the payload is larger than {MOST_BYTES // 1024} KiB; {advice}")
    return length
