"""Tables for the terminal: lattice, optics, match, emittances, losses, tests of kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table

from gputrack.app.doctor import Finding
from gputrack.base.arrays import to_numpy
from gputrack.base.losses import LossCode
from gputrack.base.reference import SPECIES, ReferenceParticle
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.optics import Match, Slices, Twiss
from gputrack.optics.matching.match_result import worst

LOSS_ROWS = 10


def _table(title: str, *columns: str) -> Table:
    """Table with text in the first column and right-aligned numbers in the others."""
    table = Table(title=escape(title), title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if i else "left")
    return table


def _row(table: Table, *cells: str) -> None:
    """Add a row of plain text, so that units in brackets are not interpreted as markup."""
    table.add_row(*(escape(cell) for cell in cells))


def lattice_table(lattice: Lattice) -> Table:
    """Number and total length of the elements of each class."""
    table = _table(f"{lattice.name or 'lattice'}: {len(lattice)} elements", "class", "number", "length [m]")
    lengths = lattice.lengths
    kinds = np.array([type(element).__name__ for element in lattice])
    for kind, count in lattice.counts().items():
        _row(table, kind, str(count), f"{lengths[kinds == kind].sum():.12g}")
    return table


def surroundings_table(rows: list[tuple[str, str]]) -> Table:
    """Table of the description of a machine."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        table.add_row(escape(name), escape(value))
    return table


def findings_table(findings: Sequence[Finding]) -> Table:
    """Table of tests of kernels: differences to the array maps, and times."""
    columns = "element", "backend", "forward", "inverse", "gradient", "ns", "ns with gradient"
    table = _table("largest differences, and time per particle", *columns)
    for f in findings:
        differences = (f"{value:.0e}" for value in (f.forward, f.inverse, f.gradient))
        mark = "" if f.passed else " (!)"
        _row(table, f.element + mark, f.backend, *differences, f"{f.track_ns:.0f}", f"{f.gradient_ns:.0f}")
    return table


def reference_text(reference: ReferenceParticle | None) -> str:
    """Description of the reference particle on one line."""
    if reference is None:
        return "none in the file; set one with lattice.with_reference(...)"
    known = [name for name, values in SPECIES.items() if values == (reference.mass, reference.charge)]
    species = known[0] if known else f"mass {reference.mass:.12g} eV, charge {reference.charge:+g} e"
    energies = f"total energy {reference.energy:.12g} eV, p0c {reference.p0c:.12g} eV"
    return f"{species}, {energies}, gamma {reference.gamma0:.9g}"


def optics_table(optics: Twiss) -> Table:
    """Tunes and optics at the start."""
    table = _table("linear optics", "", "horizontal", "vertical")
    rows = (
        ("tune", optics.qx, optics.qy, ".6f"),
        ("beta at start [m]", optics.betx[0], optics.bety[0], ".6g"),
        ("alpha at start", optics.alfx[0], optics.alfy[0], "z.3f"),
        ("largest beta [m]", optics.betx.max(), optics.bety.max(), ".6g"),
        ("dispersion at start [m]", optics.dx[0], optics.dy[0], ".3g"),
        ("orbit at start [m]", optics.x[0], optics.y[0], ".3g"),
    )
    for name, x, y, form in rows:
        _row(table, name, format(_clean(x), form), format(_clean(y), form))
    if optics.qs:
        table.caption = f"synchrotron tune {optics.qs:.6f}"
    return table


def twiss_table(optics: Twiss) -> Table:
    """Tunes, chromaticities, optics at the start, and their largest values, also inside elements."""
    table = _table(f"{optics.lattice.name or 'lattice'}: Twiss parameters", "", "horizontal", "vertical")
    fine = optics.refined(Slices(10))
    chromaticity = (("chromaticity", optics.dqx, optics.dqy, ".6f"),) if optics.periodic else ()
    rows = (
        ("tune" if optics.periodic else "phase advance [2 pi]", optics.qx, optics.qy, ".8f"),
        *chromaticity,
        ("beta at start [m]", optics.betx[0], optics.bety[0], ".8g"),
        ("alpha at start", optics.alfx[0], optics.alfy[0], "z.6f"),
        ("largest beta [m]", np.max(fine.betx), np.max(fine.bety), ".8g"),
        ("dispersion at start [m]", optics.dx[0], optics.dy[0], ".6g"),
        ("largest dispersion [m]", np.max(np.abs(fine.dx)), np.max(np.abs(fine.dy)), ".6g"),
        ("orbit at start [m]", _no_rounding(optics.x[0]), _no_rounding(optics.y[0]), ".6g"),
        ("largest orbit [m]", _no_rounding(np.abs(fine.x).max()), _no_rounding(np.abs(fine.y).max()), ".6g"),
    )
    for name, x, y, form in rows:
        _row(table, name, format(float(x), form), format(float(y), form))
    return table


