"""A measured figure, what it is held against, and how both are printed."""

import operator
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_HOLDS = {"at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True)
class Figure:
    """`goal` is in the figure's own unit; None where none is set."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    bound: Literal["at least", "at most"] = "at least"
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        return None if self.goal is None else _HOLDS[self.bound](self.value, self.goal)

    def line(self) -> str:
        mark = {None: " ", True: "✓", False: "✗"}[self.is_reached]
        goal = "" if self.goal is None else f"goal {self.bound} {_number(self.goal)}{self.unit}"
        return f"  {mark} {self.name:<62}{_number(self.value) + self.unit:>12}  {goal:<24}{self.note}".rstrip()

    def record(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": self.goal,
            "reached": self.is_reached,
        }


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios within each round: what slows a round down slows both of its sides."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
