"""Where a token comes from: the integration store, then the environment, then the task's params, at delivery time.

Nothing here prints or keeps a secret; what is resolved is registered with `redaction`, so that it is masked wherever
it might turn up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchbell.delivery.place import is_webhook, webhook_name
from watchbell.errors import ConfigError, CredentialError
from watchbell.secrets.integrations import Place, active_credentials
from watchbell.secrets.redaction import is_credential_key, remember_secret
from watchbell.secrets.references import SHARED, References, is_reference

#: Providers that need no token.
WITHOUT_TOKEN = ("console",)

#: Providers that a target `webhook` or `webhook/NAME` reaches by a URL instead.
WITH_WEBHOOKS = ("slack", "discord")

#: A shorter piece of a webhook's URL may be an ordinary word.
SHORTEST_PIECE = 16

_PARAMS = "the task's params"


def resolve(
    provider: str,
    *,
    integrations: Place,
    environ: Mapping[str, str],
    params: Mapping[str, Any],
    chat_id: str = "",
    references: References = SHARED,
) -> Mapping[str, str]:
    """Return `{"bot_token": …}`, or `{"webhook_url": …}` where `chat_id` is a webhook; nothing for the console.

    A reference in the store or the environment is followed (one in the params is not: others may write tasks).
    Raises CredentialError when there is none, TryAgain where it may be had a moment later. A source that is broken is
    an error (ConfigError): falling through to the next one could send as somebody else.
    """
    if provider in WITHOUT_TOKEN:
        return {}
    wanted = _wanted(provider, chat_id)
    for source, secret in _candidates(wanted, integrations, environ, params):
        if secret:
            if is_reference(secret) and source != _PARAMS:
                source, secret = secret, references.secret(secret, environ)
            if not is_reference(secret):  # one that nobody was asked about is shown as it is
                _remember(wanted, secret)
            return {wanted.field: _usable(secret, wanted, source)}
    which = f"{wanted.what} called {wanted.instance!r}" if wanted.instance else wanted.what
    otherwise = "" if wanted.instance else f", or set {wanted.variable}"
    into = f"put it into {integrations}"
    if isinstance(integrations, Path):
        into += f" (`{_command(wanted)}`)"
    raise CredentialError(f"there is no {which} for {provider}; {into}{otherwise}")


def _command(wanted: "_Wanted") -> str:
    """Return the command that stores what is wanted."""
    instance = f" --instance {wanted.instance}" if wanted.instance else ""
    return f"watchbell integrations set {wanted.provider}{instance}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The one credential that a target needs, the names it may stand under, and which of several is meant."""

    provider: str
    field: str
    what: str
    names: tuple[str, ...]
    instance: str = ""

    @property
    def variable(self) -> str:
        return f"{self.provider}_{self.field}".upper()


def _wanted(provider: str, chat_id: str) -> _Wanted:
    if provider in WITH_WEBHOOKS and is_webhook(chat_id):
        names = (f"{provider}_webhook_url", "webhook_url")
        return _Wanted(provider, "webhook_url", "webhook URL", names, webhook_name(chat_id))
    return _Wanted(provider, "bot_token", "bot token", (f"{provider}_bot_token", "bot_token", "access_token"))


def _remember(wanted: _Wanted, secret: str) -> None:
    """Mask the secret from now on; of a webhook's URL also the path and its last piece, which say it all."""
    remember_secret(secret)
    if wanted.field == "webhook_url":
        path = "/" + secret.partition("://")[2].partition("/")[2].partition("?")[0]
        for piece in (path, path.rstrip("/").rpartition("/")[2]):
            if len(piece) >= SHORTEST_PIECE:
                remember_secret(piece)


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
    wanted: _Wanted, integrations: Place, environ: Mapping[str, str], params: Mapping[str, Any]
) -> Iterator[tuple[str, str | None]]:
    """Each place in its order, with what it holds; a later one is not looked at when an earlier one had it.

    What has a name is in the store only.
    """
    for one in active_credentials(wanted.provider, integrations):
        if not wanted.instance or wanted.instance in one.names:
            yield one.where, _text_in(one.credentials, wanted, one.where)
    if not wanted.instance:
        yield wanted.variable, environ.get(wanted.variable)
        yield _PARAMS, _text_in(params, wanted, "params")


def _text_in(fields: Mapping[str, Any], wanted: _Wanted, where: str) -> str | None:
    for name in wanted.names:
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{where}: {name} has to be a text")
        if value:
            return str(value)
    return None


def _usable(secret: str, wanted: _Wanted, source: str) -> str:
    """Return the secret, or refuse one that would break a header or a URL; the message never shows it."""
    if all("!" <= character <= "~" for character in secret):
        return secret
    kind = "a line break" if "\n" in secret or "\r" in secret else "a space, a control or a non-ASCII character"
    raise CredentialError(f"the {wanted.what} from {source} holds {kind}: store it again without it")
