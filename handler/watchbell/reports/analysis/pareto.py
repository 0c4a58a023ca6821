"""The few rules that make most of the noise."""

from collections.abc import Sequence
from dataclasses import dataclass

#: How much of all firings the few are to make.
MOST = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """The fewest rules that made at least MOST of all firings."""

    rules: int
    of_rules: int
    firings: int
    of_firings: int


def pareto(firings: Sequence[int]) -> Pareto | None:
    """Return how few rules made most of the firings (a figure for each rule); None where it takes over half of them."""
    falling = sorted((count for count in firings if count), reverse=True)
    total, made = sum(falling), 0
    for number, count in enumerate(falling[:-1], start=1):
        made += count
        if 2 * number > len(firings):
            break
        if made >= MOST * total:
            return Pareto(rules=number, of_rules=len(firings), firings=made, of_firings=total)
    return None
