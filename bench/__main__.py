"""Measure and print: `python -m bench [intake] [mail] [lists] [process] [--quick]`."""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from bench import intake, lists, mail, process
from bench.figures import Figure


def main() -> int:
    """Run what is named, all of it by default; return 0 whatever the goals: a slow machine is no fault."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="intake, mail, lists, process; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, a hundred thousand complaints for a million"
    )
    parser.add_argument("--rounds", type=int, help="of intake and of starting the process; default 3, 1 with --quick")
    given = parser.parse_args()
    rounds = given.rounds or (1 if given.quick else 3)
    parts: dict[str, Callable[[Path], list[Figure]]] = {
        "intake": lambda place: intake.measure(place, rounds, 0.7 if given.quick else 1.5),
        "mail": lambda place: mail.measure(place, 1000 if given.quick else 3000),
        "lists": lambda place: lists.measure(place, quick=given.quick),
        "process": lambda place: process.measure(place, rounds=rounds),
    }
    if unknown := set(given.names) - set(parts):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: list[Figure] = []
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="aduan-bench-") as place:
        for name in given.names or parts:
            print(f"\n{name}", flush=True)
            figures = parts[name](Path(place))
            print("\n".join(figure.line() for figure in figures), flush=True)
            found += figures
    missed = sum(figure.is_reached is False for figure in found)
    goals = sum(figure.goal is not None for figure in found)
    print(f"\n{goals - missed} of {goals} goals reached, in {time.perf_counter() - begun:.0f} s\n")
    print(json.dumps({"figures": [figure.record() for figure in found]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
