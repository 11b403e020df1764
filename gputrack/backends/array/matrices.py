"""Transfer matrices on the backend `array`: adjoint of tangents, rates along displaced orbits and their adjoint.

All process a turn in chunks of ops: first the coordinates before each op, sequentially; then local derivatives of all
ops at once; then products of 6 by 6 matrices, sequentially.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gputrack.backends.array.adjoint import of_launch
from gputrack.backends.array.local import CHUNK, REFERENCE, Chunk, pulled, transformed
from gputrack.backends.array.loop import recorded
from gputrack.backends.derivatives import MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.launch import Launch, Particles, views_of
from gputrack.elements.map import ReferenceValues, make_state


def tangent_adjoint(
    particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
) -> np.ndarray:
    """`step_tangent_adjoint` of the backend `array`."""
    gradient = np.zeros(len(launch.program.constants) + REFERENCE)
    orbit_seeds, seeds = (views_of(launch.records, a) for a in (cotangents.records, cotangents.record_tangents))
    with np.errstate(all="ignore"):
        for first, end in _backwards(launch, particles.coordinates):
            chunk = Chunk(launch, first, end, _undone(particles.coordinates, launch, first, end))
            jacobians = chunk.jacobians()
            v = _undone_vectors(jacobians, tangents.coordinates)
            u = _pulled(jacobians, cotangents.tangents, launch, first, seeds)
            own = chunk.first_bars([v], [u], gradient)[0]
            o = _pulled(jacobians, cotangents.coordinates, launch, first, orbit_seeds, own)
            chunk.constants_bars(o, gradient)
    return of_launch(gradient, launch)


def rates_forward(rates: MatrixRates, launch: Launch) -> np.ndarray:
    """`step_rates` of the backend `array`."""
    records: np.ndarray = np.zeros_like(launch.records.flat)
    views = views_of(launch.records, records)
    with np.errstate(all="ignore"):
        for first, end in _chunks(launch, rates.orbits):
            chunk = Chunk(launch, first, end, _done(rates.orbits, launch, first, end))
            jacobians = chunk.jacobians()
            v, d = _done_vectors(jacobians, rates.tangents), _done_vectors(jacobians, rates.along)
            w = _done_vectors(jacobians, rates.rates, chunk.second(v, d))
            for k in range(first, end):
                _record(launch, k, views, w[k - first])
    return records


def rates_adjoint(rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
    """`step_rates_adjoint` of the backend `array`."""
    gradient = np.zeros(len(launch.program.constants) + REFERENCE)
    seeds = None if cotangents.records is None else views_of(launch.records, cotangents.records)
    cotangents.along[:], cotangents.orbits[:] = 0.0, 0.0
    v_bar = np.zeros_like(cotangents.along)
    with np.errstate(all="ignore"):
        for first, end in _backwards(launch, rates.orbits):
            chunk = Chunk(launch, first, end, _undone(rates.orbits, launch, first, end))
            jacobians = chunk.jacobians()
            v, d = _undone_vectors(jacobians, rates.tangents), _undone_vectors(jacobians, rates.along)
            w = _undone_vectors(jacobians, rates.rates, chunk.second(v, d))
            w_bar = _pulled(jacobians, cotangents.rates, launch, first, seeds)
            # J'[d] v is symmetric in v and d: derivatives of <w_bar, J'[d] v> for v are those of <w_bar, J d>
            by_v, by_d = chunk.first_bars([d, v], [w_bar, w_bar])
            v_bars = _pulled(jacobians, v_bar, launch, first, None, by_v)
            d_bars = _pulled(jacobians, cotangents.along, launch, first, None, by_d)
            own = chunk.first_bars([v, d, w], [v_bars, d_bars, w_bar], gradient).sum(axis=0)
            own += chunk.second_bars(v, d, w_bar, gradient)
            o = _pulled(jacobians, cotangents.orbits, launch, first, None, own)
            chunk.constants_bars(o, gradient)
    return of_launch(gradient, launch)


# -- one op after the other --------------------------------------------------------------------------------------------


def _chunks(launch: Launch, coordinates: np.ndarray) -> Iterator[tuple[int, int]]:
    """First op and end of each chunk, in the order of passage."""
    size = max(1, CHUNK // coordinates.shape[1])
    for first in range(launch.first_op, launch.end_op, size):
        yield first, min(launch.end_op, first + size)


def _backwards(launch: Launch, coordinates: np.ndarray) -> list[tuple[int, int]]:
    return list(_chunks(launch, coordinates))[::-1]


def _moves(launch: Launch, k: int) -> bool:
    return launch.program.calls[k][0].name not in ("record", "aperture")


def _done(coordinates: np.ndarray, launch: Launch, first: int, end: int) -> np.ndarray:
    """(end - first, 6, n) Coordinates before each op of a range; `coordinates` become those after it."""
    ref = ReferenceValues.of(launch.reference)
    before, state = np.zeros((end - first, *coordinates.shape)), make_state(coordinates, ref)
    for k in range(first, end):
        before[k - first] = np.stack(state[:6])
        if _moves(launch, k):
            kind, op = launch.program.calls[k]
            state = kind.forward(state, op, ref)
    coordinates[:] = np.stack(state[:6])
    return before


def _undone(coordinates: np.ndarray, launch: Launch, first: int, end: int) -> np.ndarray:
    """(end - first, 6, n) Coordinates before each op of a range, from those after it, which become those before it."""
    ref = ReferenceValues.of(launch.reference)
    before, state = np.zeros((end - first, *coordinates.shape)), make_state(coordinates, ref)
    for k in reversed(range(first, end)):
        if _moves(launch, k):
            kind, op = launch.program.calls[k]
            state = kind.inverse(state, op, ref)
        before[k - first] = np.stack(state[:6])
    coordinates[:] = before[0]
    return before


def _done_vectors(jacobians: np.ndarray, v: np.ndarray, added: np.ndarray | None = None) -> np.ndarray:
    """(ops, 6, n) Vectors before each op, which maps them to J v plus `added`; `v` becomes that after all ops."""
    before = np.zeros((len(jacobians), *v.shape))
    for k, jacobian in enumerate(jacobians):
        before[k] = v
        v[:] = transformed(jacobian, v) if added is None else transformed(jacobian, v) + added[k]
    return before


def _undone_vectors(jacobians: np.ndarray, v: np.ndarray, added: np.ndarray | None = None) -> np.ndarray:
    """(ops, 6, n) Vectors before each op, from `v` after all ops, which becomes that before them."""
    before = np.zeros((len(jacobians), *v.shape))
    inverses = np.moveaxis(np.linalg.inv(np.moveaxis(jacobians, -1, 1)), 1, -1)
    for k in reversed(range(len(jacobians))):
        before[k] = v[:] = transformed(inverses[k], v if added is None else v - added[k])
    return before


def _pulled(
    jacobians: np.ndarray, bar: np.ndarray, launch: Launch, first: int, seeds: list[np.ndarray] | None,
    added: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """(ops, 6, n) Cotangents after each op, including those of ops and records; `bar` becomes that before all ops."""
    after = np.zeros((len(jacobians), *bar.shape))
    for k in reversed(range(len(jacobians))):
        kind, op = launch.program.calls[first + k]
        if kind.name == "record":
            seed = None if seeds is None else recorded(launch, seeds, op, launch.first_turn)
            bar += 0.0 if seed is None else seed
        after[k] = bar
        bar[:] = pulled(jacobians[k], bar) if added is None else pulled(jacobians[k], bar) + added[k]
    return after


def _record(launch: Launch, k: int, views: list[np.ndarray], w: np.ndarray) -> None:
    kind, op = launch.program.calls[k]
    place = recorded(launch, views, op, launch.first_turn) if kind.name == "record" else None
    if place is not None:
        place[:] = w
