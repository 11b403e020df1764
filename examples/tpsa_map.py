"""The one-turn map of a storage ring as a power series, and its normal form.

    python examples/tpsa_map.py [--lattice spear3.madx] [--order 4] [--picture examples/pictures/tpsa_map.png]

Prints the map of x, tunes, chromaticities and the detuning with amplitude from the nonlinear normal form, and compares
them with tracked particles, and for a MAD-X file with PTC if cpymad is installed. The picture shows the tunes of
tracked particles as a function of their action, and the prediction of the map.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize_scalar

import gputrack as gt
from gputrack.tpsa.normal_form import NormalForm

TURNS = 1024
PLANES = ("x", "y")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--order", type=int, default=5, choices=(4, 5, 6))
    parser.add_argument("--particles", type=int, default=12)
    parser.add_argument("--picture", type=Path, default=Path("tpsa_map.png"))
    arguments = parser.parse_args()
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring()
    if arguments.lattice:  # the same slices as for PTC below
        ring = ring.with_model(gt.Model(integrator=gt.DriftKick(order=6, slices=10)))
    cavities = sorted({element.name for element in ring if isinstance(element, gt.RFCavity)})
    for name in cavities:
        ring = ring.with_changes(name, voltage=0.0)
    one_turn = gt.one_turn_map(ring, order=arguments.order)
    print(f"{ring.name}: x after one turn, of order {arguments.order}:\n{one_turn[0]}")
    form = one_turn.normal_form()
    report(form)
    fits = compare_with_tracking(ring, form, arguments.particles, arguments.picture)
    for plane, found in enumerate(fits):
        print(f"tracked dQ{PLANES[plane]}/dJ{PLANES[plane]}: {found:.2f} per m")
        assert abs(found - own_detuning(form, plane)) <= 1e-3 * abs(own_detuning(form, plane)), "tracked detuning"
    if arguments.lattice and arguments.lattice.suffix == ".madx":
        compare_with_ptc(arguments.lattice, form)


def own_detuning(form: NormalForm, plane: int) -> float:
    """dQ/dJ of a plane with its own action [1/m]."""
    return form.tune(plane, (1, 0) if plane == 0 else (0, 1))


def report(form: NormalForm) -> None:
    """Tunes and their derivatives, as a table."""
    print(f"{'':>4} {'tune':>10} {'dQ/ddelta':>11} {'d2Q/ddelta2':>12} {'dQ/dJx [1/m]':>13} {'dQ/dJy [1/m]':>13}")
    for plane, name in enumerate(PLANES):
        numbers = form.tune(plane), form.tune(plane, (), 1), 2.0 * form.tune(plane, (), 2)
        own, other = form.tune(plane, (1, 0)), form.tune(plane, (0, 1))
        print(f"Q{name:>3} {numbers[0]:10.6f} {numbers[1]:11.4f} {numbers[2]:12.3f} {own:13.2f} {other:13.2f}")


# -- tracked particles ---------------------------------------------------------------------------------------------


def compare_with_tracking(ring: gt.Lattice, form: NormalForm, count: int, picture: Path) -> list[float]:
    """Draw tunes over actions; return the slopes at the origin that fit the tracked ones."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    slopes = []
    for plane, (axis, name) in enumerate(zip(axes, PLANES, strict=True)):
        # amplitudes at which the tune changes by some 1e-3
        actions = np.linspace(0.05, 1.0, count) * 1e-3 / abs(own_detuning(form, plane))
        start = coordinates_of(ring, actions, plane)
        tunes = tracked_tunes(ring, start, plane)
        # the nonlinear actions of the same particles, by the transformation of the normal form
        phasors = form.transformation.inverse().evaluate(start)
        actions = np.abs(phasors[2 * plane]) ** 2
        slopes.append(float(np.polynomial.Polynomial.fit(actions, tunes, 3).convert().coef[1]))
        axis.plot(1e6 * actions, tunes, "o", ms=5, label="tracked, 1024 turns")
        axis.plot(1e6 * actions, form.tune(plane) + own_detuning(form, plane) * actions, "-",
                  label=f"normal form: {own_detuning(form, plane):.4g} per m")  # fmt: skip
        axis.set(xlabel=rf"action $J_{name}$ [µm]", ylabel=rf"tune $Q_{name}$", title=f"{ring.name}: plane {name}")
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)
    return slopes


