"""What only the store in DynamoDB does: its tables, indexes that lag, items past their time, sizes, large changes."""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.conftest import START, add, at, claim, claimed, expectation, new_owner, raw_task, replace_task
from contracts.test_store_races import part
from fakes.dynamodb import shared_client
from watchbell.claims import Status
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, DamagedReport, StoreError, TaskError, TryAgain
from watchbell.instants import epoch_seconds
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.attributes import from_attributes
from watchbell.stores.dynamodb.tables import TABLES, check, create_or_upgrade
from watchbell.stores.interface import Run, Settlement

pytestmark = pytest.mark.service("dynamodb-local")

TASK = "a1b2c3d4e5f6"
FIRE = "2026-11-22T09:00Z"


@pytest.fixture
def client(tables: str) -> Any:
    return shared_client()


@pytest.fixture
def store(tables: str, client: Any) -> DynamoStore:
    return DynamoStore(tables, client=client)


def items(client: Any, table: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table)
    return [from_attributes(item) for page in pages for item in page["Items"]]


def settled(store: DynamoStore, now: datetime, status: Status = Status.SUCCESS) -> Run:
    run = claimed(store, now)
    store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)
    store.runs.settle(run, Settlement(status=status), now=now)
    return run


class TestTables:
    def test_they_are_made_once_and_found_to_be_well(self, client: Any, tables: str) -> None:
        prefix = f"test-{secrets.token_hex(4)}"
        assert len(check(prefix, client=client).problems) == 2
        made = create_or_upgrade(prefix, client=client)
        assert [line for line in made if line.startswith("made the table")] == [
            f"made the table {prefix}-tasks",
            f"made the table {prefix}-runs",
        ]
        assert check(prefix, client=client).problems == []
        assert create_or_upgrade(prefix, client=client) == []
        table = client.describe_table(TableName=f"{prefix}-runs")["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["DeletionProtectionEnabled"]

    def test_a_missing_index_is_named_and_made(self, client: Any, tables: str) -> None:
        prefix = f"test-{secrets.token_hex(4)}"
        for table in TABLES:
            request = table.create(f"{prefix}-{table.suffix}")
            del request["GlobalSecondaryIndexes"]
            types = {name for name, _ in table.key}
            wanted = [one for one in request["AttributeDefinitions"] if one["AttributeName"] in types]
            client.create_table(**request | {"AttributeDefinitions": wanted})
        store = DynamoStore(prefix, client=client)
        add(store, raw_task())
        lacks = f"{prefix}-tasks: there is no index due; run `watchbell store create`"
        assert check(prefix, client=client).problems[0] == lacks
        with pytest.raises(StoreError, match="watchbell store create"):
            store.tasks.due(at("09:00"))
        made = [line for line in create_or_upgrade(prefix, client=client) if "began to make the index" in line]
        assert len(made) == 2
        assert lacks not in check(prefix, client=client).problems

    def test_without_them_every_call_says_what_makes_them(self, client: Any, tables: str) -> None:
        """Promise 7."""
        store = DynamoStore("nowhere", client=client)
        calls: list[Callable[[], Any]] = [
            lambda: store.tasks.listing(),
            lambda: store.tasks.due(at("09:00")),
            lambda: store.runs.owed(at("09:00")),
            lambda: add(store, raw_task()),
            lambda: store.ticks.ticked_between(at("09:00"), at("10:00")),
        ]
        for call in calls:
            with pytest.raises(StoreError, match=r"the tables nowhere-\*.*watchbell store create"):
                call()

    def test_a_newer_schema_is_refused_by_every_call(self, client: Any, tables: str) -> None:
        """Promise 7."""
        add(DynamoStore(tables, client=client), raw_task())
        client.update_item(
            TableName=f"{tables}-runs",
            Key={"task_id": {"S": "#meta"}, "fire_time": {"S": "#meta"}},
            UpdateExpression="SET #schema = :two",
            ExpressionAttributeNames={"#schema": "schema"},
            ExpressionAttributeValues={":two": {"N": "2"}},
        )
        store = DynamoStore(tables, client=client)
        for call in (store.tasks.listing, lambda: store.tasks.due(at("09:00")), lambda: add(store, raw_task("bbbb"))):
            with pytest.raises(ConfigError, match="upgrade Watchbell"):
                call()
        with pytest.raises(ConfigError, match="upgrade Watchbell"):
            create_or_upgrade(tables, client=client)
        assert "upgrade Watchbell" in check(tables, client=client).problems[0]

    def test_a_schema_that_becomes_newer_is_refused_by_those_who_were_at_work_before(
        self, client: Any, tables: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Promise 7: warm functions and daemons live for hours."""
        store = DynamoStore(tables, client=client)
        add(store, raw_task())
        client.update_item(
            TableName=f"{tables}-runs",
            Key={"task_id": {"S": "#meta"}, "fire_time": {"S": "#meta"}},
            UpdateExpression="SET #schema = :two",
            ExpressionAttributeNames={"#schema": "schema"},
            ExpressionAttributeValues={":two": {"N": "2"}},
        )
        later = SystemClock().now() + timedelta(minutes=5)
        monkeypatch.setattr(SystemClock, "now", lambda self: later)
        with pytest.raises(ConfigError, match="upgrade Watchbell"):
            store.tasks.due(at("09:00"))

    def test_tables_that_somebody_else_has_made_need_nothing_more(self, client: Any, tables: str) -> None:
        """As a template does: without the item that holds schema and shards."""
        client.delete_item(TableName=f"{tables}-runs", Key={"task_id": {"S": "#meta"}, "fire_time": {"S": "#meta"}})
        add(DynamoStore(tables, client=client, shards=3), raw_task())
        store = DynamoStore(tables, client=client)
        assert store.tasks.due(at("09:00")) == [TASK]
        assert store._database.shards == 3

    @pytest.mark.parametrize(
        ("removed", "told"),
        [(("AWS_REGION", "AWS_DEFAULT_REGION"), "AWS_REGION"), (("AWS_ACCESS_KEY_ID",), "AWS_PROFILE")],
    )
    def test_missing_settings_of_aws_are_named(
        self, tables: str, monkeypatch: pytest.MonkeyPatch, removed: tuple[str, ...], told: str
    ) -> None:
        for name in removed:
            monkeypatch.delenv(name)
        with pytest.raises(StoreError, match=told):
            DynamoStore(tables).tasks.listing()


class Lagging:
    """A client whose indexes stand still: they answer as they did when first asked the same."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answers: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, **request: Any) -> Any:
        if "IndexName" not in request:
            return self._client.query(**request)
        key = str(request["ExpressionAttributeValues"][":shard"])
        if key not in self._answers:
            self._answers[key] = self._client.query(**request)
        return self._answers[key]


class TestLag:
    def test_a_fire_that_the_index_still_shows_is_not_claimed_again(self, client: Any, tables: str) -> None:
        store, lagging = DynamoStore(tables, client=client), DynamoStore(tables, client=Lagging(client))
        add(store, raw_task())
        assert lagging.tasks.due(at("09:00")) == [TASK]
        run = claimed(store, at("09:00:01"))
        assert lagging.tasks.due(at("09:00")) == [TASK]
        assert expectation(lagging).next_fire == at("10:00")
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:05"))
        assert expectation(lagging).next_fire == at("10:00")

    def test_a_run_that_the_index_still_shows_is_not_owed_any_more(self, client: Any, tables: str) -> None:
        store, lagging = DynamoStore(tables, client=client), DynamoStore(tables, client=Lagging(client))
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        assert [owed.id for owed in lagging.runs.owed(at("09:01"))] == [run.id]
        store.runs.settle(run, Settlement(status=Status.WAITING, wake_at=at("09:20")), now=at("09:00:05"))
        assert lagging.runs.owed(at("09:01")) == []

    def test_a_notice_that_the_index_still_shows_is_told_once(self, client: Any, tables: str) -> None:
        store, lagging = DynamoStore(tables, client=client), DynamoStore(tables, client=Lagging(client))
        store.ticks.raise_notice("x", "x is failed", START)
        assert len(lagging.ticks.notices_to_tell(START)) == 1
        assert lagging.ticks.notices_to_tell(START) == []
        assert store.ticks.notices_to_tell(START) == []


class TestTimeToLive:
    def test_only_what_is_settled_carries_a_time_to_be_deleted_and_by_its_fire_time(
        self, store: DynamoStore, client: Any, tables: str
    ) -> None:
        add(store, raw_task(), raw_task("bbbb"), raw_task("cccc"))
        settled(store, at("09:00:01"))
        waiting = claimed(store, at("09:00:01"), task_id="bbbb")
        store.runs.settle(waiting, Settlement(status=Status.WAITING, wake_at=at("10:00")), now=at("09:00:02"))
        claimed(store, at("09:00:01"), task_id="cccc")
        runs = {item["task_id"]: item for item in items(client, f"{tables}-runs") if item["fire_time"] == FIRE}
        kept = int(epoch_seconds(at("09:00") + timedelta(days=400)))
        assert {task_id: item.get("expires_at") for task_id, item in runs.items()} == {
            TASK: kept, "bbbb": None, "cccc": None,
        }  # fmt: skip
        assert not [item for item in items(client, f"{tables}-tasks") if "expires_at" in item]

    def test_what_is_taken_up_again_loses_it(self, store: DynamoStore, client: Any, tables: str) -> None:
        add(store, raw_task())
        run = settled(store, at("09:00:01"), Status.FAILED)
        seen = store.runs.find(TASK, run.fire_time)
        assert seen is not None
        taken = store.runs.take_over(
            seen, owner=new_owner(), lease_until=at("12:00"), now=at("11:00"), crashed=False, deliver_until=at("20:00")
        )
        assert taken is not None
        (item,) = [item for item in items(client, f"{tables}-runs") if item["fire_time"] == FIRE]
        assert "expires_at" not in item

    def test_what_is_past_its_time_but_still_there_is_shown_as_it_was(self, client: Any, tables: str) -> None:
        store = DynamoStore(tables, client=client, keep_history=timedelta(days=-400))
        add(store, raw_task())
        run = settled(store, at("13:00:01"))
        assert [one.status for one in store.runs.history(TASK, limit=5)] == [Status.SUCCESS]
        assert store.runs.saved_report(TASK, run.fire_time) == {"title": "x"}
        assert [gap.count for gap in store.runs.gaps(TASK, limit=5)] == [4]
        assert claimed(store, at("14:00:01")).fire_time == "2026-11-22T14:00Z"

    @pytest.mark.parametrize("is_settled", [True, False])
    def test_half_a_report_is_none_once_it_may_be_forgotten_and_an_error_before(
        self, store: DynamoStore, client: Any, tables: str, is_settled: bool
    ) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)
        if is_settled:
            store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:02"))
        (piece,) = [item for item in items(client, f"{tables}-runs") if item["fire_time"].startswith("report#")]
        client.delete_item(
            TableName=f"{tables}-runs", Key={"task_id": {"S": TASK}, "fire_time": {"S": piece["fire_time"]}}
        )
        if is_settled:
            assert store.runs.saved_report(TASK, run.fire_time) is None
        else:
            with pytest.raises(DamagedReport, match="incomplete"):
                store.runs.saved_report(TASK, run.fire_time)

    def test_history_is_hidden_for_others_too_once_it_is_pruned(self, client: Any, tables: str) -> None:
        """Promise 6."""
        store = DynamoStore(tables, client=client)
        add(store, raw_task())
        settled(store, at("13:00:01"))
        store.runs.prune(at("13:30"), START + timedelta(days=1))
        other = DynamoStore(tables, client=client)
        assert other.runs.history(TASK, limit=5) == []
        assert other.runs.gaps(TASK, limit=5) == []
        assert not other.runs.gap_at(TASK, at("10:00"))
        assert [version.end for version in other.runs.schedule_versions(TASK)] == [None]


class TestSizes:
    def test_a_report_of_megabytes_is_kept_whole(self, store: DynamoStore) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        report = {"noise": secrets.token_hex(2_000_000)}
        store.runs.save_report(run, report, verdict="OK", source_error=None)
        assert store.runs.saved_report(TASK, run.fire_time) == report

    def test_another_report_of_the_same_run_takes_its_place(self, store: DynamoStore) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.save_report(run, {"noise": secrets.token_hex(800_000)}, verdict="OK", source_error=None)
        store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)
        assert store.runs.saved_report(TASK, run.fire_time) == {"title": "x"}

    def test_a_definition_that_leaves_no_room_for_its_runs_is_refused(self, store: DynamoStore) -> None:
        with pytest.raises(TaskError, match="takes 65536 a task"):
            add(store, raw_task(params={"text": "x" * 65_536}))
        assert store.tasks.listing().tasks == ()

    def test_the_largest_definition_and_hundreds_of_parts_fit_together(self, store: DynamoStore) -> None:
        add(store, raw_task(params={"text": "x" * 65_000}))
        run = claimed(store, at("09:00:01"))
        for number in range(1, 301):
            store.runs.write_outcome(run, part(number, "refused", "m" * 20))
        found = store.runs.find(TASK, run.fire_time)
        assert found is not None
        assert [state.part for state in found.parts] == list(range(1, 301))

    def test_text_that_is_no_text_is_kept_as_well_as_it_can_be(self, store: DynamoStore) -> None:
        add(store, raw_task(their_field="half a pair: \ud83d"))
        run = claimed(store, at("09:00:01"))
        store.runs.write_outcome(run, replace(part(1, "refused"), error="half: \ud83d", target="console:ünï: code"))
        found = store.runs.find(TASK, run.fire_time)
        assert found is not None
        assert (found.parts[0].error, found.parts[0].target) == ("half: ?", "console:ünï: code")
        assert store.tasks.listing().tasks[0].raw["their_field"] == "half a pair: \ud83d"


