"""What goes wrong on request: once, by the chat's name, or at random with a seed."""

import email.utils
import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

HTML_PAGE = "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
CLOUDFLARE_PAGE = "<html><head><title>Error 1015</title></head><body>You are being rate limited</body></html>"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request: it may be accepted first, then the connection takes its course."""

    then: str = "answer"  # answer, reset, hang, drip, drip_headers, truncate, undated (no Date header)
    accept: bool = False  # the message is posted before it goes wrong
    accept_after: float | None = None  # the message is posted so many seconds later, whoever still waits
    status: int | None = None  # None: the API's own answer
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    seconds: float = 30.0  # how long it hangs or drips
    name: str = ""


MAGIC = {
    "RESET-BEFORE": Fault("reset"),
    "RESET-AFTER": Fault("reset", accept=True),
    "RESET-LATE": Fault("reset", accept_after=5.0),
    "HANG": Fault("hang"),
    "HANG-AFTER": Fault("hang", accept=True),
    "DRIP": Fault("drip", accept=True),
    "TRUNCATE": Fault("truncate", accept=True),
    "HTML": Fault(status=502, body=HTML_PAGE),
    "HTML-AFTER": Fault(accept=True, status=502, body=HTML_PAGE),
    "REDIRECT": Fault(status=302, headers={"Location": "/elsewhere"}),
}

#: The forms in which each provider says 429.
LIMIT_FORMS = {
    "slack": ("plain", "cloudflare", "date"),
    "telegram": ("plain", "cloudflare"),
    "discord": ("user", "global", "shared", "cloudflare"),
}


#: A no that a provider may also say to what is right; it would say it again.
REFUSALS = {"slack": "restricted_action", "telegram": "CHAT_WRITE_FORBIDDEN", "discord": "50001"}


def limited(provider: str, form: str, seconds: float) -> Fault:
    """Return the 429 of a provider in one of its forms."""
    whole = str(int(-(-seconds // 1)))
    if form == "cloudflare":
        return Fault(status=429, body=CLOUDFLARE_PAGE, headers={"Retry-After": whole}, name="429-cloudflare")
    if form == "date":  # a proxy may write a date, to be read against the answer's own
        date = email.utils.formatdate(int(time.time()) + int(whole), usegmt=True)
        sent = email.utils.formatdate(int(time.time()), usegmt=True)
        return Fault(status=429, body="<p>slow down</p>", headers={"Retry-After": date, "Date": sent}, name="429-date")
    headers = {"Retry-After": whole}
    body: dict[str, Any] = {"ok": False, "error": "ratelimited"}
    if provider == "telegram":
        body = {"ok": False, "error_code": 429, "description": f"Too Many Requests: retry after {whole}",
                "parameters": {"retry_after": int(whole)}}  # fmt: skip
    elif provider == "discord":
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": form == "global"}
        headers |= {"X-RateLimit-Scope": form} | ({"X-RateLimit-Global": "true"} if form == "global" else {})
        if form != "global":  # with scope shared the bucket is free long before one may try again
            reset = seconds if form == "user" else seconds / 20
            headers |= {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Bucket": "abcd1234",
                        "X-RateLimit-Reset-After": f"{reset:.3f}"}  # fmt: skip
    return Fault(status=429, body=json.dumps(body), headers=headers, name=f"429-{form}")


def magic(provider: str, name: str) -> Fault:
    """Return what the name of a chat asks for."""
    if found := re.search(r"SLOW-(\d+)MS$", name):
        return Fault(delay_ms=int(found[1]))
    if found := re.search(r"ERROR-(\w+)$", name):
        return _provider_error(provider, found[1])
    found = re.search(r"FAIL-(\w+(?:-\w+)?)$", name)
    if not found:
        return Fault()
    status, _, form = found[1].partition("-")
    if status == "429":
        return limited(provider, form.lower() or LIMIT_FORMS[provider][0], 1.5)
    if found[1].isdigit():
        return Fault(status=int(found[1]), body=HTML_PAGE if int(found[1]) >= 500 else "{}")
    return MAGIC.get(found[1]) or Fault(status=501, body=f"<p>no such magic: {found[1]}</p>")


def _provider_error(provider: str, code: str) -> Fault:
    if provider == "slack":
        return Fault(status=200, body=json.dumps({"ok": False, "error": code}))
    if provider == "discord":
        return Fault(status=403, body=json.dumps({"message": "No", "code": int(code)}))
    return Fault(status=400, body=json.dumps({"ok": False, "error_code": 400, "description": f"Bad Request: {code}"}))


class Chaos:
    """Faults at random: the n-th request to a chat has the same fate in every run with the same seed."""

    def __init__(self, share: float, seed: int, hang_seconds: float = 3.0) -> None:
        self._share = share
        self._seed = seed
        self._hang_seconds = hang_seconds
        self._count: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def fault(self, provider: str, chat_id: str) -> Fault:
        """Return what becomes of the next request to that chat."""
        with self._lock:
            self._count[provider, chat_id] += 1
            count = self._count[provider, chat_id]
        fate = random.Random(f"{self._seed}:{provider}:{chat_id}:{count}")
        if fate.random() >= self._share:
            return Fault()
        return fate.choice(self.kinds(provider, fate.uniform(0.1, 1.5)))

    def kinds(self, provider: str, seconds: float) -> list[Fault]:
        """Return one fault of every kind."""
        known = [replace(fault, name=name, seconds=self._hang_seconds) for name, fault in MAGIC.items()]
        forms = [limited(provider, form, seconds) for form in LIMIT_FORMS[provider]]
        after = (self._hang_seconds + 1) * (1 + seconds / 3)
        late = Fault("hang", accept_after=after, seconds=self._hang_seconds, name="HANG-LATE")
        others = [
            replace(MAGIC["RESET-LATE"], accept_after=seconds, name="RESET-LATE"),
            Fault("drip_headers", accept=True, seconds=self._hang_seconds, name="DRIP-HEADERS"),
            Fault(status=500, body=HTML_PAGE, accept=True, name="500-AFTER"),
            Fault(status=429, body=CLOUDFLARE_PAGE, name="429-no-hint"),
            Fault(delay_ms=300, name="SLOW"),
            late,
            replace(_provider_error(provider, REFUSALS[provider]), name="REFUSED"),
        ]
        return [fault for fault in known if fault.name != "RESET-LATE"] + forms + others
