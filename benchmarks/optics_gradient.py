"""Cost of gradients of optics with respect to all magnets, relative to the optics.

    python benchmarks/optics_gradient.py [--lattice ../shared/lattices/esr.madx]

Two objectives: qx, qy and a beta function in one scalar, and these with a chromaticity. Knobs are the strengths and
lengths of all magnets, one each. Times are those of `gt.twiss` for a lattice with cached programs, of the objective
with new values of all knobs, and of value and gradient: medians of CPU times of this process; and the time of
differences. The gradient is checked along one direction.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gradient import all_knobs
from machine import heading
from optics_codes import fodo

import gputrack as gt


def linear(optics: gt.Twiss) -> Any:
    return optics.qx + 2.0 * optics.qy + optics.betx[100]


def chromatic(optics: gt.Twiss) -> Any:
    return linear(optics) + 0.1 * optics.dqx


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - start))
    return median(times)


def difference(objective: Callable[[Any], Any], knobs: gt.Knobs, gradient: np.ndarray) -> float:
    """Relative difference to the slope along one direction, by differences."""
    rng = np.random.default_rng(1)
    way = rng.normal(size=len(knobs)) * np.abs(knobs.values)

    def slope(h: float) -> float:
        at = [objective(knobs.values + k * h * way) for k in (-2, -1, 1, 2)]
        return float((at[0] - 8.0 * at[1] + 8.0 * at[2] - at[3]) / (12.0 * h))

    return min(abs(slope(h) / float(gradient @ way) - 1.0) for h in (1e-7, 1e-6, 1e-5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X file; default: a ring of 1000 elements")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, help="also append the record to this file")
    options = parser.parse_args()
    ring = gt.load(options.lattice) if options.lattice else fodo()
    knobs = all_knobs(ring)
    title = f"{ring.name}: {len(ring)} elements, {len(knobs)} knobs; ms, medians of {options.repeats} calls"
    lines = [heading(), title]
    titles = f"{'objective':<20} {'optics':>8} {'new values':>11} {'and gradient':>13} {'ratio':>6}"
    lines.append(f"{titles} {'differences':>12} {'check':>8}")
    for name, figure in {"qx qy betx": linear, "qx qy betx dqx": chromatic}.items():

        def objective(values: Any, figure: Callable[[gt.Twiss], Any] = figure) -> Any:
            return figure(gt.twiss(ring.with_knobs(knobs, values)))

        both = gt.value_and_grad(objective)
        plain = milliseconds(lambda f=figure: f(gt.twiss(ring)), options.repeats)
        value = milliseconds(lambda f=objective: f(knobs.values), options.repeats)
        gradient = milliseconds(lambda f=both: f(knobs.values), options.repeats)
        check = difference(objective, knobs, both(knobs.values)[1])
        lines.append(
            f"{name:<20} {plain:>8.2f} {value:>11.2f} {gradient:>13.2f} {gradient / plain:>6.1f} "
            f"{2.0 * len(knobs) * value:>12.0f} {check:>8.1e}"
        )
    print("\n".join(lines))
    if options.output:
        with options.output.open("a") as file:
            file.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
