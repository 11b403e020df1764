"""Strong-strong collisions of two beams in their rings, in the soft-Gaussian approximation.

Each beam is kicked by the field of a Gaussian bunch with the other beam's moments at the crossing point in this turn
(limits of this approximation: K. Yokoya, Y. Funakoshi et al., Part. Accel. 27 (1990) 181). A turn consists of tracking
and of a `BeamBeam` element with these moments as parameters, so that gradients include all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import autograd.numpy as anp

from gputrack.base.arrays import Array, untraced
from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError, TrackingInterrupted
from gputrack.base.interruption import PartialResult, interrupt_flag
from gputrack.beam.beam import Beam
from gputrack.beam.moments import root
from gputrack.elements import BeamBeam
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.differentiated_run import plain_beam
from gputrack.tracking.luminosity import luminosity
from gputrack.tracking.track import track

#: parameters of the collision that follow from the other beam
MOMENTS = (
    "particles", "emit_x", "beta_x", "alpha_x", "emit_y", "beta_y", "alpha_y", "sigma_z", "dx", "dy", "slope_x",
    "slope_y", "crab_x", "crab_y",
)  # fmt: skip


FEWEST = 3  # particles: fewer have no emittance once a tilt along the bunch is subtracted


@dataclass(frozen=True, eq=False)
class Collided:
    """Two beams after some turns.

    Attributes
    ----------
    beams : (Beam, Beam)
        At the crossing point, before the next collision.
    luminosity : (turns,) array
        Of each crossing [1/m^2].
    means : (turns, 2, 6) array
        Centroids of both beams before each crossing.
    """

    beams: tuple[Beam, Beam]
    luminosity: Array
    means: Array

    @property
    def turns(self) -> int:
        """Turns done."""
        return len(self.luminosity)


class _Side(NamedTuple):
    ring: Lattice
    beam: Beam


def collide(
    first: tuple[Lattice, Beam], second: tuple[Lattice, Beam], collision: BeamBeam, turns: int = 1,
    *, threads: int | None = None,
) -> Collided:  # fmt: skip
    """Track two beams that collide once per turn.

    Both beams have the same transverse axes: the second one travels in the opposite direction, with x and y parallel to
    those of the first one.

    Parameters
    ----------
    first, second : (Lattice, Beam)
        Each lattice begins and ends at the crossing point. Knobs and beams may be traced.
    collision : BeamBeam
        Slicing, crossing angles and the frequency of crab cavities; its other parameters follow from the beams, with
        weights as numbers of real particles. Its tilt must be 0.
    turns : int
        >= 0.
    threads : int, optional
        CPU threads.

    Returns
    -------
    Collided

    Raises
    ------
    InputError
        An argument is invalid, or a beam has fewer than three particles.
    TrackingInterrupted
        Ctrl-C; its ``result`` is a `Collided` after the last whole turn.
    TrackingStopped
        Another error after the first turn, with the same ``result``: for example, fewer than three particles of a beam
        survive, which have no emittance. The other beam can be tracked further with `track`.
    """
    sides = [_Side(*_checked("first", first)), _Side(*_checked("second", second))]
    if not isinstance(collision, BeamBeam) or collision.tilt:
        raise InputError(f"collide: collision must be a BeamBeam without tilt, got {short(collision)}")
    turns = require_integer("collide", "turns", turns, at_least=0)
    run = _Run(sides, collision, threads)
    with PartialResult(lambda: len(run.crossings), f"{turns} turns", run.plain_result), interrupt_flag() as interrupted:
        for _ in range(turns):
            try:
                run.turn()
                stop = interrupted()
            except TrackingInterrupted:  # in the middle of a turn
                stop = True
            if stop:
                text = f"interrupted after {len(run.crossings)} of {turns} turns; they are in the result"
                raise TrackingInterrupted(text, run.plain_result())
    return run.result()


def _checked(name: str, side: Any) -> tuple[Lattice, Beam]:
    pair = isinstance(side, (tuple, list)) and len(side) == 2
    if not pair or not isinstance(side[0], Lattice) or not isinstance(side[1], Beam):
        raise InputError(f"collide: {name} must be a pair of a Lattice and a Beam, got {short(side)}")
    for element in side[0]:
        if getattr(element, "turns", 0):  # wakes of earlier turns are stored within one call of track
            raise InputError(f"collide: wake {element.name!r} of the {name} ring acts over turns; give it turns=0")
    return side[0], side[1]


class _Run:
    """State of one call of `collide`."""

    def __init__(self, sides: Sequence[_Side], collision: BeamBeam, threads: int | None) -> None:
        self.sides, self.collision, self.threads = sides, collision, threads
        self.crossings: list[tuple[Any, Any]] = []  # luminosity and centroids of each

    def turn(self) -> None:
        """Track both beams through the collision, then through their rings."""
        sides, threads = self.sides, self.threads
        for name, side in zip(("first", "second"), sides, strict=True):
            survivors = side.beam.n - side.beam.n_lost
            if survivors < FEWEST:
                raise InputError(
                    f"collide: the {name} beam has {survivors} surviving particles of {side.beam.n}, its field needs "
                    f"{FEWEST} or more; use more particles, or track the other beam alone"
                )
        crossings = [crossing_with(self.collision, own.beam, other.beam) for own, other in (sides, sides[::-1])]
        recorded = luminosity(crossings[0], sides[0].beam), anp.stack([side.beam.mean for side in sides])
        after = []
        for side, crossing in zip(sides, crossings, strict=True):
            kicked: Beam = track(crossing, side.beam, threads=threads)
            kicked = kicked.replaced(turn=side.beam.turn)  # still the same turn
            after.append(_Side(side.ring, track(side.ring, kicked, threads=threads)))
        self.sides = after
        self.crossings.append(recorded)

    def result(self) -> Collided:
        """Beams and records after the whole turns done."""
        means = anp.stack([mean for _, mean in self.crossings]) if self.crossings else anp.zeros((0, 2, 6))
        luminosities = anp.stack([value for value, _ in self.crossings]) if self.crossings else anp.zeros(0)
        return Collided((self.sides[0].beam, self.sides[1].beam), luminosities, means)

    def plain_result(self) -> Collided:
        """Result without traces, to be attached to an exception."""
        self.crossings = [(untraced(value), untraced(mean)) for value, mean in self.crossings]
        self.sides = [_Side(side.ring, plain_beam(side.beam)) for side in self.sides]
        return self.result()


def crossing_with(collision: BeamBeam, beam: Beam, other: Beam) -> Lattice:
    """Lattice with the collision only, in which `beam` meets a bunch with the moments of `other`."""
    values = moments_of(other)
    sign = 1.0 if beam.reference.charge * other.reference.charge > 0 else -1.0
    plain = {name: float(untraced(value)) for name, value in zip(MOMENTS, values, strict=True)}
    element = collision.replaced(name="crossing", charge=sign * abs(other.reference.charge), **plain)
    line = Lattice([element], beam.reference)
    return line.with_knobs(line.knobs(*(f"crossing.{name}" for name in MOMENTS)), anp.stack(values))


def moments_of(beam: Beam) -> list[Any]:
    """Parameters of a `BeamBeam` from the moments of a beam, in the order of `MOMENTS`.

    Correlations of x and px with z are the tilt of the bunch and do not contribute to its emittance. The other beam
    travels along -s, so that its slopes change sign.
    """
    mean, sigma = beam.mean, beam.sigma
    length = sigma[4, 4]
    values: dict[str, Any] = {"particles": anp.sum(beam.weights[beam.alive]), "sigma_z": root(length)}
    for plane, row in (("x", 0), ("y", 2)):
        tilt, turn = (sigma[row + i, 4] / length if untraced(length) > 0 else 0.0 * length for i in (0, 1))
        xx = sigma[row, row] - tilt * sigma[row, 4]
        xp = sigma[row, row + 1] - tilt * sigma[row + 1, 4]
        pp = sigma[row + 1, row + 1] - turn * sigma[row + 1, 4]
        square = xx * pp - xp * xp
        if not untraced(square) > 0.0:
            raise InputError(f"collide: a beam has no emittance in {plane}: give it a size and a spread of slopes")
        emit = anp.sqrt(square)
        values |= {
            f"emit_{plane}": emit, f"beta_{plane}": xx / emit, f"alpha_{plane}": -xp / emit, f"d{plane}": mean[row],
            f"slope_{plane}": -mean[row + 1], f"crab_{plane}": tilt,
        }  # fmt: skip
    return [values[name] for name in MOMENTS]
