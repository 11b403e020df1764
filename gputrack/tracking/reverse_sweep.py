"""Reverse sweep over turns: undo the maps, and pull cotangents back through them.

States are recomputed by inverse maps rather than stored, so that memory does not grow with the number of turns.
Rounding errors grow on the way back, slowly on regular orbits and exponentially on chaotic ones. Recovered states are
therefore compared with a few checkpoints, as many for ten turns as for a million; if they differ too much, the stretch
between two checkpoints is run forwards again to its middle, and swept in halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gputrack.backends.derivatives import Cotangents, MomentCotangents
from gputrack.backends.launch import Launch, Particles, Records, make_records
from gputrack.backends.protocol import Backend
from gputrack.base.arrays import namespace
from gputrack.elements.turn_memory import TurnMemory

CHECKPOINTS = 8
TOLERANCE = 1e-10  # of the amplitude in each coordinate


@dataclass(frozen=True)
class Checkpoint:
    """Coordinates before a turn, numbered as `Beam.turn`."""

    turn: int
    coordinates: Any


@dataclass(frozen=True)
class FinishedRun:
    """Data of a finished forward run for its reverse sweep.

    Attributes
    ----------
    backend : Backend
    launch : Launch
        All turns, with the layout of the records.
    particles : Particles
        State after the last turn.
    checkpoints : list of Checkpoint
        The first one holds the initial coordinates.
    places : list of int, or None each
        Number of places of each monitor of coordinates; None for monitors of moments.
    every : list of int
        Interval of each monitor in turns.
    """

    backend: Backend
    launch: Launch
    particles: Particles
    checkpoints: list[Checkpoint]
    places: list[int | None]
    every: list[int]


def sweep(
    done: FinishedRun, cotangents: Any, seeds: list[Any], moments: MomentCotangents | None = None
) -> tuple[Any, Any]:
    """Pull cotangents back through all turns.

    Parameters
    ----------
    done : FinishedRun
    cotangents : array (6, n)
        Derivatives of a scalar with respect to the outgoing coordinates.
    seeds : list of arrays (recorded turns, places, 6, n)
        Derivatives with respect to recorded coordinates; those of monitors of moments are ignored.
    moments : MomentCotangents, optional
        Derivatives with respect to recorded moments.

    Returns
    -------
    (array (6, n), array (n_constants + 5,))
        Derivatives with respect to the incoming coordinates; and to the program's constants, then to the members of
        `gputrack.elements.map.ReferenceValues`.
    """
    return _Sweep(done, cotangents, seeds, moments).run()


class _Sweep:
    def __init__(self, done: FinishedRun, cotangents: Any, seeds: list[Any], moments: MomentCotangents | None) -> None:
        self.done, self.seeds, self.moments = done, seeds, moments
        self.xp = namespace(cotangents)
        self.cotangents = self.xp.array(cotangents, copy=True, order="C")
        self.gradient: Any = 0.0
        self.memory = done.launch.memory or TurnMemory()
        self.memory.restore({})  # discard states of an earlier sweep
        self.amplitude = amplitude(done)

    def run(self) -> tuple[Any, Any]:
        last = self.done.launch.first_turn + self.done.launch.turns
        state = self.done.particles.coordinates
        for checkpoint in reversed(self.done.checkpoints):
            if checkpoint.turn < last:
                self.stretch(checkpoint, state, last)
            last, state = checkpoint.turn, checkpoint.coordinates
        return self.cotangents, self.gradient

    def stretch(self, start: Checkpoint, after: Any, end: int) -> None:
        """Sweep from `end` back to `start`, in halves if the coordinates at the start are not recovered."""
        before, memory = self.xp.array(self.cotangents, copy=True), self.memory.all_cotangents()
        particles = self._particles(after, end)
        records, seeds = self._records(start.turn, end)
        turns = end - start.turn
        launch = replace(self.done.launch, first_turn=start.turn, turns=turns, records=records)
        part = self.done.backend.step_adjoint(particles, Cotangents(self.cotangents, seeds, self.moments), launch)
        if turns == 1 or recovered(particles.coordinates, start.coordinates, self.amplitude):
            self.gradient = self.gradient + part
            return
        self.cotangents = before
        self.memory.restore(memory)
        middle = self._forward(start, turns // 2)
        self.stretch(middle, after, end)
        self.stretch(start, middle.coordinates, middle.turn)

    def _forward(self, start: Checkpoint, turns: int) -> Checkpoint:
        """Run some turns forwards from a checkpoint."""
        particles = self._particles(start.coordinates, start.turn)
        records, _ = self._records(start.turn, start.turn + turns)
        launch = replace(self.done.launch, first_turn=start.turn, turns=turns, records=records)
        self.done.backend.step(particles, launch)
        return Checkpoint(start.turn + turns, particles.coordinates)

    def _particles(self, coordinates: Any, turn: int) -> Particles:
        """Particles before a turn, copied; those lost later are restored."""
        p, xp = self.done.particles, self.xp
        later = (p.loss_op >= 0) & (p.loss_turn >= turn)
        return Particles(
            xp.array(coordinates, copy=True, order="C"),
            xp.where(later, xp.zeros_like(p.loss_code), p.loss_code),
            xp.array(p.loss_turn, copy=True),
            xp.array(p.loss_op, copy=True),
        )

    def _records(self, first: int, end: int) -> tuple[Records, Any]:
        """Layout of the records of turns `first` to `end`, and the seeds in that layout."""
        origin = self.done.launch.first_turn
        parts: list[Any] = []
        shapes: list[tuple[int, int] | None] = []
        for every, places, seed in zip(self.done.every, self.done.places, self.seeds, strict=True):
            if places is None:
                shapes.append(None)
                continue
            skipped = -(-first // every) - -(-origin // every)
            rows = len(range(-(-first // every) * every, end, every))
            shapes.append((rows, places))
            parts.append(seed[skipped : skipped + rows].reshape(-1))
        n = self.cotangents.shape[1]
        records = make_records(shapes, n, self.xp)
        return records, self.xp.ascontiguousarray(self.xp.concatenate(parts)) if parts else None


def amplitude(done: FinishedRun) -> Any:
    """Largest modulus of each coordinate at any checkpoint and at the end, (6, 1).

    Several turns are used, since at one of them the beam may have a waist. Lost particles, perhaps of large amplitude,
    are included only at the start.
    """
    xp = namespace(done.particles.coordinates)
    alive = done.particles.loss_code == 0
    largest = xp.max(xp.abs(done.checkpoints[0].coordinates), axis=1)
    for coordinates in (*(c.coordinates for c in done.checkpoints[1:]), done.particles.coordinates):
        largest = xp.maximum(largest, xp.max(xp.where(alive, xp.abs(coordinates), 0.0), axis=1))
    return largest[:, None]


def recovered(found: Any, expected: Any, scale: Any) -> bool:
    """Whether coordinates agree to `TOLERANCE` of the amplitudes `scale`, (6, 1)."""
    xp = namespace(found)
    floor = xp.max(scale) * np.finfo(float).eps
    return bool(xp.all(xp.abs(found - expected) <= TOLERANCE * scale + floor))
