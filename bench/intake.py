"""Intake: whole complaints verified, durable and acknowledged per second, against the least that could be done."""

import itertools
import statistics
from collections import defaultdict
from pathlib import Path

from bench import databases, load, service
from bench.figures import Figure, ratios

_MANY, _FEW = 64, 8  # connections
_numbers = itertools.count(0, 100_000)


class Rounds:
    """Figures of every round, by name."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, value: float) -> None:
        self.values[name].append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])

    def ratio(self, ours: str, theirs: str) -> float:
        return ratios(self.values[ours], self.values[theirs])


def measure(place: Path, rounds: int, seconds: float) -> list[Figure]:
    """Measure on SQLite and, where its server is installed, on PostgreSQL."""
    found = _figures("SQLite FULL", _rounds(lambda: databases.sqlite(place), rounds, seconds), has_goals=True)
    with databases.postgresql(place) as server:
        if server is None:
            print("  PostgreSQL: not measured, its server programs are not installed")
            return found
        measured = _rounds(lambda: databases.fresh(server), max(1, rounds - 1), seconds)
        return found + _figures("PostgreSQL", measured, has_goals=False)


def _rounds(make_database, count: int, seconds: float) -> Rounds:
    measured = Rounds()
    for _ in range(count):
        with make_database() as url:
            with service.serving(url) as served:
                batches = _round(served, measured, seconds)
            content = databases.written(url, 6000)
        for connections, batch in batches.items():
            with make_database() as url:
                measured.add(f"raw {connections}", databases.group_commit(url, content, batch))
    return measured


def _round(served: service.Service, measured: Rounds, seconds: float) -> dict[int, int]:
    """Ask every handler in turn; return the size of the batches that intake made, by connections."""

    def ask(name: str, path: str, connections: int, ready: int, **more) -> load.Outcome:
        port = served.bare_port if path == service.BARE else served.port
        before = served.figures()
        outcome = load.run(
            load.Load(port, path, connections, more.pop("seconds", seconds), next(_numbers), ready, **more)
        )
        if outcome.refused:
            raise RuntimeError(f"{path}: {outcome.refused} requests were refused")
        for figure in ("per_second", "p50_ms", "p99_ms"):
            measured.add(f"{name} {figure}", getattr(outcome, figure))
        after = served.figures()
        measured.add(f"{name} cpu_us", (after["cpu_seconds"] - before["cpu_seconds"]) / outcome.count * 1e6)
        measured.add(f"{name} batch", outcome.count / max(1, after["begun"] - before["begun"]))
        return outcome

    ask("warm-up", service.HOOK, _MANY, 20_000, seconds=2)
    batches = {}
    for connections in (_MANY, _FEW):
        ask(f"bare {connections}", service.BARE, connections, 64, repeat=True)
        ask(f"proven {connections}", service.PROVEN, connections, 2000, repeat=True)
        ask(f"hook {connections}", service.HOOK, connections, int(6000 * seconds))
        batches[connections] = max(1, round(measured.values[f"hook {connections} batch"][-1]))
    half = measured.values[f"hook {_MANY} per_second"][-1] / 2
    ask("half", service.HOOK, 256, int(half * seconds * 2) + 1, rate=half, seconds=seconds * 2)
    return batches


def _figures(kind: str, measured: Rounds, *, has_goals: bool) -> list[Figure]:
    def goal(value: float) -> float | None:
        return value if has_goals else None

    found = []
    for connections, share in ((_MANY, 0.5), (_FEW, 0.35)):
        hook, proven = f"hook {connections}", f"proven {connections}"
        size = measured.median(f"{hook} batch")
        at = f"{kind}, {connections} connections:"

        found += [
            Figure(
                f"{at} intake / verify only",
                measured.ratio(f"{hook} per_second", f"{proven} per_second"),
                goal=goal(share),
                note=f"{measured.median(f'{hook} per_second'):,.0f}/s, batches of {size:.0f}",
            ),
            Figure(
                f"{at} intake / bare handler", measured.ratio(f"{hook} per_second", f"bare {connections} per_second")
            ),
            Figure(
                f"{at} intake / raw group commit",
                measured.ratio(f"{hook} per_second", f"raw {connections}"),
                goal=goal(0.7) if connections == _MANY else None,
                note=f"raw {measured.median(f'raw {connections}'):,.0f}/s",
            ),
            Figure(
                f"{at} CPU of an intake / of verifying",
                measured.ratio(f"{hook} cpu_us", f"{proven} cpu_us"),
                note=f"{measured.median(f'{hook} cpu_us'):,.0f} us",
            ),
            Figure(f"{at} p50", measured.median(f"{hook} p50_ms"), " ms"),
            Figure(f"{at} p99", measured.median(f"{hook} p99_ms"), " ms"),
        ]
    note = f"{measured.median('half per_second'):,.0f}/s"
    name = f"{kind}: p99 at half of saturation, open loop"
    return [*found, Figure(name, measured.median("half p99_ms"), " ms", goal(25), "at most", note)]
