"""References to secrets: which there are, and whether each can be followed. They are shown, never their secrets."""

from collections.abc import Iterator, Mapping
from typing import Any

from watchbell.checkup.chat_probes import Probed
from watchbell.checkup.checks import Check, ok, warning
from watchbell.errors import ConfigError, CredentialError, TryAgain
from watchbell.secrets.integrations import CHATS, FIELDS, stored
from watchbell.secrets.references import Referred, is_reference
from watchbell.settings import Settings
from watchbell.settings.sources import UNREADABLE

NAME = "reference"
_ASKS_NOBODY = ("env", "file")


def references_in(settings: Settings) -> list[str]:
    """Return each reference that settings, variables and active integrations hold, once."""
    return list(dict.fromkeys(_all(settings)))


def _all(settings: Settings) -> Iterator[str]:
    yield from (
        place.reference for place in (settings.config_file, settings.integrations) if isinstance(place, Referred)
    )
    variables = [f"{service}_{field}".upper() for service in CHATS for field in FIELDS[service]]
    yield from references_within([settings.environ.get(name) for name in (*variables, "WATCHBELL_HEARTBEAT_URL")])
    yield from references_within([source.options for source in settings.sources if source.kind != UNREADABLE])
    yield from references_within([pipeline.options for pipeline in settings.pipelines])
    try:
        yield from references_within([one.credentials for one in stored(settings.integrations) if one.active])
    except (ConfigError, TryAgain):
        return  # whatever needs one of them says so


def references_within(value: Any) -> Iterator[str]:
    """Yield each reference in a value, at any depth."""
    if is_reference(value):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from references_within(one)


def check_reference(settings: Settings, reference: str) -> Probed:
    """Follow one. Where a task needs it, the check of that target or source is the problem; here it is a warning."""
    try:
        settings.references.text(reference, settings.environ)
    except (CredentialError, ConfigError, TryAgain) as error:
        return Probed(
            warning(NAME, str(error), "mend it where the secret is kept; or does the timer have other rights?")
        )
    return Probed(ok(NAME, f"{reference} can be read"))


def without_asking(reference: str) -> Check | None:
    """Return the check of a reference that only a network could tell of; None where it can be followed here."""
    if reference.partition(":")[0] in _ASKS_NOBODY:
        return None
    return ok(NAME, f"{reference}: not read (--offline)")
