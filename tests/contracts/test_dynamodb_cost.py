"""What a tick on DynamoDB costs: by what is due, however many tasks there are."""

import pytest

from contracts.conftest import START, add, raw_task
from fakes.dynamodb import Meter, new_tables, shared_client
from fakes.dynamodb_fleet import DUE, cost_of_ticks, load_fleet
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.connection import DEFAULT_SHARDS

pytestmark = pytest.mark.service("dynamodb-local")


def test_ticks_cost_the_same_with_1000_and_with_20000_tasks(tables: str) -> None:
    """Promise 5."""
    many = new_tables()
    load_fleet(tables, shared_client(), 1_000)
    load_fleet(many, shared_client(), 20_000)
    few_cost, many_cost = cost_of_ticks(tables), cost_of_ticks(many)
    assert many_cost == few_cost
    idle, due = few_cost["idle"], few_cost["due"]
    # One page a shard of `due` and of `open`, one for notices; one record of the tick.
    assert idle.requests == {"GetItem": 2, "PutItem": 1, "Query": 2 * DEFAULT_SHARDS + 1}
    assert idle.write_units == 1
    assert due.requests["TransactWriteItems"] == DUE
    assert sum(due.requests.values()) <= 14 * DUE + 40
    assert due.write_units <= 17 * DUE


def test_one_task_is_changed_and_found_without_reading_the_others(tables: str) -> None:
    meter = Meter()
    store = DynamoStore(tables, client=meter.client)
    add(store, *(raw_task(f"{number:04x}") for number in range(50)))
    meter.requests.clear()
    store.tasks.change_one("0007", lambda raw: (raw or {}) | {"name": "x"}, now=START)
    assert meter.requests == {"GetItem": 1, "TransactWriteItems": 1}
    found = store.tasks.find("0007")
    assert found is not None
    assert found.name == "x"
    assert meter.requests == {"GetItem": 2, "TransactWriteItems": 1}
    meter.client.close()
