"""Derivatives of emittance growth by space charge in a FODO cell: all seven parameters by one backward sweep.

    python examples/fodo_space_charge.py [--particles 5000] [--device cuda] [--picture fodo_space_charge.png]

200 A of protons of 1 GeV pass one cell in a square pipe, matched to its optics without current. The ratio of final to
initial emittance, and its derivatives with respect to the lengths of three drifts and the lengths and strengths of two
quadrupoles, are compared with central differences for steps from 1e-2 to 1e-11 of each parameter: their errors decrease
with the square of the step until round-off dominates. The picture shows both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt

CURRENT = 200.0  # A
EMITTANCE = 1e-6  # m rad, normalised
PIPE, MODES = (0.013, 0.013), (12, 12)
KICKS = {"d1": 4, "q1": 4, "d2": 8, "q2": 4, "d3": 4}
PARAMETERS = {
    "D1L": "d1.length", "D2L": "d2.length", "D3L": "d3.length", "Q1L": "q1.length", "Q2L": "q2.length",
    "Q1k": "q1.k1", "Q2k": "q2.k1",
}  # fmt: skip
STEPS = 10.0 ** -np.arange(2, 12)
PLANES = ("x", "y")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=5000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("fodo_space_charge.png"))
    arguments = parser.parse_args()
    cell = fodo()
    beam = matched(cell, arguments.particles)
    beam = beam.to_device("cupy") if arguments.device == "cuda" else beam
    charged = cell.with_space_charge(gt.PipeModes(PIPE, MODES), current=CURRENT, kicks_per_element=KICKS)
    gradients, differences = zip(*(study(charged, beam, plane) for plane in PLANES), strict=True)
    print(f"without current: {growth(charged.with_changes('*', current=0.0), beam, 'x'):.7f}")
    draw(arguments.picture, gradients, differences)
    print(f"picture: {arguments.picture}")


def fodo() -> gt.Lattice:
    """The cell, with a phase advance of 87 degrees without current."""
    elements = [
        gt.Drift("d1", length=0.2), gt.Quadrupole("q1", length=0.1, k1=29.6), gt.Drift("d2", length=0.4),
        gt.Quadrupole("q2", length=0.1, k1=-29.6), gt.Drift("d3", length=0.2),
    ]  # fmt: skip
    return gt.Lattice(elements, gt.ReferenceParticle.proton(kinetic=1e9), name="fodo")


def matched(cell: gt.Lattice, particles: int) -> gt.Beam:
    """A round Gaussian beam, matched without current; its second moments are exact."""
    reference, optics = cell.require_reference(), gt.linear_optics(cell)
    print(f"{cell.name}: {360 * optics.qx:.3f} degrees, beta {optics.start.betx:.6f} m, alpha {optics.start.alfx:.6f}")
    assert abs(360 * optics.qx - 87.0417) <= 1e-3 and abs(optics.start.betx - 0.778661) <= 1e-5, "optics of the cell"
    emittance = EMITTANCE * reference.mass / reference.p0c
    return gt.Beam.gaussian(
        particles, reference, emit=(emittance, emittance), twiss=optics.start, sigma_z=0.0, sigma_delta=0.0, seed=1,
        exact_moments=True,
    )  # fmt: skip


def growth(line: gt.Lattice, beam: gt.Beam, plane: str) -> float:
    """Ratio of final to initial emittance."""
    return gt.track(line, beam).emittance(plane) / beam.emittance(plane)


def study(line: gt.Lattice, beam: gt.Beam, plane: str) -> tuple[np.ndarray, np.ndarray]:
    """The gradient (7,), and central differences (steps, 7), printed and compared."""
    knobs = line.knobs(*PARAMETERS.values())

    def ratio(values: np.ndarray) -> float:
        return growth(line.with_knobs(knobs, values), beam, plane)

    start = time.perf_counter()
    value = ratio(knobs.values)
    middle = time.perf_counter()
    value, gradient = gt.value_and_grad(ratio)(knobs.values)
    forward, both = middle - start, time.perf_counter() - middle
    differences = np.array([[central(ratio, knobs.values, i, step) for i in range(len(gradient))] for step in STEPS])
    print(f"\nemittance {plane}: ratio {value:.6f}; {forward:.3f} s to track, {both:.3f} s with all derivatives")
    report(gradient, differences)
    assert 1.0 < value < 1.05, "the beam grows by some per cent"
    assert np.argmax(np.abs(gradient)) == list(PARAMETERS).index("Q1L"), "largest for the first quadrupole's length"
    return gradient, differences


def central(ratio: Callable[[np.ndarray], float], values: np.ndarray, i: int, step: float) -> float:
    """Central difference for a step relative to the parameter."""
    far = np.zeros_like(values)
    far[i] = step * abs(values[i])
    return (ratio(values + far) - ratio(values - far)) / (2.0 * far[i])


def report(gradient: np.ndarray, differences: np.ndarray) -> None:
    """Print the derivatives, and the errors of differences for each step."""
    errors = np.abs(differences / gradient - 1.0)
    print(f"{'':>10}" + "".join(f"{name:>12}" for name in PARAMETERS))
    print(f"{'gradient':>10}" + "".join(f"{g:12.3e}" for g in gradient))
    for step, row in zip(STEPS, errors, strict=True):
        print(f"{step:10.0e}" + "".join(f"{error:12.1e}" for error in row))
    best = errors.min(axis=0)
    print(f"{'best step':>10}" + "".join(f"{step:12.0e}" for step in STEPS[errors.argmin(axis=0)]))
    assert np.all(best <= 1e-5), "differences over the best step agree with the gradient"
    halved = errors[0] / errors[1]
    assert np.all((halved > 50.0) & (halved < 200.0)), "the error of long steps falls with their square"
    assert np.all(errors[-1] > 10.0 * best), "round-off takes over for short ones"


def draw(picture: Path, gradients: tuple[np.ndarray, ...], differences: tuple[np.ndarray, ...]) -> None:
    """Draw the derivatives as bars, and errors of differences as a function of the step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 3.9), layout="constrained")
    places = np.arange(len(PARAMETERS))
    scales = np.array([1.0 if name.endswith("L") else 100.0 for name in PARAMETERS])
    for i, plane in enumerate(PLANES):
        left.bar(places + 0.4 * (i - 0.5), scales * gradients[i], 0.4, label=rf"$\epsilon_{plane}$")
    left.axhline(0.0, color="k", linewidth=0.8)
    left.set_xticks(places, [name if name.endswith("L") else f"{name}\n× 100" for name in PARAMETERS])
    left.set(ylabel=r"derivative of $\epsilon/\epsilon_0$  [1/m; m² for k]", title="one backward sweep for each plane")
    left.legend()
    for i, name in enumerate(PARAMETERS):
        right.loglog(STEPS, np.abs(differences[0][:, i] / gradients[0][i] - 1.0), ".-", label=name)
    right.invert_xaxis()
    right.set(xlabel="step, relative to the parameter", ylabel="relative difference")
    right.set_title(r"central differences from the gradient, $\epsilon_x$")
    right.legend(ncols=2, fontsize="small")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
