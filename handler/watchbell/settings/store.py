"""Which store the environment chooses: the home folder of this machine, or two tables in DynamoDB."""

import re
from collections.abc import Mapping

from watchbell.errors import ConfigError

#: DynamoDB's own rule for the name of a table, less the longest ending that is added to the prefix (`-tasks`).
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,249}")
_DYNAMODB = "dynamodb:"


def dynamodb_prefix(environ: Mapping[str, str]) -> str | None:
    """Return what the names of the tables begin with, None for the local store; raises ConfigError."""
    store = environ.get("WATCHBELL_STORE") or "local"
    if store == "local":
        return None
    if not store.startswith(_DYNAMODB):
        raise ConfigError(f"WATCHBELL_STORE={store!r} is not a store; write local (or unset it) or dynamodb:PREFIX")
    prefix = store.removeprefix(_DYNAMODB)
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(
            f"WATCHBELL_STORE={store!r}: the prefix is 1 to 249 of A-Z, a-z, 0-9, _, - and .; "
            "dynamodb:watchbell means the tables watchbell-tasks and watchbell-runs"
        )
    return prefix


def queue_url(environ: Mapping[str, str], prefix: str | None) -> str | None:
    """Return the address of the SQS queue that runs are handed on through, if there is one; raises ConfigError."""
    url = environ.get("WATCHBELL_QUEUE_URL") or None
    if url is not None and prefix is None:
        raise ConfigError(
            "WATCHBELL_QUEUE_URL needs a store that other processes can reach: set WATCHBELL_STORE=dynamodb:PREFIX, "
            "or unset WATCHBELL_QUEUE_URL"
        )
    if url is not None and not url.startswith(("https://", "http://")):
        raise ConfigError(f"WATCHBELL_QUEUE_URL={url!r} is not the URL of an SQS queue (https://sqs.REGION.…)")
    return url
