"""MAD-X PTC through cpymad, in our coordinates.

PTC's canonical pair, as `ptc_track` prints it, depends on the layout's `time`:

- ``time=true``: pt = (E - E0)/(p0 c) and t = -c tau [m], tau the arrival time relative to the reference.
  Hence (1 + delta)^2 = 1 + 2 pt/beta0 + pt^2 and z = beta t, at any energy.
- ``time=false``: pt is delta and t is minus the path length beyond that of the reference. The path says
  nothing about the speed: z = t + s (beta/beta0 - 1) after a distance s that started with z = t.

MAD-X's strengths act alike on either sign of the charge. So do its voltages; and they leave out the size of the
charge: an ion gains volt, not charge times volt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from support.peers import processes

from gputrack.base.reference import ReferenceParticle

#: PTC replaces the mass [eV] of any particle within 2 % of a proton's by its own, CODATA 2018
PROTON_MASS = 938.272_088_16e6
#: apertures of PTC, wide open: its default ends particles at 0.1 m
OPEN = "maxaper={10, 10, 10, 10, 1e6, 10}"
COLUMNS = ("x", "px", "y", "py", "t", "pt")


@dataclass(frozen=True)
class Layout:
    """How PTC integrates: the arguments of ``ptc_create_layout``.

    model 1 is drift-kick, 2 matrix-kick (for straight magnets of second order whatever the method); method 2, 4
    or 6 the order; nst slices.
    """

    exact: bool = True
    model: int = 2
    method: int = 6
    nst: int = 10
    time: bool = True

    def text(self) -> str:
        """The command."""
        exact, time = str(self.exact).lower(), str(self.time).lower()
        return (
            f"ptc_create_layout, model={self.model}, method={self.method}, nst={self.nst}, "
            f"exact={exact}, time={time}, resplit=false;"
        )


def beam_text(reference: ReferenceParticle) -> str:
    """The MAD-X command for a reference particle."""
    return f"beam, mass={reference.mass * 1e-9!r}, charge={reference.charge!r}, pc={reference.p0c * 1e-9!r};"


# -- coordinates ---------------------------------------------------------------------------------------


def speed(delta: Any, reference: ReferenceParticle) -> Any:
    """beta/beta0 of particles with momentum deviation delta."""
    opd = 1.0 + np.asarray(delta)
    return opd / np.sqrt(reference.beta0**2 * opd**2 + reference.gamma0**-2)


def to_ptc(coordinates: np.ndarray, reference: ReferenceParticle, time: bool = True) -> np.ndarray:
    """(x, px, y, py, t, pt) of PTC from (x, px, y, py, z, delta), shapes (6, n)."""
    x, px, y, py, z, delta = coordinates
    if not time:
        return np.array([x, px, y, py, z, delta])
    b0 = reference.beta0
    energy = np.sqrt(b0**2 * (1.0 + delta) ** 2 + reference.gamma0**-2)  # E/E0
    pt = b0 * delta * (2.0 + delta) / (energy + 1.0)
    return np.array([x, px, y, py, z / (speed(delta, reference) * b0), pt])


def from_ptc(columns: np.ndarray, reference: ReferenceParticle, time: bool = True, s: Any = 0.0) -> np.ndarray:
    """(x, px, y, py, z, delta) from PTC's (x, px, y, py, t, pt), shapes (..., 6, n).

    `s` [m] is the distance travelled, for ``time=false`` only.
    """
    x, px, y, py, t, pt = np.moveaxis(columns, -2, 0)
    if not time:
        z = t + s * (speed(pt, reference) - 1.0)
        return np.stack([x, px, y, py, z, pt], axis=-2)
    gain = pt * (2.0 / reference.beta0 + pt)
    delta = gain / (1.0 + np.sqrt(1.0 + gain))
    z = t * speed(delta, reference) * reference.beta0
    return np.stack([x, px, y, py, z, delta], axis=-2)


# -- tracking ------------------------------------------------------------------------------------------


def track_each(
    elements: Mapping[str, str],
    coordinates: np.ndarray,
    reference: ReferenceParticle,
    layout: Layout,
    errors: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """Coordinates (6, n) after each of some elements alone, each from the same start.

    Parameters
    ----------
    elements : mapping of str to str
        MAD-X definitions by any name: class and attributes, for example ``"quadrupole, l=1, k1=0.3"``.
    coordinates : (6, n) array
        Ours.
    reference : ReferenceParticle
    layout : Layout
    errors : mapping of str to str
        Attributes of ``ealign`` for some of the elements.
    """
    madx = processes.madx(beam_text(reference))
    results = {}
    for i, (name, definition) in enumerate(elements.items()):
        madx.input(f"e{i}: {definition}; ring{i}: line=(e{i}); use, period=ring{i};")
        error = (errors or {}).get(name)
        if error:
            madx.input("eoption, add=false; select, flag=error, clear; select, flag=error, range=#s/#e;")
            madx.input(f"ealign, {error};")
        create(madx, layout, align=bool(error), full_field=definition.startswith(("sbend", "rbend")))
        results[name] = run(madx, coordinates, reference, layout.time)[-1]
        madx.input("ptc_track_end; ptc_end;")
    madx.exit()
    return results


def track_file(
    path: Path,
    sequence: str,
    coordinates: np.ndarray,
    reference: ReferenceParticle,
    layout: Layout | None = None,
    turns: int = 1,
    everywhere: bool = False,
) -> tuple[list[str], np.ndarray]:
    """Track through a MAD-X file: names of the places, and coordinates there, (turns * places, 6, n).

    The file's own beam is replaced by `reference`. With `everywhere`, places are all elements of the expanded
    sequence (MAD-X's own drifts included, its markers of start and end not); else there is one, the end.
    """
    madx = processes.madx(f'call, file="{Path(path).resolve()}";\n{beam_text(reference)}\nuse, sequence={sequence};')
    layout = layout or Layout()
    names = [name for name in madx.sequence[sequence].expanded_element_names() if "$" not in name]
    create(madx, layout)
    watched = names[:-1] if everywhere else []
    out = run(madx, coordinates, reference, layout.time, watched, turns)
    madx.exit()
    return names if everywhere else ["#e"], out


def create(madx: Any, layout: Layout, align: bool = False, full_field: bool = True) -> None:
    """Make PTC's layout of the sequence in use.

    `full_field`: expand the field of curved magnets to order 10, and not, as by default, to the order of their
    own multipoles only, which leaves out relative terms of 1e-12.
    """
    order = ", sector_nmul_max=10, sector_nmul=10" if full_field else ""
    madx.input(f"ptc_create_universe{order}; {layout.text()}")
    if align:
        madx.input("ptc_align;")


def run(
    madx: Any,
    coordinates: np.ndarray,
    reference: ReferenceParticle,
    time: bool,
    watched: Sequence[str] = (),
    turns: int = 1,
) -> np.ndarray:
    """Track in a layout; coordinates (turns * (len(watched) + 1), 6, n) after each place and turn."""
    coordinates = np.asarray(coordinates, dtype=float)
    ptc = to_ptc(coordinates, reference, time)
    for particle in ptc.T:
        values = zip(COLUMNS, particle, strict=True)
        madx.input(f"ptc_start, {', '.join(f'{name}={float(value)!r}' for name, value in values)};")
    for name in watched:
        madx.input(f"ptc_observe, place={name};")
    each = "element_by_element, " if watched else ""
    madx.input(f"ptc_track, icase=6, turns={turns}, {each}onetable, {OPEN};")
    table = madx.table.trackone
    columns = np.array([table[name] for name in COLUMNS])
    n, count = ptc.shape[1], turns * (len(watched) + 1)
    if columns.shape[1] != n * (1 + count):
        raise AssertionError(f"PTC lost particles: {columns.shape[1]} rows where {n * (1 + count)} were due")
    s = np.asarray(table.s).reshape(1 + count, n)[1:]
    if not time:
        total = s[-1, 0]
        s = s + (np.asarray(table.turn).reshape(1 + count, n)[1:] - 1.0) * total
    return from_ptc(columns.reshape(6, 1 + count, n).swapaxes(0, 1)[1:], reference, time, s)


# -- maps ----------------------------------------------------------------------------------------------


class Coefficient(NamedTuple):
    """One coefficient of a map: of x, px, y, py, t, pt (component 0 to 5), exponents in our order."""

    component: int
    exponents: tuple[int, ...]
    value: float


def one_turn_map(path: Path, sequence: str, order: int, layout: Layout) -> list[Coefficient]:
    """The transfer map of a MAD-X file's sequence about its closed orbit, delta as a parameter (icase 5)."""
    madx = processes.madx(f'call, file="{Path(path).resolve()}"; use, sequence={sequence};')
    create(madx, layout)
    madx.input(f"ptc_twiss, icase=5, no={order}, maptable=true, closed_orbit=true;")
    table = madx.table.map_table
    columns = [np.asarray(table[name]).astype(int) for name in ("n_vector", "nx", "nxp", "ny", "nyp", "ndeltap")]
    found = [
        Coefficient(vector - 1, (nx, nxp, ny, nyp, 0, ndelta), float(value))
        for vector, nx, nxp, ny, nyp, ndelta, value in zip(*columns, table.coef, strict=True)
    ]
    madx.exit()
    return found


def anharmonicities(path: Path, sequence: str, layout: Layout) -> dict[str, float]:
    """Tunes, chromaticities to second order (derivatives) and detunings along 2 J, by ptc_normal (icase 5, no 4)."""
    madx = processes.madx(f'call, file="{Path(path).resolve()}"; use, sequence={sequence};')
    create(madx, layout)
    asked = {"q1": "q1=0", "q2": "q2=0", "dq1": "dq1=1", "dq2": "dq2=1", "ddq1": "dq1=2", "ddq2": "dq2=2"}
    asked |= {"xx": "anhx=1,0,0", "xy": "anhx=0,1,0", "yx": "anhy=1,0,0", "yy": "anhy=0,1,0"}
    for text in asked.values():
        madx.input(f"select_ptc_normal, {text};")
    madx.input("ptc_normal, closed_orbit, normal, icase=5, no=4;")
    table = madx.table.normal_results
    found: dict[tuple[str, tuple[int, ...]], float] = {}
    for i, name in enumerate(table.name):
        orders = tuple(int(getattr(table, f"order{k}")[i]) for k in (1, 2, 3))
        found[name.split(":")[0].lower(), orders] = float(table.value[i])
    madx.exit()
    keys = {k: (v.split("=")[0], tuple(int(n) for n in v.split("=")[1].split(","))) for k, v in asked.items()}
    return {name: found[kind, (*numbers, 0, 0)[:3]] for name, (kind, numbers) in keys.items()}
