"""When the next message may leave: the documented rates of each provider, and what its answers add to them.

`Pace` is pure arithmetic on a given monotonic `now`, and nothing here sleeps. A place is taken when it is asked for,
so that threads queue fairly, and is kept for the life of the process; other processes are unknown here, and between
them the provider's 429 governs. A token is known by its digest only.

Each rate is kept as a sliding window: at most `count` messages within any `seconds`. That is the fastest way to stay
below a limit however the provider counts: 60 messages into one Telegram group leave as 20, 20 and 20.
"""

import math
import threading
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from watchbell.clock import Clock, SystemClock
from watchbell.delivery.answers import Answer
from watchbell.delivery.interface import NotSent, Outcome
from watchbell.delivery.place import is_webhook

#: The way to the provider takes now longer, now shorter: what leaves a window apart must not arrive within it.
_SHARE = 1.02
_SLACK_SECONDS = 0.1

#: No place is taken further ahead, for a tick would not live to use it.
LONGEST_WAIT_SECONDS = 300.0

#: So many chats told to wait at the same time mean that the bot as a whole is too fast.
_CHATS_ALIKE = 3

_MANY_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` messages within any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a provider documents, for one chat, for one group, for a whole bot, and for one webhook."""

    chat: tuple[Rate, ...]
    group: tuple[Rate, ...] = ()
    bot: tuple[Rate, ...] = ()
    webhook: tuple[Rate, ...] = ()


#: One a second for each channel; bursts are tolerated without guarantee, and may not be displayed.
SLACK = Limits(chat=(Rate(1, 1.0),), webhook=(Rate(1, 1.0),))

#: Groups and channels have negative ids, or a name.
TELEGRAM = Limits(chat=(Rate(1, 1.0),), group=(Rate(20, 60.0),), bot=(Rate(30, 1.0),))

#: A channel's bucket is only known from its headers; this is what it usually is. A webhook's second limit is in none.
DISCORD = Limits(chat=(Rate(5, 5.0),), bot=(Rate(50, 1.0),), webhook=(Rate(5, 2.0), Rate(30, 60.0)))


def digest_of(credentials: Mapping[str, str]) -> str:
    """Return what stands for a bot or a webhook here."""
    return sha256("\n".join(f"{name}={value}" for name, value in sorted(credentials.items())).encode()).hexdigest()


@dataclass(slots=True)
class _Line:
    """The places taken of one bot or one chat, in order, and until when none may be taken."""

    rates: tuple[Rate, ...]
    places: list[float] = field(default_factory=list)
    blocked_until: float = -math.inf
    told_until: float = -math.inf  # blocked by a 429, not by an empty bucket
    #: Found to have no room, and never to get any: places are only added. It saves looking through it again.
    full_from: float = math.inf
    full_until: float = -math.inf

    def earliest(self, moment: float) -> float:
        """Return the first moment from `moment` on that has room for one more."""
        begin = moment
        if self.full_from <= moment < self.full_until:
            moment = self.full_until
        moment = max(moment, self.blocked_until)
        while (later := self._crowded_until(moment)) > moment:
            moment = later
        if self.full_from <= begin <= self.full_until:
            self.full_until = max(moment, self.full_until)
        else:
            self.full_from, self.full_until = begin, moment
        return moment

    def change(self, rates: tuple[Rate, ...]) -> None:
        """Go by other rates from now on."""
        self.rates = rates
        self.full_from, self.full_until = math.inf, -math.inf

    def _crowded_until(self, moment: float) -> float:
        """Return `moment`, or the end of the first window in which it would be one too many."""
        index = bisect_right(self.places, moment)
        for rate in self.rates:
            for first in range(max(0, index - rate.count), min(index, len(self.places) - rate.count) + 1):
                begin, end = self.places[first], self.places[first + rate.count - 1]
                if max(end, moment) < min(begin, moment) + rate.seconds:
                    return begin + rate.seconds
        return moment

    def forget_before(self, now: float) -> None:
        longest = max((rate.seconds for rate in self.rates), default=0.0)
        del self.places[: bisect_right(self.places, now - longest)]

    def is_idle(self, now: float) -> bool:
        return not self.places and self.blocked_until <= now


class Pace:
    """The places of one provider. `speed` makes its time pass faster, for tests against a server that does the same."""

    def __init__(self, limits: Limits, *, speed: float = 1.0, slack_seconds: float = _SLACK_SECONDS) -> None:
        self._limits = limits
        self._slack_seconds = slack_seconds
        self._speed = speed
        self._lines: dict[tuple[str, str], _Line] = {}
        self._many = _MANY_LINES
        self._lock = threading.Lock()

    def reserve(self, bot: str, chat_id: str, now: float, *, within: float = LONGEST_WAIT_SECONDS) -> float:
        """Take the next place and return the seconds until then; one further ahead than `within` is not taken."""
        with self._lock:
            lines = self._lines_of(bot, chat_id, now)
            moment = now
            while (later := max(line.earliest(moment) for line in lines)) > moment:
                moment = later
            if moment - now <= min(within, LONGEST_WAIT_SECONDS):
                for line in lines:
                    insort(line.places, moment)
            return moment - now

    def learn(self, bot: str, chat_id: str, answer: Answer, outcome: Outcome, now: float) -> None:
        """Take from an answer what delays later places: a wait that it asks for, a bucket that is empty."""
        with self._lock:
            whole, chat = self._lines_of(bot, chat_id, now)
            if isinstance(outcome, NotSent) and outcome.retry_after is not None:
                told = whole if _is_for_all(answer) else chat
                told.told_until = max(told.told_until, now + outcome.retry_after)
                told.blocked_until = max(told.blocked_until, told.told_until)
                self._block_all_if_many(bot, whole, now)
            self._learn_bucket(chat, answer.headers, now)

    def _learn_bucket(self, chat: _Line, headers: Mapping[str, str], now: float) -> None:
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        reset_after = _number(headers, "x-ratelimit-reset-after")
        if limit is None or remaining is None or reset_after is None:
            return
        if remaining < 1:
            chat.blocked_until = max(chat.blocked_until, now + reset_after + self._slack_seconds)
        elif remaining == limit - 1 and reset_after > 0:  # the first of its window, which therefore is so long
            chat.change((self._kept(Rate(int(limit), reset_after * self._speed)), *chat.rates[1:]))

    def _block_all_if_many(self, bot: str, whole: _Line, now: float) -> None:
        told = [line.told_until for (of, _), line in self._lines.items() if of == bot and line.told_until > now]
        if len(told) >= _CHATS_ALIKE:
            whole.blocked_until = max(whole.blocked_until, min(told))

    def _lines_of(self, bot: str, chat_id: str, now: float) -> tuple[_Line, _Line]:
        if len(self._lines) > self._many:
            self._forget_idle(now)
            self._many = max(_MANY_LINES, 2 * len(self._lines))
        if is_webhook(chat_id):
            found = (self._line(bot, "", ()), self._line(bot, chat_id, self._limits.webhook))
        else:
            chat = chat_id.partition("/")[0]  # what follows is a thread or a topic of the same chat
            rates = self._limits.chat + (self._limits.group if chat.startswith(("-", "@")) else ())
            found = (self._line(bot, "", self._limits.bot), self._line(bot, chat, rates))
        for line in found:
            line.forget_before(now)
        return found

    def _line(self, bot: str, chat: str, rates: Iterable[Rate]) -> _Line:
        if (bot, chat) not in self._lines:
            self._lines[bot, chat] = _Line(tuple(self._kept(rate) for rate in rates))
        return self._lines[bot, chat]

    def _kept(self, rate: Rate) -> Rate:
        """Return a rate as it is kept: with a margin."""
        return Rate(rate.count, rate.seconds * _SHARE / self._speed + self._slack_seconds)

    def _forget_idle(self, now: float) -> None:
        for key, line in list(self._lines.items()):
            line.forget_before(now)
            if line.is_idle(now):
                del self._lines[key]


def _is_for_all(answer: Answer) -> bool:
    """Say whether an answer slows the whole bot: it says so, or it comes from what stands before the provider."""
    headers = answer.headers
    return (
        headers.get("x-ratelimit-scope", "").lower() == "global"
        or headers.get("x-ratelimit-global", "").lower() == "true"
        or (answer.status == 429 and answer.fields() is None)
    )


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        number = float(headers.get(name, ""))
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number < 1e9 else None


_shared: dict[tuple[str, str], Pace] = {}
_sharing = threading.Lock()


def shared(name: str, api_url: str, limits: Limits) -> Pace:
    """Return the one pace of this process for a provider's API, however many provider objects there are."""
    with _sharing:
        return _shared.setdefault((name, api_url.rstrip("/")), Pace(limits))


class Paced:
    """A provider's hold on its pace, with the clock that it goes by."""

    def __init__(self, pace: Pace, clock: Clock | None = None) -> None:
        self._pace = pace
        self._clock = clock or SystemClock()

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float = LONGEST_WAIT_SECONDS) -> float:
        """Take a place; return the seconds to wait for it."""
        return self._pace.reserve(digest_of(credentials), chat_id, self._clock.monotonic(), within=within)

    def hearing(
        self, chat_id: str, credentials: Mapping[str, str], outcome: Callable[[Answer], Outcome]
    ) -> Callable[[Answer], Outcome]:
        """Return `outcome`, which then also learns from each answer how fast the provider lets us go."""

        def heard(answer: Answer) -> Outcome:
            result = outcome(answer)
            self._pace.learn(digest_of(credentials), chat_id, answer, result, self._clock.monotonic())
            return result

        return heard
