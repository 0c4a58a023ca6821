"""The figures in a text, and whether the findings have them. A figure that was computed or invented is not supported.

A figure is more than its digits: "22 alerts" is not supported by a date of the 22nd, nor "3 h" by "node-3". So dates,
clock times, durations, percentages, names with digits and plain numbers are told apart, on both sides alike.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: What sort of figure, and its value in a form that is equal however it was written.
Figure = tuple[str, float | str]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(_MONTHS)})[a-z]*\.?"
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNIT = r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\b"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
_REST = r"[\w.:/-]{0,99}"  # of a name; bounded, for a long text without a space must not take long
_TERM = rf"{_NUMBER}[ -]?{_UNIT}"

_FIGURE = re.compile(
    rf"""(?P<date>(?<![\w.-])\d{{4}}-\d\d-\d\d)(?:T(?=\d\d:)|(?![\w-]))
    | (?P<time>(?:(?<=\dT)|(?<![\w.:]))\d{{1,2}}:\d\d(?::\d\d(?:\.\d+)?)?(?![\w:]*\d))
    | (?P<day>\b\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}(?![a-z])(?:,?\s\d{{4}}\b)?)
    | (?P<day_after>\b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}}\b)?)
    | (?P<duration>(?<![\w.]){_TERM}(?:\s(?:and\s)?{_TERM})*)
    | (?P<percent>(?<![\w.]){_NUMBER}\s?(?:%|percent\b|per\ cent\b))
    | (?P<ordinal>\b\d+(?:st|nd|rd|th)\b)
    | (?P<name>\b(?:\d+(?:\.\d+){{2,5}}(?::\d+)?|[a-z_]{_REST}\d(?:{_REST}\w)?|\d{_REST}[a-z](?:{_REST}\w)?)\b)
    | (?P<vague>\b(?:dozens?|hundreds?|thousands?|millions?|twice|thrice|doubled?|doubles|tripled?|triples|half|halved
        |quarter|couple)\b)
    | (?P<number>(?:(?<=[\s(])|^)[-−]{_NUMBER}|{_NUMBER})
    """,
    re.VERBOSE | re.IGNORECASE,
)

_ONES = (
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: n for n, word in enumerate(_ONES, start=2)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
#: "One" alone is mostly no figure; after a ten it is.
_WORD = re.compile(
    rf"\b(?:({'|'.join(_TENS)})[- ](one|{'|'.join(_ONES[:8])})|({'|'.join(_WORDS)}|zero))\b", re.IGNORECASE
)


def figures_in(text: str) -> Iterator[tuple[Figure, str]]:
    """Yield each figure of a text and how it is written there."""
    text = _WORD.sub(_digits, text)
    for found in _FIGURE.finditer(text):
        kind = str(found.lastgroup)
        written = found[kind]
        yield _READERS[kind](written.lower()), written


class KnownFigures:
    """Every figure of the findings and of what the tools answered."""

    def __init__(self) -> None:
        self._known: set[Figure] = set()

    def learn(self, value: Any, key: str = "") -> None:
        """Take in all figures of a JSON value; those under a key that ends in `_seconds` are durations too."""
        if isinstance(value, Mapping):
            for name, one in value.items():
                self.learn(str(name))
                self.learn(one, str(name))
        elif isinstance(value, list | tuple):
            for one in value:
                self.learn(one, key)
        elif isinstance(value, str):
            self._learn_text(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._known.add(("number", float(value)))
            unit = {"_seconds": 1, "_hours": 3600}.get(key[key.rfind("_") :])
            self._known |= {("duration", float(value) * unit)} if unit else set()

    def learn_names(self, text: str) -> None:
        """Take in the names with digits of a text that is no finding, such as `p99`, but none of its figures."""
        self._known |= {figure for figure, _ in figures_in(text) if figure[0] == "name"}

    def unsupported(self, text: str) -> list[str]:
        """Return the figures of a text, as written, that are not known."""
        return [written for figure, written in figures_in(text) if not self._is_known(figure)]

    def _learn_text(self, text: str) -> None:
        for figure, _ in figures_in(text):
            kind, value = figure
            self._known.add(figure)
            if kind == "date":
                _, month, day = str(value).split("-")
                self._known.add(("day", f"{int(day)} {_MONTHS[(int(month) - 1) % 12]}"))
            elif kind == "time":
                self._known.add((kind, str(value)[:5]))

    def _is_known(self, figure: Figure) -> bool:
        kind, value = figure
        if figure in self._known:
            return True
        if kind == "number":
            return self._is_rounded(float(value), self._values("number"))
        fractions = [number for number in self._values("number") if number % 1]
        if kind == "percent":
            shares = [100 * number for number in fractions if 0 < number < 1]
            return self._is_rounded(float(value), [*self._values("percent"), *shares])
        if kind == "duration":  # queries answer in plain seconds
            return float(value) in fractions or self._is_rounded(float(value), fractions)
        return False

    def _values(self, kind: str) -> list[float]:
        return [value for one, value in self._known if one == kind and isinstance(value, float)]

    @staticmethod
    def _is_rounded(value: float, known: list[float]) -> bool:
        """Say whether a known value has been rounded to this one, at least two significant digits being left."""
        digits = f"{value:.6f}".rstrip("0")
        places = len(digits.partition(".")[2])
        if len(digits.replace(".", "").lstrip("-0")) < 2:
            return False
        return any(abs(round(number, places) - value) < 1e-9 for number in known)


def _digits(found: re.Match[str]) -> str:
    ten, one, word = (part and part.lower() for part in found.groups())
    if word:
        return str(_WORDS.get(word, 0))
    return str(_WORDS[ten] + _WORDS.get(one, 1))


def _number(written: str) -> float:
    return float(written.replace(",", "").replace("−", "-"))


def _duration(written: str) -> Figure:
    terms = re.findall(rf"({_NUMBER})[ -]?({_UNIT})", written)
    return "duration", sum(
        _number(number) * _SECONDS["ms" if unit[:2] in ("ms", "mil") else unit[0]] for number, unit in terms
    )


def _time(written: str) -> Figure:
    hour, _, rest = written.partition(":")
    return "time", f"{int(hour):02d}:{rest}"


def _day(written: str) -> Figure:
    number, month = re.search(r"\d+", written), re.search(r"(?<![a-z])(?!st|nd|rd|th)[a-z]{3}", written)
    return "day", f"{int(number[0]) if number else 0} {month[0] if month else ''}"


_READERS: Mapping[str, Callable[[str], Figure]] = {
    "date": lambda written: ("date", written),
    "time": _time,
    "day": _day,
    "day_after": _day,
    "duration": _duration,
    "percent": lambda written: ("percent", _number(re.split(r"[\s%p]", written)[0])),
    "ordinal": lambda written: ("number", float(written[:-2])),
    "name": lambda written: ("name", written),
    "vague": lambda written: ("vague", written),
    "number": lambda written: ("number", _number(written)),
}
