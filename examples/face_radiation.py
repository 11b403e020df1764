"""Damping and emittance of a ring of bends with turned faces: where the field ends decides what particles radiate.

    python examples/face_radiation.py [--angles 7] [--picture PICTURE.png]

Off its axis a particle has a longer or shorter way through a bend whose faces are turned, and loses more or less
energy: the damping partition number Jx and the emittance depend on the faces. They are found in four ways for 16 sector
bends with both faces turned by e:

- by the radiation integrals, with the term -h^2 D tan(e) of each face in I4 (Helm et al., 1973);
- by tracking with radiation, from the eigenvalues of the turn and the noise of its photons;
- by tracking where the faces focus, but the field ends at planes perpendicular to the orbit, as in codes that leave the
  radiation of the faces out;
- by integration along the orbit through a field that falls as tanh at each face, over millimetres. It knows of no
  faces: only of a field and its gradient.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import gputrack as gt

REFERENCE = gt.ReferenceParticle.electron(total=1e9)
CELLS, BENDS = 8, 16
LENGTH, ANGLE, GAP, QUADRUPOLE = 1.2, 2.0 * math.pi / BENDS, 0.4, 0.3  # of a bend, of the drifts, of a quadrupole
STRENGTHS = (1.3, -1.1)  # of the quadrupoles [m^-2]
CURVATURE = ANGLE / LENGTH
WIDTH = 2e-3  # of the soft edge [m]: the field falls as (1 + tanh(distance/WIDTH))/2
REACH = 12.0 * WIDTH  # beyond, there is no field
LARGEST = 0.1  # face angle [rad]
PHOTONS = 55.0 / (32.0 * math.sqrt(3.0)) * 197.326_980_4e-9 / 510_998.95  # C_q [m]


class Point(NamedTuple):
    """Jx and the natural emittance [m]."""

    partition: float
    emittance: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--angles", type=int, default=7, help="face angles, at least 2")
    parser.add_argument("--picture", type=Path, default=Path("face_radiation.png"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    angles = np.linspace(0.0, LARGEST, arguments.angles)
    ways = {"integrals": integrals, "tracking": tracking, "perpendicular": perpendicular, "soft edge": soft_edge}
    found = {name: [way(e) for e in angles] for name, way in ways.items()}
    report(angles, found)
    check(found)
    draw(angles, found, arguments.picture)
    print(f"picture: {arguments.picture}")


def ring(bend: list[gt.Element]) -> gt.Lattice:
    """Cells of two quadrupoles and two bends, with a cavity."""
    cell: list[gt.Element] = []
    for number, k1 in enumerate(STRENGTHS):
        drift = gt.Drift("d", length=GAP)
        cell += [gt.Quadrupole(f"q{number}", length=QUADRUPOLE, k1=k1), drift, *bend, drift]
    turn = gt.Lattice(CELLS * cell, REFERENCE).length
    wave = {"voltage": 6e4, "frequency": 4 * REFERENCE.beta0 * 299792458.0 / turn, "lag": 0.49}
    return gt.Lattice([*CELLS * cell, gt.RFCavity("rf", **wave)], REFERENCE)


def integrals(e: float) -> Point:
    found = gt.radiation(ring([gt.SectorBend("b", length=LENGTH, angle=ANGLE, e1=e, e2=e)]))
    return Point(float(found.partition[0]), float(found.emittance[0]))


def tracking(e: float) -> Point:
    return tracked(ring([gt.SectorBend("b", length=LENGTH, angle=ANGLE, e1=e, e2=e)]))


def perpendicular(e: float) -> Point:
    """The focusing of the faces by thin lenses, which do not radiate."""
    lens = gt.Multipole("face", knl=(0.0, -CURVATURE * math.tan(e)))
    return tracked(ring([lens, gt.SectorBend("b", length=LENGTH, angle=ANGLE), lens]))


def tracked(machine: gt.Lattice) -> Point:
    found = gt.envelope(machine.with_radiation())
    return Point(float(found.damping.partition[0]), float(found.emittance[0]))


# -- integration through a soft edge ---------------------------------------------------------------------------------


def soft_edge(e: float) -> Point:
    """Sands' integrals along the orbit, from the field b and its gradient g across the orbit.

    In the plane u'' = -(b^2 + g) u + b delta. The integral of b^2 is I2, that of (b^2 + 2 g) b D is I4, and that of
    |b|^3 H is I5 (M. Sands, SLAC-121, 1970).
    """
    field = CURVATURE
    for _ in range(2):  # the angle is nearly proportional to the field
        field *= -ANGLE / passage(field, e, np.eye(2, 3))[0]
    columns = np.eye(2, 3)  # two solutions without, and one with a momentum deviation
    columns, _ = cell(columns, field, e)
    turn, source = columns[:, :2], columns[:, 2]
    cosine = 0.5 * np.trace(turn)
    beta = turn[0, 1] / math.copysign(math.sqrt(1.0 - cosine**2), turn[0, 1])
    alpha = 0.5 * (turn[0, 0] - turn[1, 1]) * beta / turn[0, 1]
    dispersion = np.linalg.solve(np.eye(2) - turn, source)
    basis = np.array([[math.sqrt(beta), 0.0], [-alpha / math.sqrt(beta), 1.0 / math.sqrt(beta)]])
    _, (i2, i4, i5) = cell(np.column_stack([basis, dispersion]), field, e)
    partition = 1.0 - i4 / i2
    return Point(partition, PHOTONS * REFERENCE.gamma0**2 * i5 / (partition * i2))


def cell(columns: np.ndarray, field: float, e: float) -> tuple[np.ndarray, np.ndarray]:
    """Solutions (u, u') behind a cell, and the integrals in its bends."""
    drift = np.array([[1.0, GAP - REACH], [0.0, 1.0]])
    total = np.zeros(3)
    for k1 in STRENGTHS:
        _, columns, integrals_ = passage(field, e, drift @ quadrupole(k1) @ columns)
        columns, total = drift @ columns, total + integrals_
    return columns, total


def quadrupole(k1: float) -> np.ndarray:
    root = np.sqrt(complex(k1))
    phase = root * QUADRUPOLE
    return np.real([[np.cos(phase), np.sin(phase) / root], [-root * np.sin(phase), np.cos(phase)]])


def passage(field: float, e: float, columns: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Direction of the orbit behind a bend, solutions (u, u'), two with delta = 0 and one with 1, and integrals."""
    deviation = np.array([0.0, 0.0, 1.0])

    def rates(_: float, state: np.ndarray) -> np.ndarray:
        x, z, direction, *rest = state
        u, slope = rest[:3], np.array(rest[3:6])
        b, b_x, b_z = bend_field(x, z, field, e)
        gradient = b_x * math.cos(direction) - b_z * math.sin(direction)
        invariant = normalised(np.array(rest[:6]).reshape(2, 3))
        integrands = b * b, (b * b + 2.0 * gradient) * b * u[2], abs(b) ** 3 * invariant
        turned = b * deviation - (b * b + gradient) * np.array(u)
        return np.array([math.sin(direction), math.cos(direction), -b, *slope, *turned, *integrands])

    state = np.array([0.0, -REACH, 0.0, *columns.ravel(), 0.0, 0.0, 0.0])
    for length, longest in ((2.0 * REACH, WIDTH), (LENGTH - 2.0 * REACH, 0.1), (2.0 * REACH, WIDTH)):
        steps = solve_ivp(rates, (0.0, length), state, method="DOP853", rtol=1e-8, atol=1e-11, max_step=longest)
        state = steps.y[:, -1]
    return state[2], state[3:9].reshape(2, 3), state[9:]


def bend_field(x: float, z: float, field: float, e: float) -> tuple[float, float, float]:
    """Curvature b of the orbit in the plane, and its derivatives; x and z are those of the entrance."""
    sine, cosine = math.sin(ANGLE), math.cos(ANGLE)
    out, along = x + (1.0 - cosine) / CURVATURE, z - sine / CURVATURE
    across, beyond = out * cosine + along * sine, along * cosine - out * sine  # in the frame of the exit
    inside = (z * math.cos(e) - x * math.sin(e), -beyond * math.cos(e) - across * math.sin(e))
    first, last = (math.tanh(distance / WIDTH) for distance in inside)
    rate_first = 0.25 / WIDTH * (1.0 - first**2) * (1.0 + last)
    rate_last = 0.25 / WIDTH * (1.0 - last**2) * (1.0 + first)
    b_x = -rate_first * math.sin(e) + rate_last * (sine * math.cos(e) - cosine * math.sin(e))
    b_z = rate_first * math.cos(e) - rate_last * (cosine * math.cos(e) + sine * math.sin(e))
    return 0.25 * field * (1.0 + first) * (1.0 + last), field * b_x, field * b_z


def normalised(columns: np.ndarray) -> float:
    """Dispersion invariant H: the square of the third column in the basis of the other two, of determinant 1."""
    (a, b, d), (c, f, s) = columns
    return float((f * d - b * s) ** 2 + (a * s - c * d) ** 2)


# -- results ---------------------------------------------------------------------------------------------------------


def report(angles: np.ndarray, found: dict[str, list[Point]]) -> None:
    """Print Jx and the emittance [nm] in each way."""
    for title, row, unit in (("Jx", 0, 1.0), ("emittance [nm]", 1, 1e9)):
        print(f"\n{title:<16}" + "".join(f"{name:>15}" for name in found))
        for number, e in enumerate(angles):
            print(f"e = {e:<12.4f}" + "".join(f"{unit * points[number][row]:>15.5f}" for points in found.values()))


def check(found: dict[str, list[Point]]) -> None:
    """Three of the ways agree; the one with perpendicular faces does not."""
    right, mine, wrong, soft = (np.array(found[name]) for name in found)
    # of first order in the loss per turn, 1e-5 of the energy, and in the length of quadrupoles, which radiate little
    np.testing.assert_allclose(mine[:, 0], right[:, 0], atol=1e-3)
    np.testing.assert_allclose(mine[:, 1], right[:, 1], rtol=1e-2)
    # a soft edge radiates over less than a sharp one by about its width
    np.testing.assert_allclose(soft[:, 0], right[:, 0], atol=5.0 * WIDTH / LENGTH)
    np.testing.assert_allclose(soft[:, 1], right[:, 1], rtol=10.0 * WIDTH / LENGTH)
    assert right[-1, 0] - wrong[-1, 0] > 0.3, "perpendicular faces damp less"
    assert wrong[-1, 1] > 2.0 * right[-1, 1], "and the emittance is more than twice as large"


def draw(angles: np.ndarray, found: dict[str, list[Point]], picture: Path) -> None:
    """Draw Jx and the emittance against the face angle."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.6), layout="constrained")
    styles: dict[str, dict[str, Any]] = {
        "integrals": {"color": "#1f5fa8", "label": "radiation integrals with faces"},
        "tracking": {"color": "#1f5fa8", "ls": "", "marker": "o", "label": "tracking"},
        "perpendicular": {"color": "#d9730d", "ls": "--", "marker": "s", "label": "tracking, faces do not radiate"},
        "soft edge": {"color": "#2f8f4e", "ls": "", "marker": "x", "ms": 9, "label": "integration through a soft edge"},
    }
    for axes, row, unit, title in ((left, 0, 1.0, "$J_x$"), (right, 1, 1e9, "natural emittance [nm]")):
        for name, style in styles.items():
            axes.plot(1e3 * angles, [unit * point[row] for point in found[name]], **style)
        axes.set(xlabel="angle of both faces [mrad]", ylabel=title, ylim=(0.0, None))
        axes.grid(alpha=0.3)
    left.legend(loc="lower left")
    figure.suptitle("16 sector bends of 1 GeV electrons")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
