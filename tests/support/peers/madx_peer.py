"""Lattices as MAD-X itself sees them (through cpymad), and ours in the same columns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from support.peers import processes

from gputrack import Lattice
from gputrack.lattice.lattice import orbit_length

COLUMNS = (
    "s", "l", "angle", "k0l", "k1l", "k2l", "k3l", "k0sl", "k1sl", "k2sl", "k3sl", "k4l", "ksi", "e1", "e2", "fint",
    "fintx", "hgap", "tilt", "hkick", "vkick", "volt", "freq", "lag", "lrad",
)  # fmt: skip


class Madx:
    """A silent MAD-X process; the test is skipped where cpymad is not installed.

    Parameters
    ----------
    folder : Path, optional
        Where it runs, and looks for files; a temporary one where not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.process = processes.madx()
        if folder is not None:
            self.process.chdir(str(folder))

    def close(self) -> None:
        self.process.quit()

    def run(self, text: str) -> None:
        self.process.input(text)

    def globals(self, names: Any) -> dict[str, float]:
        values = dict(self.process.globals)
        return {name: values[name] for name in names}

    def table(self, sequence: str) -> tuple[list[str], dict[str, np.ndarray]]:
        """Names and columns of all elements but MAD-X's own drifts and ends."""
        self.run(f"use, sequence={sequence}; twiss, betx=1, bety=1;")
        twiss = self.process.table.twiss
        keep = [i for i, name in enumerate(twiss.name) if "$" not in name and not name.endswith(":0")]
        columns = {column: np.array(twiss[column])[keep] for column in COLUMNS}
        columns["fintx"] = np.where(columns["fintx"] == -1.0, columns["fint"], columns["fintx"])
        return [str(twiss.name[i]).rpartition(":")[0] for i in keep], columns

    def beam(self, sequence: str) -> dict[str, float]:
        beam = self.process.sequence[sequence].beam
        return {name: float(beam[name]) for name in ("mass", "charge", "energy", "pc")}


def ours(lattice: Lattice) -> tuple[list[str], dict[str, np.ndarray]]:
    """The same for a lattice of ours, without the drifts that the reader made."""
    rows = [
        (element.name, _row(element) | {"s": end})
        for element, end in zip(lattice, lattice.s[1:], strict=True)
        if not element.name.startswith("drift_")
    ]
    return [name for name, _ in rows], {c: np.array([row.get(c, 0.0) for _, row in rows]) for c in COLUMNS}


def _row(element: Any) -> dict[str, float]:
    length, kind = orbit_length(element), type(element).__name__
    row = {"l": length, "tilt": element.tilt}
    for n, name in enumerate(("k0", "k1", "k2", "k3")):
        row[f"{name}l"] = (getattr(element, name, 0.0) or 0.0) * length
        row[f"{name}sl"] = getattr(element, f"{name}s", 0.0) * length
        if kind == "Multipole":
            row |= {f"{name}l": at(element.knl, n), f"{name}sl": at(element.ksl, n), "k4l": at(element.knl, 4)}
    for name in ("angle", "e1", "e2", "fint", "fintx", "hgap", "hkick", "vkick", "lag", "lrad"):
        row[name] = getattr(element, name, 0.0) or 0.0
    if kind == "Multipole":
        row["angle"] = 0.0  # as twiss shows it
    if kind == "RectangularBend":
        row |= {"e1": element.e1 + 0.5 * element.angle, "e2": element.e2 + 0.5 * element.angle}
    if kind in ("SectorBend", "RectangularBend"):
        row["fintx"] = element.fint if element.fintx is None else element.fintx
    if kind in ("HKicker", "VKicker"):
        row["hkick" if kind == "HKicker" else "vkick"] = element.kick
    row["volt"], row["freq"] = getattr(element, "voltage", 0.0) / 1e6, getattr(element, "frequency", 0.0) / 1e6
    row["ksi"] = getattr(element, "ks", 0.0) * length
    return row


def at(series: tuple[float, ...], n: int) -> float:
    """Entry of a series, 0 beyond its end."""
    return series[n] if n < len(series) else 0.0


def compare(lattice: Lattice, madx: Madx, sequence: str, tolerance: float = 1e-12) -> None:
    """Same names in the same order, same positions, lengths and strengths."""
    names, columns = ours(lattice)
    their_names, theirs = madx.table(sequence)
    assert names == their_names
    for column in COLUMNS:
        scale = max(1.0, float(np.max(np.abs(theirs[column]), initial=0.0)))
        worst = int(np.argmax(np.abs(columns[column] - theirs[column])))
        assert math.isclose(columns[column][worst], theirs[column][worst], rel_tol=0, abs_tol=tolerance * scale), (
            f"{column} of {names[worst]}: {columns[column][worst]!r}, MAD-X has {theirs[column][worst]!r}"
        )
