"""A tick on DynamoDB: requests and consumed units with a fleet of tasks, against the same tick with 1,000 of them.

FLEET sets the size (1,000,000 unless told; loading that many takes some minutes). Without DynamoDB Local there is no
figure: `make services` brings it.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from figures.figure import Figure

from fakes.dynamodb import dynamodb_local, environment, new_tables, shared_client
from fakes.dynamodb_fleet import DUE, cost_of_ticks, load_fleet
from fakes.programs import program

FEW = 1_000


def figures() -> Iterator[Figure]:
    if program("dynamodb-local") is None:
        print("no figures of DynamoDB: it is not installed (make services)", file=sys.stderr)
        return
    fleet = int(os.environ.get("FLEET", "1_000_000"))
    with tempfile.TemporaryDirectory() as folder, dynamodb_local(Path(folder)) as url:
        with patch.dict(os.environ, environment(url)):
            few, many = new_tables(), new_tables()
            load_fleet(few, shared_client(), FEW)
            begun = time.monotonic()
            load_fleet(many, shared_client(), fleet)
            print(f"loaded {fleet:,} tasks in {time.monotonic() - begun:.0f} s", file=sys.stderr)
            few_cost, many_cost = cost_of_ticks(few), cost_of_ticks(many)
        for tick, what in (("idle", "an idle tick"), ("due", f"a tick with {DUE} due")):
            ours, peer = many_cost[tick], few_cost[tick]
            for name, cost, least in (
                ("requests", sum(ours.requests.values()), sum(peer.requests.values())),
                ("read units", ours.read_units, peer.read_units),
                ("write units", ours.write_units, peer.write_units),
            ):
                yield Figure(
                    name=f"{what}, {fleet:,} tasks: {name} (peer: {FEW:,} tasks)",
                    ours=f"{cost:g}",
                    peer=f"{least:g}",
                    ratio=cost / least,
                    budget=1.0,
                )
