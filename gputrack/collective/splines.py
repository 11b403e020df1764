"""Quadratic splines on uniform grids: deposition of charge on, and gathering of fields from, three points per axis.

A particle at distance d, |d| <= 1/2 steps, from its nearest point has the weights (1/2 - d)^2/2, 3/4 - d^2 and
(1/2 + d)^2/2 at the previous, nearest and next point (triangular-shaped clouds: R. W. Hockney, J. W. Eastwood, Computer
Simulation Using Particles, section 5-3). First derivatives are continuous, second derivatives exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gputrack.base.arrays import Array, is_cupy, is_traced, namespace, untraced

MOST = 1 << 24  # largest size of a table of grid points by particles on a GPU


class Spline(NamedTuple):
    """Particles along one axis.

    Attributes
    ----------
    first : (n,) integer array
        Point before the nearest one.
    shares : three triples of (n,) arrays
        Weights of the three points, their first derivatives [1/m], and their second derivatives [1/m^2] (numbers).
    points : int
        Number of points of the axis.
    """

    first: Array
    shares: tuple[tuple[Any, ...], ...]
    points: int


def spline(position: Array, step: float, count: int) -> Spline:
    """Splines at positions (n,) [m] relative to the middle of `count` points, at most (count/2 - 1) steps away."""
    place = position / step + 0.5 * (count - 1)
    plain = untraced(place)
    xp = namespace(plain)
    nearest = xp.clip(xp.floor(plain + 0.5), 1, count - 2)
    d = place - nearest
    before, behind = 0.5 - d, 0.5 + d
    shares = (
        (0.5 * before * before, 0.75 - d * d, 0.5 * behind * behind),
        (-before / step, -2.0 * d / step, behind / step),
        (1.0 / step**2, -2.0 / step**2, 1.0 / step**2),
    )
    return Spline(nearest.astype(xp.int64) - 1, shares, count)


def reach(size: float, count: int) -> float:
    """Distance of `count` grid points for particles in an interval of length `size`."""
    return size / (count - 2)


def deposited(axes: Sequence[Spline], orders: Sequence[int], values: Array) -> Array:
    """Sum of values (n,) times derivatives of the splines, of the given order along each axis: (points, ...).

    Sums are in a fixed order on every device.
    """
    if is_traced(values) or is_cupy(values) or any(is_traced(axis.shares[0][0]) for axis in axes):
        return _by_products(axes, orders, values)
    counts = [axis.points for axis in axes]
    total = np.zeros(int(np.prod(counts)))
    for offsets, place in _points(axes):
        share = values
        for axis, order, offset in zip(axes, orders, offsets, strict=True):
            share = share * axis.shares[order][offset]
        total += np.bincount(place, weights=share, minlength=len(total))
    return total.reshape(counts)


def gathered(axes: Sequence[Spline], grid: Array, orders: Sequence[Sequence[int]]) -> list[Array]:
    """Derivatives of the spline with coefficients `grid` (points, ...) at the particles, (n,) for each of `orders`."""
    xp = namespace(grid)
    flat = xp.reshape(grid, (-1,))
    sums: list[Any] = [0.0] * len(orders)
    for offsets, place in _points(axes):
        values = flat[place]
        for number, own in enumerate(orders):
            share = values
            for axis, order, offset in zip(axes, own, offsets, strict=True):
                share = share * axis.shares[order][offset]
            sums[number] = sums[number] + share
    return sums


def _points(axes: Sequence[Spline]) -> list[tuple[tuple[int, ...], Array]]:
    """Points to which particles contribute: offsets along the axes, and indices in the flat grid (n,)."""
    points = []
    for offsets in product(range(3), repeat=len(axes)):
        place: Any = 0
        for axis, offset in zip(axes, offsets, strict=True):
            place = place * axis.points + axis.first + offset
        points.append((offsets, place))
    return points


def _by_products(axes: Sequence[Spline], orders: Sequence[int], values: Array) -> Array:
    """Deposition by products of matrices with the weights of all points, most of which are 0."""
    n, last = axes[0].first.shape[0], axes[-1].points
    others = int(np.prod([axis.points for axis in axes[:-1]]))
    block = max(1, MOST // others) if is_cupy(values) else n
    total: Any = 0.0
    for start in range(0, n, block):
        part = slice(start, start + block)
        left = values[None, part]
        for axis, order in zip(axes[:-1], orders, strict=False):
            own = _all_shares(axis, order, part)
            left = left[:, None, :] * own[None, :, :]
            left = namespace(left).reshape(left, (-1, left.shape[-1]))
        right = _all_shares(axes[-1], orders[-1], part)
        total = total + namespace(left, right).matmul(left, right.T)
    return namespace(total).reshape(total, (*(axis.points for axis in axes[:-1]), last))


def _all_shares(axis: Spline, order: int, part: slice) -> Array:
    """Weights of all points of an axis, (points, particles)."""
    xp = namespace(axis.first)
    rows, first = xp.arange(axis.points)[:, None], axis.first[None, part]
    total: Any = 0.0
    for offset, share in enumerate(axis.shares[order]):
        own = share if isinstance(share, float) else share[None, part]
        total = total + own * (rows == first + offset)
    return total
