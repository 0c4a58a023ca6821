"""What the two tables look like; making them, bringing them up to date, and checking them.

PREFIX-tasks, key `task_id`: a task's definition as JSON text (`definition`), `revision`, `next_fire`, `paused_from`,
`settled` (the newest fire time in the ledger), `live` (the attempt that was the last to become live), `schedule` (the
version that is in force) and `version`, which every write counts up. Without a definition it is a headstone.
Sparse index `due`: `due_shard`, `next_fire`.

PREFIX-runs, key `task_id`, `fire_time`: a run under its fire time, with its parts; `gap#LAST#FIRST`, a range of missed
or skipped fire times; `report#FIRE#DIGEST#NUMBER`, a piece of a compressed report; `schedule#FROM#REVISION`. Partitions
of their own: `#ticks`, `#notices` and `#meta` (schema, number of shards, bounds of the ledger).
Sparse index `open`: `open_shard`, `wake_at`.

Everything that is settled carries `expires_at`, in seconds: from then on DynamoDB deletes it when it likes.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, TryAgain
from watchbell.stores.dynamodb.attributes import from_attributes, to_attributes
from watchbell.stores.dynamodb.connection import DEFAULT_SHARDS, META, SCHEMA_VERSION, new_client
from watchbell.stores.dynamodb.faults import code_of, part_of, translated
from watchbell.stores.dynamodb.requests import update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TTL = "expires_at"
#: How long a table may take to be there, and then to have backups; AWS makes those only after the table.
_TABLE_TRIES, _TABLE_PAUSE = 120, 1.0
_BACKUP_TRIES, _BACKUP_PAUSE = 13, 5.0
_USABLE = ("ACTIVE", "UPDATING")
#: What AWS says about the backups of a table that it has only just made.
_NO_BACKUPS_YET = ("ContinuousBackupsUnavailableException", "TableNotFoundException")

Pause = Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: its keys and those of its index, each as (name, type), the partition's first."""

    suffix: str
    key: tuple[tuple[str, str], ...]
    index: str
    index_key: tuple[tuple[str, str], ...]

    def create(self, name: str) -> dict[str, Any]:
        """Return the request that makes it: paid for by what is used, not to be deleted by mistake.

        It names no key: every table is encrypted, and only DynamoDB's own key costs nothing.
        """
        return {
            "TableName": name,
            "AttributeDefinitions": self.attributes,
            "KeySchema": _key_schema(self.key),
            "GlobalSecondaryIndexes": [self.index_definition],
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": True,
        }

    @property
    def attributes(self) -> list[dict[str, str]]:
        """The types of all keys."""
        types = dict((*self.key, *self.index_key))
        return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]

    @property
    def index_definition(self) -> dict[str, Any]:
        """The index: keys only, for what is found is looked at in the table."""
        return {
            "IndexName": self.index,
            "KeySchema": _key_schema(self.index_key),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }


TABLES = (
    Table(
        suffix="tasks",
        key=(("task_id", "S"),),
        index="due",
        index_key=(("due_shard", "S"), ("next_fire", "S")),
    ),
    Table(
        suffix="runs",
        key=(("task_id", "S"), ("fire_time", "S")),
        index="open",
        index_key=(("open_shard", "S"), ("wake_at", "N")),
    ),
)


def _pause(seconds: float) -> None:
    SystemClock().wait(threading.Event(), seconds)


def create_or_upgrade(
    prefix: str,
    *,
    client: "DynamoDBClient | None" = None,
    shards: int = DEFAULT_SHARDS,
    pause: Pause = _pause,
) -> list[str]:
    """Make the tables, or what they lack; return what was done, a line each (empty: all was well).

    Safe to repeat, to interrupt, and to do twice at once. `shards` counts only for new tables. Raises StoreError,
    TryAgain, or ConfigError for tables of a newer schema, which are left as they are.
    """
    with _asking(prefix, client) as asked:
        done: list[str] = []
        for table in TABLES:
            name = f"{prefix}-{table.suffix}"
            done += _make(asked, table, name)
            found = _when_usable(asked, name, pause)
            done += _add_index(asked, table, name, found)
            done += _set_expiry(asked, name) + _keep_backups(asked, name, pause)
        done += _write_schema(asked, f"{prefix}-runs", shards)
    return done


