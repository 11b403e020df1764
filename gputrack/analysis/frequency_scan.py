"""Tracking of the particles of a frequency map, block by block, and their tunes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gputrack.analysis.scan_file import ScanFile
from gputrack.analysis.tunes import tunes
from gputrack.base.arrays import to_numpy
from gputrack.base.errors import TrackingInterrupted
from gputrack.beam.beam import Beam

RECORD_BYTES = 128 * 2**20  # of recorded coordinates in memory at a time


@dataclass(frozen=True)
class Phasors:
    """Phasors x - i (alfx x + betx px) of coordinates relative to the orbit."""

    start: Any
    orbit: np.ndarray

    def tunes(self, coordinates: Any) -> np.ndarray:
        """Tunes (2, n) of coordinates (turns, 1, 6, n)."""
        planes = []
        for row, plane in ((0, "x"), (2, "y")):
            beta, alpha = (float(getattr(self.start, f"{name}{plane}")) for name in ("bet", "alf"))
            q, p = (coordinates[:, 0, row + i] - float(self.orbit[row + i]) for i in (0, 1))
            planes.append(to_numpy(tunes(q - 1j * (alpha * q + beta * p))))
        return np.stack(planes)


class FrequencyScan:
    """State of a scan."""

    def __init__(self, beam: Beam, phasors: Phasors, turns: int, file: ScanFile) -> None:
        self.beam, self.phasors, self.turns = beam, phasors, turns
        self.width = max(1, RECORD_BYTES // (48 * turns))
        self.blocks = -(-beam.n // self.width)
        self.file = file
        self.done = 0
        self.values = np.full((4, beam.n), np.nan)
        self.losses = [np.zeros(beam.n, dtype=np.int32), *np.full((2, beam.n), -1)]
        stored = self.file.read()
        if stored is not None:
            self.done, arrays = int(stored[1]["done"]), stored[1]
            self.values, self.losses = arrays["values"], [arrays[f"losses{i}"] for i in range(3)]

    def all(self, advance: Any, show: Any, interrupted: Any) -> bool:
        """Track all blocks, writing the file after each; False after an interruption."""
        total = 2 * self.turns * self.blocks
        while self.done < self.beam.n:
            report = partial(_report, show, 2 * self.turns * (self.done // self.width), total)
            try:
                self.block(advance, report)
            except TrackingInterrupted:
                return False
            if interrupted() and self.done < self.beam.n:
                return False
        show(total, total)
        return True

    def block(self, advance: Any, report: Any) -> None:
        """Track the two spans of the next block of particles."""
        which = np.s_[self.done : self.done + self.width]
        beam = advance(Beam(self.beam.coordinates[:, which], self.beam.reference), partial(report, 0))
        first = self.phasors.tunes(beam.records[0].coordinates)
        beam = advance(beam.replaced(), partial(report, self.turns))
        self.values[:, which] = np.concatenate([first, self.phasors.tunes(beam.records[0].coordinates)])
        for whole, name in zip(self.losses, ("code", "turn", "element"), strict=True):
            whole[which] = to_numpy(getattr(beam, f"loss_{name}"))
        self.done = min(self.done + self.width, self.beam.n)
        losses = {f"losses{i}": values for i, values in enumerate(self.losses)}
        self.file.write(2 * self.turns, {"done": np.array(self.done), "values": self.values, **losses})


def _report(show: Any, before: int, total: int, earlier: int, done: int, _: int) -> None:
    """Report the progress of a span as that of the scan."""
    show(before + earlier + done, total)
