"""Local derivatives of maps, at the coordinates before them, for all ops of one kind at a time.

Maps broadcast over ops as they do over particles, so that autograd runs once for each kind of map instead of once for
each op. Derivatives along the program then follow by products of 6 by 6 matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.backends.launch import Launch
from gputrack.elements.map import MAPS, MapKind, ReferenceValues, make_state

REFERENCE = len(ReferenceValues._fields)
#: largest number of particles at a time, and of ops times particles
PARTICLES, CHUNK = 2**12, 2**14
Map = Callable[[Any], Any]
Scalar = Callable[[Map, Any], Any]  # of a map and the coordinates before it
_DO_NOT_MOVE = (MAPS["record"].code, MAPS["aperture"].code)


@dataclass(frozen=True)
class Batch:
    """Ops of one kind with the same integers.

    Attributes
    ----------
    kind : MapKind
    integers : dict of str to int
    rows : (m,) int array
        Ops, counted from the first one of the chunk.
    places : (constants, m) int array
        Indices of their constants in the program's table.
    constants : (constants, m) array
    """

    kind: MapKind
    integers: dict[str, int]
    rows: np.ndarray
    places: np.ndarray
    constants: np.ndarray

    def forward(self, coordinates: Any, constants: Any, reference: Any) -> Any:
        """Coordinates (6, ..., m, n) after the maps, from those before, constants (constants, m) and reference (5,)."""
        columns = [constants[i][:, None] for i in range(len(constants))]
        values: dict[str, Any] = dict(zip(self.kind.constants, columns, strict=False))
        place = len(self.kind.constants)
        for name, count in self.kind.series.items():
            size = self.integers[count]
            values[name] = columns[place : place + size]
            place += size
        op = SimpleNamespace(**self.integers, **values)
        ref = ReferenceValues(*(reference[i] for i in range(REFERENCE)))
        return anp.stack(self.kind.forward(make_state(coordinates, ref), op, ref)[:6])


class Chunk:
    """Consecutive ops of a launch with the coordinates before them.

    Parameters
    ----------
    launch : Launch
    first, end : int
        Ops of the program.
    before : (end - first, 6, n) array
        Coordinates before each op.
    """

    def __init__(self, launch: Launch, first: int, end: int, before: np.ndarray) -> None:
        self.batches = _batches(launch, first, end)
        self.before, self.reference = before, np.array(ReferenceValues.of(launch.reference))

    def jacobians(self) -> np.ndarray:
        """(ops, 6, 6, n) Derivatives of the coordinates after each op with respect to those before it."""
        found = np.zeros((len(self.before), 6, *self.before.shape[1:]))
        found[:, np.arange(6), np.arange(6)] = 1.0
        for batch, x in self._parts():
            many = np.broadcast_to(x[:, None], (6, *x.shape))
            unit = np.broadcast_to(np.eye(6)[:, :, None, None], (6, *x.shape))
            found[batch.rows] = np.moveaxis(jvp(self._map(batch), many, unit), 2, 0)
        return found

    def sources(self, constants_tangent: np.ndarray, reference_tangent: np.ndarray) -> np.ndarray:
        """(ops, 6, n) Derivatives of the coordinates after each op along tangents of constants and reference."""
        found = np.zeros(self.before.shape)
        for batch, x in self._parts():
            along = np.concatenate([constants_tangent[batch.places].reshape(-1), reference_tangent])
            found[batch.rows] = np.moveaxis(jvp(self._map_of_constants(batch, x), self._joined(batch), along), 1, 0)
        return found

    def second(self, v: np.ndarray, d: np.ndarray) -> np.ndarray:
        """(ops, 6, n) J'[d] v of each op, with its Jacobian J and vectors (ops, 6, n) before it."""
        found = np.zeros(self.before.shape)
        for batch, x in self._parts():
            own = (np.moveaxis(a[batch.rows], 0, 1) for a in (v, d))
            found[batch.rows] = np.moveaxis(_second(self._map(batch), x, *own), 1, 0)
        return found

    def first_bars(
        self, vectors: list[np.ndarray], bars: list[np.ndarray], gradient: np.ndarray | None = None
    ) -> np.ndarray:
        """Derivatives of sums over all ops of <bar, J vector>, for each pair of (ops, 6, n) arrays.

        Returns
        -------
        (pairs, ops, 6, n) array
            With respect to the coordinates before each op. The sums over all pairs of the derivatives with respect to
            the program's constants and the reference are added to `gradient` (n_constants + 5,) if it is given.
        """
        found = np.zeros((len(vectors), *self.before.shape))
        for batch, x in self._parts():
            v, u = (np.stack([np.moveaxis(a[batch.rows], 0, 1) for a in each], axis=1) for each in (vectors, bars))
            many = np.broadcast_to(x[:, None], v.shape)
            found[:, batch.rows] = np.moveaxis(self._bars(batch, many, _with_first(u, v), gradient), 0, 2)
        return found

    def second_bars(self, v: np.ndarray, d: np.ndarray, bar: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """(ops, 6, n) Derivatives of sums over all ops of <bar, J'[d] v>, likewise."""
        found = np.zeros(self.before.shape)
        for batch, x in self._parts():
            own = (np.moveaxis(a[batch.rows], 0, 1) for a in (bar, v, d))
            found[batch.rows] = np.moveaxis(self._bars(batch, x, _with_second(*own), gradient), 1, 0)
        return found

    def constants_bars(self, bar: np.ndarray, gradient: np.ndarray) -> None:
        """Add the derivatives with respect to constants and reference of <bar, coordinates after each op>."""
        for batch, x in self._parts():
            scalar = self._scalar(batch, _with_value(np.moveaxis(bar[batch.rows], 0, 1)))
            _add(gradient, batch, grad(scalar, argnum=1)(x, self._joined(batch)))

    def _bars(
        self, batch: Batch, x: np.ndarray, function: Scalar, gradient: np.ndarray | None
    ) -> np.ndarray:
        """Derivatives of a scalar ``function(map, coordinates)``; those with respect to constants are added."""
        scalar, joined = self._scalar(batch, function), self._joined(batch)
        if gradient is None:
            only: np.ndarray = grad(scalar)(x, joined)
            return only
        x_bar, bars = grad(scalar, argnum=(0, 1))(x, joined)
        _add(gradient, batch, bars)
        return np.asarray(x_bar)

    def _parts(self) -> Any:
        return ((batch, np.moveaxis(self.before[batch.rows], 0, 1)) for batch in self.batches)

    def _map(self, batch: Batch) -> Map:
        return lambda coordinates: batch.forward(coordinates, batch.constants, self.reference)

    def _map_of_constants(self, batch: Batch, x: np.ndarray) -> Map:
        return lambda numbers: batch.forward(x, *self._split(batch, numbers))

    def _scalar(self, batch: Batch, function: Scalar) -> Callable[..., Any]:
        """A scalar as a function of coordinates and of `_joined`."""

        def scalar(x: Any, numbers: Any) -> Any:
            value = function(lambda y: batch.forward(y, *self._split(batch, numbers)), x)
            return value + 0.0 * (anp.sum(x) + anp.sum(numbers))  # some maps do not depend on them

        return scalar

    def _joined(self, batch: Batch) -> np.ndarray:
        """Constants of a batch and the reference's values as one vector."""
        return np.concatenate([batch.constants.reshape(-1), self.reference])

    def _split(self, batch: Batch, numbers: Any) -> tuple[Any, Any]:
        size = batch.constants.size
        return anp.reshape(numbers[:size], batch.constants.shape), numbers[size:]


def jvp(function: Map, at: Any, along: Any) -> Any:
    """Derivative of a function along a direction."""
    return pushed_forward(function, (at,), (along,))[1]


def _second(forward: Map, x: Any, v: Any, d: Any) -> Any:
    """J'[d] v."""
    return jvp(lambda y: jvp(forward, y, v), x, d)


def _with_value(u: np.ndarray) -> Scalar:
    """<u, F(x)>."""
    return lambda forward, x: anp.sum(u * forward(x))


def _with_first(u: np.ndarray, v: np.ndarray) -> Scalar:
    """<u, J v>."""
    return lambda forward, x: anp.sum(u * jvp(forward, x, v))


def _with_second(u: np.ndarray, v: np.ndarray, d: np.ndarray) -> Scalar:
    """<u, J'[d] v>."""
    return lambda forward, x: anp.sum(u * _second(forward, x, v, d))


def transformed(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrices (6, 6, n) times vectors (6, n)."""
    product: np.ndarray = (matrices * vectors).sum(axis=1)
    return product


def pulled(matrices: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """Transposes of matrices (6, 6, n) times vectors (6, n)."""
    product: np.ndarray = (matrices * bars[:, None]).sum(axis=0)
    return product


def _add(gradient: np.ndarray, batch: Batch, bars: np.ndarray) -> None:
    gradient[batch.places.reshape(-1)] += bars[:-REFERENCE]
    gradient[-REFERENCE:] += bars[-REFERENCE:]


def _batches(launch: Launch, first: int, end: int) -> list[Batch]:
    """Ops that move particles, by kind and integers."""
    ops = launch.program.ops[first:end]
    moving = np.flatnonzero(~np.isin(ops[:, 0], _DO_NOT_MOVE))
    if not moving.size:
        return []
    keys, number = np.unique(np.delete(ops[moving], 1, axis=1), axis=0, return_inverse=True)
    found = []
    for i, key in enumerate(keys.tolist()):
        kind = launch.program.kind_of[key[0]]
        integers = dict(zip(kind.integers, key[1:], strict=False))
        size = len(kind.constants) + sum(integers[count] for count in kind.series.values())
        rows = moving[number.reshape(-1) == i]
        places = ops[rows, 1] + np.arange(size)[:, None]
        found.append(Batch(kind, integers, rows, places, launch.program.constants[places]))
    return found
