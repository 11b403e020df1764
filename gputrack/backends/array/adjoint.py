"""Backward sweep of the backend `array`, by autograd: the reference implementation of the kernels' adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.backends.array.local import CHUNK, PARTICLES, REFERENCE, Chunk, pulled
from gputrack.backends.array.loop import recorded
from gputrack.backends.derivatives import Cotangents, MomentCotangents
from gputrack.backends.launch import Launch, Particles, views_of
from gputrack.base.losses import LossCode
from gputrack.beam.moment_rules import MOMENT_SEEDS, seeded
from gputrack.elements.map import ReferenceValues, make_state


def sweep_arrays(particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
    """`step_adjoint` of the backend `array`, for a launch with ops."""
    n, gradient = particles.coordinates.shape[1], np.zeros(len(launch.program.constants) + REFERENCE)
    with np.errstate(all="ignore"):
        for first in range(0, n, PARTICLES):
            _Block(particles, cotangents, launch, slice(first, min(n, first + PARTICLES)), gradient).run()
    return of_launch(gradient, launch)


def of_launch(gradient: np.ndarray, launch: Launch) -> np.ndarray:
    """Part of a program's derivatives: with respect to the constants of the launch's ops and the reference."""
    first, end = launch.constants_range
    return np.concatenate([gradient[first:end], gradient[-REFERENCE:]])


class _Block:
    def __init__(
        self, particles: Particles, cotangents: Cotangents, launch: Launch, block: slice, gradient: np.ndarray
    ) -> None:
        self.coordinates, self.bar = particles.coordinates[:, block], cotangents.coordinates[:, block]
        self.loss_turn, self.loss_op = particles.loss_turn[block], particles.loss_op[block]
        self.alive: np.ndarray = particles.loss_code[block] == LossCode.ALIVE
        self.launch, self.block, self.gradient = launch, block, gradient
        self.seeds = None if cotangents.records is None else views_of(launch.records, cotangents.records)
        self.moments = cotangents.moments
        self.ref = ReferenceValues.of(launch.reference)

    def run(self) -> None:
        launch, size = self.launch, max(1, CHUNK // len(self.alive))
        for turn in range(launch.first_turn + launch.turns - 1, launch.first_turn - 1, -1):
            for end in range(launch.end_op, launch.first_op, -size):
                self.chunk(turn, max(launch.first_op, end - size), end)

    def chunk(self, turn: int, first: int, end: int) -> None:
        """Undo a range of ops, then pull cotangents back through their Jacobians."""
        before, alive = self.undone(turn, first, end)
        chunk = Chunk(self.launch, first, end, before)
        jacobians, after = chunk.jacobians(), np.zeros(before.shape)
        for k in reversed(range(end - first)):
            kind, op = self.launch.program.calls[first + k]
            if kind.name == "record":
                self.add_seeds(op, turn, before[k], alive[k])
            elif kind.name != "aperture":
                after[k] = np.where(alive[k], self.bar, 0.0)
                self.bar[:] = np.where(alive[k], pulled(jacobians[k], self.bar), self.bar)
        chunk.constants_bars(after, self.gradient)

    def add_seeds(self, op: Any, turn: int, coordinates: np.ndarray, alive: np.ndarray) -> None:
        """Add the cotangents of the record that an op made at these coordinates."""
        seed = None if self.seeds is None else recorded(self.launch, self.seeds, op, turn)
        if seed is not None:
            self.bar += np.where(alive, seed[:, self.block], 0.0)
        moments = None if self.moments is None else _moment_seeds(self.moments, op, turn)
        if moments is not None:
            self.bar += np.where(alive, seeded(coordinates, self.launch.weights[self.block], moments), 0.0)

    def undone(self, turn: int, first: int, end: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Coordinates before each op, zero for particles already lost, and the mask of particles on which it acts."""
        before, alive = np.zeros((end - first, *self.coordinates.shape)), []
        for k in reversed(range(first, end)):
            kind, op = self.launch.program.calls[k]
            before[k - first] = np.where(self.alive, self.coordinates, 0.0)
            if kind.name not in ("record", "aperture"):
                state = kind.inverse(make_state(before[k - first], self.ref), op, self.ref)
                before[k - first] = np.where(self.alive, np.stack(state[:6]), 0.0)
                self.coordinates[:] = np.where(self.alive, before[k - first], self.coordinates)
            alive.append(self.alive)
            # restore particles lost at this op
            self.alive = self.alive | ((self.loss_turn == turn) & (self.loss_op == k))
        return before, alive[::-1]


def _moment_seeds(moments: MomentCotangents, op: Any, turn: int) -> np.ndarray | None:
    """Seeds of the moments that an op records in a turn; None if it records none."""
    if turn % op.every or moments.starts[op.monitor] < 0:
        return None
    row = (turn // op.every - -(-moments.first_turn // op.every)) * op.places + op.place
    start = int(moments.starts[op.monitor]) + row * MOMENT_SEEDS
    seeds: np.ndarray = moments.seeds[start : start + MOMENT_SEEDS]
    return seeds