def twiss_line(optics: Twiss) -> str:
    """Length, momentum compaction and synchrotron tune on one line."""
    ends = [f"length {optics.s[-1]:.10g} m"]
    ends += [f"momentum compaction {optics.momentum_compaction:.8g}"] if optics.periodic else []
    ends += [f"synchrotron tune {optics.qs:.8f}"] if optics.qs else []
    return ", ".join(ends)


def _no_rounding(value: float) -> float:
    """Orbit [m], 0 where it is below rounding."""
    return 0.0 if abs(value) < 1e-14 else float(value)


def match_tables(result: Match) -> tuple[Table, Table]:
    """Knobs before and after the match, and targets with the values reached."""
    knobs = _table("knobs", "knob", "before", "after", "bounds", "")
    for knob, value, (low, high) in zip(result.knobs, result.values, result.bounds, strict=True):
        bounds = "" if np.isinf([low, high]).all() else f"{low:.6g} to {high:.6g}"
        limit = "at its bound" if knob.handle in result.at_limit else ""
        _row(knobs, knob.handle, f"{knob.value:.12g}", f"{value:.12g}", bounds, limit)
    targets = _table("targets", "target", "required", "reached", "met")
    for target, reached, met in zip(result.targets, result.reached, result.met, strict=True):
        _row(targets, target.place, target.wanted, worst(target, reached).split()[-1], "yes" if met else "NO")
    return knobs, targets


def _clean(value: float) -> float:
    """Value of a finite difference, 0 where it is below its error of 1e-8."""
    return 0.0 if abs(value) < 1e-8 else float(value)


def emittance_table(before: Beam, after: Beam) -> Table:
    """Projected rms emittances of the survivors, before and after."""
    table = _table("rms emittances of surviving particles [m]", "plane", "before", "after", "ratio")
    for plane in ("x", "y", "z"):
        if after.n_lost == after.n:
            _row(table, plane, f"{before.emittance(plane):.4e}", "-", "-")
            continue
        a, b = before.emittance(plane), after.emittance(plane)
        _row(table, plane, f"{a:.4e}", f"{b:.4e}", f"{b / a:.4f}" if a else "-")
    return table


def loss_table(lattice: Lattice, beam: Beam) -> Table | str:
    """Table of places and causes of losses, or a sentence if there are none."""
    losses = beam.losses()
    if losses.total == 0:
        return f"none of {losses.n} particles lost"
    title = f"{losses.total} of {losses.n} particles lost ({losses.total / losses.n:.2%})"
    table = _table(title, "element", "s [m]", "lost", "first turn", "cause")
    code, turn, element = (to_numpy(v) for v in (beam.loss_code, beam.loss_turn, beam.loss_element))
    s = lattice.s
    for place, count in list(losses.by_element.items())[:LOSS_ROWS]:
        here = (element == place) & (code != LossCode.ALIVE)
        reason = LossCode(int(np.bincount(code[here]).argmax()))
        name, position = (lattice[place].name, f"{s[place]:.3f}") if place >= 0 else ("unknown", "-")
        _row(table, name, position, str(count), str(turn[here].min()), reason.name.lower())
    rest = list(losses.by_element.values())[LOSS_ROWS:]
    if rest:
        _row(table, f"{len(rest)} more elements", "", str(sum(rest)), "", "")
    return table


def particle_turns(beam: Beam, first: int, turns: int) -> int:
    """Total number of turns of all particles, until their loss for lost particles."""
    last = to_numpy(beam.loss_turn)[to_numpy(beam.lost)]
    return (beam.n - len(last)) * turns + int((last - first + 1).clip(0, turns).sum())
