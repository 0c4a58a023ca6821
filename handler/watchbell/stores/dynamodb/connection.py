"""The two tables behind one client: requests with short time-outs, answers read page by page, errors in our words."""

import random
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from watchbell.aws import session
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, StoreError, TryAgain
from watchbell.stores.dynamodb.attributes import Item, from_attributes, to_attributes
from watchbell.stores.dynamodb.faults import (
    CONDITION_FAILED,
    NOT_DYNAMODB,
    TRANSACTION_CANCELED,
    TRANSACTION_CONFLICT,
    code_of,
    part_of,
    translated,
)
from watchbell.stores.dynamodb.requests import Key, Request, delete, put, update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SCHEMA_VERSION = 1
DEFAULT_SHARDS = 8
#: One item of the runs table: schema, number of shards, from when on the ledger is whole, what is forgotten.
META = {"task_id": "#meta", "fire_time": "#meta"}

#: So soon a process that lives for long learns that the tables were upgraded.
_META_FRESH = timedelta(minutes=5)

_CONNECT_SECONDS = 2.0
_READ_SECONDS = 3.0
_TRIES = 5
#: Threads of a tick and of the targets of its runs; with fewer connections most of them would be made anew each time.
_CONNECTIONS = 64
#: botocore tries again what was throttled or got no answer; these are for what it does not know to be worth it.
_OWN_TRIES = 9
_FIRST_PAUSE_SECONDS = 0.02
_KEYS_A_BATCH = 100
#: Enough to hide the way to a far region, few enough for a small machine.
_AT_ONCE = 8

#: Reasons for which a transaction was canceled that mean no more than "not now".
_TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

_Argument = TypeVar("_Argument")
_Answer = TypeVar("_Answer")


