"""Faults between a client and DynamoDB: answers lost after the work was done, throttling, broken servers, no server."""

import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

LOST, UNREACHABLE, THROTTLED, BROKEN, IN_CONFLICT = "lost", "unreachable", "throttled", "broken", "in conflict"
WELL = "well"
#: What may become of any request; a conflict with somebody else's transaction only of one that writes.
FAULTS = (LOST, UNREACHABLE, THROTTLED, BROKEN, IN_CONFLICT)
WRITES = ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem")


class Faults:
    """Decides for each request that a client really makes, repeats included, what becomes of it."""

    def __init__(self, client: Any) -> None:
        self._session = URLLib3Session(timeout=(5, 10))
        self._lock = threading.Lock()
        self._decide: Callable[[str], str] = lambda operation: WELL
        self.met: list[tuple[str, str]] = []
        client.meta.events.register("before-send.dynamodb", self._before_send)

    def none(self) -> None:
        """Let everything through from now on."""
        self._decide = lambda operation: WELL

    def once(self, fault: str, operations: tuple[str, ...]) -> None:
        """Let the first request of each of these operations meet a fault."""
        left = set(operations)

        def decide(operation: str) -> str:
            if operation not in left:
                return WELL
            left.remove(operation)
            return fault

        self._decide = decide

    def always(self, fault: str, operations: tuple[str, ...]) -> None:
        """Let every request of these operations meet a fault."""
        self._decide = lambda operation: fault if operation in operations else WELL

    def at_random(self, share: float, seed: int) -> None:
        """Let a share of all requests meet a fault of any kind."""
        chance = random.Random(seed)
        self._decide = lambda operation: chance.choice(FAULTS) if chance.random() < share else WELL

    def _before_send(self, request: Any, **_: Any) -> AWSResponse | None:
        operation = operation_of(request)
        with self._lock:
            fault = self._decide(operation)
        if fault == WELL or (fault == IN_CONFLICT and operation not in WRITES):
            return None
        self.met.append((operation, fault))
        if fault == LOST:
            self._session.send(request)
            raise ReadTimeoutError(endpoint_url=request.url)
        if fault == UNREACHABLE:
            raise ConnectTimeoutError(endpoint_url=request.url)
        if fault == THROTTLED:
            return _answer(request, 400, "ProvisionedThroughputExceededException")
        if fault == IN_CONFLICT and operation == "TransactWriteItems":
            reasons = [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "a fault of the test"}]
            return _answer(request, 400, "TransactionCanceledException", CancellationReasons=reasons)
        if fault == IN_CONFLICT:
            return _answer(request, 400, "TransactionConflictException")
        return _answer(request, 500, "InternalServerError")


def operation_of(request: Any) -> str:
    """Return what a request of botocore asks for."""
    target = request.headers["X-Amz-Target"]
    return str((target.decode() if isinstance(target, bytes) else target).rpartition(".")[2])


class _Raw(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(4096):
            yield chunk


def _answer(request: Any, status: int, code: str, **more: Any) -> AWSResponse:
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "a fault of the test", **more}
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, headers, _Raw(json.dumps(said).encode()))
