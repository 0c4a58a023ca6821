"""Reads parameters of the SSM parameter store and secrets of Secrets Manager, with whatever credentials AWS finds here.

Which calls, and which errors pass by themselves: the API references of ssm:GetParameter and
secretsmanager:GetSecretValue. No message ever holds a value.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from watchbell.aws.session import new_client
from watchbell.errors import ConfigError, CredentialError, TryAgain

_CONNECT_SECONDS = 3
_READ_SECONDS = 5
_TRIES = 3

_PASSING = {
    "InternalServerError",
    "InternalServiceError",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyUpdates",
}
_CALLS = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}

Service = Literal["ssm", "secretsmanager"]


class AwsSecrets:
    """Asks AWS; nothing connects before the first question. Safe to share between threads."""

    def __init__(self) -> None:
        self._clients: dict[Service, Any] = {}
        self._lock = threading.Lock()

    def fetch(self, scheme: str, name: str) -> str:
        """Return the value of `ssm` NAME or `secretsmanager` NAME or NAME#KEY.

        Raises CredentialError, TryAgain where the same question may be answered a moment later, and ConfigError
        without boto3.
        """
        if scheme == "ssm":
            return self._parameter(name)
        return self._secret(name)

    def _parameter(self, name: str) -> str:
        with _translated("ssm", name):
            answer = self._client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(answer["Parameter"]["Value"])

    def _secret(self, name: str) -> str:
        secret_id, _, key = name.partition("#")
        with _translated("secretsmanager", name):
            answer = self._client("secretsmanager").get_secret_value(SecretId=secret_id)
        text = answer.get("SecretString")
        if text is None:
            raise CredentialError(f"secretsmanager:{name} is binary; store it as text")
        return _field(name, text, key) if key else str(text)

    def _client(self, service: Service) -> Any:
        with self._lock:
            if service not in self._clients:
                from botocore.config import Config

                config = Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _TRIES},
                )
                self._clients[service] = new_client(service, config)
            return self._clients[service]


def _field(name: str, text: str, key: str) -> str:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CredentialError(
            f"secretsmanager:{name}: the secret is no JSON object; leave #{key} out to take all of it"
        )
    if not isinstance(fields.get(key), str):
        raise CredentialError(f"secretsmanager:{name}: the secret has no text under {key!r}")
    return str(fields[key])


@contextmanager
def _translated(service: Service, name: str) -> Iterator[None]:
    """Turn the errors of boto3 into ours; none of them travels on, for some hold the request."""
    reference = f"{service}:{name}"
    try:
        from botocore import exceptions
    except ModuleNotFoundError:
        raise ConfigError(f"{reference} needs boto3: pip install 'watchbell[aws]'") from None
    try:
        yield
    except exceptions.ClientError as error:
        raise _refusal(service, reference, error.response) from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise TryAgain(f"{reference} cannot be read now: no answer from AWS ({type(error).__name__})") from None
    except exceptions.NoRegionError:
        raise CredentialError(f"{reference} cannot be read: set AWS_REGION") from None
    except exceptions.BotoCoreError as error:
        said = f"{reference} cannot be read: no usable AWS credentials or settings here ({type(error).__name__})"
        raise CredentialError(said) from None


def _refusal(service: Service, reference: str, answer: Any) -> CredentialError | TryAgain:
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in _PASSING or int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        return TryAgain(f"{reference} cannot be read now: AWS answered {code}")
    if code in ("ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"):
        return CredentialError(f"{reference} does not exist in this account and region")
    if "AccessDenied" in code:
        said = (
            f"{reference} may not be read: allow {_CALLS[service]} on it, and kms:Decrypt where it has a key of its own"
        )
        return CredentialError(said)
    return CredentialError(f"{reference} cannot be read: AWS answered {code}")
