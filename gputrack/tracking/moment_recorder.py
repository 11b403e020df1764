"""Monitors of moments in differentiated runs, recorded without the coordinates.

The cotangents of moments are pulled back to the particles in the reverse sweep, where their coordinates are recovered:
the memory of a record does not grow with the number of particles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.backends.derivatives import MomentCotangents
from gputrack.base.arrays import namespace, to_numpy
from gputrack.beam.moment_rules import mean_and_sigma, moment_seeds, push_moments
from gputrack.tracking.monitor import Record, Recorder


class MomentRecorder(Recorder):
    """Collects moments, and the sums of weights required for their derivatives."""

    def reduced(self, buffer: Any, weights: Any) -> dict[str, Any]:
        """Moments (t, p, 7, 6) of coordinates (t, p, 6, n), and sums of the survivors' weights (t, p)."""
        xp, alive = namespace(buffer), survivors_of(buffer)
        total = to_numpy(xp.sum(xp.where(alive, weights, 0.0), axis=-1))
        return {"moments": mean_and_sigma(buffer, weights, alive), "total": total}

    def moments(self) -> np.ndarray:
        """(t, p, 7, 6) Mean and sigma of all records, see `mean_and_sigma`."""
        found: np.ndarray = self.arrays().get("moments", np.zeros((0, len(self.places), 7, 6)))
        return found

    def record(self) -> Record:
        """Everything recorded so far."""
        return moment_record(self, self.moments())

    def seeds(self, bar: np.ndarray) -> np.ndarray:
        """(t, p, MOMENT_SEEDS) Seeds from cotangents of the moments, see `moment_seeds`."""
        return moment_seeds(bar, self.moments(), self.arrays().get("total", np.zeros((0, len(self.places)))))


def survivors_of(buffer: Any) -> Any:
    """(t, p, n) Mask of recorded particles."""
    return namespace(buffer).isfinite(buffer[:, :, 0, :])


def moment_record(recorder: Recorder, moments: Any) -> Record:
    """Record of moments (t, p, 7, 6), which may be traced."""
    return recorder.record_of(mean=moments[:, :, 0, :], sigma=moments[:, :, 1:, :])


def pushed_moments(tangent: Any, buffer: Any, weights: Any) -> np.ndarray:
    """Tangents (t, p, 7, 6) of moments, from coordinates (t, p, 6, n) and their tangents."""
    alive = survivors_of(buffer)
    pushed: np.ndarray = push_moments(tangent, mean_and_sigma(buffer, weights, alive), buffer, weights, alive)
    return pushed


def moment_cotangents(
    recorders: Sequence[Recorder], bars: Sequence[Any], first_turn: int, xp: Any
) -> MomentCotangents | None:
    """Cotangents of all recorded moments, as arrays of a namespace; None without monitors of moments.

    Parameters
    ----------
    recorders : sequence of Recorder
    bars : sequence of arrays
        Cotangents of each one's records; only those of a `MomentRecorder` are used.
    first_turn : int
        First turn of the run.
    xp : namespace
    """
    parts, starts, size = [np.zeros(0)], [], 0
    for recorder, bar in zip(recorders, bars, strict=True):
        starts.append(size if isinstance(recorder, MomentRecorder) else -1)
        if isinstance(recorder, MomentRecorder):
            parts.append(recorder.seeds(np.asarray(bar)).reshape(-1))
            size += parts[-1].size
    if all(start < 0 for start in starts):
        return None
    return MomentCotangents(xp.asarray(np.concatenate(parts)), xp.asarray(starts, dtype=xp.int64), first_turn)
