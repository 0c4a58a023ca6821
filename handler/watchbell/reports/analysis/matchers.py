"""Label matchers as Prometheus and Alertmanager write them: `severity="critical", alertname=~"Checkout.*"`.

Operators are =, !=, =~ and !~; regular expressions must match the whole value; a label that is absent is empty.
Braces around a list and quotes around a plain value may be left out. Within quotes \\" and \\\\ stand for " and \\.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from watchbell.errors import SourceError
from watchbell.reports.analysis.patterns import compiled

#: Label values come from outside: of a longer one only this much is matched.
MOST_VALUE = 1000
MOST_PATTERN = 500

_NAME = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
_VALUE = r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s",{}]*))'
_MATCHER = re.compile(rf"\s*{_NAME}\s*(?P<operator>=~|!~|!=|=)\s*{_VALUE}\s*(?P<comma>,|$)")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: str
    value: str

    def __str__(self) -> str:
        """Return it as PromQL writes it."""
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{escaped}"'

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the labels fulfil the condition."""
        value = labels.get(self.name, "")
        is_regex = self.operator.endswith("~")
        is_met = compiled(self.value).fits(value[:MOST_VALUE]) if is_regex else value == self.value
        return is_met is not self.operator.startswith("!")


def parse(text: str) -> tuple[Matcher, ...]:
    """Return the matchers in a text, at least one; raises SourceError that says which part is wrong."""
    found = split(text)
    for one in found:
        if one.operator.endswith("~"):
            _check(one.value)
    return found


def split(text: str) -> tuple[Matcher, ...]:
    """Do the same without judging regular expressions: Prometheus' own differ from Python's in rare corners."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    rest = inner.strip().removesuffix(",")
    found: list[Matcher] = []
    while rest or not found:
        part = _MATCHER.match(rest)
        if not part:
            raise SourceError(f'{(rest or text).strip()[:80]!r} is no matcher; write for example severity="critical"')
        quoted = part["quoted"]
        value = part["bare"] if quoted is None else _ESCAPED.sub(_unescaped, quoted)
        found.append(Matcher(part["name"], part["operator"], value))
        rest = rest[part.end() :]
    return tuple(found)


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Say whether the labels fulfil every one."""
    return all(one.matches(labels) for one in matchers)


def _unescaped(escape: re.Match[str]) -> str:
    # Any other escape is the regular expression's own, which people write with a single backslash.
    return {"n": "\n", '"': '"', "\\": "\\"}.get(escape[1], escape[0])


def _check(pattern: str) -> None:
    if len(pattern) > MOST_PATTERN:
        raise SourceError(f"the regular expression {pattern[:40]!r}… is longer than {MOST_PATTERN} characters")
    compiled(pattern)
