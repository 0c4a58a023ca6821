"""What handing on costs: requests to DynamoDB and SQS for each run, as docs/aws-cost.md says."""

import re
from pathlib import Path

import pytest

from fakes.dynamodb import environment, new_tables
from fakes.handing_on import Costs, cost_of_handing_on

pytestmark = pytest.mark.service("dynamodb-local")

DUE = 1_000
CARRIED_OUT = 100
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "aws-cost.md").read_text()


@pytest.fixture(scope="module")
def costs(dynamodb_url: str) -> Costs:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(dynamodb_url).items():
            patch.setenv(name, value)
        return cost_of_handing_on(new_tables(), DUE, CARRIED_OUT)


def test_sqs_is_called_once_for_ten_runs(costs: Costs) -> None:
    assert (costs.sqs_calls, costs.messages, costs.delivered) == (DUE // 10, DUE, CARRIED_OUT)


@pytest.mark.parametrize("half", ["tick", "deliver"])
def test_a_run_costs_no_more_than_the_page_says(costs: Costs, half: str) -> None:
    """The page's figures are whole numbers, rounded up."""
    row = re.search(rf"^\| {half}, for each run \| (\d+) \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
    assert row is not None
    measured = getattr(costs, half)
    for said, ours in zip(
        row.groups(), (measured.all_requests, measured.read_units, measured.write_units), strict=True
    ):
        assert ours - 0.1 <= int(said) < ours + 1.1
