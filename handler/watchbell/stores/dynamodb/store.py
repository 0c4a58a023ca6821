"""Two DynamoDB tables as a store."""

from datetime import timedelta
from typing import TYPE_CHECKING

from watchbell.stores.dynamodb.connection import DEFAULT_SHARDS, Database
from watchbell.stores.dynamodb.live import LiveRuns
from watchbell.stores.dynamodb.runs import DynamoRuns
from watchbell.stores.dynamodb.tasks import DynamoTasks
from watchbell.stores.dynamodb.ticks import DynamoTicks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoStore:
    """See Store. Threads may share it.

    `prefix` names the tables; without a `client` one is made at the first request, by AWS's standard settings (region,
    endpoint, credentials). `shards` counts only when the first task is written: it stays with the tables.
    `keep_history` is for how long settled runs are kept from their fire time on.
    """

    def __init__(
        self,
        prefix: str,
        *,
        client: "DynamoDBClient | None" = None,
        shards: int = DEFAULT_SHARDS,
        keep_history: timedelta = timedelta(days=400),
    ) -> None:
        self._database = Database(prefix, client, shards)
        live = LiveRuns(self._database)
        self.ticks = DynamoTicks(self._database)
        self.tasks = DynamoTasks(self._database, live, keep_history, self.ticks.forget_notice)
        self.runs = DynamoRuns(self._database, live, keep_history)

    def close(self) -> None:
        self._database.close()
