"""A report by a service: the request as JSON in a POST, the answer by its content type a report in JSON or Markdown."""

from collections.abc import Callable, Mapping

import httpx

from watchbell.errors import SourceError
from watchbell.reports.interface import Report, ReportRequest
from watchbell.reports.pipelines.exchange import MOST_BYTES, Account, blamed, question, report_of
from watchbell.reports.pipelines.time_limit import within
from watchbell.secrets.redaction import redact

_JSON = "application/json"
_TEXTS = ("text/markdown", "text/x-markdown", "text/plain")
_CONNECT_SECONDS = 5.0


class HttpPipeline:
    """Asks one service for each report. Redirects are not followed: they would carry the credentials elsewhere."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        account: Account,
        headers: Callable[[], Mapping[str, str]],
        timeout_seconds: float = 120,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`headers` are asked for at each report, since they may hold a secret that has to be fetched."""
        self._url = url
        self._name = name
        self._account = account
        self._headers = headers
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes

    def build(self, request: ReportRequest) -> Report:
        """Ask the service; raises Unbuilt for whatever goes wrong, naming host and port only."""
        own = self._account(request)
        with blamed(self._name, own):
            headers = {**self._headers(), "Content-Type": _JSON, "Accept": f"{_JSON}, text/markdown"}
            try:
                return self._answer(httpx.URL(self._url), request, own, headers)
            except httpx.InvalidURL:
                raise SourceError("its url is not usable; write it like https://host/path") from None

    def _answer(self, url: httpx.URL, request: ReportRequest, own: Report | None, headers: Mapping[str, str]) -> Report:
        late = f"gave no complete answer within {self._timeout_seconds:g} s"
        asked = question(request, own)
        try:
            kind, text = within(self._timeout_seconds, lambda: self._post(url, asked, headers), late=late)
            return report_of(text, request, own, name=self._name, is_json=kind == _JSON)
        except SourceError as error:
            raise SourceError(f"{url.host} {error}") from None

    def _post(self, url: httpx.URL, asked: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
        """Return the content type and the text of the answer."""
        timeout = httpx.Timeout(self._timeout_seconds, connect=min(_CONNECT_SECONDS, self._timeout_seconds))
        verify = url.scheme == "https"  # loading certificates takes time that plain HTTP can save
        try:
            with (
                httpx.Client(timeout=timeout, verify=verify, follow_redirects=False) as client,
                client.stream("POST", url, content=asked, headers=headers) as response,
            ):
                body = self._body(response)
        except httpx.HTTPError as error:
            # NOTE: never str(error): httpx puts header values, and so tokens, into some messages.
            raise SourceError(_what_broke(error)) from None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = body.decode(errors="replace")
        _refuse_failures(response.status_code, kind, text)
        return kind, text

    def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._most_bytes:
                raise SourceError(f"answered with more than {self._most_bytes // 1024} KiB")
        return bytes(body)


def _what_broke(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        refused = "refused" in str(error).lower()
        untrusted = "certificate" in str(error).lower()
        why = ": connection refused" if refused else ": its certificate is not trusted" if untrusted else ""
        return f"cannot be reached{why}"
    if isinstance(error, httpx.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.DecodingError):
        return "broke off its answer"
    if isinstance(error, httpx.LocalProtocolError):
        return "cannot be asked: a header or token holds an illegal character"
    return f"cannot be asked ({type(error).__name__})"


def _refuse_failures(status: int, kind: str, text: str) -> None:
    """Raise SourceError unless the answer is a success of a known content type."""
    words = "" if "html" in kind else redact(" ".join(text.split()))[:200]
    detail = f": {words}" if words else ""
    if status in (401, 403):
        raise SourceError(f"refused the credentials ({status}){detail}")
    if 300 <= status < 400:
        raise SourceError(f"redirects elsewhere ({status}); set the final address")
    if not 200 <= status < 300:
        raise SourceError(f"answered {status}{detail}")
    if kind not in (_JSON, *_TEXTS):
        raise SourceError(f"answered with {kind or 'no content type'}; it must be {_JSON} or text/markdown")
