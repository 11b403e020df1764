"""Cost of gradients: power series, tracking, optics and space charge; and errors of finite differences.

    python examples/gradient_cost.py [--lattice esr.madx] [--particles 1000] [--device cuda] [--picture cost.png]

Four functions of all strengths and lengths of all magnets: a coefficient of the one-turn map of third order (truncated
power series), the size of a beam after a turn, tunes with a beta function, and the emittance growth by space charge in
a channel of FODO cells. One backward sweep gives all derivatives of each. Printed: its time relative to that of the
function; that of differences, which need one more call per parameter; and twice that, the published cost of JuTrack's
automatic differentiation ("about twice the finite difference"). All calls set new values of all parameters. The error
of differences as a function of the step, for the parameter with the largest effect, shows the accuracy of the sweep.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from fodo_space_charge import CURRENT, KICKS, MODES, PIPE, fodo, matched

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from gradient import SPREAD, all_knobs, timed
from machine import heading

TERM = (1, 0, 0, 0, 0, 1)  # of the map: x by x and delta
CELLS = 4
PUBLISHED = 2.0  # JuTrack's cost over that of differences
STEPS = 10.0 ** -np.arange(3, 12)
COLOURS = ("#1f5fa8", "#d9730d", "#3a8f3a", "#8a4fbf")


@dataclass(frozen=True)
class Case:
    """Function of the values of knobs."""

    name: str
    knobs: gt.Knobs
    function: Callable[[Any], Any]


@dataclass(frozen=True)
class Cost:
    """Times [s] of the function and of value and gradient; relative errors of differences (steps,)."""

    case: Case
    function: float
    both: float
    errors: np.ndarray

    @property
    def calls(self) -> int:
        """Number of calls for one-sided differences."""
        return len(self.case.knobs) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--particles", type=int, default=1000)
    parser.add_argument("--order", type=int, default=3, help="of the map")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("gradient_cost.png"))
    arguments = parser.parse_args()
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring().with_changes("rf", voltage=0.0)
    studied = cases(ring, arguments.particles, arguments.order, arguments.device)
    costs = [cost(case, arguments.repeats) for case in studied]
    report(ring, arguments.particles, costs)
    draw(ring, costs, arguments.picture)
    print(f"picture: {arguments.picture}")


def cases(ring: gt.Lattice, particles: int, order: int, device: str) -> list[Case]:
    """The four functions."""
    knobs = all_knobs(ring)
    start = np.random.default_rng(1).normal(size=(6, particles)) * SPREAD[:, None]
    beam = on_device(gt.Beam(start, ring.require_reference()), device)
    middle = len(ring) // 3

    def coefficient(values: Any) -> Any:
        return gt.transfer_map(ring.with_knobs(knobs, values), order)[0].coefficient(TERM)

    def size(values: Any) -> Any:
        return 1e12 * gt.track(ring.with_knobs(knobs, values), beam).sigma[0, 0]

    def optics(values: Any) -> Any:
        tw = gt.twiss(ring.with_knobs(knobs, values))
        return tw.qx + 2.0 * tw.qy + tw.betx[middle]

    of_ring = {f"power series\n(map, order {order})": coefficient, "tracking": size, "Twiss": optics}
    return [*(Case(name, knobs, function) for name, function in of_ring.items()), space_charge(particles, device)]


def space_charge(particles: int, device: str) -> Case:
    """Growth of the horizontal emittance through a channel."""
    cell = fodo()
    beam = on_device(matched(cell, particles), device)
    line = gt.Lattice([*cell] * CELLS, cell.reference, name="channel")
    charged = line.with_space_charge(gt.PipeModes(PIPE, MODES), current=CURRENT, kicks_per_element=KICKS)
    knobs = charged.knobs("d*.length", "q*.length", "q*.k1", each=True)
    return Case(
        "space charge",
        knobs,
        lambda v: gt.track(charged.with_knobs(knobs, v), beam).emittance("x") / beam.emittance("x"),
    )


def on_device(beam: gt.Beam, device: str) -> gt.Beam:
    return beam.to_device("cupy") if device == "cuda" else beam


def cost(case: Case, repeats: int) -> Cost:
    """Times, and errors of central differences for the parameter with the largest effect."""
    both = gt.value_and_grad(case.function)
    values = case.knobs.values
    _, gradient = both(values)
    matters = int(np.argmax(np.abs(gradient * values)))

    def difference(step: float) -> float:
        far = np.zeros_like(values)
        far[matters] = step * abs(values[matters])
        return float(case.function(values + far) - case.function(values - far)) / (2.0 * far[matters])

    errors = np.array([abs(difference(step) / gradient[matters] - 1.0) for step in STEPS])
    return Cost(case, timed(lambda: case.function(values), repeats), timed(lambda: both(values), repeats), errors)


def report(ring: gt.Lattice, particles: int, costs: list[Cost]) -> None:
    """Print the tables and assert their claims."""
    print(heading())
    print(f"{ring.name}: {len(ring)} elements, {particles} particles; ms of calls with new values of all parameters")
    titles = f"{'function':<24} {'parameters':>10} {'function':>9} {'gradient':>9} {'ratio':>6}"
    print(f"{titles} {'differences':>12} {'published, 2 x':>15} {'gradient per parameter / function':>34}")
    for c in costs:
        n, differences = len(c.case.knobs), 1e3 * c.calls * c.function
        print(
            f"{c.case.name.replace(chr(10), ' '):<24} {n:>10} {1e3 * c.function:>9.2f} {1e3 * c.both:>9.2f} "
            f"{c.both / c.function:>6.2f} {differences:>12.0f} {PUBLISHED * differences:>15.0f} "
            f"{c.both / c.function / n:>34.4f}"
        )
        assert c.both < c.calls * c.function, f"{c.case.name}: a sweep costs less than differences"
    print("\nrelative error of central differences for the parameter with the largest effect; best step:")
    print(f"{'step':<24}" + "".join(f"{step:>9.0e}" for step in STEPS))
    for c in costs:
        print(f"{c.case.name.replace(chr(10), ' '):<24}" + "".join(f"{error:>9.1e}" for error in c.errors))
        assert c.errors.min() <= 1e-6, f"{c.case.name}: differences over the best step agree with the gradient"
        assert c.errors[-1] > 10.0 * c.errors.min(), f"{c.case.name}: round-off takes over for short steps"


def draw(ring: gt.Lattice, costs: list[Cost], picture: Path) -> None:
    """Draw costs in units of the function, and errors as a function of the step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.0, 4.8), layout="constrained")
    places = np.arange(len(costs))
    bars = (
        ("gputrack: one backward sweep", [c.both / c.function for c in costs], "#1f5fa8"),
        ("finite differences", [c.calls for c in costs], "#e0a96d"),
        ("published for JuTrack: twice these", [PUBLISHED * c.calls for c in costs], "0.6"),
    )
    for i, (label, heights, colour) in enumerate(bars):
        drawn = left.bar(places + 0.28 * (i - 1), heights, 0.27, label=label, color=colour)
        left.bar_label(drawn, [f"{h:.3g}" if h < 100.0 else f"{h:.0f}" for h in heights], fontsize=8)
    left.set_xticks(places, [f"{c.case.name}\n{len(c.case.knobs)} parameters" for c in costs], fontsize=8)
    left.set(yscale="log", ylabel="time of all derivatives / time of the function", title=f"cost ({ring.name})")
    left.axhline(1.0, color="k", lw=0.8)
    left.set_ylim(0.3, 30.0 * max(bars[-1][1]))
    left.legend(fontsize=9)
    for c, colour in zip(costs, COLOURS, strict=True):
        label = c.case.name.replace("\n", " ")
        right.loglog(STEPS, np.maximum(c.errors, 1e-16), ".-", color=colour, label=label)
    right.invert_xaxis()
    right.set(xlabel="step of the central difference, relative to the parameter", ylabel="relative difference")
    right.set_title("finite differences from the swept derivative")
    right.grid(alpha=0.3)
    right.legend(fontsize=9)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
