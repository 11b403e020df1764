"""Fields and faces of magnets as arrays, for linear optics, radiation integrals and driving terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced


@dataclass(frozen=True, eq=False)
class Magnet:
    """Magnets of one form, arrays over elements; a number 0.0 means an array of zeros.

    Attributes
    ----------
    fields : (n, orders) complex array
        b + i a of (x + i y)^order, in the magnet's own frame: k/order!, per length [m^-(order+1)]; integrated over the
        length [m^-order] for thin ones. Without the dipole field of bends.
    length : (n,) array
        Of the reference orbit inside [m]; 0 for thin ones.
    angle, e1, e2 : (n,) arrays
        Angle of the reference orbit, and rotations of the pole faces that it sees [rad].
    psi1, psi2 : (n,) arrays
        Angles by which fringe fields weaken the vertical focusing of the faces [rad].
    lrad : (n,) array
        Fictitious length of thin bends [m].
    """

    fields: Array
    length: Array = 0.0
    angle: Array = 0.0
    e1: Array = 0.0
    e2: Array = 0.0
    psi1: Array = 0.0
    psi2: Array = 0.0
    lrad: Array = 0.0


def field_coefficients(
    p: Mapping[str, Any], length: Array, strengths: Mapping[str, tuple[int, bool]] | None = None
) -> Array:
    """(n, orders) Coefficients as of `Magnet.fields`, from strengths and from errors integrated over a length.

    Parameters
    ----------
    p : mapping
        Parameters, with ``knl`` and ``ksl``.
    length : (n,) array
        1 where fields are integrated.
    strengths : mapping of str to (order, skew), optional
        Parameters that are strengths.
    """
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
