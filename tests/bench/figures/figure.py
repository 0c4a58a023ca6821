"""One figure: ours, what it is held against, and its budget."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ratio` is what the budget bounds; `at_least` turns the bound round."""

    name: str
    ours: str
    peer: str
    ratio: float
    budget: float
    at_least: bool = False

    @property
    def within(self) -> bool:
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget

    def line(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "ok" if self.within else "BROKEN"
        return f"{self.name:<66} {self.ours:>12} {self.peer:>12} {self.ratio:>8.2f}  {sign} {self.budget:g} {verdict}"
