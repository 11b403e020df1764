"""Initial positions of the particles of a scan: rays or a grid about the closed orbit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import label

from gputrack.base.arrays import module_named
from gputrack.base.checks import require_count, require_flag, require_integer, require_items, require_number
from gputrack.base.errors import InputError
from gputrack.beam.beam import Beam
from gputrack.beam.grids import axis
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_single_particles
from gputrack.optics.linear.closed_orbit import closed_orbit
from gputrack.optics.linear.trajectory import coasting, has_rf

NUDGE = 1e-6  # m; exactly on an axis, by symmetry there is no motion in the other plane


@dataclass(frozen=True, kw_only=True)
class Polar:
    """Particles on rays from the closed orbit, `steps` on each, up to `radius`.

    A ray ends at its first lost particle: particles beyond it are no longer tracked.

    Parameters
    ----------
    radius : float or (float, float)
        Largest radius [m], or the semi-axes in x and y of an ellipse.
    steps : int
        Number of equidistant particles on each ray, the last one at `radius`.
    angles : int or sequence of float
        Angles [rad] from the x axis towards y, or a number of equidistant angles from 0 to pi.
    islands : bool
        Continue to track particles beyond the first lost one of their ray.
    """

    radius: float | tuple[float, float]
    steps: int = 20
    angles: int | Sequence[float] = 19
    islands: bool = False

    def __post_init__(self) -> None:
        radii = self.radius if isinstance(self.radius, (tuple, list)) else (self.radius, self.radius)
        both = require_items("Polar", "radius", radii, ("in x", "in y"))
        radius = tuple(require_number("Polar", "radius", value, unit="m", above=0.0) for value in both)
        object.__setattr__(self, "radius", radius)
        object.__setattr__(self, "steps", require_count("Polar", "steps", self.steps))
        object.__setattr__(self, "angles", _angles(self.angles))
        require_flag("Polar", "islands", self.islands)
        require_count("Polar", "steps times angles", self.steps * self.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rays and of particles on each."""
        rays: Any = self.angles
        return len(rays), self.steps

    @property
    def fractions(self) -> np.ndarray:
        """Distances divided by the largest, (steps,)."""
        return np.arange(1, self.steps + 1) / self.steps

    @property
    def directions(self) -> np.ndarray:
        """End of each ray [m], (rays, 2)."""
        radius: Any = self.radius
        angle = np.asarray(self.angles)
        return np.stack([radius[0] * np.cos(angle), radius[1] * np.sin(angle)], axis=-1)

    def offsets(self) -> np.ndarray:
        """Offsets from the closed orbit in x and y [m], (2, n), the distance varying fastest."""
        points = self.directions[:, None, :] * self.fractions[None, :, None]
        offsets: np.ndarray = np.moveaxis(points, -1, 0).reshape(2, -1)
        return offsets

    def connected(self, survived: np.ndarray) -> np.ndarray:
        """Mask of the survivors (n,) that no lost particle separates from the closed orbit."""
        return np.logical_and.accumulate(survived.reshape(self.shape), axis=1).reshape(-1)

    def given_up(self, lost: np.ndarray) -> np.ndarray:
        """Mask of particles (n,) that need no further tracking; `lost` (n,) is the mask of lost particles."""
        return np.zeros_like(lost) if self.islands else ~self.connected(~lost)

    def outline(self, connected: np.ndarray) -> np.ndarray:
        """Position of the last survivor of each ray [m], (rays, 2)."""
        last = connected.reshape(self.shape).sum(axis=1) / self.steps
        places: np.ndarray = self.directions * last[:, None]
        return places

    def area(self, connected: np.ndarray) -> float:
        """Area [m^2] of the triangles between the closed orbit and the last survivors of neighbouring rays."""
        x, y = self.outline(connected).T
        return 0.5 * float(np.abs(x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Particles on a rectangular grid about the closed orbit, x varying fastest.

    Parameters
    ----------
    x, y : (float, float, int)
        Smallest and largest offset [m] and number of points, end points included.
    """

    x: tuple[float, float, int]
    y: tuple[float, float, int]

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            points = axis("Grid", name, getattr(self, name))
            object.__setattr__(self, name, (float(points[0]), float(points[-1]), points.size))
        require_count("Grid", "points in x times y", self.x[2] * self.y[2])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of points in y and in x."""
        return self.y[2], self.x[2]

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets in x and in y [m]."""
        return np.linspace(*self.x), np.linspace(*self.y)

    def offsets(self) -> np.ndarray:
        """Offsets from the closed orbit in x and y [m], (2, n)."""
        x, y = np.meshgrid(*self.axes)
        return np.stack([x.reshape(-1), y.reshape(-1)])

    def connected(self, survived: np.ndarray) -> np.ndarray:
        """Mask of the survivors (n,) connected with the one that starts closest to the closed orbit."""
        parts, _ = label(survived.reshape(self.shape))
        parts = parts.reshape(-1)
        nearest = parts[np.argmin(np.hypot(*self.offsets()))]
        return (parts == nearest) & survived if nearest else np.zeros_like(survived)

    def given_up(self, lost: np.ndarray) -> np.ndarray:
        """Mask of particles (n,) that need no further tracking: none."""
        return np.zeros_like(lost)

    def outline(self, connected: np.ndarray) -> np.ndarray:
        """Survivors next to a lost particle or at the edge of the grid [m], (k, 2)."""
        inside = np.pad(connected.reshape(self.shape), 1)
        around = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        edge = inside[1:-1, 1:-1] & ~around
        places: np.ndarray = self.offsets().T[edge.reshape(-1)]
        return places

    def area(self, connected: np.ndarray) -> float:
        """Number of survivors times the area of a cell [m^2]."""
        sides = [(high - low) / (number - 1) if number > 1 else 0.0 for low, high, number in (self.x, self.y)]
        return math.prod(sides) * int(connected.sum())


Shape = Polar | Grid


def _angles(value: Any) -> tuple[float, ...]:
    """Angles of rays: a sequence, or a number of equidistant angles from 0 to pi."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        count = require_integer("Polar", "angles", value, at_least=1)
        return tuple(np.linspace(0.0, np.pi, require_count("Polar", "angles", count)).tolist())
    if not len(value):
        raise InputError("Polar: angles must be a number of rays or at least one angle [rad], got none")
    return tuple(require_number("Polar", "angles", angle) for angle in value)


def require_shape(owner: str, shape: object) -> Any:
    """Return `shape`, or raise `InputError` if it is neither `Polar` nor `Grid`."""
    if not isinstance(shape, (Polar, Grid)):
        raise InputError(f"{owner}: shape must be a gputrack.Polar or gputrack.Grid, got {type(shape).__name__}")
    return shape


def require_ring(owner: str, lattice: object) -> Any:
    """Return `lattice`, or raise `InputError` if it is not a lattice for independent particles."""
    LATTICE(owner, "lattice", lattice)
    assert isinstance(lattice, Lattice)
    if lattice.traced:
        raise InputError(f"{owner}: survival is not differentiable; use a lattice without traced values")
    require_single_particles(lattice)
    return lattice


def orbit_at(lattice: Lattice, delta: float) -> np.ndarray:
    """Closed orbit (6,) about which particles of a momentum deviation start.

    Without cavities it is the closed orbit at `delta`. With cavities, particles start at `delta` relative to the
    momentum of the six-dimensional closed orbit, at its z, about the closed orbit without cavities at this momentum.
    """
    if not has_rf(lattice):
        return np.asarray(closed_orbit(lattice, delta))
    full = np.asarray(closed_orbit(lattice))
    if not delta:
        return full
    orbit = np.asarray(closed_orbit(coasting(lattice.without_radiation()), full[5] + delta)).copy()
    orbit[4] = full[4]
    return orbit


def starting_beam(lattice: Lattice, orbit: np.ndarray, offsets: np.ndarray, xp: str) -> Beam:
    """Particles at offsets (2, n) [m] in x and y from an orbit."""
    coordinates = np.repeat(orbit[:, None], offsets.shape[1], axis=1)
    coordinates[0] += offsets[0]
    coordinates[2] += offsets[1]
    beam = Beam(coordinates, lattice.require_reference())
    return beam if module_named(xp) is np else beam.to_device(xp)
