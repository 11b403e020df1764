"""Backward sweep of the backend `array`: autograd through each array map; the judge of the kernels' adjoints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from gputrack.backends.protocol import Launch, Particles
from gputrack.base.losses import LossCode
from gputrack.elements.map import MapKind, ReferenceValues, make_state


def sweep_arrays(particles: Particles, cotangents: np.ndarray, launch: Launch, seeds: Any) -> np.ndarray:
    """Undo one stretch of turns, in place, pulling cotangents back; see `HostBackend.step_adjoint`."""
    ref = ReferenceValues.of(launch.reference)
    n_constants = len(launch.program.constants)
    gradient = np.zeros(n_constants + len(ref))
    ops = list(enumerate(zip(launch.program.ops.tolist(), launch.program.calls, strict=True)))
    ops = ops[launch.first_op : launch.end_op][::-1]
    alive = particles.loss_code == LossCode.ALIVE
    with np.errstate(all="ignore"):
        for turn in range(launch.first_turn + launch.turns - 1, launch.first_turn - 1, -1):
            for k, (row, (kind, op)) in ops:
                if kind.name == "record":
                    _add_seeds(cotangents, launch, seeds, op, turn, alive)
                elif kind.name != "aperture" and alive.any():
                    own = gradient[row[1] :], gradient[n_constants:]
                    _pull(particles.coordinates, cotangents, alive, kind, op, *own, ref)
                alive = alive | ((particles.loss_turn == turn) & (particles.loss_op == k))
    first, end = launch.constants_range
    return np.concatenate([gradient[first:end], gradient[n_constants:]])


def _pull(
    coordinates: np.ndarray, cotangents: np.ndarray, alive: np.ndarray, kind: MapKind, op: SimpleNamespace,
    gradient: np.ndarray, reference_gradient: np.ndarray, ref: ReferenceValues,
) -> None:  # fmt: skip
    """Undo one op for the living particles; pull their cotangents, the op's constants and the reference back."""
    before = np.stack(kind.inverse(make_state(coordinates[:, alive], ref), op, ref)[:6])
    constants = np.array([*packed(kind, op), *ref])
    size = constants.size - len(ref)

    def forward(values: Any, numbers: Any) -> Any:
        own = ReferenceValues(*(numbers[size + i] for i in range(len(ref))))
        return anp.stack(kind.forward(make_state(values, own), rebuilt(kind, op, numbers), own)[:6])

    pull_constants, _ = make_vjp(lambda numbers: forward(before, numbers))(constants)
    pull_coordinates, _ = make_vjp(lambda values: forward(values, constants))(before)
    cotangent = cotangents[:, alive]
    bars = pull_constants(cotangent)
    gradient[:size] += bars[:size]
    reference_gradient += bars[size:]
    cotangents[:, alive] = pull_coordinates(cotangent)
    coordinates[:, alive] = before


def packed(kind: Any, op: SimpleNamespace) -> np.ndarray:
    """Constants of an op as one vector, in the order of the program's table."""
    values = [getattr(op, name) for name in kind.constants]
    for name in kind.series:
        values += getattr(op, name)
    return np.array(values, dtype=float)


def rebuilt(kind: Any, op: SimpleNamespace, numbers: Any, counts: Any = None) -> SimpleNamespace:
    """The op with its constants taken from a (traced) vector; lengths of series stand in `counts`, or in the op."""
    values: dict[str, Any] = {name: numbers[i] for i, name in enumerate(kind.constants)}
    place = len(kind.constants)
    for name, count in kind.series.items():
        size = getattr(op if counts is None else counts, count)
        values[name] = [numbers[place + i] for i in range(size)]
        place += size
    return SimpleNamespace(**(vars(op) | values))


def _add_seeds(
    cotangents: np.ndarray, launch: Launch, seeds: Any, op: SimpleNamespace, turn: int, alive: np.ndarray
) -> None:
    if seeds is None or turn % op.every:
        return
    start = int(launch.records.starts[op.monitor])
    view = launch.records.views[op.monitor]
    seed = seeds[start : start + view.size].reshape(view.shape)
    row = turn // op.every - -(-launch.first_turn // op.every)
    cotangents += np.where(alive, seed[row, op.place], 0.0)
