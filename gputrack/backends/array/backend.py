"""Backend `array`: the array-API maps, on any array library; the judge of the kernels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gputrack.backends.array.adjoint import sweep_arrays
from gputrack.backends.array.losses import acceptable, loss_codes
from gputrack.backends.array.tangent import tangents_by_arrays
from gputrack.backends.protocol import Launch, Particles, Tangents
from gputrack.backends.segments import Segmented
from gputrack.base.arrays import is_cupy, namespace
from gputrack.base.errors import BackendError
from gputrack.base.losses import LossCode
from gputrack.elements.aperture import inside
from gputrack.elements.map import ReferenceValues, State, make_state, refreshed

BLOCK = 8192  # particles: fewer cost more in calls than larger ones cost in cache


class ArrayBackend(Segmented):
    """Blocks of particles on a pool of threads; NumPy releases the interpreter lock."""

    name = "array"

    def __init__(self, threads: int | None = None) -> None:
        # Measured: two threads take twice as long as one, they wait for the interpreter between short calls.
        self.threads = threads or 1

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place."""
        if not len(launch.program) or not launch.turns:
            return
        n = particles.coordinates.shape[1]
        if is_cupy(particles.coordinates):
            run_block(particles, launch, slice(0, n))
            return
        size = max(1, min(BLOCK, -(-n // self.threads)))
        blocks = [slice(i, min(i + size, n)) for i in range(0, n, size)]
        if len(blocks) == 1:
            run_block(particles, launch, blocks[0])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda block: run_block(particles, launch, block), blocks))

    def step_adjoint(self, particles: Particles, cotangents: Any, launch: Launch, seeds: Any) -> Any:
        """Undo one stretch of turns by autograd of each map; see `HostBackend.step_adjoint`. Slow: a judge."""
        if is_cupy(cotangents):
            raise BackendError("the array backend's gradients run on NumPy arrays; move the beam to 'numpy'")
        return sweep_arrays(particles, cotangents, launch, seeds)

    def step_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Any:
        """Carry tangents along by autograd of each map; see `HostBackend.step_tangent`. Slow: a judge."""
        if is_cupy(particles.coordinates):
            raise BackendError("the array backend's tangents run on NumPy arrays; move the beam to 'numpy'")
        return tangents_by_arrays(particles, tangents, launch)


def run_block(particles: Particles, launch: Launch, block: slice) -> None:
    """All turns for one block of particles."""
    with np.errstate(all="ignore"):  # what goes wrong in a particle becomes a loss code
        ref = ReferenceValues.of(launch.reference)
        code = particles.loss_code[block]
        xp = namespace(code)
        alive = code == LossCode.ALIVE
        start = particles.coordinates[:, block]
        s = make_state(xp.where(alive, start, 0.0), ref)
        loop = _Loop(particles, launch, block, ref, alive)
        turns = list(range(launch.first_turn, launch.first_turn + launch.turns))
        calls = list(enumerate(launch.program.calls))[launch.first_op : launch.end_op]
        if launch.backwards:
            turns.reverse()
            calls.reverse()
        s = loop.check(s, s, turns[0], calls[0][0])
        for turn in turns:
            if not loop.alive.any():
                break
            for k, (kind, op) in calls:
                s = loop.apply(s, kind, op, turn, k)
        coordinates = xp.stack(s[:6])
        particles.coordinates[:, block] = xp.where(loop.alive, coordinates, particles.coordinates[:, block])


class _Loop:
    """Bookkeeping of one block: who is alive, losses, records."""

    def __init__(
        self, particles: Particles, launch: Launch, block: slice, ref: ReferenceValues, alive: Any
    ) -> None:
        self.particles, self.launch, self.block, self.ref, self.alive = particles, launch, block, ref, alive

    def apply(self, s: State, kind: Any, op: Any, turn: int, k: int) -> State:
        if kind.name == "record":
            self.record(s, op, turn)
            return s
        if kind.name == "aperture":
            if self.launch.backwards:
                return s
            lost = self.alive & ~inside(s, op)
            return self.lose(s, s, lost, turn, k, LossCode.APERTURE) if lost.any() else s
        after = (kind.inverse if self.launch.backwards else kind.forward)(s, op, self.ref)
        return self.check(s, after, turn, k)

    def check(self, before: State, after: State, turn: int, k: int) -> State:
        """Lose the particles that cannot be tracked on."""
        lost = self.alive & ~acceptable(after, self.launch.limit)
        return self.lose(before, after, lost, turn, k, None) if lost.any() else after

    def lose(self, before: State, after: State, lost: Any, turn: int, k: int, code: LossCode | None) -> State:
        """Store the last good coordinates of lost particles; zeros travel on in their place."""
        p, block = self.particles, self.block
        xp = namespace(lost)
        p.coordinates[:, block] = xp.where(lost, xp.stack(before[:6]), p.coordinates[:, block])
        codes = loss_codes(after, self.launch.limit) if code is None else int(code)
        p.loss_code[block] = xp.where(lost, codes, p.loss_code[block])
        p.loss_turn[block] = xp.where(lost, turn, p.loss_turn[block])
        p.loss_op[block] = xp.where(lost, k, p.loss_op[block])
        self.alive = self.alive & ~lost
        kept = State(*(xp.where(self.alive, value, 0.0) for value in after))
        return refreshed(kept, self.ref)

    def record(self, s: State, op: Any, turn: int) -> None:
        if turn % op.every:
            return
        first = -(-self.launch.first_turn // op.every)
        place = self.launch.records.views[op.monitor][turn // op.every - first, op.place]
        xp = namespace(s.x)
        place[:, self.block] = xp.where(self.alive, xp.stack(s[:6]), place[:, self.block])
