"""What DynamoDB and its client complain about, as our errors, saying what to do."""

from typing import Any

from watchbell.errors import StoreError, TryAgain, WatchbellError

CONDITION_FAILED = "ConditionalCheckFailedException"
#: What a plain write is told while a transaction is at work on its item.
TRANSACTION_CONFLICT = "TransactionConflictException"
TRANSACTION_CANCELED = "TransactionCanceledException"

NOT_DYNAMODB = "what answers is not DynamoDB; check AWS_ENDPOINT_URL and the proxy"

#: Busy, not broken; botocore has already tried several times.
_BUSY = {
    "InternalServerError",
    "InternalFailure",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ReplicatedWriteConflictException",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
}
_CREDENTIALS = {
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


def part_of(answer: Any, name: str) -> Any:
    """Return a part that each answer of its kind has; raises StoreError."""
    if name not in answer:
        raise StoreError(NOT_DYNAMODB)
    return answer[name]


def code_of(error: Any) -> str:
    """Return the code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: Exception, prefix: str) -> Exception:
    """Return our error for one of botocore's; `prefix` is that of the two tables."""
    tables = f"the tables {prefix}-*"
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _refused(error, tables)
    if isinstance(error, exceptions.NoRegionError):
        return StoreError(f"no AWS region for {tables}; set AWS_REGION")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return StoreError(f"no AWS credentials for {tables}; set AWS_PROFILE, or run under a role")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return TryAgain(f"{tables}: DynamoDB gave no answer in time; what was asked for may have been done: {error}")
    return StoreError(f"{tables}: {error}") if isinstance(error, exceptions.BotoCoreError) else error


def _refused(error: Any, tables: str) -> WatchbellError:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message", "")
    if code in _BUSY or status >= 500:
        return TryAgain(f"{tables}: DynamoDB is busy ({code}); try again in a moment")
    if code == "ResourceNotFoundException":
        return StoreError(f"{tables}: there is no such table; run `watchbell store create`")
    if code == "ValidationException" and "specified index" in message:
        return StoreError(f"{tables}: {message}; run `watchbell store create`")
    if code in _CREDENTIALS:
        return StoreError(f"{tables}: AWS does not accept the credentials ({code}: {message}); renew them")
    if code == "AccessDeniedException":
        return StoreError(f"{tables}: {message}; infra/iam has the permissions that are needed")
    return StoreError(f"{tables}: {code}: {message}")
