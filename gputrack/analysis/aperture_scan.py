"""Tracking of the particles of a dynamic aperture scan, from which lost particles are removed at intervals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gputrack.analysis.scan_file import ScanFile
from gputrack.analysis.starting_points import Grid, Polar
from gputrack.base.arrays import namespace, to_numpy
from gputrack.base.errors import TrackingInterrupted, TrackingStopped
from gputrack.beam.beam import Beam

LONGEST = 128  # largest number of turns between removals of lost particles


class ApertureScan:
    """State of a scan."""

    def __init__(self, shape: Polar | Grid, beam: Beam, file: ScanFile) -> None:
        self.shape, self.beam, self.file = shape, beam, file
        self.given_up = np.zeros(beam.n, dtype=bool)
        self.particle_turns = 0

    def resume(self, turns: int) -> None:
        """Restore the state in the file, if it exists."""
        stored = self.file.read()
        if stored is None:
            return
        done, arrays = stored
        if done > turns:
            raise self.file.too_far(done, turns)
        self.given_up = arrays.pop("given_up").astype(bool)
        self.particle_turns = int(arrays.pop("particle_turns"))
        device = "numpy" if isinstance(self.beam.coordinates, np.ndarray) else "cupy"
        self.beam = self.beam.to_device("numpy").replaced(**arrays, turn=done).to_device(device)

    def save(self) -> None:
        """Write the state to the file."""
        names = ("coordinates", "loss_code", "loss_turn", "loss_element")
        arrays = {name: getattr(self.beam, name) for name in names}
        self.file.write(
            self.beam.turn, {**arrays, "given_up": self.given_up, "particle_turns": np.array(self.particle_turns)}
        )

    def all(
        self, turns: int, advance: Callable[..., Beam], show: Callable[[int, int], None],
        interrupted: Callable[[], bool],
    ) -> bool:  # fmt: skip
        """Track all turns; False after an interruption.

        Lost particles are removed at fixed turns, so that the particles given up do not depend on interruptions.
        """
        while self.beam.turn < turns:
            if interrupted():
                return False
            here = self.beam.turn
            tracked = np.flatnonzero(to_numpy(self.beam.alive) & ~self.given_up)
            if not tracked.size:
                self.beam = self.beam.replaced(turn=turns)
                self.save()
                break
            end = min(_next_removal(here), turns)
            report = partial(_report, show, here, turns)
            error: TrackingInterrupted | TrackingStopped | None = None
            try:
                part: Any = advance(_part(self.beam, tracked), end - here, report)
            except (TrackingInterrupted, TrackingStopped) as stopped:
                if stopped.result is None:
                    raise
                part, error = stopped.result, stopped
            self.take(tracked, part)
            if self.beam.turn == _next_removal(here):
                self.given_up |= self.shape.given_up(to_numpy(self.beam.lost)) & to_numpy(self.beam.alive)
            self.save()
            if isinstance(error, TrackingStopped):
                raise error
            if error and self.beam.turn < turns:
                return False
        show(turns, turns)
        return True

    def take(self, tracked: np.ndarray, part: Any) -> None:
        """Update the beam with the particles that were tracked."""
        self.particle_turns += tracked.size * (part.turn - self.beam.turn)
        xp = namespace(part.coordinates)
        places = xp.asarray(tracked)
        fields: dict[str, Any] = {"turn": part.turn}
        for name in ("coordinates", "loss_code", "loss_turn", "loss_element"):
            whole = xp.array(getattr(self.beam, name), copy=True)
            whole[..., places] = getattr(part, name)
            fields[name] = whole
        self.beam = self.beam.replaced(**fields)


def _report(show: Callable[[int, int], None], before: int, turns: int, done: int, _: int) -> None:
    """Report the progress of an interval as that of the scan."""
    show(before + done, turns)


def _next_removal(turn: int) -> int:
    """Turn of the next removal of lost particles: 1, 2, 4, ... up to `LONGEST`, then every `LONGEST` turns."""
    return min(1 << turn.bit_length(), turn // LONGEST * LONGEST + LONGEST)


def _part(beam: Beam, which: np.ndarray) -> Beam:
    """Selected particles of a beam, by index."""
    places = namespace(beam.coordinates).asarray(which)
    return Beam(beam.coordinates[:, places], beam.reference, turn=beam.turn)
