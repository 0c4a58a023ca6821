"""The only module that prints: data to standard output, words to standard error."""

import json
import os
import shutil
import sys
from collections.abc import Collection, Sequence

import click

from watchbell.secrets.redaction import redact
from watchbell_cli.tables import clean, fields, table

_PIPE_WIDTH = 80
_COLOURS = {
    "success": "green",
    "quiet": "green",
    "partial": "yellow",
    "queued": "yellow",
    "waiting": "yellow",
    "skipped": "yellow",
    "failed": "red",
    "unknown": "red",
    "missed": "red",
}


def print_json(value: object) -> None:
    """Print data for programs. Only ASCII, so that it is the same in every locale and harmless on a terminal."""
    click.echo(json.dumps(value, indent=2))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    flexible: Collection[int] = (),
    notes: Sequence[Sequence[str]] = (),
) -> None:
    """Print rows for people, within the width of the terminal, or 80 columns; see `tables.table`."""
    head, *lines = table(columns, rows, width(), flexible=flexible, notes=notes)
    click.echo("\n".join([head, *map(_coloured, lines)]))


def print_fields(pairs: Sequence[tuple[str, str]]) -> None:
    """Print one thing for people: a line for each of its fields."""
    click.echo("\n".join(fields(pairs, width())))


def print_text(text: str) -> None:
    """Print ready-made lines; everything in them that could steer a terminal is spelled out."""
    click.echo("\n".join(clean(line) for line in text.split("\n")))


def say(text: str) -> None:
    """Tell the person at the keyboard something that is not data."""
    click.echo("\n".join(clean(line) for line in redact(text).split("\n")), err=True)


def warn(text: str) -> None:
    """Say something that deserves a second look."""
    say(f"watchbell: warning: {text}")


def complain(text: str) -> None:
    """Say in one line why a command could not be carried out."""
    say("watchbell: error: " + " ".join(text.split()))


def width() -> int:
    """Return how many columns there are."""
    return max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else _PIPE_WIDTH


def _coloured(line: str) -> str:
    """Colour the status words of a line on a terminal that wants it; elsewhere it stays as it is."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return line
    words = (word for word in _COLOURS if f" {word}" in line)
    word = next(words, None)
    return line if word is None else line.replace(f" {word}", " " + click.style(word, fg=_COLOURS[word]), 1)