class Wrong(NamedTuple):
    """What is wrong with the tables, a line each: what keeps Watchbell from working, and what does not."""

    problems: list[str]
    warnings: list[str]


def check(prefix: str, *, client: "DynamoDBClient | None" = None) -> Wrong:
    """Look at the tables; raises StoreError or TryAgain where they cannot be asked."""
    with _asking(prefix, client) as asked:
        problems: list[str] = []
        warnings: list[str] = []
        for table in TABLES:
            name = f"{prefix}-{table.suffix}"
            found = _describe(asked, name)
            if found is None:
                problems.append(f"there is no table {name}; run `watchbell store create`")
                continue
            problems += _wrong_with(table, name, found)
            if _expiry(asked, name) != TTL:
                warnings.append(f"{name}: nothing expires by the attribute {TTL}; run `watchbell store create`")
            if _has_backups(asked, name) is False:
                warnings.append(f"{name}: point-in-time recovery is off; run `watchbell store create`")
        if not problems:
            schema = _meta(asked, f"{prefix}-runs").get("schema", SCHEMA_VERSION)
            if schema > SCHEMA_VERSION:
                problems.append(_too_new(prefix, schema))
    return Wrong(problems, warnings)


def _wrong_with(table: Table, name: str, found: Any) -> list[str]:
    problems = []
    if _keys(found) != _key_schema(table.key):
        problems.append(f"{name}: the key is {_words(_keys(found))}; it must be {_words(_key_schema(table.key))}")
    index = _index_of(found, table)
    if index is None:
        problems.append(f"{name}: there is no index {table.index}; run `watchbell store create`")
    elif _keys(index) != _key_schema(table.index_key):
        wanted = _words(_key_schema(table.index_key))
        problems.append(f"{name}: the key of the index {table.index} is {_words(_keys(index))}; it must be {wanted}")
    elif index.get("IndexStatus", "ACTIVE") != "ACTIVE":
        problems.append(f"{name}: the index {table.index} is {index['IndexStatus'].lower()}; wait until it is active")
    if found["TableStatus"] not in _USABLE:
        problems.append(f"{name} is {found['TableStatus'].lower()}; wait until it is active")
    return problems


@contextmanager
def _asking(prefix: str, client: "DynamoDBClient | None") -> Iterator["DynamoDBClient"]:
    try:
        yield client or new_client()
    except Exception as error:
        meaning = translated(error, prefix)
        if meaning is error:
            raise
        raise meaning from error


def _describe(client: "DynamoDBClient", name: str) -> Any:
    try:
        return part_of(client.describe_table(TableName=name), "Table")
    except client.exceptions.ResourceNotFoundException:
        return None


def _make(client: "DynamoDBClient", table: Table, name: str) -> list[str]:
    """Ask for the table unless it is there; it need not be usable yet."""
    if _describe(client, name) is not None:
        return []
    try:
        client.create_table(**table.create(name))
    except client.exceptions.ResourceInUseException:
        return []  # somebody else has begun to make it, or an earlier one is still being deleted
    return [f"made the table {name}"]


def _when_usable(client: "DynamoDBClient", name: str, pause: Pause) -> Any:
    """Return the table's description once it can be used; raises TryAgain when that takes minutes."""
    for _ in range(_TABLE_TRIES):
        found = _describe(client, name)
        if found is not None and found["TableStatus"] in _USABLE:
            return found
        pause(_TABLE_PAUSE)
    state = "not there" if found is None else found["TableStatus"].lower()
    raise TryAgain(f"the table {name} is still {state}; run `watchbell store create` again in a few minutes")


