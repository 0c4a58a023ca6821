"""Regular expressions from outside: they mean what `re` says they mean, and none of them takes for ever."""

import re
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from watchbell.errors import SourceError
from watchbell.reports.analysis.patterns import compiled

PIECES = [
    "a",
    "b",
    "-",
    ".",
    "(",
    ")",
    "(?:",
    "|",
    "*",
    "+",
    "?",
    "*?",
    "{2}",
    "{1,3}",
    "{,2}",
    "{2,}",
    "{",
    "[a-c]",
    "[^b]",
    "[]a]",
    r"\d",
    r"\w",
    "^",
    "$",
    r"\b",
    "(?i:",
    "(?P<x>",
    "(?-i:",
    "A",
    r"\.",
    r"\x61",
]
TEXTS = st.text("abcA1-.{", max_size=6)


@given(pattern=st.lists(st.sampled_from(PIECES), max_size=8).map("".join), text=TEXTS)
@example(pattern="(?i)a|B", text="b")
@example(pattern="(?s).", text="\n")
@example(pattern="", text="")
@settings(max_examples=500, deadline=None)
def test_a_pattern_fits_what_it_fits_for_re(pattern, text):
    try:
        expected = re.compile(pattern)
    except re.error:
        assume(False)
    try:
        found = compiled(pattern)
    except SourceError:
        return  # refused is not misread
    assert found.fits(text) is bool(expected.fullmatch(text))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a|a)*b", "a" * 1000),
        ("([a-z]+|[0-9]+|-)+_canary", "abc-123" * 140),
        ("(x+)+y", "x" * 1000),
        ("(a?){200}b", "a" * 1000),
        ("a*" * 200 + "b", "a" * 1000),
        ("(a|a)" * 80 + "b", "a" * 80),
    ],
)
def test_no_pattern_takes_for_ever(pattern, text):
    began = time.monotonic()
    assert not compiled(pattern).fits(text)
    assert time.monotonic() - began < 30  # with `re`: more years than one has


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "is no regular expression"),
        ("(?=a)a", "holds (?=a"),
        (r"(a)\1", r"holds \1"),
        ("(?P<x>a)(?P=x)", "holds (?P="),
        ("a++", "holds ++"),
        ("[[:alpha:]]", "a class of POSIX"),
        ("a{1001}", "more than 1000 times"),
        ("((a{1000}){1000}){1000}", "repeats too much"),
        ("(((){1000}){1000}){1000}", "repeats too much"),
    ],
)
def test_what_is_not_known_is_refused_by_name(pattern, words):
    with pytest.raises(SourceError) as refused:
        compiled(pattern)
    assert words in str(refused.value)
