"""Dynamic aperture: which particles survive, and when and where the others are lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gputrack.analysis.scan_file import ScanFile, fingerprint
from gputrack.analysis.starting_points import Grid, Polar, orbit_at, require_ring, require_shape, starting_beam
from gputrack.backends import Choice
from gputrack.base.arrays import namespace, to_numpy
from gputrack.base.checks import require_integer, require_number
from gputrack.base.dataframe import data_frame
from gputrack.base.errors import TrackingInterrupted, TrackingStopped
from gputrack.base.interruption import PartialResult, Progress, interrupt_flag, progress_display, require_progress
from gputrack.base.losses import LossCode
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.track import LIMIT, track

LONGEST = 128  # turns between looks at who is lost


@dataclass(frozen=True, eq=False)
class DynamicAperture:
    """Fates of the particles of a scan.

    Attributes
    ----------
    lattice : Lattice
    shape : Polar or Grid
    delta : float
    orbit : (6,) array
        What the particles started about.
    turns : int
        Turns done; fewer than asked for after an interruption.
    beam : Beam
        All particles at the end, on the device of the scan.
    given_up : (n,) bool array
        Particles that were not lost, and not tracked to the end, as one nearer to the orbit on their ray was lost.
    particle_turns : int
        Passes of particles through the lattice that were worked out.
    """

    lattice: Lattice
    shape: Polar | Grid
    delta: float
    orbit: np.ndarray
    turns: int
    beam: Beam
    given_up: np.ndarray
    particle_turns: int

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Arrays (n,): x, y [m] from the orbit, survived, given_up, loss_code, loss_turn, loss_element."""
        x, y = self.shape.offsets()
        codes, turn, place = (to_numpy(getattr(self.beam, f"loss_{name}")) for name in ("code", "turn", "element"))
        survived = (codes == LossCode.ALIVE) & ~self.given_up
        return {
            "x": x, "y": y, "survived": survived, "given_up": self.given_up, "loss_code": codes, "loss_turn": turn,
            "loss_element": place,
        }  # fmt: skip

    @property
    def survived(self) -> np.ndarray:
        """Which particles were tracked to the end and live, bool (n,)."""
        return self.columns["survived"]

    @cached_property
    def connected(self) -> np.ndarray:
        """Survivors that no lost particle parts from the closed orbit, bool (n,)."""
        return self.shape.connected(self.survived)

    @property
    def boundary(self) -> np.ndarray:
        """Outermost connected survivors [m]: the last of each ray (rays, 2), or those at the rim (k, 2)."""
        return self.shape.outline(self.connected)

    @property
    def area(self) -> float:
        """Area of the connected survivors [m^2]."""
        return self.shape.area(self.connected)

    @property
    def loss_names(self) -> list[str]:
        """Names of the elements where particles were lost, "" for those that were not."""
        places = self.columns["loss_element"]
        return [self.lattice[int(place)].name if place >= 0 else "" for place in places]

    def to_pandas(self) -> Any:
        """The columns, and names of the elements of loss, as a `pandas.DataFrame`.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame({**self.columns, "loss_name": self.loss_names})

    def plot(self) -> Any:
        """Survivors, boundary, turns and places of loss, as a `matplotlib.figure.Figure`."""
        from gputrack.analysis import plotting as plot_scans  # matplotlib takes half a second to import

        return plot_scans.aperture_figure(self)

    def __repr__(self) -> str:
        return (
            f"<DynamicAperture: {int(self.survived.sum())} of {self.survived.size} particles survive {self.turns} "
            f"turns at delta {self.delta:g}; area {1e6 * self.area:.4g} mm^2>"
        )


def dynamic_aperture(
    lattice: Lattice,
    shape: Polar | Grid,
    *,
    turns: int = 1000,
    delta: float = 0.0,
    file: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    xp: str = "numpy",
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
) -> DynamicAperture:
    """Track particles about the closed orbit, all at once, and see who survives.

    Between stretches of turns lost particles are taken out, with those that are given up (see `Polar`).

    Parameters
    ----------
    lattice : Lattice
        A ring; particles start at its start, at rest in px and py relative to the closed orbit.
    shape : Polar or Grid
        Where they start.
    turns : int
        Passes through the ring, >= 1.
    delta : float
        Momentum deviation; particles start about the closed orbit that it has. With cavities that are switched on
        it oscillates, about the momentum of the six-dimensional closed orbit.
    file : path, optional
        HDF5 file that is kept up to date during the scan. Where it is there already, the scan goes on from it, to
        more turns too; what comes out is the same to the bit.
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)``.
    xp : {"numpy", "cupy"}
        Where the particles live. With "numpy" and ``backend="cuda"`` they are sent through the GPU in chunks: scans
        may be larger than its memory.
    backend, threads, limit
        As for `gputrack.track`.

    Returns
    -------
    DynamicAperture

    Raises
    ------
    InputError
        An argument cannot be used, there is no closed orbit, or the file cannot be written.
    LatticeFileError
        The file cannot be read, or is of another scan.
    TrackingInterrupted
        Ctrl-C; ``result`` is the `DynamicAperture` after the turns done, which are in the file as well.
    TrackingStopped
        Another error once some turns are done, a full disk for one; with the same ``result``.
    """
    lattice, shape = require_ring("dynamic_aperture", lattice), require_shape("dynamic_aperture", shape)
    turns = require_integer("dynamic_aperture", "turns", turns, at_least=1)
    delta = require_number("dynamic_aperture", "delta", delta)
    require_progress("dynamic_aperture", progress)
    kept = ScanFile(file, "dynamic_aperture", fingerprint(lattice, shape, delta, limit) if file is not None else "")
    orbit = orbit_at(lattice, delta)
    scan = _Scan(shape, starting_beam(lattice, orbit, shape.offsets(), xp), kept)
    scan.resume(turns)
    kept.require_writable()

    def advance(beam: Beam, count: int, told: Callable[[int, int], None]) -> Beam:
        return track(lattice, beam, count, progress=told, backend=backend, threads=threads, limit=limit)

    def result() -> DynamicAperture:
        done = scan.beam.turn
        return DynamicAperture(lattice, shape, delta, orbit, done, scan.beam, scan.given_up, scan.particle_turns)

    partial = PartialResult(lambda: scan.beam.turn, f"{turns} turns", result)
    with partial, interrupt_flag() as interrupted, progress_display(progress, turns) as show:
        if not scan.all(turns, advance, show, interrupted):
            text = f"interrupted after {scan.beam.turn} of {turns} turns; they are in the result"
            raise TrackingInterrupted(text, result())
    return result()


class _Scan:
    """State of one call of `dynamic_aperture`."""

    def __init__(self, shape: Polar | Grid, beam: Beam, kept: ScanFile) -> None:
        self.shape, self.beam, self.kept = shape, beam, kept
        self.given_up = np.zeros(beam.n, dtype=bool)
        self.particle_turns = 0

    def resume(self, turns: int) -> None:
        """Go back to where the file is, if there is one."""
        found = self.kept.read()
        if found is None:
            return
        done, arrays = found
        if done > turns:
            raise self.kept.too_far(done, turns)
        self.given_up = arrays.pop("given_up").astype(bool)
        self.particle_turns = int(arrays.pop("particle_turns"))
        device = "numpy" if isinstance(self.beam.coordinates, np.ndarray) else "cupy"
        self.beam = self.beam.to_device("numpy").replaced(**arrays, turn=done).to_device(device)

    def save(self) -> None:
        """Bring the file up to date."""
        names = ("coordinates", "loss_code", "loss_turn", "loss_element")
        arrays = {name: getattr(self.beam, name) for name in names}
        self.kept.write(
            self.beam.turn, {**arrays, "given_up": self.given_up, "particle_turns": np.array(self.particle_turns)}
        )

    def all(
        self, turns: int, advance: Callable[..., Beam], show: Callable[[int, int], None],
        interrupted: Callable[[], bool],
    ) -> bool:  # fmt: skip
        """Run all turns, or until an interruption: False.

        Looks are at fixed turns, so that who is given up depends on nothing else.
        """
        while self.beam.turn < turns:
            if interrupted():
                return False
            here = self.beam.turn
            living = np.flatnonzero(to_numpy(self.beam.alive) & ~self.given_up)
            if not living.size:
                self.beam = self.beam.replaced(turn=turns)
                self.save()
                break
            end = min(_next_look(here), turns)
            told = partial(_tell, show, here, turns)
            error: TrackingInterrupted | TrackingStopped | None = None
            try:
                part: Any = advance(_part(self.beam, living), end - here, told)
            except (TrackingInterrupted, TrackingStopped) as stopped:
                if stopped.result is None:
                    raise
                part, error = stopped.result, stopped
            self.take(living, part)
            if self.beam.turn == _next_look(here):
                self.given_up |= self.shape.given_up(to_numpy(self.beam.lost)) & to_numpy(self.beam.alive)
            self.save()
            if isinstance(error, TrackingStopped):
                raise error
            if error and self.beam.turn < turns:
                return False
        show(turns, turns)
        return True

    def take(self, living: np.ndarray, part: Any) -> None:
        """Put tracked particles back among all."""
        self.particle_turns += living.size * (part.turn - self.beam.turn)
        xp = namespace(part.coordinates)
        places = xp.asarray(living)
        fields: dict[str, Any] = {"turn": part.turn}
        for name in ("coordinates", "loss_code", "loss_turn", "loss_element"):
            whole = xp.array(getattr(self.beam, name), copy=True)
            whole[..., places] = getattr(part, name)
            fields[name] = whole
        self.beam = self.beam.replaced(**fields)


def _tell(show: Callable[[int, int], None], before: int, turns: int, done: int, _: int) -> None:
    """Progress of a stretch as that of the whole."""
    show(before + done, turns)


def _next_look(turn: int) -> int:
    """The turn of the next look: 1, 2, 4, ... up to `LONGEST`, then every `LONGEST`."""
    return min(1 << turn.bit_length(), turn // LONGEST * LONGEST + LONGEST)


def _part(beam: Beam, which: np.ndarray) -> Beam:
    """Some particles of a beam, by number."""
    places = namespace(beam.coordinates).asarray(which)
    return Beam(beam.coordinates[:, places], beam.reference, turn=beam.turn)
