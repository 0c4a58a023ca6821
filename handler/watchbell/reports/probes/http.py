"""The HTTP probe: one request; passes on a status of 2xx or 3xx, or on exactly the one that is wanted.

`contains` is looked for in the first MiB of the answer. Redirects are an answer like any other unless `max_redirects`
lets some be followed; then the last answer counts.
"""

import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.params import Fields
from watchbell.reports.probes.interface import Outcome, trust, why, without_secrets

if TYPE_CHECKING:
    import httpx

FIELDS = ("url", "method", "status", "contains", "max_redirects", "ca_file")
MOST_BODY_BYTES = 1024 * 1024
MOST_REDIRECTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    name: str
    timeout_seconds: float
    url: str
    method: str = "GET"
    status: int | None = None
    contains: str | None = None
    max_redirects: int = 0
    ca_file: str | None = None

    def run(self, clock: Clock) -> Outcome:
        import httpx

        from watchbell.reports.sources.access import NO_CLIENT, surroundings

        try:
            made = httpx.Client(
                timeout=self.timeout_seconds,
                follow_redirects=self.max_redirects > 0,
                max_redirects=self.max_redirects,
                verify=self._trust(),
                # An answer sent compressed could unfold to any size.
                headers={"Accept-Encoding": "identity"},
            )
        except NO_CLIENT as error:
            raise SourceError(surroundings(error)) from None
        try:
            with made as client:
                began = clock.monotonic()
                with client.stream(self.method, self.url) as response:
                    found = self._judge(response, clock, began + self.timeout_seconds)
                return replace(found, seconds=clock.monotonic() - began)
        except httpx.TooManyRedirects:
            return Outcome(passed=False, detail=f"more than {self.max_redirects} redirects")
        except (httpx.HTTPError, OSError) as error:
            return Outcome(passed=False, detail=why(error, self.timeout_seconds))

    def _trust(self) -> ssl.SSLContext | bool:
        may_need_it = self.max_redirects > 0 or self.url.lower().startswith("https")
        return trust(self.ca_file) if may_need_it else False  # loading certificates takes time

    def _judge(self, response: "httpx.Response", clock: Clock, until: float) -> Outcome:
        status = response.status_code
        passed = status == self.status if self.status else 200 <= status < 400
        if not passed:
            wanted = f", not {self.status}" if self.status else ""
            return Outcome(passed=False, detail=f"status {status}{wanted}")
        if self.contains is None:
            return Outcome(passed=True, detail=f"status {status}")
        return self._search(response, clock, until)

    def _search(self, response: "httpx.Response", clock: Clock, until: float) -> Outcome:
        wanted = (self.contains or "").encode(response.encoding or "utf-8", errors="replace")
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk[: MOST_BODY_BYTES - len(body)]
            if wanted in body:
                return Outcome(passed=True, detail=f"status {response.status_code}, text found")
            if clock.monotonic() > until:
                return Outcome(passed=False, detail=f"no complete answer within {self.timeout_seconds:g} s")
            if len(body) >= MOST_BODY_BYTES:
                break
        where = "its first MiB" if len(body) >= MOST_BODY_BYTES else "it"
        return Outcome(passed=False, detail=f"status {response.status_code}, but the text is not in {where}")


def parse(fields: Fields, name: str | None, timeout_seconds: float) -> HttpProbe:
    """Return the probe that the fields describe; raises SourceError that names the wrong one."""
    import httpx

    url = fields.text("url") or ""
    try:
        is_url = url.lower().startswith(("http://", "https://")) and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        is_url = False
    if not is_url:
        shown = without_secrets(url)
        raise SourceError(f"{fields.path}.url must begin with http:// or https:// and name a host, not {shown!r}")
    method = fields.choice("method", ("GET", "HEAD"), "GET")
    contains = fields.text("contains")
    if contains and method == "HEAD":
        raise SourceError(f"{fields.path}.contains needs an answer with a text; leave out the method HEAD")
    return HttpProbe(
        name=name or without_secrets(url),
        timeout_seconds=timeout_seconds,
        url=url,
        method=method,
        status=fields.whole("status", least=100, most=599),
        contains=contains,
        max_redirects=fields.whole("max_redirects", least=0, most=MOST_REDIRECTS) or 0,
        ca_file=fields.text("ca_file"),
    )
