"""The one way to a chat provider's HTTP API, and what a failure on that way proves.

Each send has a connection of its own (a reused one can be closed just as the request leaves, which proves nothing),
follows no redirect and ends at a total deadline. Proxies and certificates are taken from the environment as usual
(`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`). What a provider's answer means is not decided here.
"""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import httpx

from watchbell.clock import SystemClock
from watchbell.delivery.answers import Answer, quoted
from watchbell.delivery.interface import NotSent, Unknown
from watchbell.secrets.redaction import RedactingFilter

#: Seconds for each step; the total is the caller's. Telegram answers late under load, hence the long read.
STEP_LIMITS = httpx.Timeout(connect=5, write=10, read=30, pool=5)

#: A request that has not left by then never leaves: its intent would be too old.
START_WITHIN_SECONDS = 10.0

#: Providers echo the message; anything much longer is not theirs.
LONGEST_ANSWER = 1024 * 1024

#: A page of a channel's history holds many messages.
LONGEST_PAGE = 8 * LONGEST_ANSWER

#: What each failure proves about the message, and how to say it. Subclasses without a row count as their parent.
FAILURES: Mapping[type[BaseException], tuple[type[NotSent] | type[Unknown], str]] = {
    httpx.ConnectError: (NotSent, "cannot connect"),
    httpx.ConnectTimeout: (NotSent, "connecting took too long"),
    httpx.PoolTimeout: (NotSent, "no connection became free in time"),
    httpx.ProxyError: (NotSent, "the proxy refused the connection"),
    httpx.UnsupportedProtocol: (NotSent, "the API URL must begin with https:// or http://"),
    httpx.InvalidURL: (NotSent, "the API URL is not a URL"),
    # Raised while the request is put together; its text quotes the header, and with it the token.
    httpx.LocalProtocolError: (NotSent, "the request could not be formed"),
    httpx.WriteTimeout: (Unknown, "sending took too long"),
    httpx.WriteError: (Unknown, "the connection broke while sending"),
    httpx.ReadTimeout: (Unknown, "no answer in time"),
    httpx.ReadError: (Unknown, "the connection broke before the answer"),
    httpx.CloseError: (Unknown, "the connection broke while closing"),
    httpx.RemoteProtocolError: (Unknown, "the server hung up or did not speak HTTP"),
    httpx.DecodingError: (Unknown, "the answer could not be decoded"),
    httpx.TooManyRedirects: (Unknown, "redirected too often"),
    httpx.HTTPStatusError: (Unknown, "an error status"),
    httpx.CookieConflict: (Unknown, "the answer's cookies contradict each other"),
    httpx.StreamConsumed: (Unknown, "the answer could not be read"),
    httpx.StreamClosed: (Unknown, "the answer could not be read"),
    httpx.ResponseNotRead: (Unknown, "the answer could not be read"),
    httpx.RequestNotRead: (Unknown, "the request could not be read"),
    # Families: what a later httpx may add to them is not known to be harmless.
    httpx.StreamError: (Unknown, "the answer could not be read"),
    httpx.TimeoutException: (Unknown, "took too long"),
    httpx.NetworkError: (Unknown, "the network failed"),
    httpx.ProtocolError: (Unknown, "the server did not speak HTTP"),
    httpx.TransportError: (Unknown, "the network failed"),
    httpx.RequestError: (Unknown, "the request failed"),
    httpx.HTTPError: (Unknown, "the request failed"),
    Exception: (Unknown, "an unexpected failure"),
}

_MASKING = RedactingFilter()

#: Their texts come from the operating system or the proxy's status line, never from the request.
_TELLING = (httpx.ConnectError, httpx.ProxyError)


