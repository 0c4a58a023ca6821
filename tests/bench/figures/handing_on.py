"""A minute with 10,000 tasks due, handed on through a queue: calls of SQS and requests to DynamoDB for each of them."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from figures.figure import Figure

from fakes.dynamodb import dynamodb_local, environment, new_tables
from fakes.handing_on import cost_of_handing_on
from fakes.programs import program

DUE = 10_000
CARRIED_OUT = 100


def figures() -> Iterator[Figure]:
    if program("dynamodb-local") is None:
        print("no figures of handing on: DynamoDB Local is not installed (make services)", file=sys.stderr)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        dynamodb_local(Path(folder)) as url,
        patch.dict(os.environ, environment(url)),
    ):
        costs = cost_of_handing_on(new_tables(), DUE, CARRIED_OUT)
    yield Figure(
        name=f"{DUE:,} due: calls of SQS",
        ours=f"{costs.sqs_calls:,}",
        peer=f"{DUE // 10:,}",
        ratio=costs.sqs_calls / (DUE // 10),
        budget=1.0,
    )
    for name, half, budget in (("claim and hand on", costs.tick, 4.1), ("carry out", costs.deliver, 16.5)):
        yield Figure(
            name=f"{name}: requests to DynamoDB for each run",
            ours=f"{half.all_requests:.1f}",
            peer="",
            ratio=half.all_requests,
            budget=budget,
        )
