"""One careful reader of JSON over HTTP for all monitoring systems. What the answers mean is each source's business.

Every failure is a SourceError of one line that names the address without user, password or token.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Unpack

import httpx

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.sources.access import NO_CLIENT, Access, auth_for, headers_for, surroundings, trust_for

MAX_ANSWER_BYTES = 32 * 1024 * 1024  # parsed, it takes some ten times that
REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 5.0

Form = Mapping[str, str | Sequence[str]]


class AnswerTooLarge(SourceError):
    """The answer is more than can be taken in one piece; a shorter range may do."""


class Deadline:
    """The end of one read, however many requests it takes."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.seconds = seconds
        self._end = clock.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left; raises SourceError when there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise self.passed
        return left

    @property
    def passed(self) -> SourceError:
        """Return what is said when there are none left."""
        return SourceError(f"gave no complete answer within {self.seconds:.3g} s")


class _End:
    """Ends one request's connection at the deadline: httpx limits each wait and not their sum, so a byte now and then
    would go on for ever.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._has_come = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(deadline.remaining(), self._come)
        self._timer.daemon = True

    def begin(self) -> None:
        """The request is sent now."""
        self._timer.start()

    def follow(self, event: str, details: Mapping[str, Any]) -> None:
        """Know the connection that httpcore makes; one that is made too late is of no use."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = details["return_value"].get_extra_info("socket")
            self._hang_up()

    def cancel(self) -> None:
        """The request is over."""
        self._timer.cancel()

    def refuse(self) -> None:
        """Raise SourceError when the end has come: what was being read then is not whole, whatever it looks like."""
        if self._has_come:
            raise self._deadline.passed

    def _come(self) -> None:
        self._has_come = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._has_come and self._socket is not None:
            with suppress(OSError):
                # Not SSLSocket's own, which takes the encryption away from under a reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class JsonReader:
    """Reads JSON below one address. Safe to share between threads; connects at the first request."""

    def __init__(
        self,
        base_url: str,
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
        transport: httpx.BaseTransport | None = None,
        **access: Unpack[Access],
    ) -> None:
        self._url = _parse_address(base_url)
        shown = self._url.copy_with(username=None, password=None, query=None) if self._url else ""
        self.address = str(shown).rstrip("/")
        self._access = access
        self._max_bytes = max_bytes
        self._transport = transport
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def get(self, path: str, params: Form, deadline: Deadline) -> Any:
        """Return the parsed answer to a GET."""
        return self._read("GET", path, deadline, params=params)

    def post(self, path: str, form: Form, deadline: Deadline) -> Any:
        """Return the parsed answer to a form sent by POST, for queries too long for an address."""
        return self._read("POST", path, deadline, data=form)

    def begin(self, path: str, form: Form, deadline: Deadline) -> "Coming":
        """Return the answer to a form sent by POST once it begins to come; a refusal is raised already."""
        response, end = self._send("POST", path, deadline, data=form)
        if not response.is_success:
            _parse(response, self._taken(response, end, deadline), self.address, path)
        return Coming(response, lambda: self._taken(response, end, deadline), end.cancel, self.address, path)

    def look(self, path: str, deadline: Deadline) -> tuple[httpx.Response, bytes]:
        """Return the answer to a GET as it is, whatever its status; raises SourceError where there is none."""
        return self._exchange("GET", path, deadline)

    def _read(self, method: str, path: str, deadline: Deadline, **content: Any) -> Any:
        response, body = self._exchange(method, path, deadline, **content)
        return _parse(response, body, self.address, path)

    def _exchange(self, method: str, path: str, deadline: Deadline, **content: Any) -> tuple[httpx.Response, bytes]:
        response, end = self._send(method, path, deadline, **content)
        return response, self._taken(response, end, deadline)

    def _send(self, method: str, path: str, deadline: Deadline, **content: Any) -> tuple[httpx.Response, _End]:
        if self._url is None:
            raise SourceError("its address is not usable; write it like http://host:9090")
        seconds = min(REQUEST_SECONDS, deadline.remaining())
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        url = self._url.copy_with(path=self._url.path.rstrip("/") + path, query=None)
        client = self._connect(url)
        end = _End(deadline)
        try:
            trace = {"trace": end.follow}
            request = client.build_request(method, url, timeout=timeout, extensions=trace, **content)
            end.begin()
            return client.send(request, stream=True), end
        except (httpx.HTTPError, UnicodeError) as error:
            end.cancel()
            end.refuse()
            raise SourceError(self._what_broke(error, seconds)) from None

    def _taken(self, response: httpx.Response, end: _End, deadline: Deadline) -> bytes:
        """Return the body, and close the connection."""
        try:
            body = self._body(response, deadline)
        except httpx.HTTPError as error:
            end.refuse()
            raise SourceError(self._what_broke(error, min(REQUEST_SECONDS, deadline.seconds))) from None
        finally:
            end.cancel()
            response.close()
        end.refuse()
        return body

    def _connect(self, url: httpx.URL) -> httpx.Client:
        with self._lock:
            if self._client is None:
                # Plain HTTP stays within a network, where packing an answer takes longer than sending it.
                packing = {} if url.scheme == "https" else {"Accept-Encoding": "identity"}
                try:
                    self._client = httpx.Client(
                        headers=packing | headers_for(self._access),
                        auth=auth_for(self._access),
                        transport=self._transport,
                        # Loading certificates takes time that plain HTTP can save.
                        verify=trust_for(self._access) if url.scheme == "https" else False,
                        follow_redirects=False,
                        limits=httpx.Limits(max_keepalive_connections=0),  # nobody closes it: leave no socket behind
                    )
                except UnicodeError as error:
                    raise SourceError(self._what_broke(error, 0)) from None
                except NO_CLIENT as error:
                    raise SourceError(f"{self.address} cannot be asked: {surroundings(error)}") from None
            return self._client

    def _body(self, response: httpx.Response, deadline: Deadline) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._max_bytes:
                raise AnswerTooLarge(f"{self.address} answered with more than {self._max_bytes // 1024} KiB")
            chunks.append(chunk)
            deadline.remaining()
        return b"".join(chunks)

    def _what_broke(self, error: httpx.HTTPError | UnicodeError, seconds: float) -> str:
        # NOTE: never str(error): httpx puts header values, and so tokens, into some messages.
        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return f"cannot connect to {self.address}: {_connect_reason(error)}"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.address} did not answer within {seconds:.0f} s"
        if isinstance(error, httpx.ReadError) and "certificate" in str(error).lower():  # TLS 1.3 says so only now
            return f"{self.address} wants another client certificate: see client_cert and client_key"
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.DecodingError):
            return f"{self.address} broke off its answer"
        if isinstance(error, httpx.LocalProtocolError):
            return f"the request to {self.address} cannot be sent: a header or token holds an illegal character"
        if isinstance(error, UnicodeError):
            return f"the request to {self.address} cannot be sent: a header or token is not ASCII"
        return f"the request to {self.address} failed ({type(error).__name__})"


