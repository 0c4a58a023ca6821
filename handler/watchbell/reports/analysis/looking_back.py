"""How far a PromQL question looks back from the instant that it is asked about."""

import re
from datetime import timedelta

_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_RANGE = re.compile(r"\[\s*((?:\d+(?:ms|[smhdwy]))+)")
_OFFSET = re.compile(r"\boffset\s+((?:\d+(?:ms|[smhdwy]))+)", re.IGNORECASE)
_LENGTH = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}


def look_back(promql: str) -> timedelta:
    """Return the longest range that a question asks for, such as `[24h]`, and its longest `offset`, together."""
    ranges, offsets = _lengths(promql)
    return _capped(max(ranges, default=0.0) + max(offsets, default=0.0))


def farthest_look_back(promql: str) -> timedelta:
    """Return how far it looks back at most: ranges may be within ranges, and the same one is often there twice."""
    ranges, offsets = _lengths(promql)
    return _capped(sum(ranges) + sum(offsets))


def _lengths(promql: str) -> tuple[set[float], set[float]]:
    """Return the different ranges and offsets in seconds."""
    bare = _TEXT.sub('""', promql)
    return {_seconds(one) for one in _RANGE.findall(bare)}, {_seconds(one) for one in _OFFSET.findall(bare)}


def _seconds(text: str) -> float:
    return sum(int(count) * _SECONDS[unit] for count, unit in _LENGTH.findall(text))


def _capped(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, _SECONDS["y"]))  # a timedelta cannot be of any length
