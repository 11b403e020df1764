"""Launches of programs with collective maps: segments for the kernels, and the collective maps between them.

Without collective maps all turns are one segment. With them every turn is run piece by piece; coordinates, losses and
records are those of a single run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gputrack.backends import collective
from gputrack.backends.derivatives import Cotangents, Tangents
from gputrack.backends.launch import Launch, Particles, Records
from gputrack.backends.protocol import CollectiveKernel
from gputrack.base.arrays import Array, namespace
from gputrack.elements.collective_map import CollectiveKind
from gputrack.elements.map import ReferenceValues

_REFERENCE = len(ReferenceValues._fields)


class Segmented(ABC):
    """Base class of backends that run segments between collective maps.

    It implements `step`, `step_tangent` and `step_adjoint` of `gputrack.backends.protocol.Backend`.
    """

    name: str
    copying = 0.0

    @abstractmethod
    def segment(self, particles: Particles, launch: Launch) -> None:
        """`step` of a launch with ops, without collective maps."""

    @abstractmethod
    def segment_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """`step_tangent` of such a launch."""

    @abstractmethod
    def segment_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """`step_adjoint` of such a launch."""

    @abstractmethod
    def collective_kernel(self, kind: CollectiveKind) -> CollectiveKernel | None:
        """See `gputrack.backends.protocol.Backend`."""

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run a launch, in place: forwards, or backwards with each map inverted."""
        if not len(launch.program) or not launch.turns:
            return
        if not launch.program.cuts:
            self.segment(particles, launch)
            return
        pieces = list(_pieces(launch))
        for piece in reversed(pieces) if launch.backwards else pieces:
            if _is_cut(piece):
                collective.step(self, particles, piece)
            else:
                self.segment(particles, piece)

    def step_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """Run a launch forwards, in place, with tangents; return the tangents of the records."""
        recorded = namespace(launch.records.flat).zeros_like(launch.records.flat)
        if not len(launch.program) or not launch.turns:
            return recorded
        if not launch.program.cuts:
            return self.segment_tangent(particles, tangents, launch)
        for piece in _pieces(launch):
            if _is_cut(piece):
                collective.step_tangent(particles, tangents, piece)
            else:
                recorded += self.segment_tangent(particles, tangents, piece)
        return recorded

    def step_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """Undo a launch, in place, and pull cotangents back through it."""
        total = np.zeros(len(launch.program.constants) + _REFERENCE)
        if not len(launch.program) or not launch.turns:
            return total
        if not launch.program.cuts:
            return self.segment_adjoint(particles, cotangents, launch)
        for piece in reversed(list(_pieces(launch))):
            if _is_cut(piece):
                part = collective.step_adjoint(self, particles, cotangents.coordinates, piece)
            else:
                part = self.segment_adjoint(particles, cotangents, piece)
                collective.revive(particles, piece)
            first, end = piece.constants_range
            total[first:end] += part[:-_REFERENCE]
            total[-_REFERENCE:] += part[-_REFERENCE:]
        return total


def _is_cut(piece: Launch) -> bool:
    return bool(piece.program.ops[piece.first_op, 0] < 0)


def _pieces(launch: Launch) -> Iterator[Launch]:
    """Launches of each segment and each collective map of each turn, in the order of passage."""
    ranges = _ranges(launch.program.cuts, len(launch.program))
    every = _intervals(launch)
    for turn in range(launch.first_turn, launch.first_turn + launch.turns):
        records = _rows_of_turn(launch, every, turn)
        for own in ranges:
            yield replace(launch, first_turn=turn, turns=1, records=records, ops=own)


def _ranges(cuts: list[int], length: int) -> list[tuple[int, int]]:
    edges = [0]
    for cut in cuts:
        edges += [cut, cut + 1]
    edges.append(length)
    return [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def _intervals(launch: Launch) -> dict[int, int]:
    """Interval of each monitor in turns."""
    return {op.monitor: op.every for kind, op in launch.program.calls if kind.name == "record"}


def _rows_of_turn(launch: Launch, every: dict[int, int], turn: int) -> Records:
    """Part of the records' memory for one turn."""
    records, starts, views = launch.records, [], []
    for number, view in enumerate(records.views):
        interval = every.get(number, 1)
        row = turn // interval - -(-launch.first_turn // interval)
        count = int(turn % interval == 0)
        views.append(view[row : row + count] if count else view[:0])
        start = int(records.starts[number])
        starts.append(start + max(row, 0) * int(np.prod(view.shape[1:])) if start >= 0 else start)
    return Records(records.flat, namespace(records.starts).asarray(starts, dtype=records.starts.dtype), views)