class TestPages:
    def test_every_page_of_a_shard_is_read(self, client: Any, tables: str) -> None:
        class SmallPages(Lagging):
            def query(self, **request: Any) -> Any:
                return self._client.query(**{**request, "Limit": 2})

            def scan(self, **request: Any) -> Any:
                return self._client.scan(**{**request, "Limit": 2})

        store = DynamoStore(tables, client=SmallPages(client))
        names = [f"{number:04x}" for number in range(60)]
        add(store, *(raw_task(name) for name in names))
        assert sorted(store.tasks.due(at("09:00"))) == names
        assert len(store.tasks.listing().tasks) == 60
        for name in names[:30]:
            claimed(store, at("09:00:01"), task_id=name)
        assert sorted(run.task_id for run in store.runs.owed(at("09:01"))) == names[:30]

    def test_runs_of_one_minute_are_in_order_and_paged_whole(self, store: DynamoStore) -> None:
        add(store, raw_task())
        task = expectation(store).task
        settled(store, at("09:00:01"))
        for second in (5, 30, 45):
            fire_time = f"2026-11-22T09:00:{second:02}.000Z-ab12"
            store.runs.claim_adhoc(
                task, fire_time, owner=new_owner(), lease_until=at("09:06"), now=at(f"09:00:{second:02}")
            )
        seconds = [run.due_at.second for run in store.runs.history(TASK, limit=2)]
        assert seconds == [45, 30]
        assert [run.due_at.second for run in store.runs.history(TASK, limit=2, before=at("09:00:30"))] == [5, 0]
        assert store.runs.newest()[TASK].due_at == at("09:00:45")


