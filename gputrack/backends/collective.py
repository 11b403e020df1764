"""Execution of collective maps: by kernels if the backend has them, else by their array mathematics.

The backend `array` always uses the array map and its derivatives by autograd, as the reference for the others.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_jvp, make_vjp

from gputrack.backends.array.losses import acceptable, loss_codes
from gputrack.backends.derivatives import Tangents
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.protocol import CollectiveKernel, CollectiveRunner
from gputrack.base.arrays import Array, is_cupy, namespace
from gputrack.base.errors import BackendError, InputError
from gputrack.base.losses import LossCode
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues, State, make_state


def step(backend: CollectiveRunner, particles: Particles, launch: Launch) -> None:
    """Apply the single map of the launch, in place; particles outside its aperture are lost."""
    kind, op = launch.program.collective(launch.first_op)
    if launch.backwards and _uses_earlier_turns(kind, op):
        raise InputError(
            f"track: {op.effect.owner}: wakes of earlier turns are not available backwards; give it turns=0"
        )
    bunch = _bunch(particles, launch) if launch.backwards else _entering(particles, launch, kind, op)
    if not _any_survivor(particles):
        return
    ref, kernel = ReferenceValues.of(launch.reference), backend.collective_kernel(kind)
    if kernel is not None:
        _step_in_place(kernel, particles, launch, bunch, op, ref)
        return
    with np.errstate(all="ignore"):  # invalid coordinates become loss codes
        after = (kind.inverse if launch.backwards else kind.forward)(bunch, op, ref)
        _lose_after(particles, launch, make_state(after, ref))
    _store_survivors(particles.coordinates, after, particles)


def _step_in_place(
    kernel: CollectiveKernel, particles: Particles, launch: Launch, bunch: Bunch, op: Any, ref: ReferenceValues
) -> None:
    p, codes = particles, kernel.step(bunch, op, ref, launch.backwards)
    if codes is not None:
        lost = (codes > 0) & (p.loss_code == LossCode.ALIVE)
        p.loss_code[lost] = codes[lost]
        p.loss_turn[lost], p.loss_op[lost] = launch.first_turn, launch.first_op
    _store_survivors(p.coordinates, bunch.coordinates, p)


def step_tangent(particles: Particles, tangents: Tangents, launch: Launch) -> None:
    """Apply the map with tangents, by autograd's forward mode through the array map."""
    if is_cupy(particles.coordinates):
        raise BackendError(
            "forward mode through collective effects needs NumPy arrays; use grad, or beam.to_device('numpy')"
        )
    kind, op = launch.program.collective(launch.first_op)
    if _uses_earlier_turns(kind, op):
        raise InputError(f"jvp: {op.effect.owner}: forward mode through earlier turns is not available; use grad")
    bunch, ref = _entering(particles, launch, kind, op), ReferenceValues.of(launch.reference)
    if not _any_survivor(particles):
        return
    first, end = launch.constants_range
    alive = particles.loss_code == LossCode.ALIVE
    rates = tangents.coordinates * alive, tangents.constants[first:end], tangents.reference
    at = bunch.coordinates, _packed(kind, op), np.array(ref)
    with np.errstate(all="ignore"):
        value, rate = make_jvp(lambda numbers: _flat_forward(kind, op, bunch, numbers))(_flat(*at))(_flat(*rates))
        _lose_after(particles, launch, make_state(value, ref))
    _store_survivors(particles.coordinates, value, particles)
    _store_survivors(tangents.coordinates, rate, particles)


def step_adjoint(
    backend: CollectiveRunner, particles: Particles, cotangents: Array, launch: Launch
) -> np.ndarray:
    """Undo the map, in place, pull cotangents (6, n) back, then restore the particles lost at it.

    Particles lost by the kick itself acted on the others before; their stored coordinates are those before the kick.
    """
    kind, op = launch.program.collective(launch.first_op)
    ref, xp = ReferenceValues.of(launch.reference), namespace(cotangents)
    p = particles
    here = (p.loss_turn == launch.first_turn) & (p.loss_op == launch.first_op)
    acted = here & (p.loss_code != LossCode.ALIVE) & (p.loss_code != LossCode.APERTURE)
    if launch.first_op == 0:
        with np.errstate(all="ignore"):  # others were lost at the entrance
            acted = acted & acceptable(make_state(p.coordinates, ref), launch.limit)
    alive = p.loss_code == LossCode.ALIVE
    if not bool((alive | acted).any()):
        revive(particles, launch)
        first, end = launch.constants_range
        return np.zeros(end - first + len(ref))
    after = _bunch(particles, launch, acted)
    bar = cotangents if bool(xp.all(alive)) else xp.where(alive, cotangents, 0.0)
    kernel = backend.collective_kernel(kind)
    if kernel is not None:
        before, bars = after.coordinates, kernel.undo_adjoint(after, op, ref, bar)
    else:
        before, bars = _undo_adjoint(backend, kind, after, op, ref, bar, acted)
    if bars.coordinates is not cotangents:
        cotangents[:] = xp.where(acted, cotangents + bars.coordinates, cotangents)
    _store_survivors(particles.coordinates, before, particles)
    _store_survivors(cotangents, bars.coordinates, particles)
    revive(particles, launch)
    return np.concatenate([np.asarray(bars.constants, dtype=float), np.asarray(bars.reference, dtype=float)])


