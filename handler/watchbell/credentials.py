"""Where a token comes from: the integration store, then the environment, then the task's params, at delivery time.

Nothing here prints or keeps a secret; what is resolved is registered with `redaction`, so that it is masked wherever
it might turn up.
"""

import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from watchbell.errors import ConfigError, CredentialError
from watchbell.redaction import is_credential_key, remember_secret

#: Providers that need no token.
WITHOUT_TOKEN = ("console",)

NEWEST_VERSION = 2


def resolve(
    provider: str, *, integrations: Path, environ: Mapping[str, str], params: Mapping[str, Any]
) -> Mapping[str, str]:
    """Return `{"bot_token": …}` for a provider (empty for the console); raises CredentialError when there is none.

    A source that is broken is an error (ConfigError): falling through to the next one could send as somebody else.
    """
    if provider in WITHOUT_TOKEN:
        return {}
    variable = f"{provider.upper()}_BOT_TOKEN"
    for source, token in _candidates(provider, variable, integrations, environ, params):
        if token:
            remember_secret(token)
            return {"bot_token": _usable(token, source)}
    raise CredentialError(
        f"there is no bot token for {provider}; run `watchbell integrations set {provider}`, which keeps it in "
        f"{integrations}, or set {variable}"
    )


def without_credentials(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of task params with every credential field left out, at any depth."""
    return {key: _stripped(value) for key, value in params.items() if not is_credential_key(key)}


def _stripped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_credentials(value)
    if isinstance(value, list | tuple):
        return [_stripped(item) for item in value]
    return value


def _candidates(
    provider: str, variable: str, integrations: Path, environ: Mapping[str, str], params: Mapping[str, Any]
) -> Iterator[tuple[str, str | None]]:
    """Each place in its order, with what it holds; a later one is not looked at when an earlier one had a token."""
    for where, credentials in _active_credentials(provider, integrations):
        yield where, _token_in(credentials, provider, where)
    yield variable, environ.get(variable)
    yield "the task's params", _token_in(params, provider, "params")


def _token_in(fields: Mapping[str, Any], provider: str, where: str) -> str | None:
    for name in (f"{provider}_bot_token", "bot_token", "access_token"):
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{where}: {name} has to be a text")
        if value:
            return str(value)
    return None


def _usable(token: str, source: str) -> str:
    """Return the token, or refuse one that would break a header or a URL; the message never shows it."""
    if all("!" <= character <= "~" for character in token):
        return token
    kind = "a line break" if "\n" in token or "\r" in token else "a space, a control or a non-ASCII character"
    raise CredentialError(f"the bot token from {source} holds {kind}: store it again without it")


def _active_credentials(provider: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The credentials of every active integration with this provider, with the place for messages."""
    for where, record in _records(path):
        if str(record.get("service", "")).strip().lower() != provider:
            continue
        if str(record.get("status") or "active").strip().lower() != "active":
            continue
        instances = record.get("instances")
        if instances is None:
            yield f"{where}.credentials", _object(record.get("credentials", {}), f"{where}.credentials")
            continue
        for number, instance in enumerate(_list(instances, f"{where}.instances")):
            here = f"{where}.instances[{number}]"
            yield f"{here}.credentials", _object(_object(instance, here).get("credentials", {}), f"{here}.credentials")


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The integrations in a v1 or v2 file, or in a plain list of records."""
    content = _read(path)
    if isinstance(content, Mapping):
        version = content.get("version", 1)
        if not isinstance(version, int) or version > NEWEST_VERSION:
            raise ConfigError(f"{path}: version {version!r} is newer than this Watchbell knows; upgrade it")
        content = content.get("integrations", [])
    for number, record in enumerate(_list(content, f"{path}: integrations")):
        where = f"{path}: integrations[{number}]"
        yield where, _object(record, where)


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})") from None
    if mode & 0o077:
        _warn_of_mode(path, mode)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # The error holds the whole text, and with it every token: it must not travel on.
        raise ConfigError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None


@cache  # once per process and file, not once per delivery
def _warn_of_mode(path: Path, mode: int) -> None:
    logging.getLogger("watchbell").warning(
        "%s can be read by others (mode %04o) and holds tokens: run chmod 600 %s", path, mode, path
    )


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}: expected a list")
    return value


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected an object")
    return value
