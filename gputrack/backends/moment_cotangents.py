"""Cotangents of moments that monitors record, as a reverse sweep takes them."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.base.arrays import Array


@dataclass(frozen=True)
class MomentCotangents:
    """Numbers from which the cotangents of particles follow, see `gputrack.beam.moment_rules.seeded`.

    Attributes
    ----------
    seeds : float64 array
        Of each monitor of moments (recorded turns, places, MOMENT_SEEDS), one after the other; on the particles' device.
    starts : int64 array (monitors,)
        Index of the first number of each; -1 for monitors of coordinates. Likewise.
    first_turn : int
        From which the recorded turns count.
    """

    seeds: Array
    starts: Array
    first_turn: int
