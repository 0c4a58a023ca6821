"""A file of tasks, YAML or JSON: the values in it, and on which line each of them stands."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from watchbell.errors import UsageError
from watchbell_cli.options import read_text

_MERGE = "tag:yaml.org,2002:merge"
_MOST_NESTING = 60


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and its text, by which the line of a path such as `tasks[2].cron` is found."""

    name: str
    value: Any
    text: str

    def where(self, path: str) -> str:
        """Return the file and, as far as it is known, the line that a path stands on."""
        lines = _lines(self.text, self.name)
        shorter = path.removeprefix("tasks") if isinstance(self.value, list) else path
        while shorter not in lines and shorter:
            shorter = re.sub(r"(^|[.\[])[^.\[]*$", "", shorter)
        return f"{self.name} line {lines[shorter]}" if shorter in lines else self.name


class _Loader(yaml.SafeLoader):
    """YAML whose plain words are what they look like: only true and false are booleans, and no date is one.

    In YAML 1.1 `no` is false, 0123 is 83 and 12:30 is 750; none of that is what a chat id or a name means.
    """


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def read_document(option: str, name: str) -> Document:
    """Read a file, or standard input for `-`; raises UsageError with the line and what to do."""
    shown = "standard input" if name == "-" else name
    text = read_text(option, name)
    try:
        # JSON is read as such: that is many times faster.
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
        return Document(shown, value, text)
    except (ValueError, RecursionError):
        pass
    try:
        _lines(text, shown)
        return Document(shown, yaml.load(text, Loader=_Loader), text)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"{_at(shown, error)}: {error.problem}{_hint(error)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{shown}: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands here twice")
    return dict(pairs)


@lru_cache(maxsize=4)
def _lines(text: str, name: str) -> Mapping[str, int]:
    """Return the line of each value by its path."""
    lines: dict[str, int] = {}
    node = yaml.compose(text, Loader=_Loader)
    if node is not None:
        _walk(node, "", lines, name, 0)
    return lines


def _at(name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return name if mark is None else f"{name} line {mark.line + 1} column {mark.column + 1}"


def _hint(error: yaml.MarkedYAMLError) -> str:
    if "alias" in str(error.context or "") or "alias" in str(error.problem or ""):
        return '; an expression that begins with * needs quotes: cron: "*/5 * * * *"'
    if "'\\t'" in str(error.problem or ""):
        return "; indent with spaces"
    return ""


def _walk(node: yaml.Node, path: str, lines: dict[str, int], name: str, depth: int) -> None:
    """Note the line of each value; a key that stands twice is refused, where YAML would drop the first."""
    lines.setdefault(path, node.start_mark.line + 1)
    if depth > _MOST_NESTING:
        raise UsageError(f"{name} line {node.start_mark.line + 1}: nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _walk(item, f"{path}[{number}]", lines, name, depth + 1)
    if isinstance(node, yaml.MappingNode):
        _walk_mapping(node, path, lines, name, depth)


def _walk_mapping(node: yaml.MappingNode, path: str, lines: dict[str, int], name: str, depth: int) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag == _MERGE:
            continue
        if key.value in seen:
            raise UsageError(f"{name} line {key.start_mark.line + 1}: {key.value!r} stands here twice")
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"{name} line {key.start_mark.line + 1}: a key must be a text")
        seen.add(key.value)
        _walk(value, f"{path}.{key.value}".lstrip("."), lines, name, depth + 1)


def as_yaml(value: Any) -> str:
    """Return YAML for people, fields in their order; what a reader might take for something else is quoted."""
    return yaml.dump(value, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=110)
