"""Overhead of calls besides the kernels: gradients, short tracking and Twiss with new values of knobs.

    python benchmarks/overhead.py --lattice ../shared/lattices/spear3.madx --before ../before

Kernels are timed at the boundary of the compiled libraries; the remaining time of a call is that of Python. With
--before, another checkout is measured alternately with this one, each in separate processes, and ratios are those of
the medians over all rounds. One thread.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from machine import heading

Call = Callable[[], Any]

TRACK_MICROSECONDS = 80.0  # of Python in a call of track, at most
GRADIENT_RATIO = 4.0  # least reduction of Python's part of value_and_grad
TWISS_SPREAD = 0.10  # largest relative difference of the two ways to set a number
GRADIENT, TRACK, TWISS = "value_and_grad, 10 knobs", "track, 1 turn", "twiss after"


class Cost(NamedTuple):
    """Time of one call [s], and its part in kernels."""

    total: float
    kernels: float

    @property
    def python(self) -> float:
        return self.total - self.kernels


# -- in a separate process -------------------------------------------------------------------------------------------


class Clock:
    """Time spent in functions of compiled libraries [s]."""

    seconds = 0.0


class TimedFunction:
    """Function of a compiled library that adds its time to a clock."""

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, "function", function)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.function, name, value)

    def __call__(self, *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return self.function(*arguments)
        finally:
            Clock.seconds += time.perf_counter() - start


class TimedLibrary(ctypes.CDLL):
    """A library whose functions are timed."""

    def __getattr__(self, name: str) -> Any:
        function = super().__getattr__(name)
        if name.startswith("_"):
            return function
        timed = TimedFunction(function)
        self.__dict__[name] = timed
        return timed


def costs_of(call: Call, seconds: float) -> Cost:
    """Medians over calls during some time, after a few to warm up."""
    for _ in range(3):
        call()
    found: list[Cost] = []
    end = time.perf_counter() + seconds
    while len(found) < 5 or time.perf_counter() < end:
        Clock.seconds = 0.0
        start = time.perf_counter()
        call()
        found.append(Cost(time.perf_counter() - start, Clock.seconds))
    return Cost(median(cost.total for cost in found), median(cost.kernels for cost in found))


def cases(gt: Any, name: str, ring: Any) -> dict[str, Call]:
    """Calls to measure, by description."""
    import autograd.numpy as anp

    rng = np.random.default_rng(1)
    quadrupoles = [place for place, element in enumerate(ring) if isinstance(element, gt.Quadrupole)]
    handles = list(dict.fromkeys(f"{ring[place].name}.k1" for place in quadrupoles))
    ten, family = ring.knobs(*handles[:10]), ring.knobs(handles[0])
    select, k1 = handles[0].removesuffix(".k1"), family.values[0]

    def fresh(values: Any) -> Any:
        return values * (1.0 + 1e-7 * rng.random(np.shape(values)))

    def beam(n: int) -> Any:
        return gt.Beam(1e-5 * rng.normal(size=(6, n)), ring.reference)

    def gradient(n: int) -> Call:
        particles = beam(n)

        def objective(values: Any) -> Any:
            return anp.sum(gt.track(ring.with_knobs(ten, values), particles, threads=1).coordinates[0] ** 2)

        evaluate = gt.value_and_grad(objective)
        return lambda: evaluate(fresh(ten.values))

    one = beam(1)
    return {
        f"{GRADIENT}, 1 particle, {name}": gradient(1),
        f"{GRADIENT}, 1000 particles, {name}": gradient(1000),
        f"{TRACK}, 1 particle, {name}": lambda: gt.track(ring, one, threads=1),
        f"{TWISS} with_knobs, {name}": lambda: gt.twiss(ring.with_knobs(family, fresh(family.values))).qx,
        f"{TWISS} with_changes, {name}": lambda: gt.twiss(ring.with_changes(select, k1=fresh(k1))).qx,
    }


def measure(lattice: str | None, seconds: float) -> dict[str, Cost]:
    """Costs of all cases with the checkout on Python's path."""
    ctypes.CDLL = TimedLibrary  # type: ignore[misc] # before the first library is loaded
    import gputrack as gt

    rings = {"bundled ring": gt.demo_ring()}
    if lattice:
        rings[Path(lattice).stem] = gt.load(lattice)
    every = {case: call for name, ring in rings.items() for case, call in cases(gt, name, ring).items()}
    return {case: costs_of(call, seconds) for case, call in every.items()}


