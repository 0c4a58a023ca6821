"""`watchbell alerts`: keep what Alertmanager's webhook says."""

import json
from collections.abc import Iterator
from typing import Any

import click

from watchbell.errors import UsageError
from watchbell.reports.sources.alert_log import append
from watchbell.settings import load_settings
from watchbell_cli.alerts_home import make_home
from watchbell_cli.home import now
from watchbell_cli.lazy import LazyGroup
from watchbell_cli.options import read_text
from watchbell_cli.output import say


@click.group(
    cls=LazyGroup,
    commands_at={
        "record": (f"{__name__}:record", "Add webhook payloads from a file or standard input."),
        "receive": (
            "watchbell_cli.alerts_receive_command:receive",
            "Listen for Alertmanager's webhook, and record what it sends.",
        ),
    },
)
def alerts() -> None:
    """The alert log: a JSON-lines file of Alertmanager webhook payloads, which reports are made of.

    \b
    Example:
      watchbell alerts record < payload.json
      watchbell alerts receive --listen 127.0.0.1:9797
    """


@click.command()
@click.argument("file", metavar="[FILE]", default="-")
def record(file: str) -> None:
    """Add one webhook payload, or several as JSON lines, from FILE or standard input.

    \b
    Example:
      curl -s http://127.0.0.1:8080/last-payload | watchbell alerts record
    """
    settings = load_settings()
    payloads = list(_payloads(read_text("alerts record", file)))
    if not payloads:
        raise UsageError("there is no payload; pass the JSON that Alertmanager's webhook sends")
    make_home(settings)
    count = 0
    for number, (line, payload) in enumerate(payloads):
        try:
            count += append(settings.alert_log, payload, now())
        except UsageError as error:
            before = f"; the {number} before it were recorded" if number else ""
            raise UsageError(f"line {line}: {error}{before}") from None
    say(f"recorded {count} alert(s) of {len(payloads)} payload(s) in {settings.alert_log}")


def _payloads(text: str) -> Iterator[tuple[int, Any]]:
    """Yield each JSON value of the text with its line number, however it is broken into lines."""
    decoder = json.JSONDecoder()
    end = 0
    while rest := text[end:].lstrip():
        start = len(text) - len(rest)
        line = text.count("\n", 0, start) + 1
        try:
            payload, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise UsageError(f"line {error.lineno}, column {error.colno}: {error.msg}; nothing was recorded") from None
        except RecursionError:
            raise UsageError(f"line {line}: nested too deeply; nothing was recorded") from None
        yield line, payload
