"""Beta functions and dispersion around a ring, compared with MAD-X and PTC at every element.

    python examples/optics_esr.py [--lattice esr.madx] [--picture optics_esr.png]

MAD-X's `twiss` gives the mode functions of Edwards and Teng, PTC those of Mais and Ripken: where solenoids couple the
planes, as between the spin rotators of EIC's electron storage ring, they are different functions, and each is compared
with the same form in gputrack (`gt.twiss(ring, form=...)`). For PTC both codes use the same slices (drift-kick of order
6, ten slices, exact Hamiltonian); MAD-X is compared with the default model, whose slices have converged. Needs cpymad.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import processes, ptc
from support.peers.madx_text import source

RIPKEN = {"beta11": ("x", 1), "beta12": ("x", 2), "beta21": ("y", 1), "beta22": ("y", 2)}
DISPERSION = {"disp1": "dx", "disp2": "dpx", "disp3": "dy", "disp4": "dpy"}
MADX = {"betx": "betx", "bety": "bety", "dx": "dx", "dpx": "dpx", "dy": "dy", "dpy": "dpy"}
COUPLED = 1e-3  # beta of the other mode [m] above which planes are regarded as coupled
#: of the ESR, by design
TUNES = (50.08, 46.14)
Columns = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X file; default: the bundled ring")
    parser.add_argument("--picture", type=Path, default=Path("optics_esr.png"))
    arguments = parser.parse_args()
    if arguments.lattice and arguments.lattice.suffix == ".json":
        parser.error(f"--lattice {arguments.lattice}: PTC reads MAD-X files only")
    plain = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring().with_changes("rf", voltage=0.0)
    sliced = plain.with_model(gt.Model(integrator=gt.DriftKick(order=6, slices=10)))
    text = source(plain, arguments.lattice and arguments.lattice.resolve())
    ripken, teng = gt.twiss(sliced), gt.twiss(plain, form=gt.EdwardsTeng())
    madx, madx_tunes = by_madx(text, plain)
    theirs, ptc_tunes = by_ptc(text)
    print(f"{plain.name}: {len(plain)} elements, {plain.length:.3f} m")
    for name, tw, tunes in (("MAD-X", teng, madx_tunes), ("PTC", ripken, ptc_tunes)):
        print(f"tunes: gputrack {tw.qx:.10f} {tw.qy:.10f}, {name} {tunes[0]:.10f} {tunes[1]:.10f}")
        # PTC gives fractional tunes
        miss = (np.array([tw.qx, tw.qy]) - tunes + 0.5) % 1.0 - 0.5
        assert np.abs(miss).max() <= 1e-8, f"tunes of {name}"
    if plain.name == "esr":
        assert np.abs(np.array([teng.qx, teng.qy]) - TUNES).max() <= 1e-6, "tunes of the ESR"
    coupled = (ripken.beta("x", 2) > COUPLED) | (ripken.beta("y", 1) > COUPLED)
    differences = compared(ripken, teng, madx, theirs)
    report(differences, coupled, ripken, madx)
    draw(plain.name, ripken, differences, coupled, arguments.picture)
    print(f"picture: {arguments.picture}")


def by_madx(text: str, ring: gt.Lattice) -> tuple[Columns, np.ndarray]:
    """Columns of `twiss` at entrances and the end, and tunes; derivatives per delta: theirs are per pt."""
    madx = processes.madx(text)
    table = madx.twiss()
    beta0 = ring.require_reference().beta0
    columns = {name: np.array(table[name])[:-1] * (beta0 if name.startswith("d") else 1.0) for name in MADX}
    tunes = np.array([table.summary.q1, table.summary.q2])
    madx.exit()
    return rows(columns, ring), tunes


def by_ptc(text: str) -> tuple[Columns, np.ndarray]:
    """Ripken's functions and dispersion by PTC, delta being its sixth coordinate, and tunes."""
    madx = processes.madx(text)
    ptc.create(madx, ptc.Layout(exact=True, model=1, method=6, nst=10, time=False))
    madx.input("ptc_twiss, icase=5, no=1, closed_orbit=true;")
    table = madx.table.ptc_twiss
    columns = {name: np.array(table[name])[:-1] for name in (*RIPKEN, *DISPERSION, "mu1", "mu2")}
    madx.exit()
    return columns, np.array([columns["mu1"][-1], columns["mu2"][-1]])


