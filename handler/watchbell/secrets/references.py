"""References to secrets that are kept elsewhere, followed when they are needed and kept in memory for a few minutes.

    ssm:NAME                   a parameter of the SSM parameter store, decrypted; NAME may end in :VERSION
    secretsmanager:NAME        a secret of Secrets Manager, by its name or ARN
    secretsmanager:NAME#KEY    one field of a secret that is a JSON object
    env:NAME                   an environment variable
    file:/PATH                 a file, such as a mounted Kubernetes secret, without its last line break

What begins like one of these is one: a token that really does goes into a file or a variable, whose content is taken as
it is and never followed further. A reference is no secret and may be shown; what it stands for is masked everywhere.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeGuard

from watchbell.clock import Clock, SystemClock
from watchbell.errors import CredentialError, TryAgain, WatchbellError
from watchbell.secrets.redaction import remember_secret

SCHEMES = ("ssm", "secretsmanager", "env", "file")

#: How long an answer is believed …
FRESH = timedelta(minutes=5)
#: … and how long a failure is, so that a hundred deliveries do not ask a hundred times.
FAILED = timedelta(seconds=15)
#: A secret is never longer (Secrets Manager's own limit); what is, was not meant.
_LONGEST_BYTES = 65_536

_NEVER = datetime.min.replace(tzinfo=UTC)

#: (scheme, name) -> text; raises CredentialError, TryAgain where another try may do, and ConfigError.
Fetch = Callable[[str, str], str]


def is_reference(value: object) -> TypeGuard[str]:
    """Say whether a value is a reference."""
    return isinstance(value, str) and value.partition(":")[0] in SCHEMES and ":" in value


@dataclass(slots=True)
class _Kept:
    """What a reference stood for when it was last followed, or why it could not be."""

    text: str | None = None
    failure: tuple[type[WatchbellError], str] | None = None
    # On the wall clock: a frozen function's other clock may stand still meanwhile.
    asked_at: datetime = _NEVER
    good_for: timedelta = timedelta()
    lock: threading.Lock = field(default_factory=threading.Lock)


class References:
    """Follows references. Safe to share between threads: one asks, the others wait for its answer."""

    def __init__(self, clock: Clock, fetch: Fetch | None = None) -> None:
        self._clock = clock
        self._fetch = fetch
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def secret(self, reference: str, environ: Mapping[str, str]) -> str:
        """Return what a reference stands for, and mask it from now on wherever it turns up.

        Raises CredentialError naming the reference, TryAgain where it may be followed a moment later.
        """
        text = self.text(reference, environ)
        remember_secret(text)
        return text

    def followed(self, value: Any, environ: Mapping[str, str]) -> Any:
        """Return a JSON value in which every reference is replaced by what it stands for; raises as `secret`."""
        if isinstance(value, Mapping):
            return {key: self.followed(one, environ) for key, one in value.items()}
        if isinstance(value, list):
            return [self.followed(one, environ) for one in value]
        return self.secret(value, environ) if is_reference(value) else value

    def text(self, reference: str, environ: Mapping[str, str]) -> str:
        """Return a whole document that a reference stands for; its secrets are masked by whoever reads it."""
        scheme, _, name = reference.partition(":")
        if scheme == "env":
            text = environ.get(name, "")
        elif scheme == "file":
            text = _file(reference, name)
        else:
            text = self._kept_or_fetched(reference, scheme, name)
        if not text:
            raise CredentialError(f"{reference} is {'not set' if scheme == 'env' else 'empty'}")
        return text

    def _kept_or_fetched(self, reference: str, scheme: str, name: str) -> str:
        with self._lock:
            kept = self._kept.setdefault(reference, _Kept())
        with kept.lock:
            if not kept.asked_at <= self._clock.now() < kept.asked_at + kept.good_for:
                self._renew(kept, scheme, name)
            if kept.failure is not None:
                kind, words = kept.failure
                raise kind(words)
            return kept.text or ""

    def _renew(self, kept: _Kept, scheme: str, name: str) -> None:
        """Ask again. While that fails for a moment only, what was known before stays good."""
        kept.good_for = FAILED
        try:
            kept.text, kept.failure = self._fetcher()(scheme, name), None
            kept.good_for = FRESH
        except TryAgain as error:
            kept.failure = (TryAgain, str(error)) if kept.text is None else None
        except WatchbellError as error:
            kept.text, kept.failure = None, (type(error), str(error))
        kept.asked_at = self._clock.now()

    def _fetcher(self) -> Fetch:
        with self._lock:
            if self._fetch is None:
                from watchbell.aws.secret_stores import AwsSecrets

                self._fetch = AwsSecrets().fetch
            return self._fetch


class AsWritten(References):
    """Follows nothing: each reference stands for itself. For looking without asking anybody."""

    def text(self, reference: str, environ: Mapping[str, str]) -> str:
        """Return the reference."""
        return reference

    def secret(self, reference: str, environ: Mapping[str, str]) -> str:
        """Return the reference, which is no secret."""
        return reference


#: Those of this process; a warm function finds its answers here again.
SHARED = References(SystemClock())
AS_WRITTEN = AsWritten(SystemClock())


@dataclass(frozen=True, slots=True)
class Referred:
    """A whole document, config.toml or the integration store, that is kept where a reference says. Read-only."""

    reference: str
    references: References = field(repr=False, compare=False)
    environ: Mapping[str, str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.reference

    def text(self) -> str:
        """Return the document; raises CredentialError and TryAgain."""
        return self.references.text(self.reference, self.environ)


def _file(reference: str, name: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        raise CredentialError(f"{reference}: write an absolute path, such as file:/run/secrets/slack")
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise CredentialError(f"{reference} cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST_BYTES:
        raise CredentialError(f"{reference} is longer than {_LONGEST_BYTES // 1024} KiB: that is no secret")
    try:
        return content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise CredentialError(f"{reference} is not UTF-8 text") from None