def _undo_adjoint(
    backend: CollectiveRunner, kind: CollectiveKind, after: Bunch, op: Any, ref: ReferenceValues, bar: Any, acted: Any
) -> tuple[Any, Bars]:
    """Coordinates before the map, and derivatives, by array mathematics."""
    with np.errstate(all="ignore"):
        undone = kind.inverse(after, op, ref)
    before = after._replace(coordinates=namespace(undone).where(acted, after.coordinates, undone))
    if backend.name == "array" and not _uses_earlier_turns(kind, op):  # autograd traces one turn at a time
        return before.coordinates, adjoint_by_autograd(kind, before, op, ref, bar)
    return before.coordinates, kind.adjoint(before, op, ref, bar)


def _uses_earlier_turns(kind: CollectiveKind, op: Any) -> bool:
    """Whether the map depends on earlier turns."""
    return kind.earlier_turns is not None and kind.earlier_turns(op.effect) > 0


def adjoint_by_autograd(
    kind: CollectiveKind, bunch: Bunch, op: SimpleNamespace, ref: ReferenceValues, bar: np.ndarray
) -> Bars:
    """`CollectiveKind.adjoint` by autograd through the array map."""
    at = bunch.coordinates, _packed(kind, op), np.array(ref)
    pull, _ = make_vjp(lambda numbers: _flat_forward(kind, op, bunch, numbers))(_flat(*at))
    bars = pull(bar)
    n, size = bunch.coordinates.size, at[1].size
    return Bars(bars[:n].reshape(bunch.coordinates.shape), bars[n : n + size], bars[n + size :])


def _flat(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.reshape(part, -1) for part in parts])


def _flat_forward(kind: CollectiveKind, op: SimpleNamespace, bunch: Bunch, numbers: Any) -> Any:
    """The map as a function of coordinates, constants and the reference's values in one vector."""
    n, count = bunch.coordinates.size, len(ReferenceValues._fields)
    coordinates = anp.reshape(numbers[:n], bunch.coordinates.shape)
    ref = ReferenceValues(*(numbers[i - count] for i in range(count)))
    own = _rebuilt(kind, op, numbers[n:])
    return kind.forward(bunch._replace(coordinates=coordinates), own, ref)


def _packed(kind: CollectiveKind, op: SimpleNamespace) -> np.ndarray:
    """Constants of an op as one vector, in the order of the program's table."""
    values = [getattr(op, name) for name in kind.constants]
    for name in kind.series:
        values += getattr(op, name)
    return np.array(values, dtype=float)


def _rebuilt(kind: CollectiveKind, op: SimpleNamespace, numbers: Any) -> SimpleNamespace:
    """The op with its constants taken from a (traced) vector."""
    values: dict[str, Any] = {name: numbers[i] for i, name in enumerate(kind.constants)}
    place = len(kind.constants)
    for name, count in kind.series.items():
        size = getattr(op.effect, count)
        values[name] = [numbers[place + i] for i in range(size)]
        place += size
    return SimpleNamespace(**(vars(op) | values))


def _any_survivor(particles: Particles) -> bool:
    """Whether any particle survives; else the beam has no mean."""
    return bool((particles.loss_code == LossCode.ALIVE).any())


def _bunch(particles: Particles, launch: Launch, others: Any = False) -> Bunch:
    """Surviving particles and `others`. If none is lost, the coordinates are the run's own array, not a copy."""
    xp = namespace(particles.coordinates)
    living = particles.loss_code == LossCode.ALIVE
    coordinates, weights = particles.coordinates, launch.weights
    total = float(weights.sum())
    if not bool(xp.all(living)):  # copied, since kernels may overwrite lost particles
        alive = living | others
        coordinates, weights = xp.where(alive, coordinates, 0.0), xp.where(alive, weights, 0.0)
    charge = abs(launch.reference.charge)
    return Bunch(coordinates, weights, total, charge, launch.first_turn, launch.memory)


def _entering(particles: Particles, launch: Launch, kind: CollectiveKind, op: Any) -> Bunch:
    """Particles on which the map acts; those outside its aperture are lost with their present coordinates."""
    if launch.first_op == 0:  # after any other op, survivors are within the limits
        with np.errstate(all="ignore"):
            _lose_after(particles, launch, make_state(particles.coordinates, ReferenceValues.of(launch.reference)))
    bunch, p = _bunch(particles, launch), particles
    if kind.inside is None or not _any_survivor(particles):
        return bunch
    lost = ~kind.inside(bunch, op, ReferenceValues.of(launch.reference)) & (p.loss_code == LossCode.ALIVE)
    if not bool(lost.any()):
        return bunch
    p.loss_code[lost] = int(LossCode.APERTURE)
    p.loss_turn[lost], p.loss_op[lost] = launch.first_turn, launch.first_op
    return _bunch(particles, launch)


def revive(particles: Particles, piece: Launch) -> None:
    """Restore the particles lost at an op of this piece; their coordinates are those before it."""
    own = (particles.loss_op >= piece.first_op) & (particles.loss_op < piece.end_op)
    particles.loss_code[own & (particles.loss_turn == piece.first_turn)] = int(LossCode.ALIVE)


def _lose_after(particles: Particles, launch: Launch, after: State) -> None:
    """Lose the particles that are unphysical or beyond the limits after the map; their coordinates are unchanged."""
    p, xp = particles, namespace(particles.coordinates)
    lost = (p.loss_code == LossCode.ALIVE) & ~acceptable(after, launch.limit)
    p.loss_code[:] = xp.where(lost, loss_codes(after, launch.limit), p.loss_code)
    p.loss_turn[lost], p.loss_op[lost] = launch.first_turn, launch.first_op


def _store_survivors(target: Any, values: Any, particles: Particles) -> None:
    """Copy the values of surviving particles to `target`, unless it is the same array."""
    if values is target:
        return
    xp = namespace(target)
    target[:] = xp.where(particles.loss_code == LossCode.ALIVE, values, target)