def rows(columns: Columns, ring: gt.Lattice) -> Columns:
    """Columns, after a check that they have one row more than there are elements."""
    for name, column in columns.items():
        assert len(column) == len(ring) + 1, f"{name}: {len(column)} rows for {len(ring)} elements"
    return columns


def compared(ripken: gt.Twiss, teng: gt.Twiss, madx: Columns, theirs: Columns) -> dict[str, Columns]:
    """Absolute differences by code and column; beta of modes by PTC's names."""
    of_madx = {name: np.abs(getattr(teng, name) - madx[name]) for name in MADX}
    of_ptc = {name: np.abs(ripken.beta(*place) - theirs[name]) for name, place in RIPKEN.items()}
    of_ptc |= {own: np.abs(getattr(ripken, own) - theirs[name]) for name, own in DISPERSION.items()}
    return {"MAD-X": of_madx, "PTC": of_ptc}


def report(differences: dict[str, Columns], coupled: np.ndarray, ripken: gt.Twiss, madx: Columns) -> None:
    """Print the largest differences outside and inside the coupled regions, and assert their limits."""
    print(f"planes are coupled at {coupled.sum()} of {len(coupled)} places")
    print(f"{'code':<6} {'column':<8} {'largest difference':>19} {'where coupled':>14}")
    for code, columns in differences.items():
        for name, difference in columns.items():
            inside = f"{difference[coupled].max():14.1e}" if coupled.any() else f"{'-':>14}"
            print(f"{code:<6} {name:<8} {difference[~coupled].max():19.1e} {inside}")
            limit = 1e-7 if name.startswith("bet") else 1e-9
            assert difference.max() < limit, f"{code}: {name}"
    if coupled.any():
        apart = np.abs(ripken.betx - madx["betx"])[coupled] / madx["betx"][coupled]
        print(f"there beta_x of Ripken's and of Edwards and Teng's are up to {100 * apart.max():.1f} % apart")
        assert apart.max() > 0.01, "in coupled regions the two forms are different functions"


def draw(name: str, tw: gt.Twiss, differences: dict[str, Columns], coupled: np.ndarray, picture: Path) -> None:
    """Draw the functions around the ring, and their differences below."""
    figure, axes = plt.subplots(3, 1, figsize=(12.0, 8.4), layout="constrained", sharex=True)
    top = axes[0]
    top.plot(tw.s, tw.betx, lw=0.8, color="#1f5fa8", label=r"$\beta_x$")
    top.plot(tw.s, tw.bety, lw=0.8, color="#d9730d", label=r"$\beta_y$")
    top.set(ylabel=r"$\beta$ [m]", yscale="log", title=f"{name}: {len(tw.s) - 1} elements")
    side = top.twinx()
    side.plot(tw.s, tw.dx, lw=0.8, color="#3a8f3a")
    side.set_ylabel("dispersion $D_x$ [m]", color="#3a8f3a")
    top.legend(loc="upper center", ncols=2)
    colours = {"MAD-X": "#8a4fbf", "PTC": "#b3202a"}
    groups = (("bet", r"difference of $\beta$ [m]", 1e-7), ("d", "difference of dispersion [m, rad]", 1e-9))
    kinds = {"MAD-X": "Edwards-Teng, largest of 2", "PTC": "Mais-Ripken, largest of 4"}
    for axis, (start, label, limit) in zip(axes[1:], groups, strict=True):
        for code, columns in differences.items():
            worst = np.max([column for key, column in columns.items() if key.startswith(start)], axis=0)
            kind = f" ({kinds[code]})" if start == "bet" else ""
            axis.semilogy(tw.s, np.maximum(worst, 1e-18), ".", ms=2, color=colours[code], label=f"to {code}{kind}")
        axis.axhline(limit, ls="--", color="k", lw=1, label=f"limit asserted, {limit:.0e}")
        axis.set(ylabel=label, ylim=(1e-17, 5 * limit))
        axis.grid(alpha=0.3)
        shade(axis, tw.s, coupled)
        axis.legend(fontsize=8, loc="lower right", ncols=4, markerscale=4)
    axes[-1].set_xlabel("s [m]")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=100)


def shade(axis: plt.Axes, s: np.ndarray, coupled: np.ndarray) -> None:
    """Mark where the planes are coupled."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], coupled, [False]]).astype(int)))
    for number, (first, last) in enumerate(edges.reshape(-1, 2)):
        end = min(last, len(s) - 1)
        axis.axvspan(s[first], s[end], color="#f0c040", alpha=0.5, lw=0, label=None if number else "planes coupled")


if __name__ == "__main__":
    main()
