"""Which sentences of a generated text are shown: those whose figures and addresses are in the findings.

Where the verdict is not OK, a sentence that sounds like an all-clear goes as well, whatever it was meant to say.
"""

import re

from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.interface import Verdict
from watchbell.reports.pipelines.ai.figures import KnownFigures
from watchbell.reports.pipelines.markdown import lines_of
from watchbell.secrets.redaction import redact

MOST_LINES = 12
MOST_TEXT = 2_000

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")
_ADDRESS = re.compile(r"\b(?:https?://|www\.)[^\s)>\]]+", re.IGNORECASE)
_ALL_CLEAR = re.compile(
    r"""\ball[ -]clear\b | \ball\ (?:is|are|systems)\b | \bnothing\b | \bverdict(?:\ is)?:?\ ok\b
      | \bno\ (?:action|need)\b | \bfalse\ alarms?\b | \b(?:ignore|disregard)\b
      | \bno\ (?:\w+\ ){0,2}(?:incidents?|alerts?|problems?|issues?|outages?|failures?|concerns?)\b
      | \b(?:is|are|was|were|looks?|remains?|everything)\ (?:\w+\ )?
        (?:ok|okay|fine|healthy|normal|quiet|stable|green|good)\b""",
    re.VERBOSE | re.IGNORECASE,
)


def believable_lines(text: str, known: KnownFigures, facts: str, verdict: Verdict) -> tuple[str, ...]:
    """Return the lines of a text without the sentences that the findings do not bear out, and how many those were.

    `facts` are the findings as one text, to find addresses in. Raises SourceError when nothing is left.
    """
    lines: list[str] = []
    dropped = 0
    for line in lines_of(redact(text)[:MOST_TEXT]):
        sentences = [one for one in _SENTENCE_END.split(_LIST_MARK.sub("", line)) if one.strip()]
        kept = [one for one in sentences if _is_borne_out(one, known, facts, verdict)]
        dropped += len(sentences) - len(kept)
        lines += [" ".join(kept)] if kept else []
    if not lines:
        raise SourceError("wrote nothing that the findings bear out" if dropped else "wrote nothing")
    left_out = f"{wording.many(dropped, 'sentence')} left out: with figures or claims that the findings do not bear out"
    return (*wording.capped(lines, MOST_LINES), *((left_out,) if dropped else ()))


def _is_borne_out(sentence: str, known: KnownFigures, facts: str, verdict: Verdict) -> bool:
    if verdict is not Verdict.OK and _ALL_CLEAR.search(sentence):
        return False
    if any(address.rstrip(".,;") not in facts for address in _ADDRESS.findall(sentence)):
        return False
    return not known.unsupported(_ADDRESS.sub(" ", sentence))