def _add_index(client: "DynamoDBClient", table: Table, name: str, found: Any) -> list[str]:
    if _index_of(found, table) is not None:
        return []
    addition: Any = [{"Create": table.index_definition}]
    attributes: Any = table.attributes
    client.update_table(TableName=name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=addition)
    return [f"began to make the index {table.index} of {name}; `watchbell store check` says when it is ready"]


def _set_expiry(client: "DynamoDBClient", name: str) -> list[str]:
    from botocore.exceptions import ClientError

    if _expiry(client, name) == TTL:
        return []
    try:
        client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})
    except ClientError:
        if _expiry(client, name) != TTL:  # else somebody else was quicker
            raise
        return []
    return [f"{name}: what is past its time expires by the attribute {TTL}"]


def _expiry(client: "DynamoDBClient", name: str) -> str | None:
    found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return found.get("AttributeName") if found["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None


def _keep_backups(client: "DynamoDBClient", name: str, pause: Pause) -> list[str]:
    """Switch point-in-time recovery on, where there is such a thing."""
    from botocore.exceptions import ClientError

    again = "run `watchbell store create` again"
    for attempt in range(_BACKUP_TRIES):
        if attempt:
            pause(_BACKUP_PAUSE)
        try:
            if _has_backups(client, name) is not False:
                return []
            client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
            return [f"{name}: point-in-time recovery is on"]
        except ClientError as error:
            if code_of(error) == "AccessDeniedException":
                again += " with the permissions of infra/iam/operator.json"
                break
            if code_of(error) not in _NO_BACKUPS_YET:
                raise
    return [f"{name}: point-in-time recovery is not switched on; {again}"]


def _has_backups(client: "DynamoDBClient", name: str) -> bool | None:
    """Say whether point-in-time recovery is on; None where there is no such thing, as in DynamoDB Local."""
    from botocore.exceptions import ClientError

    try:
        answer = client.describe_continuous_backups(TableName=name)
    except ClientError as error:
        if code_of(error) == "UnknownOperationException":
            return None
        raise
    found = part_of(answer, "ContinuousBackupsDescription")
    return bool(found.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED")


def _write_schema(client: "DynamoDBClient", runs: str, shards: int) -> list[str]:
    schema = _meta(client, runs).get("schema")
    if schema is not None and schema > SCHEMA_VERSION:
        raise ConfigError(_too_new(runs.removesuffix("-runs"), schema))
    if schema == SCHEMA_VERSION:
        return []
    values = {"schema": SCHEMA_VERSION, "shards": shards}
    expression = "SET #schema = if_not_exists(#schema, :schema), #shards = if_not_exists(#shards, :shards)"
    client.update_item(**update(runs, META, expression, "", values))
    return [f"{runs}: schema {SCHEMA_VERSION}, {shards} shards"]


def _meta(client: "DynamoDBClient", runs: str) -> dict[str, Any]:
    found = client.get_item(TableName=runs, Key=to_attributes(META), ConsistentRead=True)
    return from_attributes(found.get("Item", {}))


def _too_new(prefix: str, schema: int) -> str:
    return f"the tables {prefix}-* have schema {schema}, this Watchbell knows up to {SCHEMA_VERSION}; upgrade Watchbell"


def _key_schema(key: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(key, ("HASH", "RANGE"), strict=False)]


def _keys(described: Any) -> list[dict[str, str]]:
    return [{"AttributeName": key["AttributeName"], "KeyType": key["KeyType"]} for key in described["KeySchema"]]


def _index_of(found: Any, table: Table) -> Any:
    indexes = found.get("GlobalSecondaryIndexes", ())
    return next((index for index in indexes if index["IndexName"] == table.index), None)


def _words(keys: list[dict[str, str]]) -> str:
    return ", ".join(key["AttributeName"] for key in keys)
