"""Magnets of a lattice as arrays: lengths, curvatures and multipoles, read from the lowered groups of its program."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.cache import Entry
from gputrack.elements.magnet import Magnet
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import LoweredGroup
from gputrack.optics.linear.trajectory import optics_groups

_COLUMNS = tuple(field.name for field in fields(Magnet))


@dataclass(frozen=True, eq=False)
class Magnets:
    """Magnets in beam order, as arrays (n, ...).

    Attributes
    ----------
    places : (n,) int array
    fields, length, angle, e1, e2, psi1, psi2, lrad
        See `gputrack.elements.magnet.Magnet`.
    tilt : (n,) array
        Roll [rad].
    offset : (n,) complex array
        dx + i dy [m].
    traced : (n,) bool array
        Whether parameters of the magnets are traced, so that fields of 0 must be included.
    """

    places: np.ndarray
    length: Array
    angle: Array
    e1: Array
    e2: Array
    psi1: Array
    psi2: Array
    tilt: Array
    offset: Array
    fields: Array
    lrad: Array
    traced: np.ndarray

    def chosen(self, rows: np.ndarray) -> Magnets:
        """Selected magnets, by a mask or by indices."""
        return Magnets(**{name: value[rows] for name, value in self.__dict__.items()})

    @property
    def curvature(self) -> Array:
        """Angle over length [1/m]; 0 for thin magnets."""
        thick = np.asarray(untraced(self.length)) > 0.0
        return anp.where(thick, self.angle / anp.where(thick, self.length, 1.0), 0.0)


_MAGNETS: Entry[Magnets] = Entry("magnets")


def magnets_of(lattice: Lattice) -> Magnets:
    """All straight magnets, bends and thin multipoles of a lattice, with traced parameters if the lattice is traced."""
    return lattice.cache.get(_MAGNETS, lambda: _gathered(lattice))


def _gathered(lattice: Lattice) -> Magnets:
    found = [(group, group.magnet()) for group in optics_groups(lattice)]
    tables = [_table(group, magnet) for group, magnet in found if magnet is not None]
    orders = max([2, *(t["fields"].shape[1] for t in tables)])
    for table in tables:
        table["fields"] = _padded(table["fields"], orders)
    empty = {field.name: np.zeros(0) for field in fields(Magnets)} | {
        "places": np.zeros(0, dtype=int), "fields": np.zeros((0, orders), dtype=complex),
        "traced": np.zeros(0, dtype=bool),
    }  # fmt: skip
    columns = {name: anp.concatenate([empty[name], *(t[name] for t in tables)]) for name in empty}
    return Magnets(**columns).chosen(np.argsort(columns["places"], kind="stable"))


def _padded(coefficients: Array, orders: int) -> Array:
    return anp.concatenate([coefficients, np.zeros((len(coefficients), orders - coefficients.shape[1]))], axis=1)


def _table(group: LoweredGroup, magnet: Magnet) -> dict[str, Any]:
    """Columns of one group of magnets."""
    p = group.parameters
    zero = 0.0 * p["tilt"]
    given = {name: getattr(magnet, name) for name in _COLUMNS}
    columns = [column for value in p.values() for column in (value if isinstance(value, list) else [value])]
    return {name: zero if isinstance(value, float) else value for name, value in given.items()} | {
        "traced": np.full(len(group.places), any(map(is_traced, columns))),
        "places": np.array(group.places), "tilt": p["tilt"], "offset": p["dx"] + 1j * p["dy"],
    }  # fmt: skip
