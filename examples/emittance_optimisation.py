"""Reduce the natural emittance of a light source by its quadrupoles, at constant tunes and bounded beta, dispersion.

    python examples/emittance_optimisation.py [--lattice spear3.madx] [--lower 0.9] [--picture PICTURE.png]

A complete design task, for the bundled ring or for SPEAR3: all families of quadrupoles vary, the tunes are constant,
and beta at every place and the dispersion at the start of the ring are limited; the larger dispersion there is the
price. Sequential quadratic programming (SLSQP of scipy) uses exact derivatives of the emittance, by radiation integrals
inside the bends, and of all constraints. Sextupoles then restore the chromaticities.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import gputrack as gt

BETA = 1.15  #: limit of beta relative to its initial maximum
INSIDE = gt.Slices(6)  #: places in each element at which beta is limited
DISPERSION = 0.15  #: largest dispersion at the start of the ring, in a straight section [m]
MOST_K1 = 15.0  #: change of any family [%]


@dataclass(frozen=True)
class Design:
    """Ring, its families of quadrupoles and of sextupoles, and its initial optics."""

    ring: gt.Lattice
    knobs: gt.Knobs
    sextupoles: gt.Knobs
    before: gt.Twiss

    def lattice(self, change: Any) -> gt.Lattice:
        """Lattice with changes of the families [%]."""
        return self.ring.with_knobs(self.knobs, self.knobs.values * (1.0 + 0.01 * change))

    def emittance(self, change: Any) -> Any:
        """Natural emittance [nm]."""
        return 1e9 * gt.radiation(self.lattice(change)).emittance[0]

    def tunes(self, change: Any) -> Any:
        """Deviations of the tunes."""
        tw = gt.twiss(self.lattice(change))
        return anp.stack([tw.qx - self.before.qx, tw.qy - self.before.qy])

    def margins(self, change: Any) -> Any:
        """Distances of the largest beta in each plane, and of the dispersion at the start, from their limits, >= 0."""
        tw = gt.twiss(self.lattice(change), at=INSIDE)
        beta = [
            1.0 - anp.max(getattr(tw, name)) / (BETA * getattr(self.before, name).max()) for name in ("betx", "bety")
        ]
        return anp.stack([*beta, 1.0 - (tw.dx[0] / DISPERSION) ** 2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="spear3.madx")
    parser.add_argument("--lower", type=float, default=0.9, help="asserted: emittance after over before, at most")
    parser.add_argument(
        "--picture", type=Path, default=Path("emittance_optimisation.png")
    )
    arguments = parser.parse_args()
    design = bundled() if arguments.lattice is None else spear3(arguments.lattice)
    print(design.ring)
    check_gradient(design)
    change, history = optimise(design)
    ring = chromatic(design, design.lattice(change))
    report(design, ring, change)
    assert history[-1] < arguments.lower * history[0], "it is lower"
    draw(design, ring, change, history, arguments.picture)
    print(f"picture: {arguments.picture}")


def bundled() -> Design:
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    return designed(ring, ("qf.*.k1", "qd.*.k1", "qfc.*.k1"), ("sf.*.k2", "sd.*.k2"))


def spear3(path: Path) -> Design:
    names = ("qdx", "qfx", "qdy", "qfy", "qdz", "qfz", "qf", "qd", "qfc")
    return designed(gt.load(path), tuple(f"{name}.k1" for name in names), ("sf.k2", "sd.k2"))


def designed(ring: gt.Lattice, quadrupoles: tuple[str, ...], sextupoles: tuple[str, ...]) -> Design:
    return Design(ring, ring.knobs(*quadrupoles), ring.knobs(*sextupoles), gt.twiss(ring, at=INSIDE))


def check_gradient(design: Design) -> None:
    """Compare the exact gradient of the emittance with central differences."""
    zero = np.zeros(len(design.knobs))
    exact, step = gt.grad(design.emittance)(zero), 1e-3
    sides = step * np.eye(len(zero))
    differences = [(design.emittance(side) - design.emittance(-side)) / (2.0 * step) for side in sides]
    print(f"emittance {design.emittance(zero):.4f} nm; its derivatives by families, and differences:")
    for knob, a, b in zip(design.knobs, exact, differences, strict=True):
        print(f"  {knob.handle:<10} {a:>12.6f} {b:>12.6f} nm per cent")
    np.testing.assert_allclose(exact, differences, rtol=1e-5, atol=1e-5 * np.abs(exact).max())


def optimise(design: Design) -> tuple[np.ndarray, list[float]]:
    """Changes of the families [%], and the emittance of each iteration."""
    size = len(design.knobs)
    history = [float(design.emittance(np.zeros(size)))]
    constraints = [
        {"type": "eq", "fun": design.tunes, "jac": gt.jacobian(design.tunes)},
        {"type": "ineq", "fun": design.margins, "jac": gt.jacobian(design.margins)},
    ]
    relative = gt.value_and_grad(lambda change: design.emittance(change) / history[0])
    found = minimize(
        relative, np.zeros(size), jac=True, method="SLSQP", constraints=constraints,
        bounds=[(-MOST_K1, MOST_K1)] * size, options={"ftol": 1e-9, "maxiter": 100},
        callback=lambda change: history.append(float(design.emittance(change))),
    )  # fmt: skip
    print(f"SLSQP: {found.message}, {found.nit} iterations, {found.nfev} evaluations")
    assert found.success, found.message
    np.testing.assert_allclose(design.tunes(found.x), 0.0, atol=1e-6)
    assert design.margins(found.x).min() > -1e-6
    return found.x, history


def chromatic(design: Design, ring: gt.Lattice) -> gt.Lattice:
    """Ring with the initial chromaticities."""
    targets = [gt.Target(name, float(getattr(design.before, name))) for name in ("dqx", "dqy")]
    found = gt.match(ring, design.sextupoles, targets)
    assert found.success, found.failure
    return found.lattice


def report(design: Design, ring: gt.Lattice, change: np.ndarray) -> None:
    """Print quantities before and after."""
    rows: list[tuple[str, Callable[[gt.Twiss, gt.Radiation], Any]]] = [
        ("natural emittance [nm]", lambda tw, r: 1e9 * r.emittance[0]),
        ("energy spread [1e-3]", lambda tw, r: 1e3 * r.energy_spread),
        ("Jx", lambda tw, r: r.partition[0]),
        ("tune x", lambda tw, r: tw.qx),
        ("tune y", lambda tw, r: tw.qy),
        ("chromaticity x", lambda tw, r: tw.dqx),
        ("chromaticity y", lambda tw, r: tw.dqy),
        ("largest beta x [m]", lambda tw, r: tw.betx.max()),
        ("largest beta y [m]", lambda tw, r: tw.bety.max()),
        ("dispersion at start [m]", lambda tw, r: tw.dx[0]),
    ]
    sides = [(gt.twiss(lattice, at=INSIDE), gt.radiation(lattice)) for lattice in (design.ring, ring)]
    before, after = sides[0][0], sides[1][0]
    for name in ("betx", "bety"):
        assert getattr(after, name).max() <= 1.150001 * getattr(before, name).max(), "beta increases by at most 15 %"
    assert abs(after.qx - before.qx) + abs(after.qy - before.qy) < 1e-6, "the tunes are constant"
    print(f"{'':<24} {'before':>12} {'after':>12}")
    for name, figure in rows:
        print(f"{name:<24} {figure(*sides[0]):>12.5f} {figure(*sides[1]):>12.5f}")
    for knob, per_cent in zip(design.knobs, change, strict=True):
        print(f"{knob.handle:<24} {knob.value:>12.5f} {knob.value * (1.0 + 0.01 * per_cent):>12.5f}")


def draw(design: Design, ring: gt.Lattice, change: np.ndarray, history: list[float], picture: Path) -> None:
    """Draw the optics of a part of the ring before and after, the emittance at each iteration, and the families."""
    figure = plt.figure(figsize=(13.0, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    length = min(36.0, ring.length)
    for row, (lattice, label) in enumerate(((design.ring, "before"), (ring, "after"))):
        tw, emittance = gt.twiss(lattice, at=gt.Slices(10)), 1e9 * gt.radiation(lattice).emittance[0]
        axes = figure.add_subplot(grid[row, :2])
        part = tw.s <= length
        axes.plot(tw.s[part], tw.betx[part], color="#1f5fa8", label=r"$\beta_x$")
        axes.plot(tw.s[part], tw.bety[part], color="#d9730d", label=r"$\beta_y$")
        axes.set(ylabel=r"$\beta$ [m]", xlim=(0.0, length), ylim=(0.0, 1.2 * BETA * design.before.bety.max()))
        axes.set_title(f"{label}: natural emittance {emittance:.2f} nm, tunes {tw.qx:.3f}, {tw.qy:.3f}")
        right = axes.twinx()
        right.plot(tw.s[part], tw.dx[part], color="#2f8f4e", label="$D_x$ (right)")
        right.axhline(0.0, color="#2f8f4e", lw=0.6, ls=":")
        right.set(ylabel="$D_x$ [m]", ylim=(-0.2, 0.8))
        axes.legend(loc="upper left", ncols=2)
        right.legend(loc="upper right")
    axes.set_xlabel("s [m]")
    steps = figure.add_subplot(grid[0, 2])
    steps.plot(history, "o-", ms=3, color="#1f5fa8")
    steps.set(xlabel="iteration of SLSQP", ylabel="natural emittance [nm]", ylim=(0.0, None))
    steps.grid(alpha=0.3)
    families = figure.add_subplot(grid[1, 2])
    names = [knob.handle.split(".")[0] for knob in design.knobs]
    families.barh(names, change, color="#6b7a89")
    families.axvline(0.0, color="black", lw=0.8)
    families.set(xlabel="change of $k_1$ [%]", title="families of quadrupoles", xlim=(-1.1 * MOST_K1, 1.1 * MOST_K1))
    families.invert_yaxis()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
