"""Regular grids of particles in the x-y plane, for aperture scans, as six rows of coordinates.

Coordinates given as one number for all particles may be traced by autograd.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gputrack.base.arrays import Array
from gputrack.base.checks import require_count, require_items, require_number, require_traceable
from gputrack.base.errors import InputError
from gputrack.beam.moments import COORDINATES

OTHERS = ("px", "py", "z", "delta")


def fixed(
    owner: str, n: int, values: Mapping[str, object], allowed: tuple[str, ...] = COORDINATES
) -> list[Array]:
    """Rows of n particles that share the given values of some coordinates; the others are 0."""
    rows: list[Array] = [np.zeros(n)] * 6
    for name, value in values.items():
        if name not in allowed:
            raise InputError(f"{owner}: {name!r} is not one of the coordinates {', '.join(allowed)}")
        rows[COORDINATES.index(name)] = require_traceable(owner, name, value) * np.ones(n)
    return rows


def axis(owner: str, name: str, value: object) -> np.ndarray:
    """Equidistant points of (min, max, number), end points included; a single point requires min = max."""
    low, high, count = require_items(owner, name, value, ("min", "max", "number"))
    first = require_number(owner, f"{name} min", low)
    last = require_number(owner, f"{name} max", high)
    number = require_count(owner, f"{name} number", count)
    if (last < first) if number > 1 else (last != first):
        condition = "max >= min" if number > 1 else "max = min for 1 point"
        raise InputError(f"{owner}: {name} needs {condition}, got min {first!r} and max {last!r}")
    if not np.isfinite(last - first):
        raise InputError(f"{owner}: max - min of {name} overflows")
    return np.linspace(first, last, number)


def grid(owner: str, x: object, y: object, others: Mapping[str, object]) -> list[Array]:
    """Cartesian grid, x varying fastest: particle j nx + i is at (x_i, y_j)."""
    columns, lines = axis(owner, "x", x), axis(owner, "y", y)
    rows = fixed(owner, require_count(owner, "x and y number", columns.size * lines.size), others, OTHERS)
    rows[0] = np.tile(columns, lines.size)
    rows[2] = np.repeat(lines, columns.size)
    return rows


def polar_grid(
    owner: str,
    radius: object,
    n_radii: object,
    n_angles: object,
    angles: object,
    others: Mapping[str, object],
) -> list[Array]:
    """Rays from the axis, the radius varying fastest: particle j n_radii + i is at (r_i, angle_j)."""
    largest = require_number(owner, "radius", radius, unit="m", above=0.0)
    count = require_count(owner, "n_radii", n_radii)
    rays = require_count(owner, "n_angles", n_angles)
    first, last = require_items(owner, "angles", angles, ("first", "last"))
    total = require_count(owner, "n_radii n_angles", count * rays)
    directions = axis(owner, "angles", (first, last if rays > 1 else first, rays))
    radii = largest * (np.arange(1, count + 1) / count)
    rows = fixed(owner, total, others, OTHERS)
    rows[0] = np.outer(np.cos(directions), radii).reshape(-1)
    rows[2] = np.outer(np.sin(directions), radii).reshape(-1)
    return rows
