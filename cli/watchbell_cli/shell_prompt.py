"""The prompt of the shell on a terminal: completion from the commands themselves, and a history without secrets."""

import json
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import ShellComplete
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from watchbell.errors import WatchbellError
from watchbell.secrets.redaction import is_credential_key, redact
from watchbell.settings import load_settings
from watchbell_cli.main import PROGRAM, watchbell

HISTORY_FILE = "shell_history"
_OWN_COMMANDS = ("help", "quit")
_PROMPT = "watchbell> "


def prompt_for_lines(session: "PromptSession[str] | None" = None) -> Iterator[str]:
    """Yield the lines that a person types, until Ctrl-D; Ctrl-C begins a new one."""
    asking: PromptSession[str] = session or PromptSession(
        history=history(), completer=Commands(), complete_while_typing=False
    )
    while True:
        try:
            yield asking.prompt(_PROMPT)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


class Commands(Completer):
    """Offers what the shell completion of the same commands offers."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        words, incomplete = _words(before)
        slash = "/" if (words or [incomplete])[0].startswith("/") else ""
        if not words:
            offered = _starting(
                [*watchbell.list_commands(click.Context(watchbell)), *_OWN_COMMANDS], incomplete[len(slash) :]
            )
            return [Completion(slash + name + " ", -len(incomplete)) for name in offered if name != "shell"]
        typed = [words[0].removeprefix("/"), *words[1:]]
        try:
            found = ShellComplete(watchbell, {}, PROGRAM, "").get_completions(typed, incomplete)
        except (click.ClickException, WatchbellError):
            return []  # there is no such command
        length = len(before) - _start_of_last_word(before)
        return [
            Completion(shlex.quote(item.value) + " ", -length, display=item.value, display_meta=item.help or "")
            for item in found
            if item.type == "plain"
        ]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _words(text: str) -> tuple[list[str], str]:
    """Return the finished words of a line, and the one that is being typed; an open quote is no mistake yet."""
    start = _start_of_last_word(text)
    with suppress(ValueError):
        return shlex.split(text[:start]), text[start:].lstrip("'\"")
    return text[:start].split(), text[start:].lstrip("'\"")


def _start_of_last_word(text: str) -> int:
    """Return where the word begins in which the line ends."""
    start, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            start = position + 1
    return start


def history() -> History:
    """Return the history in the home; only of this session, where there is none or it cannot be written."""
    try:
        home = load_settings().home
        return SafeHistory(home / HISTORY_FILE) if home.is_dir() else InMemoryHistory()
    except (WatchbellError, OSError):
        return InMemoryHistory()


class SafeHistory(FileHistory):
    """A history file for the owner's eyes only, into which no credential goes."""

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(file, 0o600)
        os.close(file)
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        """Keep a line, unless it may hold a secret; a full disk is no reason to end."""
        if not holds_credential(string):
            with suppress(OSError):
                super().store_string(string)


def holds_credential(line: str) -> bool:
    """Return whether a line looks as if a credential stands in it: by its shape, or by the name in front of it."""
    if redact(line) != line:
        return True
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return any(map(_names_credential, words))


def _names_credential(word: str) -> bool:
    name, equals, value = word.partition("=")
    if is_credential_key(name.lstrip("-")) and (equals or name.startswith("--")):
        return True
    with suppress(ValueError, RecursionError):
        return _has_credential_key(json.loads(value if equals else word))
    return bool(equals) and _names_credential(value)


def _has_credential_key(value: Any) -> bool:
    if isinstance(value, dict):
        return any(is_credential_key(key) or _has_credential_key(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_credential_key, value))