class TestChanges:
    def test_writers_at_once_lose_nothing(self, client: Any, tables: str) -> None:
        add(DynamoStore(tables, client=client), raw_task(count=0))

        def one_more(raw: dict[str, Any] | None) -> dict[str, Any]:
            assert raw is not None
            return raw | {"count": raw["count"] + 1}

        def count(number: int) -> None:
            store = DynamoStore(tables, client=client)
            for _ in range(5):
                if number % 2:
                    store.tasks.change_one(TASK, one_more, now=START)
                else:
                    store.tasks.change(
                        lambda raws: [one_more(raw) if raw["id"] == TASK else raw for raw in raws], now=START
                    )
                add(store, raw_task(secrets.token_hex(6)))

        threads = [threading.Thread(target=count, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raws = {task.id: task.raw for task in DynamoStore(tables, client=client).tasks.listing().tasks}
        assert len(raws) == 21
        assert raws[TASK]["count"] == 20

    def test_a_large_change_lands_whole_while_claims_come_between(self, client: Any, tables: str) -> None:
        store = DynamoStore(tables, client=client)
        names = [f"{number:04x}" for number in range(150)]
        add(store, *(raw_task(name) for name in names))
        other = DynamoStore(tables, client=client)

        def change(raws: list[dict[str, Any]]) -> list[dict[str, Any]]:
            for name in names[::20]:
                claimed(other, at("09:00:01"), task_id=name)
            return [raw | {"cron": "30 * * * *"} for raw in raws]

        store.tasks.change(change, now=at("09:00:10"))
        assert {task.cron for task in store.tasks.listing().tasks} == {"30 * * * *"}
        assert store.tasks.due(at("09:29")) == []
        assert sorted(store.tasks.due(at("09:30"))) == names
        assert len(store.runs.owed(at("09:01"))) == len(names[::20])
        assert expectation(store, names[0]).live_run

    def test_a_large_change_that_meets_another_one_midway_says_how_far_it_got(self, client: Any, tables: str) -> None:
        store = DynamoStore(tables, client=client)
        names = [f"{number:04x}" for number in range(150)]
        add(store, *(raw_task(name) for name in names))
        other = DynamoStore(tables, client=client)

        def change(raws: list[dict[str, Any]]) -> list[dict[str, Any]]:
            other.tasks.change_one(names[-1], lambda raw: (raw or {}) | {"name": "theirs"}, now=START)
            return [raw | {"name": "ours"} for raw in raws]

        with pytest.raises(TryAgain, match="of 150 tasks are changed"):
            store.tasks.change(change, now=START)
        listed = {task.id: task.name for task in store.tasks.listing().tasks}
        assert listed[names[-1]] == "theirs"
        assert listed[names[0]] == "ours"

    def test_a_removed_task_is_known_by_its_history_and_starts_anew_after_it(self, store: DynamoStore) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        before = expectation(store).revision
        store.tasks.change_one(TASK, lambda raw: None, now=at("08:00"))
        assert store.tasks.find(TASK) is None
        assert store.tasks.expectation(TASK) is None
        assert store.runs.known_task_ids() == [TASK]
        add(store, raw_task(), now=at("08:00"))
        after = expectation(store)
        assert after.revision > before
        assert after.next_fire == at("10:00")
        assert after.live_run
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        assert claim(store, at("10:00:01")).moved

    def test_one_task_that_cannot_be_read_stops_no_other(self, store: DynamoStore, client: Any, tables: str) -> None:
        add(store, raw_task(), raw_task("bbbb"))
        client.update_item(
            TableName=f"{tables}-tasks",
            Key={"task_id": {"S": "bbbb"}},
            UpdateExpression="SET #definition = :broken",
            ExpressionAttributeNames={"#definition": "definition"},
            ExpressionAttributeValues={":broken": {"S": "{"}},
        )
        listing = store.tasks.listing()
        assert [task.id for task in listing.tasks] == [TASK]
        assert [error.path for error in listing.errors] == ["bbbb"]
        replace_task(store, START, chat_id="elsewhere")
        assert str(expectation(store).task.targets[0]) == "console:elsewhere"
        with pytest.raises(TaskError, match="bbbb"):
            store.tasks.expectation("bbbb")
        store.tasks.change_one("bbbb", lambda raw: raw_task("bbbb"), now=START)
        assert store.tasks.listing().errors == ()

    def test_what_cannot_be_used_is_refused_when_it_is_written(self, store: DynamoStore) -> None:
        add(store, raw_task())
        with pytest.raises(TaskError, match="cron"):
            replace_task(store, START, cron="every day")
        with pytest.raises(TaskError, match="is the id of an earlier task too"):
            add(store, raw_task())
        with pytest.raises(TaskError, match="cannot be changed"):
            store.tasks.change_one(TASK, lambda raw: raw_task("bbbb"), now=START)
        assert [task.cron for task in store.tasks.listing().tasks] == ["0 * * * *"]


def test_threads_at_once_keep_their_connections(tables: str, caplog: pytest.LogCaptureFixture) -> None:
    """One run with many targets asks with many threads; to connect anew for each question takes longer than to ask."""
    store = DynamoStore(tables)
    add(store, raw_task())
    with ThreadPoolExecutor(40) as pool:
        assert all(pool.map(lambda _: store.tasks.find(TASK), range(400)))
    store.close()
    assert "pool is full" not in caplog.text


def test_whoever_stood_still_after_a_take_over_does_not_act_for_the_one_who_came_next(
    store: DynamoStore, client: Any, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 2: a laptop sleeps between its take-over and the look at it; meanwhile its lease is over."""
    add(store, raw_task())
    run = claimed(store, at("09:00"))
    other = DynamoStore(tables, client=client)
    find = store.runs.find

    def stand_still(task_id: str, fire_time: str) -> Run | None:
        seen = find(task_id, fire_time)
        assert seen is not None
        assert other.runs.take_over(seen, owner=new_owner(), lease_until=at("11:00"), now=at("10:00"), crashed=True)
        return find(task_id, fire_time)

    monkeypatch.setattr(store.runs, "find", stand_still)
    again = store.runs.take_over(run, owner=new_owner(), lease_until=at("09:20"), now=at("09:10"), crashed=True)
    assert again is None


def test_nothing_is_imported_or_asked_before_the_first_request() -> None:
    script = "import sys; from watchbell.stores.dynamodb import DynamoStore as S; S('x'); print('boto3' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"
