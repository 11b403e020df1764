"""Tangents on the backend `array`, by Jacobians of the maps: the reference implementation of the kernels."""

from __future__ import annotations

import numpy as np

from gputrack.backends.array.local import CHUNK, PARTICLES, Chunk, transformed
from gputrack.backends.array.loop import Loop, recorded
from gputrack.backends.derivatives import Tangents
from gputrack.backends.launch import Launch, Particles, views_of


def tangents_by_arrays(particles: Particles, tangents: Tangents, launch: Launch) -> np.ndarray:
    """`step_tangent` of the backend `array`, for a launch with ops."""
    records: np.ndarray = np.zeros_like(launch.records.flat)
    n = particles.coordinates.shape[1]
    with np.errstate(all="ignore"):  # invalid coordinates become loss codes
        for first in range(0, n, PARTICLES):
            _Block(particles, tangents, launch, slice(first, min(n, first + PARTICLES)), records).run()
    return records


class _Block:
    def __init__(
        self, particles: Particles, tangents: Tangents, launch: Launch, block: slice, records: np.ndarray
    ) -> None:
        self.loop, self.tangents, self.launch, self.block = Loop(particles, launch, block), tangents, launch, block
        self.views = views_of(launch.records, records)
        self.moving = bool(tangents.constants.any() or tangents.reference.any())

    def run(self) -> None:
        launch = self.launch
        self.loop.begin(launch.first_turn, launch.first_op)
        size = max(1, CHUNK // len(self.loop.alive))
        for turn in range(launch.first_turn, launch.first_turn + launch.turns):
            for first in range(launch.first_op, launch.end_op, size):
                self.chunk(turn, first, min(launch.end_op, first + size))
        self.loop.end()

    def chunk(self, turn: int, first: int, end: int) -> None:
        """Apply a range of ops: first to the coordinates, then to the tangents."""
        before, alive = np.zeros((end - first, 6, len(self.loop.alive))), []
        for k in range(first, end):
            before[k - first] = self.loop.coordinates
            self.loop.apply(turn, k)
            alive.append(self.loop.alive)
        chunk = Chunk(self.launch, first, end, before)
        jacobians = chunk.jacobians()
        sources = chunk.sources(self.tangents.constants, self.tangents.reference) if self.moving else None
        v = self.tangents.coordinates[:, self.block]
        for k in range(end - first):
            kind, op = self.launch.program.calls[first + k]
            if kind.name == "record":
                place = recorded(self.launch, self.views, op, turn)
                if place is not None:
                    place[:, self.block][:, alive[k]] = v[:, alive[k]]
            elif kind.name != "aperture":
                after = transformed(jacobians[k], v)
                v = np.where(alive[k], after if sources is None else after + sources[k], v)
        self.tangents.coordinates[:, self.block] = v
