"""What every folder of tests shares: the marker `service(...)`, and DynamoDB Local, started once for all of them.

Without the programs that `service(...)` names a test is skipped, or fails where CI is set.
"""

import os
from collections.abc import Iterator

import pytest

from fakes.dynamodb import dynamodb_local, environment, new_tables
from fakes.programs import program


def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for marker in item.iter_markers("service") for name in marker.args]
    missing = [name for name in names if program(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} is not installed; run `make services`")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed (make services)")


@pytest.fixture(scope="session")
def dynamodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dynamodb_local(tmp_path_factory.mktemp("dynamodb")) as url:
        yield url


@pytest.fixture
def tables(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fresh tables in DynamoDB Local, found by AWS's standard settings, also by processes; return their prefix."""
    for name, value in environment(dynamodb_url).items():
        monkeypatch.setenv(name, value)
    return new_tables()
