"""A stretch of turns that is cut where maps act on the whole beam: segments for the kernels, collective maps between.

Without such maps a backend runs all turns at once. With them every turn is run piece by piece; coordinates, losses
and records are kept as if it were one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gputrack.backends import collective
from gputrack.backends.protocol import Launch, Particles, Records, Tangents
from gputrack.base.arrays import namespace
from gputrack.elements.map import ReferenceValues

_REFERENCE = len(ReferenceValues._fields)


class Segmented:
    """A backend that runs whole stretches, cut where it must be; what it does itself are the segments."""

    copying = 0.0
    step: Any
    step_tangent: Any
    step_adjoint: Any

    def run(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place."""
        if not launch.program.cuts:
            self.step(particles, launch)
            return
        pieces = list(_pieces(launch))
        for piece in reversed(pieces) if launch.backwards else pieces:
            if _is_cut(piece):
                collective.step(self, particles, piece)
            else:
                self.step(particles, piece)

    def run_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Any:
        """Run one stretch of turns forwards, in place, with tangents; see `HostBackend.step_tangent`."""
        if not launch.program.cuts:
            return self.step_tangent(particles, tangents, launch)
        recorded = namespace(launch.records.flat).zeros_like(launch.records.flat)
        for piece in _pieces(launch):
            if _is_cut(piece):
                collective.step_tangent(particles, tangents, piece)
            else:
                recorded += self.step_tangent(particles, tangents, piece)
        return recorded

    def run_adjoint(self, particles: Particles, cotangents: Any, launch: Launch, seeds: Any) -> Any:
        """Undo one stretch of turns, in place, pulling cotangents back; see `HostBackend.step_adjoint`."""
        if not launch.program.cuts:
            return self.step_adjoint(particles, cotangents, launch, seeds)
        total = np.zeros(len(launch.program.constants) + _REFERENCE)
        for piece in reversed(list(_pieces(launch))):
            if _is_cut(piece):
                part = collective.step_adjoint(self, particles, cotangents, piece)
            else:
                part = self.step_adjoint(particles, cotangents, piece, seeds)
                collective.revive(particles, piece)
            first, end = piece.constants_range
            total[first:end] += part[:-_REFERENCE]
            total[-_REFERENCE:] += part[-_REFERENCE:]
        return total


def _is_cut(piece: Launch) -> bool:
    return bool(piece.program.ops[piece.first_op, 0] < 0)


def _pieces(launch: Launch) -> Iterator[Launch]:
    """One launch for each segment and each collective map of each turn, in the order of passage."""
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
    """For each monitor the number of turns between two records."""
    return {op.monitor: op.every for kind, op in launch.program.calls if kind.name == "record"}


def _rows_of_turn(launch: Launch, every: dict[int, int], turn: int) -> Records:
    """The part of the records' memory that belongs to one turn."""
    records, starts, views = launch.records, [], []
    for number, view in enumerate(records.views):
        interval = every.get(number, 1)
        row = turn // interval - -(-launch.first_turn // interval)
        count = int(turn % interval == 0)
        views.append(view[row : row + count] if count else view[:0])
        starts.append(int(records.starts[number]) + max(row, 0) * int(np.prod(view.shape[1:])))
    return Records(records.flat, namespace(records.starts).asarray(starts, dtype=records.starts.dtype), views)
