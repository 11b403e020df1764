"""Tracking as a function of PyTorch, with the backward sweep behind ``loss.backward()``.

Needs PyTorch (``pip install gputrack[torch]``); imported by nobody else.
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
    """What comes out.

    Attributes
    ----------
    coordinates : (6, n) tensor
        Of lost particles, the last good ones.
    loss_code : (n,) integer tensor
        A `gputrack.LossCode` each, 0 while alive.
    records : tuple of (recorded turns, places, 6, n) tensors
        One per monitor; NaN from the place of a loss on.
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
    """Track coordinates through a lattice with given knob values; differentiable in both, once, in reverse mode.

    Parameters
    ----------
    lattice, turns, monitors, backend, threads, limit
        See `gputrack.track`. Monitors keep coordinates, in memory.
    knobs : Knobs
        Of ``lattice.knobs(...)``; may be empty.
    values : (n_knobs,) float64 tensor
    coordinates : (6, n) float64 tensor
        x [m], px, y [m], py, z [m], delta; all alive. The device is theirs: on the CPU NumPy's view of their memory is
        tracked, on a GPU CuPy's (which needs CuPy).
    weights : (n,) array, optional
        Enter no result here; see `gputrack.Beam`.

    Raises
    ------
    InputError
        An argument cannot be used; a tensor is not float64 or has a wrong shape.
    """
    run = Pass(lattice, knobs, turns, monitors, weights, backend, threads, limit)
    for name, tensor in (("values", values), ("coordinates", coordinates)):
        if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float64:
            found = getattr(tensor, "dtype", type(tensor).__name__)
            raise InputError(f"track: {name} must be a float64 tensor, got {found}; use {name}.double()")
    run.require_shapes(values.shape, coordinates.shape)
    wanted = torch.is_grad_enabled() and (values.requires_grad or coordinates.requires_grad)
    after, codes, *records = _Track.apply(run, wanted, values, coordinates)
    return Outgoing(after, codes, tuple(records))


class _Track(torch.autograd.Function):  # type: ignore[misc]
    """One run; what its backward sweep needs hangs on the context."""

    @staticmethod
    def forward(ctx: Any, run: Pass, wanted: bool, values: torch.Tensor, coordinates: torch.Tensor) -> Any:
        ctx.devices = values.device, coordinates.device
        numbers, start = values.detach().cpu().numpy(), _array(coordinates)
        records: Sequence[Any]
        if wanted:
            after, codes, records, ctx.pull_back = run.run_with_pullback(numbers, start)
        else:
            out = run.run(numbers, start)
            after, codes, records = out.coordinates, out.loss_code, [record.coordinates for record in out.records]
        loss_code = _tensor(codes, coordinates.device)
        ctx.mark_non_differentiable(loss_code)
        return _tensor(after, coordinates.device), loss_code, *(_tensor(r, coordinates.device) for r in records)

    @staticmethod
    def backward(ctx: Any, bar: torch.Tensor, _: Any, *record_bars: torch.Tensor) -> Any:
        # PyTorch's once_differentiable would let second derivatives pass as 0 where the cotangent is constant.
        if torch.is_grad_enabled():
            raise InputError("track: second derivatives are not available; differentiate without create_graph=True")
        values_bar, coordinates_bar = ctx.pull_back(_array(bar), [_array(b) for b in record_bars])
        of_values, of_coordinates = ctx.devices
        return None, None, _tensor(values_bar, of_values), _tensor(coordinates_bar, of_coordinates)


def _array(tensor: torch.Tensor) -> Any:
    """The tensor's memory as NumPy's or CuPy's array."""
    plain = tensor.detach().contiguous()
    return module_named("cupy").from_dlpack(plain) if plain.is_cuda else plain.numpy()


def _tensor(array: Any, device: torch.device) -> torch.Tensor:
    """A tensor of its own with the array's numbers."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.array(array)).to(device)
    return torch.from_dlpack(array).clone()
