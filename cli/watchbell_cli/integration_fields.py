"""How tokens and addresses get in: by prompts without echo, or standard input; on the command line only references."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import click

from watchbell.errors import UsageError
from watchbell.secrets.integrations import CHATS, FIELDS, SHOWN
from watchbell.secrets.references import is_reference
from watchbell.tasks import unknown_choice
from watchbell_cli.options import read_text

Fields = dict[str, str]

_LABELS = {
    "bot_token": "bot token",
    "webhook_url": "webhook URL",
    "url": "URL (http://host:9090)",
    "bearer_token": "bearer token",
    "username": "user name",
    "password": "password",
    "ca_file": "file of the authority to trust",
    "client_cert": "file of the client's certificate",
    "client_key": "file of its key",
}
_FILES = ("ca_file", "client_cert", "client_key")
#: What a value usually looks like, and what to say where it does not.
_SHAPES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("slack", "bot_token"): (r"xox[bpe][.-].+", "a Slack bot token begins with xoxb-"),
    ("telegram", "bot_token"): (r"\d{6,12}:[\w-]{30,}", "a Telegram bot token looks like 123456789:AA…"),
    ("discord", "bot_token"): (r"[\w-]{20,}\.[\w-]{6}\.[\w-]{25,}", "a Discord bot token has three parts with dots"),
}


def from_arguments(service: str, arguments: Sequence[str]) -> Fields:
    """Return the fields of `KEY=VALUE` arguments; a secret is refused, and not repeated in the message.

    A reference to a secret is none.
    """
    fields: Fields = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in FIELDS[service]:
            raise UsageError(
                f"write KEY=VALUE, where KEY is {_choices(SHOWN, service)}; everything else is a secret and is asked "
                "for, or read from standard input"
                if service not in CHATS
                else _no_secrets("it")
            )
        if not is_reference(value) and (key not in SHOWN or "@" in urlsplit(value).netloc):
            raise UsageError(_no_secrets(f"the {_LABELS[key].partition(' (')[0]}"))
        fields[key] = value
    return checked(service, fields)


def _no_secrets(what: str) -> str:
    return (
        f"{what} is a secret and does not go on the command line: every user of this machine can see it there, and the "
        "shell keeps it in its history. Run the command without it to be asked, or pass it on standard input; and "
        "since it has been shown, consider making a new one"
    )


def _choices(names: Iterable[str], service: str) -> str:
    return " or ".join(name for name in names if name in FIELDS[service])


def from_standard_input(service: str) -> Fields:
    """Read a bare token or URL, `KEY=VALUE` lines, or a JSON object."""
    text = read_text("integrations set", "-").strip()
    if not text:
        raise UsageError(
            f"there is nothing on standard input; pass the {_LABELS[FIELDS[service][0]]}, or run it in a terminal"
        )
    return checked(service, _parsed(service, text))


def _parsed(service: str, text: str) -> Fields:
    if text.startswith("{"):
        return _json_object(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and lines[0].partition("=")[0].strip() not in FIELDS[service]:
        is_url = re.match(r"https?://", lines[0]) is not None
        return {("url" if service not in CHATS else "webhook_url" if is_url else "bot_token"): lines[0]}
    if not all("=" in line for line in lines):
        raise UsageError("standard input: write one KEY=VALUE in each line, a JSON object, or a single value")
    return {line.partition("=")[0].strip(): line.partition("=")[2].strip() for line in lines}


def _json_object(text: str) -> Fields:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # its text would hold the secrets
        raise UsageError("standard input begins like a JSON object, but is none") from None
    if not all(isinstance(one, str) for one in value.values()):
        raise UsageError("standard input: every value of the JSON object has to be a text")
    return dict(value)


def from_prompts(service: str) -> Fields:
    """Ask for each field in a terminal, secrets without echo; an empty answer leaves one as it is."""
    fields: Fields = {}
    for name in FIELDS[service]:
        if name == "password" and "username" not in fields:
            continue
        if name in _FILES and not fields.get("url", "").startswith("https:"):
            continue
        label = f"{service}: {_LABELS[name]} (Enter to leave out)"
        answer = click.prompt(label, default="", show_default=False, hide_input=name not in SHOWN, err=True)
        if str(answer).strip():
            fields[name] = str(answer).strip()
    if not fields:
        raise UsageError("nothing was given, so nothing was changed")
    return checked(service, fields)


def is_terminal() -> bool:
    """Say whether a person can be asked."""
    return sys.stdin.isatty()


def checked(service: str, fields: Fields) -> Fields:
    """Return the fields if they can be used; messages never hold a value."""
    for name, value in fields.items():
        if name not in FIELDS[service]:
            raise UsageError(unknown_choice(f"field of {service}", name, FIELDS[service]))
        if name not in ("username", "password", *_FILES) and not all("!" <= character <= "~" for character in value):
            raise UsageError(f"the {name} holds a space, a line break or a non-ASCII character: was it copied whole?")
        if not value:
            raise UsageError(f"the {name} is empty")
        if name.endswith("url") and not is_reference(value) and not re.match(r"https?://[^/]", value):
            raise UsageError(f"the {name} has to begin with http:// or https://")
    return fields


def doubts(service: str, fields: Fields) -> list[str]:
    """Return what does not look as it should, though it may be right."""
    found = []
    for name, value in fields.items():
        shape, words = _SHAPES.get((service, name), ("", ""))
        if shape and not is_reference(value) and not re.fullmatch(shape, value):
            found.append(f"the {name} has an unusual form: {words}")
    return found


def change_of(fields: Fields) -> dict[str, str | None]:
    """Return what to store: one way to sign in replaces the other."""
    replaced: tuple[str, ...] = ()
    if "bearer_token" in fields:
        replaced = ("username", "password")
    elif "username" in fields:
        replaced = ("bearer_token",)
    return {**dict.fromkeys(replaced), **fields}
