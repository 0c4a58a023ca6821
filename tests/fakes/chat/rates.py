"""The documented rates, enforced: each limit over a sliding window, except Discord's buckets, which start anew.

`speed` makes time pass faster for all of them, so that a test of minutes takes seconds.
"""

import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from fakes.chat.api import Place, Refusal
from fakes.chat.faults import limited

#: (what is counted, how many, in how many seconds); reads are Slack's tier 3 and Discord's own buckets.
WINDOWS: dict[tuple[str, str], tuple[tuple[str, int, float], ...]] = {
    ("slack", "send"): (("chat", 3, 3.0),),  # about one a second, short bursts tolerated
    ("slack", "webhook"): (("bot", 3, 3.0),),
    ("slack", "read"): (("bot", 50, 60.0),),
    ("telegram", "send"): (("chat", 3, 3.0), ("group", 20, 60.0), ("bot", 30, 1.0)),
    ("telegram", "read"): (),
    ("discord", "send"): (("bot", 50, 1.0), ("bucket", 5, 5.0)),
    ("discord", "read"): (("bot", 50, 1.0), ("bucket", 5, 5.0)),
    ("discord", "webhook"): (("chat", 30, 60.0), ("bucket", 5, 2.0)),
}


@dataclass
class _Bucket:
    """Discord's: `left` of `size` until `ends`."""

    size: int
    left: int = 0
    ends: float = 0.0


@dataclass
class Rates:
    speed: float = 1.0
    _seen: dict[tuple[str, ...], deque[float]] = field(default_factory=dict)
    _buckets: dict[tuple[str, ...], _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, provider: str, place: Place, now: float | None = None) -> dict[str, str]:
        """Count a request and return the headers that its answer carries; raises the provider's 429 when over."""
        now = (time.monotonic() if now is None else now) * self.speed
        with self._lock:
            windows = WINDOWS[provider, place.kind]
            for scope, count, seconds in windows:
                wait = self._wait(provider, place, scope, count, seconds, now)
                if wait > 0:
                    raise self._refusal(provider, place, scope, wait / self.speed)
            headers: dict[str, str] = {}
            for scope, count, seconds in windows:
                headers |= self._take(provider, place, scope, count, seconds, now)
        return headers

    def _key(self, provider: str, place: Place, scope: str) -> tuple[str, ...]:
        chat = () if scope == "bot" else (place.chat_id,)
        return (provider, place.kind if scope == "bucket" or provider == "slack" else "", scope, place.bot, *chat)

    def _wait(self, provider: str, place: Place, scope: str, count: int, seconds: float, now: float) -> float:
        key = self._key(provider, place, scope)
        if scope == "bucket":
            bucket = self._buckets.get(key)
            return bucket.ends - now if bucket and bucket.left == 0 else 0.0
        if scope == "group" and not place.chat_id.startswith("-"):
            return 0.0
        seen = self._seen.setdefault(key, deque())
        while seen and seen[0] <= now - seconds:
            seen.popleft()
        return seen[0] + seconds - now if len(seen) >= count else 0.0

    def _take(self, provider: str, place: Place, scope: str, count: int, seconds: float, now: float) -> dict[str, str]:
        key = self._key(provider, place, scope)
        if scope != "bucket":
            self._seen.setdefault(key, deque()).append(now)
            return {}
        bucket = self._buckets.setdefault(key, _Bucket(count))
        if now >= bucket.ends:
            bucket.left, bucket.ends = count, now + seconds
        bucket.left -= 1
        return self._headers(bucket, key, now)

    def _headers(self, bucket: _Bucket, key: tuple[str, ...], now: float) -> dict[str, str]:
        after = (bucket.ends - now) / self.speed
        return {
            "X-RateLimit-Limit": str(bucket.size),
            "X-RateLimit-Remaining": str(bucket.left),
            "X-RateLimit-Reset": f"{time.time() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": f"{abs(hash(key[:3])):x}"[:12],
        }

    def _refusal(self, provider: str, place: Place, scope: str, wait: float) -> Refusal:
        form = {"bot": "global", "chat": "shared"}.get(scope, "user") if provider == "discord" else "plain"
        seconds = wait if provider == "discord" else math.ceil(wait)
        fault = limited(provider, form, round(max(seconds, 0.001), 3))
        headers = dict(fault.headers)
        if scope == "bucket":
            bucket = self._buckets[self._key(provider, place, scope)]
            headers |= self._headers(bucket, self._key(provider, place, scope), bucket.ends - wait * self.speed)
        refusal = Refusal(429, fault.body)
        refusal.headers = headers
        return refusal
