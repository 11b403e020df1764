"""Motion about an orbit: normal modes and dispersion along a ring or a beam line."""

from __future__ import annotations

from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.slices import part
from gputrack.backends import Choice
from gputrack.base.arrays import Array, assembled, untraced
from gputrack.base.errors import InputError
from gputrack.beam.initial_twiss import InitialTwiss
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.closed_orbit import closed_trajectory
from gputrack.optics.linear.coupled_functions import dispersion_along, dispersion_of_mode, periodic_dispersion
from gputrack.optics.linear.normal_modes import UnstableMotionError, eigenvector_basis, transverse_modes
from gputrack.optics.linear.stability import unstable
from gputrack.optics.linear.trajectory import has_rf, trajectory


class Motion(NamedTuple):
    """Linear motion at all places of a lattice.

    Attributes
    ----------
    passed : (places, 6, 7) array
        Orbit, and matrix from the start.
    bases : (places, 4, 4) or (places, 6, 6) array
        Normal modes: 6 with cavities on.
    dispersion : (places, 4) array
    qs : float
        Synchrotron tune, 0 without cavities.
    periodic : bool
        Of a ring.
    """

    passed: Array
    bases: Array
    dispersion: Array
    qs: Any
    periodic: bool

    @property
    def matrices(self) -> Array:
        """(places, 6, 6) Matrices from the start."""
        return part(self.passed, np.s_[:, :, 1:])


def ring_motion(lattice: Lattice, delta: Any, orbit: Any, backend: Choice) -> Motion:
    """Periodic motion about the closed orbit, see `gputrack.twiss`."""
    passed = closed_trajectory(lattice, delta, orbit, backend)
    matrices = part(passed, np.s_[:, :, 1:])
    free = 6 if has_rf(lattice) else 4
    try:
        start = basis_of(matrices[-1][:free, :free])
    except UnstableMotionError:
        raise unstable(lattice, untraced(matrices[-1])[:free, :free]) from None
    bases = anp.matmul(part(passed, np.s_[:, :free, 1 : 1 + free]), start)
    if free == 6:
        qs = anp.abs(anp.arctan2(*_turn(start, bases[-1], 2))) / (2.0 * np.pi)
        return Motion(passed, bases, dispersion_of_mode(bases), qs, True)
    return Motion(passed, bases, dispersion_along(matrices, periodic_dispersion(matrices[-1])), 0.0, True)


def line_motion(lattice: Lattice, start: InitialTwiss, delta: Any, orbit: Any, backend: Choice) -> Motion:
    """Motion along a beam line from given initial values, see `gputrack.twiss`."""
    first = assembled([0.0, 0.0, 0.0, 0.0, 0.0, delta] if orbit is None else orbit)
    plain = np.asarray(untraced(first), dtype=float)
    if plain.shape != (6,) or not np.isfinite(plain).all():
        raise InputError(f"twiss: delta and orbit must be finite numbers, six of them, got {plain.tolist()}")
    passed = trajectory(lattice, first, backend=backend)
    matrices = passed[:, :, 1:]
    if start.basis is not None and len(untraced(start.basis)) == 6:
        bases = anp.matmul(matrices, start.basis)
        return Motion(passed, bases, dispersion_of_mode(bases), 0.0, False)
    bases = anp.matmul(matrices[:, :4, :4], start.betatron)
    dispersion = dispersion_along(matrices, assembled([start.dx, start.dpx, start.dy, start.dpy]))
    return Motion(passed, bases, dispersion, 0.0, False)


def motion_inside(
    lattice: Lattice, orbit: Array, basis: Array, dispersion: Array, points: ObservationPoints, backend: Choice
) -> tuple[Array, Array, Array]:
    """Orbits with matrices, bases and dispersion at places inside elements, from those at the start."""
    passed, modes = trajectory(lattice, orbit, points, backend), basis.shape[-1]
    matrices = passed[:, :, 1:]
    bases = anp.matmul(matrices[:, :modes, :modes], basis)
    if modes == 6:
        return passed, bases, dispersion_of_mode(bases)
    return passed, bases, dispersion_along(matrices, dispersion)


def basis_of(matrix: Array) -> Array:
    """Normal modes of a one-turn matrix, (4, 4) or (6, 6)."""
    if len(matrix) == 4:
        return transverse_modes(matrix)
    return eigenvector_basis(matrix)


def _turn(start: Array, end: Array, mode: int) -> tuple[Any, Any]:
    """Sine and cosine of the rotation angle of a mode."""
    inverse = anp.linalg.inv(start)
    turned = anp.dot(inverse, end)[2 * mode : 2 * mode + 2, 2 * mode : 2 * mode + 2]
    return turned[0, 1], turned[0, 0]
