"""Magnets of a lattice as arrays: lengths, curvatures and multipoles, read from the lowered groups of its program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.cache import Entry
from gputrack.elements import Multipole, RectangularBend, SectorBend
from gputrack.elements.straight import _StraightMagnet
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import LoweredGroup
from gputrack.optics.linear.trajectory import optics_groups

_BENDS = (SectorBend, RectangularBend)


@dataclass(frozen=True, eq=False)
class Magnets:
    """Magnets in the order of their places.

    Attributes
    ----------
    places : (n,) int array
    length : (n,) array
        Of the reference orbit inside [m]; 0 for thin ones.
    angle, e1, e2 : (n,) arrays
        Angle of the reference orbit, and pole faces that it sees [rad].
    psi1, psi2 : (n,) arrays
        Angles by which fringe fields weaken the vertical focusing of the faces [rad].
    tilt : (n,) array
        Roll [rad].
    offset : (n,) complex array
        dx + i dy [m].
    fields : (n, orders) complex array
        b + i a of (x + i y)^order, in the magnet's own frame: k/order!, per length [m^-(order+1)]; integrated over the
        length [m^-order] for thin ones. Without the dipole field of bends.
    lrad : (n,) array
        Fictitious length of thin bends [m].
    traced : (n,) bool array
        Whether parameters of such magnets are being differentiated: what is 0 now counts too.
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
        """Some of them, by a mask or by numbers."""
        return Magnets(**{name: value[rows] for name, value in self.__dict__.items()})

    @property
    def curvature(self) -> Array:
        """Angle over length [1/m]; 0 for thin ones."""
        thick = np.asarray(untraced(self.length)) > 0.0
        return anp.where(thick, self.angle / anp.where(thick, self.length, 1.0), 0.0)


_MAGNETS: Entry[Magnets] = Entry("magnets")


def magnets_of(lattice: Lattice) -> Magnets:
    """All magnets with fields of their own: straight ones, bends and thin multipoles.

    Their parameters are traced where they are being differentiated.
    """
    return lattice.cache.get(_MAGNETS, lambda: _gathered(lattice))


def _gathered(lattice: Lattice) -> Magnets:
    groups = [g for g in optics_groups(lattice) if issubclass(g.kind, (_StraightMagnet, Multipole, *_BENDS))]
    tables = [_table(group) for group in groups]
    orders = max([2, *(t["fields"].shape[1] for t in tables)])
    for table in tables:
        table["fields"] = _padded(table["fields"], orders)
    empty = {name: np.zeros(0) for name in Magnets.__dataclass_fields__} | {
        "places": np.zeros(0, dtype=int), "fields": np.zeros((0, orders), dtype=complex),
        "traced": np.zeros(0, dtype=bool),
    }  # fmt: skip
    columns = {name: anp.concatenate([empty[name], *(t[name] for t in tables)]) for name in empty}
    return Magnets(**columns).chosen(np.argsort(columns["places"], kind="stable"))


def _padded(fields: Array, orders: int) -> Array:
    return anp.concatenate([fields, np.zeros((len(fields), orders - fields.shape[1]))], axis=1)


def _table(group: LoweredGroup) -> dict[str, Any]:
    """Columns of one group of elements."""
    p, kind = group.parameters, group.kind
    zero = 0.0 * p["tilt"]
    table = dict.fromkeys(Magnets.__dataclass_fields__, zero)
    columns = [column for value in p.values() for column in (value if isinstance(value, list) else [value])]
    table |= {"traced": np.full(len(group.places), any(map(is_traced, columns)))}
    table |= {"places": np.array(group.places), "tilt": p["tilt"], "offset": p["dx"] + 1j * p["dy"]}
    if issubclass(kind, _BENDS):
        return table | _bend(group)
    if issubclass(kind, Multipole):
        fields = _series(p, 1.0 + zero)
        return table | {"angle": p["angle"], "lrad": p["lrad"], "fields": fields}
    return table | {"length": p["length"], "fields": _series(p, p["length"], kind.STRENGTHS)}  # type: ignore[attr-defined]


def _bend(group: LoweredGroup) -> dict[str, Any]:
    p, kind = group.parameters, group.kind
    length, (e1, e2) = kind._arc_length(p), kind._faces(p)  # type: ignore[attr-defined]
    symmetric = group.statics[2][6]
    k0 = p["angle"] / length
    # as of linear_edge_call
    psi = [
        2.0 * k0 * p["hgap"] * fint * (1.0 + anp.sin(e) ** 2) / anp.cos(e)
        for e, fint in ((e1, p["fint"]), (e2, p["fint"] if symmetric else p["fintx"]))
    ]
    fields = _series(p, length, {"k1": (1, False), "k2": (2, False)})
    return {
        "length": length, "angle": p["angle"], "e1": e1, "e2": e2, "psi1": psi[0], "psi2": psi[1], "fields": fields,
    }  # fmt: skip


def _series(p: dict[str, Any], length: Any, strengths: Any = None) -> Array:
    """Complex multipoles (n, orders) of strengths, and of errors over a length."""
    strengths = strengths or {}
    orders = max([2, len(p["knl"]), len(p["ksl"]), *(order + 1 for order, _ in strengths.values())])
    where = anp.where(np.asarray(untraced(length)) > 0.0, length, 1.0)
    columns = [0.0 * where + 0.0j for _ in range(orders)]
    for name, (order, skew) in strengths.items():
        columns[order] = columns[order] + (1j if skew else 1.0) * p[name] / math.factorial(order)
    for name, unit in (("knl", 1.0), ("ksl", 1j)):
        for order, value in enumerate(p[name]):
            columns[order] = columns[order] + unit * value / (where * math.factorial(order))
    return anp.stack(columns, axis=1)