def time_left(seconds: float) -> Callable[[], float]:
    """Return a countdown from now, for a send that takes several requests."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    return lambda: end - clock.monotonic()


def outcome_of(error: Exception, name: str) -> NotSent | Unknown:
    """Return what a failure proves; its text never holds the URL, a header or the token."""
    outcome, what = next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)
    if isinstance(error, _TELLING):
        what = f"{what} ({quoted(error)})"
    return outcome(f"{name}: {what} [{type(error).__name__}]")


class ChatApi:
    """One provider's HTTP API. The client is made at the first send and shared by all threads."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._making = threading.Lock()
        self._client: httpx.Client | None = None

    def post(
        self, path: str, *, headers: Mapping[str, str], fields: Mapping[str, Any], seconds: float
    ) -> Answer | NotSent | Unknown:
        """Post JSON within `seconds` in all; return the answer, or what the lack of one proves. Never raises."""
        return self.request("POST", path, headers=headers, seconds=seconds, json=fields)

    def get(
        self, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], seconds: float
    ) -> Answer | NotSent | Unknown:
        """Read as carefully as `post` sends; an answer out of a cache would prove nothing."""
        fresh = {**headers, "Cache-Control": "no-cache"}
        return self.request("GET", path, headers=fresh, seconds=seconds, longest=LONGEST_PAGE, params=dict(query))

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        seconds: float,
        longest: int = LONGEST_ANSWER,
        **content: Any,
    ) -> Answer | NotSent | Unknown:
        """Send any request as `post` does; `content` is httpx's `json`, `data`, `files`, `content` or `params`.

        `path` begins with a slash, or is a whole URL that the provider or the operator gave.
        """
        if seconds <= 0:
            return NotSent(f"{self._name}: no time was left")
        url = self._url + path if path.startswith("/") else path
        try:
            client = self._shared_client()
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            # No such certificates, a proxy that is no URL or speaks SOCKS: the text may hold the proxy's password.
            return NotSent(f"{self._name}: check SSL_CERT_FILE and the proxy variables [{type(error).__name__}]")
        try:
            request = client.build_request(method, url, headers=dict(headers), **content)
        except httpx.InvalidURL as error:
            return outcome_of(error, self._name)
        except ValueError as error:  # a header that is not ASCII; the text quotes it
            return NotSent(f"{self._name}: the request could not be formed [{type(error).__name__}]")
        return _Flight(self._name, client, request, longest).result(seconds)

    def close(self) -> None:
        """Release the client; the next send makes a new one."""
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _shared_client(self) -> httpx.Client:
        with self._making:
            if self._client is None:
                _quieten()
                self._client = httpx.Client(
                    timeout=STEP_LIMITS,
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
                    follow_redirects=False,
                    headers={"Accept-Encoding": "identity"},
                )
            return self._client


class _Flight:
    """One request in a thread of its own, because httpx limits each step but not their sum, nor name resolution.

    Whether the request has left decides what an overrun proves. A gate stands before its first byte: once given up,
    a request that is still connecting can never leave, so that "not sent" stays true.
    """

    def __init__(self, name: str, client: httpx.Client, request: httpx.Request, longest: int) -> None:
        self._name = name
        self._longest = longest
        self._client = client
        self._request = request
        self._landed = threading.Event()
        self._gate = threading.Lock()
        self._begun_at = SystemClock().now()
        self._left = False
        self._given_up = False
        self._stream: Any = None  # httpcore's network stream, once there is one
        self._result: Answer | NotSent | Unknown | None = None

    def result(self, seconds: float) -> Answer | NotSent | Unknown:
        """Send, and return what is known after at most `seconds`."""
        self._request.extensions["trace"] = self._follow
        try:
            threading.Thread(target=self._fly, name=f"send to {self._name}", daemon=True).start()
        except RuntimeError:
            return NotSent(f"{self._name}: this host allows no more threads")
        start_within = min(seconds, START_WITHIN_SECONDS)
        if not self._landed.wait(start_within):
            if self._give_up_unless_left():
                return NotSent(f"{self._name}: no connection within {start_within:.3g} s")
            if not self._landed.wait(seconds - start_within):
                self._hang_up()
        return self._result or Unknown(f"{self._name}: no answer within {seconds:.3g} s")

    def _fly(self) -> None:
        try:
            with closing(self._client.send(self._request, stream=True)) as response:
                # The status alone is evidence already, should the rest be lost.
                self._result = Answer(response.status_code, response.headers, body=None)
                self._result = replace(self._result, body=_bounded_body(response, self._longest))
        except Exception as error:  # noqa: BLE001  whatever happens to a send is an outcome
            self._result = self._result or outcome_of(error, self._name)
        finally:
            self._landed.set()

    def _follow(self, event: str, details: Mapping[str, Any]) -> None:
        """Take part in httpcore's steps: hold the gate, and know the socket."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = details["return_value"]
        elif event.endswith("send_request_headers.started") and details["request"].method != b"CONNECT":
            with self._gate:
                # While a machine sleeps, the clock of all waits may stand still; the wall clock tells.
                held_up = (SystemClock().now() - self._begun_at).total_seconds() > START_WITHIN_SECONDS
                if self._given_up or held_up:
                    raise httpx.ConnectTimeout("given up")
                self._left = True

    def _give_up_unless_left(self) -> bool:
        with self._gate:
            self._given_up = not self._left
            return self._given_up and not self._landed.is_set()

    def _hang_up(self) -> None:
        """End the connection, so that a slow server cannot keep this thread for longer than the tick."""
        sock = self._stream.get_extra_info("socket") if self._stream is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _quieten() -> None:
    """At INFO httpx logs each URL, and Telegram's holds the token. Whoever turns this up again gets it masked."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).addFilter(_MASKING)


def _bounded_body(response: httpx.Response, longest: int) -> bytes | None:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > longest:
            return None
    return bytes(body)
