"""Tracking as a function of JAX, differentiable with ``jax.grad``, also inside ``jax.jit``.

Needs JAX (``pip install gputrack[jax]``) in its 64-bit mode; no other module of gputrack imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gputrack.backends import Choice
from gputrack.base.errors import InputError
from gputrack.interop.pullback import Pass, PullBack
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.monitor import Monitor
from gputrack.tracking.track import LIMIT


class Outgoing(NamedTuple):
    """Results of tracking; see `gputrack.interop.torch.Outgoing`."""

    coordinates: jax.Array
    loss_code: jax.Array
    records: tuple[jax.Array, ...]


def track(
    lattice: Lattice,
    knobs: Knobs,
    values: Any,
    coordinates: Any,
    turns: int = 1,
    *,
    monitors: Sequence[Monitor] = (),
    weights: Any = None,
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
) -> Outgoing:
    """Track coordinates through a lattice for given knob values; differentiable once in both, in reverse mode.

    JAX calls the kernels on the host: arrays on a GPU are copied to the host and back. ``jax.vmap`` makes one call
    after the other; ``jax.jvp`` and ``jax.hessian`` are not available.

    Parameters
    ----------
    lattice, turns, monitors, backend, threads, limit
        See `gputrack.track`. Monitors record coordinates, in memory.
    knobs : Knobs
        Knobs of ``lattice.knobs(...)``; may be empty.
    values : (n_knobs,) array
    coordinates : (6, n) array
        x [m], px, y [m], py, z [m], delta of particles that are not lost.
    weights : (n,) array, optional
        Do not affect the results; see `gputrack.Beam`.

    Raises
    ------
    InputError
        An argument is invalid, or the 64-bit mode is off.
    """
    if jnp.result_type(float) != jnp.float64:
        raise InputError(
            "track: gradients need double precision; call jax.config.update('jax_enable_x64', True) first"
        )
    run = Pass(lattice, knobs, turns, monitors, weights, backend, threads, limit)
    numbers, start = jnp.asarray(values, dtype=jnp.float64), jnp.asarray(coordinates, dtype=jnp.float64)
    run.require_shapes(numbers.shape, start.shape)
    out: Outgoing = _differentiable(run, start.shape[1])(numbers, start)
    return out


def _differentiable(run: Pass, n: int) -> Any:
    """The run as a function of arrays with a reverse-mode rule."""
    host = _Host(run)
    shapes = [(6, n), *run.record_shapes(n)]
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
    forward_result = (arrays[0], jax.ShapeDtypeStruct((n,), jnp.int32), tuple(arrays[1:]))
    bars_result = jax.ShapeDtypeStruct((len(run.knobs),), jnp.float64), arrays[0]

    def plain(values: Any, coordinates: Any) -> Outgoing:
        return Outgoing(*_callback(host.plain, forward_result, values, coordinates))

    def forward(values: Any, coordinates: Any) -> tuple[Outgoing, tuple[Any, Any]]:
        out = Outgoing(*_callback(host.forward, forward_result, values, coordinates))
        return out, (values, coordinates)

    def backward(inputs: tuple[Any, Any], bars: Outgoing) -> Any:
        return _callback(host.backward, bars_result, *inputs, bars.coordinates, bars.records)

    tracked = jax.custom_vjp(plain)
    tracked.defvjp(forward, backward)
    return tracked


def _callback(function: Any, result: Any, *arguments: Any) -> Any:
    return jax.pure_callback(function, result, *arguments, vmap_method="sequential")


class _Host:
    """Callbacks of JAX, which may omit, repeat or reorder calls: each depends on its arguments alone.

    The last forward run is stored: a backward call with the same inputs need not track again.
    """

    def __init__(self, run: Pass) -> None:
        self.run = run
        self.last: tuple[np.ndarray, np.ndarray, PullBack] | None = None

    def plain(self, values: Any, coordinates: Any) -> Any:
        out = self.run.run(np.asarray(values), np.asarray(coordinates))
        return out.coordinates, out.loss_code, tuple(record.coordinates for record in out.records)

    def forward(self, values: Any, coordinates: Any) -> Any:
        numbers, start = np.array(values), np.array(coordinates)
        *results, pull_back = self.run.run_with_pullback(numbers, start)
        self.last = numbers, start, pull_back
        return tuple(results)

    def backward(self, values: Any, coordinates: Any, bar: Any, record_bars: Any) -> Any:
        last = self.last
        if last is None or not (np.array_equal(last[0], values) and np.array_equal(last[1], coordinates)):
            self.forward(values, coordinates)
            last = self.last
        assert last is not None
        return last[2](np.asarray(bar), [np.asarray(b) for b in record_bars])
