"""Run of a block of particles by array maps, with losses and records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gputrack.backends.array.losses import acceptable, loss_codes
from gputrack.backends.launch import Launch, Particles
from gputrack.base.arrays import Array, namespace
from gputrack.base.losses import LossCode
from gputrack.elements.aperture import inside
from gputrack.elements.map import ReferenceValues, State, make_state, refreshed


def run_block(particles: Particles, launch: Launch, block: slice) -> None:
    """All turns for one block of particles."""
    with np.errstate(all="ignore"):  # invalid coordinates become loss codes
        loop = Loop(particles, launch, block)
        turns = list(range(launch.first_turn, launch.first_turn + launch.turns))
        ops = list(range(launch.first_op, launch.end_op))
        if launch.backwards:
            turns.reverse()
            ops.reverse()
        loop.begin(turns[0], ops[0])
        for turn in turns:
            if not loop.alive.any():
                break
            for k in ops:
                loop.apply(turn, k)
        loop.end()


class Loop:
    """State of one block of particles: coordinates and survivors.

    Attributes
    ----------
    state : State
        Zeros for lost particles.
    alive : bool array (n,)
    """

    def __init__(self, particles: Particles, launch: Launch, block: slice) -> None:
        self.particles, self.launch, self.block = particles, launch, block
        self.ref = ReferenceValues.of(launch.reference)
        self.alive = particles.loss_code[block] == LossCode.ALIVE
        xp = namespace(self.alive)
        self.state = make_state(xp.where(self.alive, particles.coordinates[:, block], 0.0), self.ref)

    @property
    def coordinates(self) -> Array:
        """(6, n)."""
        return namespace(self.state.x).stack(self.state[:6])

    def begin(self, turn: int, k: int) -> None:
        """Lose particles that start beyond the limits, before the first op."""
        self._check(self.state, turn, k)

    def apply(self, turn: int, k: int) -> None:
        """Apply an op, or undo it."""
        kind, op = self.launch.program.calls[k]
        if kind.name == "record":
            self._record(op, turn)
        elif kind.name != "aperture":
            map_of: Callable[..., State] = kind.inverse if self.launch.backwards else kind.forward
            self._check(map_of(self.state, op, self.ref), turn, k)
        elif not self.launch.backwards:
            lost = self.alive & ~inside(self.state, op)
            if lost.any():
                self._lose(self.state, lost, turn, k, LossCode.APERTURE)

    def end(self) -> None:
        """Store the coordinates of the survivors."""
        xp, target = namespace(self.alive), self.particles.coordinates
        target[:, self.block] = xp.where(self.alive, self.coordinates, target[:, self.block])

    def _check(self, after: State, turn: int, k: int) -> None:
        """Lose particles that are unphysical or beyond the limits after a map."""
        lost = self.alive & ~acceptable(after, self.launch.limit)
        if lost.any():
            self._lose(after, lost, turn, k, None)
        else:
            self.state = after

    def _lose(self, after: State, lost: Array, turn: int, k: int, code: LossCode | None) -> None:
        """Store the last valid coordinates of lost particles; zeros are tracked in their place."""
        p, block = self.particles, self.block
        xp = namespace(lost)
        p.coordinates[:, block] = xp.where(lost, self.coordinates, p.coordinates[:, block])
        codes = loss_codes(after, self.launch.limit) if code is None else int(code)
        p.loss_code[block] = xp.where(lost, codes, p.loss_code[block])
        p.loss_turn[block] = xp.where(lost, turn, p.loss_turn[block])
        p.loss_op[block] = xp.where(lost, k, p.loss_op[block])
        self.alive = self.alive & ~lost
        self.state = refreshed(State(*(xp.where(self.alive, value, 0.0) for value in after)), self.ref)

    def _record(self, op: Any, turn: int) -> None:
        place = recorded(self.launch, self.launch.records.views, op, turn)
        if place is not None:
            xp = namespace(self.alive)
            place[:, self.block] = xp.where(self.alive, self.coordinates, place[:, self.block])


def recorded(launch: Launch, views: list[Array], op: Any, turn: int) -> Array | None:
    """(6, n) View of an op's record in a turn, in arrays laid out as the records; None if it does not record."""
    if turn % op.every or launch.records.starts[op.monitor] < 0:
        return None
    row = turn // op.every - -(-launch.first_turn // op.every)
    place: Array = views[op.monitor][row, op.place]
    return place
