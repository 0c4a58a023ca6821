"""Prints the figures of a chaos run, and fails when a promise is broken: `make chaos`.

python tests/chaos/run.py --deliveries 1000 --seed 7

Plan, faults and kills are made of the seed: the n-th request to a chat has the same fate in every run. At which
instruction a kill finds a process is the machine's affair.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos.plan import make_plan
from chaos.promises import Findings
from chaos.storm import Storm, timed

_OUTCOMES = ("delivered", "refused", "not_sent", "unknown", "none", "repeats", "missing")


def table(rows: Iterable[Iterable[object]]) -> str:
    """Return rows of cells in columns, the first to the left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def figures(storm: Storm, findings: Findings, seconds: float) -> str:
    counts = storm.counts
    share = counts["faults"] / max(1, counts["requests"])
    first = [
        ("deliveries planned", storm.plan.deliveries),
        ("runs in the ledger", sum(findings.runs.values())),
        *((f"  {status}", count) for status, count in sorted(findings.runs.items())),
        ("fire times in gaps", findings.gaps),
        ("ticks", counts["ticks"]),
        ("  killed", counts["killed"]),
        ("  with a provider down", counts["provider down"]),
        ("runs resolved by hand, their one repeat unknown, too", counts["resolved"]),
        ("requests in the storm", counts["requests"]),
        ("  with a fault", f"{counts['faults']} ({share:.0%})"),
        *((f"    {name}", count) for name, count in storm.faults.items()),
        ("seconds", f"{seconds:.0f}"),
    ]
    parts = [("parts", *_OUTCOMES)]
    parts += [(kind, *(counted[name] for name in _OUTCOMES)) for kind, counted in sorted(findings.parts.items())]
    return f"{table(first)}\n\n{table(parts)}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--deliveries", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--fires", type=int, default=4, help="hours in which each task fires")
    arguments.add_argument("--faults", type=float, default=0.37, help="share of requests that go wrong")
    arguments.add_argument("--kills", type=float, default=0.6, help="share of ticks that are killed")
    arguments.add_argument("--speed", type=float, default=10.0, help="how much faster time runs within a tick")
    arguments.add_argument("--log", type=Path, help="keep what the ticks wrote")
    options = arguments.parse_args()
    plan = make_plan(options.deliveries, options.seed, fires=options.fires)
    storm = Storm(plan, options.seed, share=options.faults, kills=options.kills, speed=options.speed)
    findings, seconds = timed(storm)
    if options.log:
        options.log.write_text(storm.log)
    print(figures(storm, findings, seconds))
    for broken in findings.broken:
        print(f"BROKEN: {broken}")
    sys.exit(1 if findings.broken else 0)


if __name__ == "__main__":
    main()
