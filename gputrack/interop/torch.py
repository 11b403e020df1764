"""Tracking as a function of PyTorch, differentiable with ``loss.backward()``.

Needs PyTorch (``pip install gputrack[torch]``); no other module of gputrack imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from gputrack.backends import Choice
from gputrack.base.arrays import module_named
from gputrack.base.errors import InputError
from gputrack.interop.pullback import Pass
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.monitor import Monitor
from gputrack.tracking.track import LIMIT


class Outgoing(NamedTuple):
    """Results of tracking.

    Attributes
    ----------
    coordinates : (6, n) tensor
        For lost particles, the coordinates before the map in which they were lost.
    loss_code : (n,) integer tensor
        `gputrack.LossCode` of each particle, 0 for survivors.
    records : tuple of (recorded turns, places, 6, n) tensors
        One for each monitor; NaN after the loss of a particle.
    """

    coordinates: torch.Tensor
    loss_code: torch.Tensor
    records: tuple[torch.Tensor, ...]


def track(
    lattice: Lattice,
    knobs: Knobs,
    values: torch.Tensor,
    coordinates: torch.Tensor,
    turns: int = 1,
    *,
    monitors: Sequence[Monitor] = (),
    weights: Any = None,
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
) -> Outgoing:
    """Track coordinates through a lattice for given knob values; differentiable once in both, in reverse mode.

    Parameters
    ----------
    lattice, turns, monitors, backend, threads, limit
        See `gputrack.track`. Monitors record coordinates, in memory.
    knobs : Knobs
        Knobs of ``lattice.knobs(...)``; may be empty.
    values : (n_knobs,) float64 tensor
    coordinates : (6, n) float64 tensor
        x [m], px, y [m], py, z [m], delta of particles that are not lost. Tracking runs on the device of this tensor,
        without copies: on the CPU through NumPy, on a GPU through CuPy (which must be installed).
    weights : (n,) array, optional
        Do not affect the results; see `gputrack.Beam`.

    Raises
    ------
    InputError
        An argument is invalid; a tensor is not float64 or has a wrong shape.
    """
    run = Pass(lattice, knobs, turns, monitors, weights, backend, threads, limit)
    for name, tensor in (("values", values), ("coordinates", coordinates)):
        if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float64:
            kind = getattr(tensor, "dtype", type(tensor).__name__)
            raise InputError(f"track: {name} must be a float64 tensor, got {kind}; use {name}.double()")
    run.require_shapes(values.shape, coordinates.shape)
    needs_gradient = torch.is_grad_enabled() and (values.requires_grad or coordinates.requires_grad)
    after, codes, *records = _Track.apply(run, needs_gradient, values, coordinates)
    return Outgoing(after, codes, tuple(records))


class _Track(torch.autograd.Function):  # type: ignore[misc]
    """Tracking run as a function of torch; the context holds the data for its backward sweep."""

    @staticmethod
    def forward(ctx: Any, run: Pass, needs_gradient: bool, values: torch.Tensor, coordinates: torch.Tensor) -> Any:
        ctx.devices = values.device, coordinates.device
        numbers, start = values.detach().cpu().numpy(), _array(coordinates)
        records: Sequence[Any]
        if needs_gradient:
            after, codes, records, ctx.pull_back = run.run_with_pullback(numbers, start)
        else:
            out = run.run(numbers, start)
            after, codes, records = out.coordinates, out.loss_code, [record.coordinates for record in out.records]
        loss_code = _tensor(codes, coordinates.device)
        ctx.mark_non_differentiable(loss_code)
        return _tensor(after, coordinates.device), loss_code, *(_tensor(r, coordinates.device) for r in records)

    @staticmethod
    def backward(ctx: Any, bar: torch.Tensor, _: Any, *record_bars: torch.Tensor) -> Any:
        # PyTorch's once_differentiable would return second derivatives of 0 where the cotangent is constant.
        if torch.is_grad_enabled():
            raise InputError("track: second derivatives are not available; differentiate without create_graph=True")
        values_bar, coordinates_bar = ctx.pull_back(_array(bar), [_array(b) for b in record_bars])
        of_values, of_coordinates = ctx.devices
        return None, None, _tensor(values_bar, of_values), _tensor(coordinates_bar, of_coordinates)


def _array(tensor: torch.Tensor) -> Any:
    """The memory of a tensor as a NumPy or CuPy array."""
    plain = tensor.detach().contiguous()
    return module_named("cupy").from_dlpack(plain) if plain.is_cuda else plain.numpy()


def _tensor(array: Any, device: torch.device) -> torch.Tensor:
    """Copy of an array as a tensor on `device`."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.array(array)).to(device)
    return torch.from_dlpack(array).clone()
