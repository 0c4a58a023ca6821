"""Print each figure of `make bench` as a ratio to its floor or peer, taken in the same run, beside its budget.

The machine may be shared and noisy: only ratios are judged, and where a figure is an absolute limit it is a wide one.
Exits 1 when a budget is broken.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Make runs it with Python's safe path: neither this folder nor that of the fakes is on it.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import audit, claims, cold, dynamodb, handing_on, idle, index, schedules, sends, ticks

BENCHES: tuple[Callable[[], Iterator["object"]], ...] = (
    idle.figures,
    index.figures,
    schedules.figures,
    claims.figures,
    ticks.figures,
    sends.figures,
    audit.figures,
    dynamodb.figures,
    handing_on.figures,
    cold.figures,
)


@dataclass(slots=True)
class Tally:
    broken: int = 0


def main() -> int:
    only = set(sys.argv[1:])
    tally = Tally()
    print(f"{'figure':<66} {'ours':>12} {'floor/peer':>12} {'ratio':>8}  budget")
    for bench in BENCHES:
        if only and bench.__module__.rpartition(".")[2] not in only:
            continue
        for figure in bench():
            tally.broken += not figure.within
            print(figure.line(), flush=True)
    print(f"{tally.broken} budget(s) broken" if tally.broken else "all budgets met")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