def coordinates_of(ring: gt.Lattice, actions: np.ndarray, plane: int) -> np.ndarray:
    """Particles (6, n) with given linear actions in a plane, at its upright extreme."""
    start = gt.linear_optics(ring).start
    beta, alpha = (start.betx, start.alfx) if plane == 0 else (start.bety, start.alfy)
    coordinates = np.zeros((6, len(actions)))
    coordinates[2 * plane] = np.sqrt(2.0 * beta * actions)
    coordinates[2 * plane + 1] = -alpha / beta * coordinates[2 * plane]
    return coordinates


def tracked_tunes(ring: gt.Lattice, coordinates: np.ndarray, plane: int) -> np.ndarray:
    """Tunes in a plane of particles (6, n)."""
    marked = gt.Lattice([*ring, gt.Marker("end_of_turn")], ring.reference, name=ring.name, model=ring.model)
    start = gt.linear_optics(ring).start
    beta, alpha = (start.betx, start.alfx) if plane == 0 else (start.bety, start.alfy)
    out = gt.track(marked, gt.Beam(coordinates, ring.reference), TURNS, monitors=[gt.Monitor("end_of_turn")])
    assert not out.n_lost
    q, p = out.records[0].coordinates[:, 0, 2 * plane], out.records[0].coordinates[:, 0, 2 * plane + 1]
    return np.array([frequency(column) for column in (q - 1j * (alpha * q + beta * p)).T])


def frequency(signal: np.ndarray) -> float:
    """Frequency of a phasor (turns,), between 0 and 1: maximum of its windowed Fourier sum."""
    numbers, window = np.arange(len(signal)), np.hanning(len(signal) + 1)[:-1] ** 2
    own = signal * window

    def height(q: float) -> float:
        return -float(np.abs(np.sum(own * np.exp(-2.0j * np.pi * q * numbers))))

    bin_ = int(np.argmax(np.abs(np.fft.fft(own)))) / len(signal)
    bounds = bin_ - 1.0 / len(signal), bin_ + 1.0 / len(signal)
    found: Any = minimize_scalar(height, bounds=bounds, method="bounded", options={"xatol": 1e-13})
    return float(found.x % 1.0)


# -- PTC -----------------------------------------------------------------------------------------------------------


def compare_with_ptc(path: Path, form: NormalForm) -> None:
    """Compare with ptc_normal and the same slices; without cpymad print that this is skipped."""
    mine = {
        "dq1=1": form.tune(0, (), 1), "dq2=1": form.tune(1, (), 1), "anhx=1,0,0": 0.5 * form.tune(0, (1, 0)),
        "anhx=0,1,0": 0.5 * form.tune(0, (0, 1)), "anhy=0,1,0": 0.5 * form.tune(1, (0, 1)),
    }  # fmt: skip
    try:
        values = ptc_normal(path, list(mine))
    except ImportError:
        print("PTC: not compared, cpymad is not installed")
        return
    print(f"{'PTC (detunings along 2 J)':>26} {'gputrack':>16} {'PTC':>16}")
    for (name, own), value in zip(mine.items(), values, strict=True):
        print(f"{name:>26} {own:16.8f} {value:16.8f}")
        assert abs(own - value) <= 1e-7 * max(1.0, abs(value)), name


def ptc_normal(path: Path, names: list[str]) -> list[float]:
    """Results of ptc_normal, run in a temporary folder, since PTC writes files to the current one."""
    from cpymad.madx import Madx

    with tempfile.TemporaryDirectory(prefix="madx-") as folder:
        madx = Madx(stdout=False, cwd=folder)
        madx.input(f'option, -echo, -info, -warn; call, file="{path.resolve()}";')
        madx.input("ptc_create_universe, sector_nmul_max=10, sector_nmul=10;")
        madx.input("ptc_create_layout, model=1, method=6, nst=10, exact=true, time=false;")
        for name in names:
            madx.input(f"select_ptc_normal, {name};")
        madx.input("ptc_normal, closed_orbit, normal, icase=5, no=4;")
        values = [float(value) for value in madx.table.normal_results.value]
        madx.exit()
    return values


if __name__ == "__main__":
    main()