# -- around it -------------------------------------------------------------------------------------------------------


def child(checkout: Path, arguments: argparse.Namespace) -> dict[str, Cost]:
    """Measure a checkout in a separate process with only this one on its path."""
    command = [sys.executable, __file__, "--child", "--seconds", str(arguments.seconds)]
    if arguments.lattice:
        command += ["--lattice", str(Path(arguments.lattice).resolve())]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder,
            env={**os.environ, **threads, "PYTHONPATH": str(checkout)},
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr[-2000:]}")
    return {case: Cost(*cost) for case, cost in json.loads(done.stdout.splitlines()[-1]).items()}


def medians(rounds: list[dict[str, Cost]]) -> dict[str, Cost]:
    """Medians of each case over all rounds."""
    return {
        case: Cost(median(r[case].total for r in rounds), median(r[case].kernels for r in rounds)) for case in rounds[0]
    }


def row(case: str, now: Cost, before: Cost | None) -> str:
    """Line of the table: time of a call [ms], Python's share, and those of the other checkout."""
    text = f"{case:<56} {1e3 * now.total:>9.3f} {1e3 * now.python:>9.3f} {100 * now.python / now.total:>6.0f} %"
    if before is None:
        return text
    text += f" {1e3 * before.total:>9.3f} {1e3 * before.python:>9.3f} {100 * before.python / before.total:>6.0f} %"
    return text + f" {before.total / now.total:>7.1f} {before.python / now.python:>7.1f}"


def verdicts(now: dict[str, Cost], before: dict[str, Cost] | None) -> list[str]:
    """Results with their targets."""
    lines = []
    for case, cost in now.items():
        if case.startswith(TRACK):
            lines.append(f"{case}: {1e6 * cost.python:.0f} us of Python, at most {TRACK_MICROSECONDS:.0f}")
        if case.startswith(GRADIENT) and before is not None:
            ratio = before[case].python / cost.python
            lines.append(f"{case}: Python {ratio:.1f} times less than before, at least {GRADIENT_RATIO:.0f}")
        if case.startswith(f"{TWISS} with_changes"):
            spread = cost.total / now[case.replace("with_changes", "with_knobs")].total - 1.0
            lines.append(f"{case}: {100 * spread:+.0f} % of with_knobs, at most {100 * TWISS_SPREAD:.0f}")
    return lines


def main() -> None:
    """Measure, print, and optionally write a record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lattice", help="MAD-X file, beside the bundled ring")
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each case in a round")
    parser.add_argument("--output", type=Path, help="file for the record")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.lattice, arguments.seconds)))
        return
    rounds: dict[str, list[dict[str, Cost]]] = {"now": [], "before": []}
    for _ in range(arguments.rounds):  # alternately, so that both see the same load of the machine
        rounds["now"].append(child(Path(__file__).resolve().parents[1], arguments))
        if arguments.before:
            rounds["before"].append(child(arguments.before.resolve(), arguments))
    now, before = medians(rounds["now"]), medians(rounds["before"]) if arguments.before else None
    columns = f"{'':<56} {'now [ms]':>9} {'Python':>9} {'share':>8}"
    columns += f" {'before':>9} {'Python':>9} {'share':>8} {'ratio':>7} {'Python':>7}" if before else ""
    table = [row(case, cost, before[case] if before else None) for case, cost in now.items()]
    lines = [heading(), f"one thread; medians of {arguments.rounds} rounds", "", columns, *table, ""]
    text = "\n".join([*lines, *verdicts(now, before)])
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
