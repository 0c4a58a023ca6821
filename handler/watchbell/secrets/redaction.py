"""Masks secrets in whatever is written: by their shape, and by their value once they have been resolved.

This is the second line of defence. The first is that nothing puts a secret into a message; this catches what other
people's code does. It imports next to nothing, so that every entry point can afford it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

MASK = "***"

#: A shorter value would mask ordinary words all over the logs.
SHORTEST_SECRET = 6

_VALUE = r"""(?:\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|[^\s,;&"'})\]]+)"""

_KEY = r"(?:password|passwd|passphrase|pwd|secret|token|(?:api|access|private|signing)[_-]?key)"

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Slack: bot, user, app, browser, rotating and refresh tokens; a webhook's whole path is its secret.
        (r"(?:xoxe\.)?xox[a-z]-[A-Za-z0-9.-]{4,}|xapp-[A-Za-z0-9.-]{4,}", MASK),
        (r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+", rf"\1{MASK}"),
        # Telegram: the token, bare or as a part of the path.
        (r"(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,}", MASK),
        (r"(/bot)(?:[^/\s\"']+(?=/)|\d+(?::|%3[Aa])[^/\s\"']+)", rf"\1{MASK}"),
        # Discord: a bot token is base64(id).six.hmac; a webhook's token follows its id.
        (r"[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}", MASK),
        (r"(/webhooks/)\d+/[A-Za-z0-9_-]+", rf"\1{MASK}"),
        # Headers, and their values when quoted alone. Base64 shows by a digit, capital or = after its first character.
        (rf"(?i)(authorization\\?[\"']?\s{{0,3}}[:=]\s{{0,3}}b?\\?[\"']?(?:[a-z]+\s+)?){_VALUE}", rf"\1{MASK}"),
        (r"((?i:bearer)\s+)[A-Za-z0-9._~+/=-]{6,}", rf"\1{MASK}"),
        (r"((?i:basic)\s+)(?=[A-Za-z0-9+/]+[0-9A-Z=+/])[A-Za-z0-9+/]{4,}={0,2}", rf"\1{MASK}"),
        # https://user:password@host keeps the user; https://token@host keeps nothing.
        (r"(://[^/\s:@]*:)[^/\s]+@", rf"\1{MASK}@"),
        (r"(://)[^/\s:@]+@", rf"\1{MASK}@"),
        # key=value, key: value and "key": "value", whatever stands before the word.
        (rf"(?i)({_KEY}\\?[\"']?\s{{0,3}}[:=]\s{{0,3}}){_VALUE}", rf"\1{MASK}"),
    )
)

_CREDENTIAL_KEY = re.compile(
    r"""(?:
        password | passwd | passphrase | passcode | pwd | secret | credential | authorization
      | (?:api|access|private|secret|signing|encryption|auth|account|shared|ssh|service|license)key
      | accesskeyid | token | webhook(?:url)? | connectionstring
    )\d*$
  | (?:passwords|passphrases|secrets|credentials|(?:api|access|private)keys|(?:^|bot|access|api|auth)tokens)$""",
    re.VERBOSE,
)
#: Too short to be recognised as the end of a longer word (compass, unauth).
_CREDENTIAL_LAST_WORDS = {"pass", "auth", "cookie", "cookies", "bearer", "jwt", "dsn"}

_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")

# Only ever appended to, which threads may do at once.
_remembered: list[str] = []


def remember_secret(value: str) -> None:
    """Mask `value` from now on, whatever its shape, also as it would stand in a URL."""
    if len(value) < SHORTEST_SECRET or MASK in value:
        return
    for form in (value, _percent_encoded(value)):
        if form not in _remembered:
            _remembered.append(form)


def redact(text: object) -> str:
    """Return `text` with every secret masked. Redacting twice changes nothing more."""
    result, before = text if isinstance(text, str) else str(text), None
    while result != before:  # a mask can complete another shape; twice is nearly always enough
        result, before = _masked(result), result
    return result


def _masked(text: str) -> str:
    for secret in sorted(_remembered, key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, MASK)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def redact_json(value: Any) -> Any:
    """Return a copy of a JSON value with every text redacted and everything under a credential key masked."""
    if isinstance(value, Mapping):
        return {
            redact(key) if isinstance(key, str) else key: MASK
            if is_credential_key(key) and item not in (None, "")
            else redact_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def is_credential_key(key: object) -> bool:
    """Say whether a field of this name holds a credential: `bot_token`, `clientSecret`, `X-Api-Key`, `db_password`."""
    if not isinstance(key, str):
        return False
    words = [word.lower() for word in _WORD_BOUNDARY.split(key) if word]
    return bool(words) and (words[-1] in _CREDENTIAL_LAST_WORDS or bool(_CREDENTIAL_KEY.search("".join(words))))


class RedactingFilter:
    """A filter for log HANDLERS (a logger's own filter does not see its children's records).

    It settles the message, the exception text and every extra field, so that no formatter meets the raw ones.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_message(record)), None
        if record.exc_info:
            record.exc_text = _exception_text(record)
            record.exc_info = None
        for name, value in _texts(vars(record)):
            setattr(record, name, redact_json({name: value})[name])
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


def _exception_text(record: logging.LogRecord) -> str:
    import logging

    return logging.Formatter().formatException(record.exc_info) if isinstance(record.exc_info, tuple) else ""


def _texts(fields: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return [(name, value) for name, value in fields.items() if isinstance(value, str | Mapping | list | tuple)]


def _percent_encoded(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.~-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)
