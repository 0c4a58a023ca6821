"""Making the tables where DynamoDB takes its time, or somebody else makes them too; DynamoDB Local is never so slow."""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fakes.dynamodb import shared_client
from watchbell.errors import StoreError, TryAgain
from watchbell.stores.dynamodb.tables import TABLES, check, create_or_upgrade

pytestmark = pytest.mark.service("dynamodb-local")

NOT_YET = "ContinuousBackupsUnavailableException"
DENIED = "AccessDeniedException"


class Slow:
    """A client of an AWS whose tables come late, and whose backups come later still.

    `creating` is how often a table is described as being made, `unavailable` how often backups are refused with `code`.
    """

    def __init__(self, *, creating: int = 0, unavailable: int = 0, code: str = NOT_YET) -> None:
        self._client = shared_client()
        self._creating = creating
        self._unavailable = unavailable
        self._code = code
        self._described: dict[str, int] = {}
        self.recoverable: set[str] = set()
        self.pauses: list[float] = []
        self.status_when_expiry_was_set: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def describe_table(self, TableName: str) -> Any:  # noqa: N803  the name is boto3's
        answer = self._client.describe_table(TableName=TableName)
        self._described[TableName] = self._described.get(TableName, 0) + 1
        if self._described[TableName] <= self._creating:
            answer["Table"]["TableStatus"] = "CREATING"
        return answer

    def update_time_to_live(self, **request: Any) -> Any:
        is_made = self._described[request["TableName"]] > self._creating
        self.status_when_expiry_was_set.append("ACTIVE" if is_made else "CREATING")
        return self._client.update_time_to_live(**request)

    def describe_continuous_backups(self, TableName: str) -> Any:  # noqa: N803  the name is boto3's
        status = "ENABLED" if TableName in self.recoverable else "DISABLED"
        recovery = {"PointInTimeRecoveryStatus": status}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}

    def update_continuous_backups(self, TableName: str, **_: Any) -> None:  # noqa: N803  the name is boto3's
        if self._unavailable:
            self._unavailable -= 1
            error: Any = {"Error": {"Code": self._code, "Message": "Backups are being enabled"}}
            raise ClientError(error, "UpdateContinuousBackups")
        self.recoverable.add(TableName)


@pytest.fixture
def prefix(tables: str) -> str:
    """A prefix without tables."""
    return f"test-{secrets.token_hex(6)}"


def create(prefix: str, client: Slow) -> list[str]:
    return create_or_upgrade(prefix, client=client, pause=client.pause)  # type: ignore[arg-type]


def wrong(prefix: str, client: Slow) -> list[str]:
    found = check(prefix, client=client)  # type: ignore[arg-type]
    return [*found.problems, *found.warnings]


def test_recovery_is_switched_on_though_a_new_table_has_no_backups_at_first(prefix: str) -> None:
    client = Slow(unavailable=8)
    done = create(prefix, client)
    assert [line for line in done if "recovery is on" in line] == [
        f"{prefix}-{table.suffix}: point-in-time recovery is on" for table in TABLES
    ]
    assert wrong(prefix, client) == []


@pytest.mark.parametrize(("code", "told"), [(NOT_YET, "again"), (DENIED, "infra/iam/operator.json")])
def test_recovery_that_cannot_be_switched_on_is_told_after_about_a_minute_and_the_tables_are_made(
    prefix: str, code: str, told: str
) -> None:
    client = Slow(unavailable=10_000, code=code)
    lines = [line for line in create(prefix, client) if "recovery" in line]
    assert len(lines) == 2
    assert all("is not switched on; run `watchbell store create` again" in line and told in line for line in lines)
    assert sum(client.pauses) == (0 if code == DENIED else pytest.approx(2 * 60, rel=0.2))


def test_missing_recovery_is_named_beside_what_else_is_wrong(prefix: str) -> None:
    client = Slow()
    create(prefix, client)
    client.recoverable.clear()
    lacks = [
        f"{prefix}-{name}: point-in-time recovery is off; run `watchbell store create`" for name in ("tasks", "runs")
    ]
    assert wrong(prefix, client) == lacks
    client.update_time_to_live(
        TableName=f"{prefix}-runs", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
    )
    assert sorted(wrong(prefix, client)) == sorted(
        [*lacks, f"{prefix}-runs: nothing expires by the attribute expires_at; run `watchbell store create`"]
    )
    create(prefix, client)
    assert wrong(prefix, client) == []


def test_a_table_that_is_still_being_made_is_waited_for_before_anything_is_set(prefix: str) -> None:
    for table in TABLES:
        shared_client().create_table(**table.create(f"{prefix}-{table.suffix}"))
    client = Slow(creating=5)
    assert not [line for line in create(prefix, client) if line.startswith("made")]
    assert client.status_when_expiry_was_set == ["ACTIVE", "ACTIVE"]
    assert wrong(prefix, client) == []


def test_a_table_that_never_comes_is_to_be_tried_again(prefix: str) -> None:
    with pytest.raises(TryAgain, match=f"{prefix}-tasks is still creating; run `watchbell store create` again"):
        create(prefix, Slow(creating=10_000))


class Together(Slow):
    """One of several that all see no table, and then all ask for it; or all see no expiry, and then all set it."""

    def __init__(self, meet: Callable[[], object]) -> None:
        super().__init__()
        self._meet = meet
        self._met: set[tuple[str, str]] = set()

    def _first(self, what: str, name: str) -> bool:
        """Say whether this is asked for the first time; all leave the first answer together."""
        if (what, name) in self._met:
            return False
        self._met.add((what, name))
        self._meet()
        return True

    def describe_table(self, TableName: str) -> Any:  # noqa: N803  the name is boto3's
        try:
            return super().describe_table(TableName)
        finally:
            self._first("table", TableName)

    def describe_time_to_live(self, TableName: str) -> Any:  # noqa: N803  the name is boto3's
        answer = self._client.describe_time_to_live(TableName=TableName)
        self._first("expiry", TableName)
        return answer


def test_three_who_make_the_tables_at_once_make_them_once_and_all_succeed(prefix: str) -> None:
    barrier = threading.Barrier(3, timeout=60)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: create(prefix, Together(barrier.wait)), range(3)))
    lines = [line for lines in done for line in lines]
    assert [lines.count(f"made the table {prefix}-{table.suffix}") for table in TABLES] == [1, 1]
    assert check(prefix, client=shared_client()) == ([], [])


def test_an_expiry_that_cannot_be_set_is_an_error(prefix: str) -> None:
    class Refusing(Slow):
        def update_time_to_live(self, **_: Any) -> Any:
            error: Any = {"Error": {"Code": DENIED, "Message": "not allowed"}}
            raise ClientError(error, "UpdateTimeToLive")

    with pytest.raises(StoreError, match="not allowed"):
        create(prefix, Refusing())
