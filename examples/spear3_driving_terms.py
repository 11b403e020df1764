"""Reduce the geometric driving terms of a ring by two families of sextupoles: steepest descent, and a better method.

    python examples/spear3_driving_terms.py [--lattice spear3.madx] [--steps 200] [--turns 300] [--picture PICTURE.png]

The objective is the sum over all beam position monitors of |h21000| + |h10110| + |h30000| + |h10200| + |h10020|.
With the lattice of SPEAR3, families SDM and SFM, terms are defined as in the published study (beta averaged over a
sextupole, mean of the phases at its ends), and its numbers are asserted. Without a lattice the same study is made for
the bundled ring, with the sextupoles of four cells out of twenty starting at half their strengths. `gt.driving_terms`
integrates over sextupoles instead; its minimum, which is nearby, is computed as well.

Finally the dynamic apertures before and after are computed, on and off momentum: the sum of first-order terms at the
monitors is a proxy, whose minimum need not have the largest aperture.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import gputrack as gt

#: terms, each with the powers of x, x*, y, y* (waves sqrt(beta) exp(i mu)), and by what |b3 l| is divided
TERMS = {
    "h21000": ((2, 1, 0, 0), 8.0), "h10110": ((1, 0, 1, 1), 4.0), "h30000": ((3, 0, 0, 0), 24.0),
    "h10200": ((1, 0, 2, 0), 8.0), "h10020": ((1, 0, 0, 2), 8.0),
}  # fmt: skip
#: of SPEAR3: objective and derivatives at (-10, 10), result of 200 steps of 1e-3, and the minimum
START, SLOPES, DESCENT, MINIMUM = 5750.33, (150.92, 104.20), ((-17.12, 7.81), 5106.7), ((-26.20, 17.47), 4998.4)
RADIUS, OFF = 0.05, 0.02  # of the dynamic apertures [m], and delta beside 0
Terms = Callable[[Any], Any]


@dataclass(frozen=True)
class Study:
    """Ring, two families, their initial strengths, and the step of the descent [change of strengths per gradient]."""

    ring: gt.Lattice
    knobs: gt.Knobs
    start: np.ndarray
    step: float


@dataclass(frozen=True)
class Path2D:
    """Strengths (n, 2), objective (n,) and derivatives (n, 2) of each step."""

    strengths: np.ndarray
    values: np.ndarray
    slopes: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="spear3.madx")
    parser.add_argument("--steps", type=int, default=200, help="of the steepest descent")
    parser.add_argument("--turns", type=int, default=300, help="of the dynamic apertures")
    parser.add_argument("--picture", type=Path, default=Path("spear3_driving_terms.png"))
    arguments = parser.parse_args()
    study = bundled() if arguments.lattice is None else spear3(arguments.lattice)
    print(study.ring, *(f"{k.handle}: {len(k.places)} sextupoles" for k in study.knobs), sep="\n")
    terms = published(study)
    goal = total(terms)
    check_gradient(goal, study.start)

    print(f"\nsteepest descent, {arguments.steps} steps of {study.step:g} times the gradient")
    descent = steepest(goal, study.start, study.step, arguments.steps)
    show(descent, study.knobs, every=max(1, arguments.steps // 10))
    print("\nquasi-Newton (BFGS) from the same start")
    newton = quasi_newton(goal, study.start)
    show(newton, study.knobs)
    assert newton.values[-1] < descent.values.min() and len(newton.values) < 30
    assert np.abs(newton.slopes[-1]).max() < 1e-3 * np.abs(newton.slopes[0]).max(), "it is a minimum"
    if arguments.lattice is not None:
        check_published(descent, newton, arguments.steps)

    integrated = quasi_newton(total(library(study)), study.start)
    print(f"\nterms integrated over sextupoles: from {integrated.values[0]:.2f}", end=" ")
    print(f"to {integrated.values[-1]:.2f} at", "({:.2f}, {:.2f})".format(*integrated.strengths[-1]))
    np.testing.assert_allclose(integrated.values[[0, -1]], newton.values[[0, -1]], rtol=0.02)
    scans = apertures(study, newton, arguments.turns)
    draw(study, terms, descent, newton, scans, arguments.picture)
    print(f"picture: {arguments.picture}")


def bundled() -> Study:
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    knobs = ring.knobs("sd.?[16]*.k2", "sf.?[16].k2")
    return Study(ring, knobs, 0.5 * knobs.values, 0.05)


def spear3(path: Path) -> Study:
    ring = gt.load(path)
    return Study(ring, ring.knobs("sdm.k2", "sfm.k2"), np.array([-10.0, 10.0]), 1e-3)


def published(study: Study) -> Terms:
    """Strengths of the families to terms (5, monitors), each sextupole with its mean beta, at its mean phase.

    In linear optics a sextupole on the axis is a drift, in which beta is a parabola: the optics are computed once.
    """
    ring, tw = study.ring, gt.twiss(study.ring)
    at = np.array([i for i, element in enumerate(ring) if isinstance(element, gt.Sextupole)])
    length = np.array([ring[i].length for i in at])
    monitors = tw.rows("bpm*")
    wound = {}
    for plane in "xy":
        beta, alpha, mu = (getattr(tw, f"{name}{plane}") for name in ("bet", "alf", "mu"))
        mean = beta[at] - alpha[at] * length + (1.0 + alpha[at] ** 2) / beta[at] * length**2 / 3.0
        phase = 0.5 * (mu[at] + mu[at + 1])[:, None] - mu[monitors]  # from each monitor
        phase = phase + getattr(tw, f"q{plane}") * (at[:, None] < tw.element[monitors])  # in the next turn
        wound[plane] = np.sqrt(mean)[:, None] * np.exp(2j * math.pi * phase)
    x, y = wound["x"], wound["y"]
    powers = [(x**j * x.conj() ** k * y**m * y.conj() ** n) / w for (j, k, m, n), w in TERMS.values()]
    response = np.array(powers) * (0.5 * length)[:, None]  # (5, sextupoles, monitors)
    fixed = np.array([ring[i].k2 for i in at])
    family = np.array([[i in knob.places for i in at] for knob in study.knobs], dtype=float)
    others = fixed * (1.0 - family.sum(axis=0))
    return lambda k: anp.einsum("tsm,s->tm", response, others + anp.dot(k, family))


def library(study: Study) -> Terms:
    """Terms integrated over each sextupole; other knobs would be differentiated as well."""
    monitors = gt.twiss(study.ring).rows("bpm*")

    def terms(strengths: Any) -> Any:
        found = gt.driving_terms(study.ring.with_knobs(study.knobs, strengths), tuple(TERMS))
        return anp.stack([found.along(name)[monitors] for name in TERMS])

    return terms


def total(terms: Terms) -> Callable[[Any], Any]:
    """Sum of the sizes of all terms at all monitors."""
    return lambda strengths: anp.sum(anp.abs(terms(strengths)))


def check_gradient(goal: Callable[[Any], Any], start: np.ndarray) -> None:
    """Compare the exact gradient with central differences."""
    value, exact = gt.value_and_grad(goal)(start)
    sides = 1e-3 * np.eye(2)
    differences = np.array([(goal(start + side) - goal(start - side)) / 2e-3 for side in sides])
    print(f"f({start[0]:g}, {start[1]:g}) = {value:.2f}, derivatives {exact}, by differences {differences}")
    np.testing.assert_allclose(exact, differences, rtol=1e-5)


def steepest(goal: Callable[[Any], Any], start: np.ndarray, step: float, number: int) -> Path2D:
    """Steepest descent with a fixed multiple of the gradient."""
    derivative, strengths, rows = gt.value_and_grad(goal), start, []
    for _ in range(number + 1):
        value, slope = derivative(strengths)
        rows.append((strengths, value, slope))
        strengths = strengths - step * slope
    return path_of(rows)


def quasi_newton(goal: Callable[[Any], Any], start: np.ndarray) -> Path2D:
    """Quasi-Newton method of scipy with exact gradients."""
    derivative = gt.value_and_grad(goal)
    rows = [(start, *derivative(start))]
    minimize(
        derivative, start, jac=True, method="BFGS", options={"gtol": 1e-5 * np.abs(rows[0][2]).max()},
        callback=lambda strengths: rows.append((strengths.copy(), *derivative(strengths))),
    )  # fmt: skip
    return path_of(rows)


def path_of(rows: list[tuple[np.ndarray, float, np.ndarray]]) -> Path2D:
    strengths, values, slopes = zip(*rows, strict=True)
    return Path2D(np.array(strengths), np.array(values), np.array(slopes))


def show(path: Path2D, knobs: gt.Knobs, every: int = 1) -> None:
    first, second = (knob.handle for knob in knobs)
    print(f"{'step':>5} {first:>14} {second:>14} {'objective':>11} {'derivatives':>21}")
    for i, (k, value, slope) in enumerate(zip(path.strengths, path.values, path.slopes, strict=True)):
        if i % every == 0 or i == len(path.values) - 1:
            print(f"{i:>5} {k[0]:>14.4f} {k[1]:>14.4f} {value:>11.2f} {slope[0]:>10.3f} {slope[1]:>10.3f}")


def check_published(descent: Path2D, newton: Path2D, steps: int) -> None:
    """Check all published digits."""
    np.testing.assert_allclose(descent.values[0], START, atol=0.006)
    np.testing.assert_allclose(descent.slopes[0], SLOPES, atol=0.006)
    if steps == 200:
        np.testing.assert_allclose(descent.strengths[-1], DESCENT[0], atol=0.006)
        np.testing.assert_allclose(descent.values[-1], DESCENT[1], atol=0.06)
    np.testing.assert_allclose(newton.strengths[-1], MINIMUM[0], atol=0.006)
    np.testing.assert_allclose(newton.values[-1], MINIMUM[1], atol=0.06)
    print("as published, to all digits")


def apertures(study: Study, newton: Path2D, turns: int) -> dict[str, gt.DynamicAperture]:
    """Dynamic apertures before and after, on and off momentum."""
    shape, scans = gt.Polar(radius=RADIUS, angles=13, steps=25), {}
    print()
    for label, strengths in (("start", study.start), ("minimum", newton.strengths[-1])):
        ring = study.ring.with_knobs(study.knobs, strengths)
        for delta in (0.0, OFF):
            scan = gt.dynamic_aperture(ring, shape, turns=turns, delta=delta)
            assert scan.connected.reshape(shape.shape)[:, 0].all(), "particles next to the closed orbit survive"
            print(f"{label}: {scan}")
            scans[f"{label}, $\\delta$ = {100 * delta:g} %"] = scan
    return scans


def draw(
    study: Study, terms: Terms, descent: Path2D, newton: Path2D, scans: dict[str, gt.DynamicAperture], picture: Path
) -> None:
    """Draw both paths on contours, the objective at each step, and terms and dynamic apertures before and after."""
    figure, ((land, steps), (bars, aperture)) = plt.subplots(
        2, 2, figsize=(12.0, 9.0), layout="constrained", width_ratios=(1.2, 1.0)
    )
    for (label, scan), color, style in zip(
        scans.items(), ("#8a939c", "#8a939c", "#1f5fa8", "#1f5fa8"), ("-", "--") * 2, strict=True
    ):
        aperture.plot(*(1e3 * scan.boundary.T), style, color=color, label=f"{label}: {1e6 * scan.area:.0f} mm²")
    aperture.set(xlabel="x [mm]", ylabel="y [mm]", title=f"dynamic aperture, {next(iter(scans.values())).turns} turns")
    aperture.set_ylim(0.0, 1.5 * aperture.get_ylim()[1])
    aperture.legend(loc="upper right", fontsize=9)
    aperture.grid(alpha=0.3)
    landscape(land, study, terms, descent, newton)
    ways = ((descent, "steepest descent", "#d9730d", "-"), (newton, "quasi-Newton", "#1f5fa8", "o-"))
    lowest = newton.values[-1]
    for path, label, color, style in ways:
        above = path.values - lowest
        steps.semilogy(above[above > 0.0], style, color=color, ms=4, label=label)
    steps.set(xlabel="step", ylabel="objective above its minimum [m$^{-1/2}$]", title="convergence")
    steps.set_xscale("symlog", linthresh=10)
    steps.grid(alpha=0.3)
    steps.legend()
    states = (study.start, descent.strengths[-1], newton.strengths[-1])
    labels, colors = ("start", "steepest descent", "quasi-Newton"), ("#b8c0c8", "#d9730d", "#1f5fa8")
    for i, (strengths, label, color) in enumerate(zip(states, labels, colors, strict=True)):
        sums = np.abs(terms(strengths)).sum(axis=1)
        bars.bar(np.arange(len(TERMS)) + 0.27 * (i - 1), sums, 0.27, label=label, color=color)
    bars.set_xticks(range(len(TERMS)), list(TERMS))
    bars.set(ylabel="sum of |h| over the monitors [m$^{-1/2}$]", title="the five terms")
    bars.legend()
    figure.savefig(picture, dpi=110)


def landscape(axes: Any, study: Study, terms: Terms, descent: Path2D, newton: Path2D) -> None:
    """Contours of the objective: terms are linear in the strengths."""
    both = np.concatenate([descent.strengths, newton.strengths])
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 0.35 * (high - low).max()
    first, second = (np.linspace(a - margin, b + margin, 80) for a, b in zip(low, high, strict=True))
    zero = terms(np.zeros(2))
    one, two = (terms(side) - zero for side in np.eye(2))
    sums = np.array([[np.abs(zero + a * one + b * two).sum() for a in first] for b in second])
    lowest = newton.values[-1]
    levels = lowest + np.linspace(0.0, 1.0, 25) ** 2 * (sums.max() - lowest)  # dense in the valley
    plt.colorbar(axes.contourf(first, second, sums, levels, cmap="viridis_r"), ax=axes, label="objective [m$^{-1/2}$]")
    ways = ((descent, "steepest descent", "-", "#d9730d", 3.0), (newton, "quasi-Newton", "o-", "#1f5fa8", 1.5))
    for path, label, style, color, width in ways:
        label = f"{label}, {len(path.values) - 1} steps"
        axes.plot(*path.strengths.T, style, color=color, lw=width, ms=5, mec="white", label=label)
    axes.plot(*study.start, "ks", label="start")
    axes.plot(*newton.strengths[-1], "*", ms=16, color="white", mec="#1f5fa8", label="minimum", ls="")
    names = [knob.handle.removesuffix(".k2") for knob in study.knobs]
    axes.set(xlabel=f"$k_2$ of {names[0]} [m$^{{-3}}$]", ylabel=f"$k_2$ of {names[1]} [m$^{{-3}}$]")
    axes.set_title(f"sum of |h| over the monitors, {study.ring.name}")
    axes.legend(loc="upper right")


if __name__ == "__main__":
    main()