@dataclass(frozen=True, slots=True)
class Coming:
    """An answer that has begun to come. The rest of it comes while others are parsed, as far as buffers reach."""

    response: httpx.Response
    take: Callable[[], bytes]
    cancel: Callable[[], None]
    address: str
    path: str

    def parsed(self, ready: Callable[[bytes], bytes]) -> Any:
        """Take all of it and return its value; `ready` may rewrite its JSON before. Raises SourceError."""
        return _parse(self.response, ready(self.take()), self.address, self.path)

    def leave(self) -> None:
        """Close the connection of an answer that nobody wants any more."""
        self.cancel()
        self.response.close()


def _parse_address(base_url: str) -> httpx.URL | None:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.host else None


def _connect_reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    text = str(error).lower()
    known = {
        "refused": "connection refused",
        "name or service": "unknown host name",
        "name resolution": "unknown host name",
        "no address": "unknown host name",
        "nodename": "unknown host name",
        "certificate": "its certificate is not trusted",
        "unreachable": "network unreachable",
    }
    return next((reason for sign, reason in known.items() if sign in text), "no connection")


def _parse(response: httpx.Response, body: bytes, address: str, path: str) -> Any:
    status = response.status_code
    is_page = "html" in response.headers.get("content-type", "") or body[:200].lstrip().startswith(b"<")
    answer = None
    if not is_page:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
    if not response.is_success:
        raise _refusal(status, _own_words(answer), address, path)
    if is_page:
        raise SourceError(f"{address} answered with a web page instead of JSON; a login or error page?")
    if answer is None:
        raise SourceError(f"{address} answered with something that is not JSON, or breaks off")
    if isinstance(answer, dict) and answer.get("status") == "error":
        raise _refusal(status, _own_words(answer) or "an error without a text", address, path)
    return answer


def _own_words(answer: Any) -> str:
    """Return the server's own reason on one short line, if it gave one."""
    text = answer if isinstance(answer, str) else ""
    if isinstance(answer, dict):
        text = str(answer.get("error") or answer.get("message") or "")
    return " ".join(text.split())[:200]


def _refusal(status: int, words: str, address: str, path: str) -> SourceError:
    detail = f": {words}" if words else ""
    if "too many samples" in words:
        return AnswerTooLarge(f"{address} refused{detail}")
    if status in (401, 403):
        return SourceError(f"{address} refused the credentials ({status}){detail}")
    if status == 404:
        return SourceError(f"{address} has no {path} (404); is the address right?")
    if status == 429:
        return SourceError(f"{address} refused: too many requests (429)")
    if 300 <= status < 400:
        return SourceError(f"{address} redirects elsewhere ({status}); set the final address")
    if status < 300:
        return SourceError(f"{address} answered with an error{detail}")
    return SourceError(f"{address} answered {status}{detail}")
