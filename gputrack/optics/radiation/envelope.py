"""Equilibrium of radiation damping and quantum excitation: second moments of the beam.

Photon emission is random. On a path of curvature kappa the mean square of the relative momentum grows by
55/(24 sqrt(3)) r (hbar/(m c)) gamma^5 |kappa|^3 per length (M. Sands, SLAC-121, 1970), along the direction of motion.
Propagated to the end of the turn by the exact matrices, which include damping, these kicks add up to D, and the
equilibrium moments satisfy S = M S M^T + D (K. Ohmi, K. Hirata, K. Oide, Phys. Rev. E 49 (1994) 751).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gputrack.base.arguments import arguments, numbers, optional
from gputrack.base.errors import InputError
from gputrack.base.special.smooth import slope_excess
from gputrack.base.symplectic import symplectic_form
from gputrack.elements.map import ReferenceValues, State, make_state
from gputrack.elements.radiation import sector_path
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import map_program
from gputrack.optics.linear.normal_modes import turning_eigenvectors
from gputrack.optics.radiation.damping import Damping, damping
from gputrack.optics.radiation.integrals import HBAR_C

_STEP = 1e-200  # complex step, whose square underflows to 0: derivatives are exact to rounding


@dataclass(frozen=True, eq=False, repr=False)
class Envelope:
    """Equilibrium moments of the beam of a ring with radiation, about its closed orbit.

    Attributes
    ----------
    sigma : (6, 6) array
        Second moments at the start; ``gt.Beam.from_sigma(n, reference, sigma)`` makes such a beam about the axis.
    emittance : (3,) array
        Emittances of `sigma` in the modes closest to x, y and z [m], with any coupling.
    damping : Damping
        Closed orbit and damping rates.
    """

    sigma: np.ndarray
    emittance: np.ndarray
    damping: Damping

    @property
    def sigma_delta(self) -> float:
        """Rms relative momentum spread."""
        return math.sqrt(self.sigma[5, 5])

    @property
    def sigma_z(self) -> float:
        """Rms bunch length [m]."""
        return math.sqrt(self.sigma[4, 4])

    def __repr__(self) -> str:
        emittance = ", ".join(f"{value:.6g}" for value in self.emittance)
        sizes = f"sigma_z {self.sigma_z:.6g} m, sigma_delta {self.sigma_delta:.6g}"
        return f"<Envelope in {self.damping.lattice.name!r}: emittances {emittance} m, {sizes}>"


@arguments(lattice=LATTICE, guess=optional(numbers(6)))
def envelope(lattice: Lattice, guess: np.ndarray | None = None) -> Envelope:
    """Equilibrium emittances, energy spread and bunch length of a ring of ultrarelativistic particles.

    Parameters
    ----------
    lattice : Lattice
        A ring of `Lattice.with_radiation` with a cavity on.
    guess : (6,) array, optional
        Start of the search for the closed orbit.

    Raises
    ------
    InputError
        See `damping`; or a mode is not damped; or the lattice is traced.
    """
    if lattice.traced:
        raise InputError(f"Lattice {lattice.name!r}: the envelope is not differentiable; use gputrack.radiation")
    motion = damping(lattice, guess)
    if motion.rates.min() <= 0.0:
        raise InputError(
            f"Lattice {lattice.name!r}: there is no equilibrium, partition numbers are {motion.partition.tolist()}"
        )
    growth = np.zeros((6, 6))
    for to_here, size, direction in _photons(lattice, motion.orbit):
        back = np.linalg.solve(to_here, direction)
        growth += size * np.outer(back, back)
    matrix = motion.matrix
    growth = matrix @ growth @ matrix.T
    sigma = np.linalg.solve(np.eye(36) - np.kron(matrix, matrix), growth.reshape(-1)).reshape(6, 6)
    sigma = 0.5 * (sigma + sigma.T)
    return Envelope(sigma, _emittances(sigma, matrix), motion)


def _photons(lattice: Lattice, orbit: np.ndarray) -> Iterator[tuple[np.ndarray, float, np.ndarray]]:
    """For each radiation kick the matrix from the start, the mean square of the noise, and its direction."""
    reference = lattice.require_reference()
    ref, momentum = ReferenceValues.of(reference), reference.p0c / reference.mass
    rate = 55.0 / (24.0 * math.sqrt(3.0)) * reference.classical_radius * HBAR_C / reference.mass * momentum**5
    s = make_state(np.asarray(orbit)[:, None] + 1j * _STEP * np.eye(6), ref)
    for kind, op in map_program(lattice).calls:
        before, s = s, kind.forward(s, op, ref)
        if not kind.name.endswith("radiation"):
            continue
        direction, path = _direction(before, op)
        opd, drop = before.opd.real[0], (before.opd - s.opd).real[0]
        rest = ref.inverse_gamma0_squared / ref.beta0**2
        # as in gputrack.elements.radiation: drop = k (P^2 + rest)/(1 + k P), k = ref.radiation field^2 path
        k = drop / (opd * opd + rest - drop * opd)
        # a path that ends before the plane of a turned face is negative: so much has been counted in the body
        field_squared = k / (ref.radiation * path) if path else 0.0
        yield np.array(s[:6]).imag / _STEP, rate * opd**4 * field_squared**1.5 * path, direction


def _direction(s: State, op: Any) -> tuple[np.ndarray, float]:
    """Direction of the momentum loss in coordinates, and the path length in the field [m]."""
    x, px, y, py = (getattr(s, name).real[0] for name in ("x", "px", "y", "py"))
    k = 0.5 * getattr(op, "ks", 0.0)
    p, q = (px + k * y) / s.opd.real[0], (py - k * x) / s.opd.real[0]
    along = op.length * (1.0 + getattr(op, "h", 0.0) * x)
    if getattr(op, "side", 0):
        along = sector_path(s, op).real[0]
    return np.array([0.0, p, 0.0, q, 0.0, 1.0]), float(along * (1.0 + slope_excess(p * p + q * q)))


def _emittances(sigma: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Mean actions of the modes, |v^H S x|^2 with eigenvectors v^H S v = i, (3,)."""
    vectors, _ = turning_eigenvectors(matrix, growth=np.inf)
    projections = vectors.conj().T @ symplectic_form(6)
    return np.real(np.einsum("mi,ij,mj->m", projections, sigma, projections.conj()))