class ConditionFailed(Exception):
    """A conditional write found another item than expected: `item`, None when there is none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class Refused(Exception):
    """A transaction found other items than expected: for each action the item in the way, None where it was well."""

    def __init__(self, items: list[Item | None]) -> None:
        super().__init__()
        self.items = items


class _Conflict(Exception):
    """Another transaction is at work on one of the items."""


def new_client() -> "DynamoDBClient":
    """Make a client by AWS's standard settings; a loss is noticed in seconds, not in botocore's minutes."""
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": _TRIES}
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries=retries,
        max_pool_connections=_CONNECTIONS,
    )
    client: DynamoDBClient = session.new_client("dynamodb", config)
    # botocore takes a proxy's page for an empty answer, and that would mean that there are no tasks.
    client.meta.events.register("before-parse.dynamodb", _check_form)
    return client


def _check_form(response_dict: dict[str, Any], **_: Any) -> None:
    body = response_dict["body"].strip()
    if response_dict["status_code"] < 300 and not (body.startswith(b"{") and body.endswith(b"}")):
        raise StoreError(NOT_DYNAMODB)


class Database:
    """Requests to the tables of one prefix. Nothing connects before the first of them."""

    def __init__(self, prefix: str, client: "DynamoDBClient | None" = None, shards: int = DEFAULT_SHARDS) -> None:
        self.prefix = prefix
        self.tasks = f"{prefix}-tasks"
        self.runs = f"{prefix}-runs"
        self._client = client
        self._meta: Item | None = None
        self._meta_read_at = datetime.min.replace(tzinfo=UTC)
        self._new_shards = shards
        self._mutex = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    @property
    def meta(self) -> Item:
        """What the tables say of themselves, read every few minutes; raises ConfigError for a newer schema."""
        with self._mutex:
            now = SystemClock().now()
            if self._meta is None or not self._meta_read_at <= now < self._meta_read_at + _META_FRESH:
                request = {"TableName": self.runs, "Key": to_attributes(META), "ConsistentRead": True}
                found = from_attributes(self._request("get_item", request).get("Item", {}))
                self._meta, self._meta_read_at = _understood(found, self.prefix), now
            return self._meta

    @property
    def shards(self) -> int:
        """Into how many parts the indexes are split: fixed by whoever made the tables or the first task."""
        return int(self.meta.get("shards", self._new_shards))

    def change_meta(self, values: Item, *, only_new: bool) -> None:
        """Write to the meta item, which comes with schema and shards; `only_new` keeps what has a value."""
        lasting: Item = {"schema": SCHEMA_VERSION, "shards": self._new_shards} | (values if only_new else {})
        changed = {} if only_new else values
        expression = ", ".join(
            [f"#{name} = if_not_exists(#{name}, :{name})" for name in lasting]
            + [f"#{name} = :{name}" for name in changed]
        )
        request = update(self.runs, META, f"SET {expression}", "", lasting | changed) | {"ReturnValues": "ALL_NEW"}
        written = from_attributes(part_of(self.call("update_item", request), "Attributes"))
        with self._mutex:
            self._meta, self._meta_read_at = _understood(written, self.prefix), SystemClock().now()

    def call(self, operation: str, request: Request) -> dict[str, Any]:
        """Make one request; raises ConditionFailed, Refused, StoreError, or TryAgain when DynamoDB is busy."""
        assert self.meta is not None  # the schema is looked at before anything else is
        pauses = _Pauses(self.prefix)
        while True:
            try:
                return self._request(operation, request)
            except _Conflict:
                pauses.make()

    def _request(self, operation: str, request: Request) -> dict[str, Any]:
        try:
            if self._client is None:
                self._client = new_client()
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except ImportError as error:
            raise StoreError(f"{error}; install watchbell[aws] for a store in DynamoDB") from error
        except Exception as error:
            meaning = _meaning(error, self.prefix)
            if meaning is error:
                raise
            raise meaning from error
        return answer

    def get(self, table: str, key: Key) -> Item | None:
        """Return one item as it is now."""
        request = {"TableName": table, "Key": to_attributes(key), "ConsistentRead": True}
        found = self.call("get_item", request).get("Item")
        return None if found is None else from_attributes(found)

    def get_many(self, table: str, keys: Iterable[Key]) -> list[Item]:
        """Return those of the items that exist, as they are now, in no order."""
        wanted = [to_attributes(key) for key in keys]
        found: list[Item] = []
        pauses = _Pauses(self.prefix)
        while wanted:
            batch, wanted = wanted[:_KEYS_A_BATCH], wanted[_KEYS_A_BATCH:]
            answer = self.call("batch_get_item", {"RequestItems": {table: {"Keys": batch, "ConsistentRead": True}}})
            found += [from_attributes(item) for item in part_of(answer, "Responses").get(table, ())]
            left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            wanted += left
            if len(left) == len(batch):
                pauses.make()  # not one of them
        return found

    def put(self, table: str, item: Item, condition: str = "", **values: Any) -> None:
        """Write one item whole; raises ConditionFailed."""
        self.call("put_item", put(table, item, condition, **values))

    def update(self, table: str, key: Key, expression: str, condition: str, values: Item, **names: str) -> None:
        """Change one item; `names` are as for `requests.update`, without their `#`. Raises ConditionFailed."""
        words = {f"#{name}": word for name, word in names.items()}
        self.call("update_item", update(table, key, expression, condition, values, words))

    def delete(self, table: str, key: Key, condition: str, values: Item) -> None:
        """Delete one item; raises ConditionFailed."""
        self.call("delete_item", delete(table, key, condition, values))

    def query(self, table: str, condition: str, values: Item, **request: Any) -> Iterator[Item]:
        """Return what is found, in order; a further page is read when it is asked for."""
        request |= {"TableName": table, "KeyConditionExpression": condition}
        request["ExpressionAttributeValues"] = to_attributes({f":{name}": value for name, value in values.items()})
        return self._pages("query", request)

    def scan(self, table: str) -> Iterator[Item]:
        """Return everything in a table."""
        return self._pages("scan", {"TableName": table, "ConsistentRead": True})

    def _pages(self, operation: str, request: Request) -> Iterator[Item]:
        while True:
            answer = self.call(operation, request)
            for item in part_of(answer, "Items"):
                yield from_attributes(item)
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def due_up_to(self, index: str, bound: str | float) -> list[Item]:
        """Return the keys in all shards of the index `due` or `open` up to a bound: at least one page a shard."""
        found = self.at_once(lambda shard: list(self.shard(index, str(shard), bound)), range(self.shards))
        return [item for items in found for item in items]

    def shard(self, index: str, shard: str, bound: str | float) -> Iterator[Item]:
        """Return the keys in one shard of an index up to a bound, the earliest first, page by page.

        The index may lag: look at the items themselves.
        """
        table, time = (self.tasks, "next_fire") if index == "due" else (self.runs, "wake_at")
        condition = f"{index}_shard = :shard AND {time} <= :bound"
        return self.query(table, condition, {"shard": shard, "bound": bound}, IndexName=index)

    def at_once(self, call: Callable[[_Argument], _Answer], arguments: Iterable[_Argument]) -> list[_Answer]:
        """Make several calls side by side; return the answers in order."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(call, arguments))

    def transact(self, actions: list[Request]) -> None:
        """Do all of the actions (`put` and `update` requests, at most 100) or none; raises Refused.

        A repeat after a lost answer is known to DynamoDB by its token, for ten minutes.
        """
        kinds = [{"Put" if "Item" in action else "Update": action} for action in actions]
        self.call("transact_write_items", {"TransactItems": kinds, "ClientRequestToken": secrets.token_hex(16)})


class _Pauses:
    """Ever longer pauses between own tries, up to some seconds in all."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._made = 0

    def make(self) -> None:
        """Wait, or raise TryAgain after the last."""
        if self._made == _OWN_TRIES:
            raise TryAgain(f"the tables {self._prefix}-* are busy; try again in a moment")
        seconds = _FIRST_PAUSE_SECONDS * 2**self._made * random.uniform(0.5, 1.0)  # noqa: S311  jitter, not a secret
        self._made += 1
        SystemClock().wait(threading.Event(), seconds)


def _understood(meta: Item, prefix: str) -> Item:
    if meta.get("schema", 0) > SCHEMA_VERSION:
        raise ConfigError(
            f"the tables {prefix}-* have schema {meta['schema']}, this Watchbell knows up to {SCHEMA_VERSION};"
            " upgrade Watchbell"
        )
    return meta


def _meaning(error: Exception, prefix: str) -> Exception:
    """Return what an error of the client says: a condition that failed, a conflict, or one of our errors."""
    response = getattr(error, "response", None)
    if response is None:
        return translated(error, prefix)
    if code_of(error) == CONDITION_FAILED:
        item = response.get("Item")
        return ConditionFailed(None if item is None else from_attributes(item))
    reasons = response.get("CancellationReasons", ()) if code_of(error) == TRANSACTION_CANCELED else ()
    codes = {reason.get("Code") for reason in reasons}
    if "ConditionalCheckFailed" in codes:
        return Refused([from_attributes(reason["Item"]) if reason.get("Item") else None for reason in reasons])
    if codes & _TRANSIENT or code_of(error) == TRANSACTION_CONFLICT:
        return _Conflict()
    return translated(error, prefix)
