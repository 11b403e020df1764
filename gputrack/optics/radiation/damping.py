"""Damping of motion by radiation: from the eigenvalues of the one-turn matrix about the orbit that closes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.slices import part
from gputrack.backends import Choice
from gputrack.base.arrays import Array, untraced
from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_single_particles
from gputrack.optics.linear.closed_orbit import closed_trajectory
from gputrack.optics.linear.normal_modes import UnstableMotionError, turning_eigenvectors
from gputrack.optics.linear.stability import unstable
from gputrack.optics.linear.trajectory import has_rf, positions

#: of the energy, lost per turn: rates are then as good as four digits in double precision
_LEAST = 1e-10


@dataclass(frozen=True, eq=False, repr=False)
class Damping:
    """Motion about the closed orbit of a ring whose particles radiate. Modes are those nearest to x, y and z.

    Attributes
    ----------
    orbit : (6,) array
        At the start.
    matrix : (6, 6) array
        One turn about it.
    tunes : (3,) array
        Between 0 and 1; that of synchrotron motion counts backwards above transition.
    rates : (3,) array
        By which amplitudes of the modes fall per turn: exp(-rate). The sum is -log(det matrix)/2.
    energy_loss : float
        Energy that a particle on the closed orbit radiates per turn [eV].
    lattice : Lattice
    """

    orbit: Array
    matrix: Array
    tunes: Array
    rates: Array
    energy_loss: Any
    lattice: Lattice

    @property
    def partition(self) -> Array:
        """(3,) Damping partition numbers 2 E beta0^2/U0 times the rates: for fast particles 4 in all (K. Robinson)."""
        reference = self.lattice.require_reference()
        share: Array = 2.0 * reference.beta0**2 * reference.energy / self.energy_loss * self.rates
        return share

    @property
    def damping_times(self) -> Array:
        """(3,) In which amplitudes fall by 1/e [s]; negative where they grow."""
        turn = positions(self.lattice)[-1] / (self.lattice.require_reference().beta0 * SPEED_OF_LIGHT)
        times: Array = turn / self.rates
        return times

    def __repr__(self) -> str:
        rows = {"energy_loss": [self.energy_loss], "orbit": self.orbit, "tunes": self.tunes, "rates": self.rates}
        rows |= {"partition": self.partition, "damping_times": self.damping_times}
        texts = (f"  {name:<14} {', '.join(f'{float(untraced(v)):.8g}' for v in row)}" for name, row in rows.items())
        return "\n".join([f"<Damping in {self.lattice.name!r}:", *texts]) + ">"


def damping(lattice: Lattice, guess: np.ndarray | None = None, *, backend: Choice = None) -> Damping:
    """Closed orbit, tunes and damping rates of a ring whose particles radiate.

    Exact derivatives of the tracking maps; nothing is assumed of the optics, so coupled rings, orbits off the axes of
    magnets and strong radiation are right. Differentiable in knobs, once.

    Parameters
    ----------
    lattice : Lattice
        Of `Lattice.with_radiation`, with a cavity on.
    guess : (6,) array, optional
        Where the search for the closed orbit starts.
    backend : {"array", "host", "cuda"} or Streamed, optional
        What runs the maps, see `closed_orbit`.

    Raises
    ------
    InputError
        Nothing radiates, or next to nothing, as slow protons do; there is no cavity on; there is no closed orbit, or
        no oscillation around it.
    """
    require_single_particles(lattice)
    if lattice.first_radiating is None:
        raise InputError(f"Lattice {lattice.name!r}: no element radiates; give lattice.with_radiation()")
    if not has_rf(lattice):
        raise InputError(f"Lattice {lattice.name!r}: no cavity is on to give the energy back; set a voltage")
    passed = closed_trajectory(lattice, 0.0, guess, backend)
    matrix = part(passed, np.s_[-1, :, 1:])
    values, energy_loss = _eigenvalues(lattice, matrix), _energy_loss(lattice, part(passed, np.s_[:, 5, 0]))
    if not abs(float(untraced(energy_loss))) > _LEAST * lattice.require_reference().plain.energy:
        raise InputError(
            f"Lattice {lattice.name!r}: a turn costs {float(untraced(energy_loss)):.3g} eV, too little beside the "
            "energy to see the motion damped within rounding; gputrack.radiation has first-order figures"
        )
    return Damping(
        part(passed, np.s_[0, :, 0]),
        matrix,
        anp.mod(anp.arctan2(anp.imag(values), anp.real(values)) / (2.0 * np.pi), 1.0),
        -0.5 * anp.log(anp.real(values) ** 2 + anp.imag(values) ** 2),
        energy_loss,
        lattice,
    )


def _eigenvalues(lattice: Lattice, matrix: Array) -> Array:
    """(3,) Eigenvalues of the modes that turn with the motion; w M v with both eigenvectors held is right once."""
    plain = np.asarray(untraced(matrix))
    try:
        vectors, _ = turning_eigenvectors(plain, growth=np.inf)
    except UnstableMotionError:
        raise unstable(lattice, plain) from None
    rows = np.linalg.inv(np.concatenate([vectors, vectors.conj()], axis=1))[:3]
    return anp.einsum("ia,ab,bi->i", rows, matrix, vectors)


def _energy_loss(lattice: Lattice, delta: Array) -> Any:
    """Sum of what the energy falls by in elements that radiate [eV]."""
    reference = lattice.require_reference()
    places = np.array([i for i, element in enumerate(lattice.origin.elements) if element.radiation is not None])
    energy = anp.sqrt((reference.p0c * (1.0 + delta)) ** 2 + reference.mass**2)
    return anp.sum(energy[places] - energy[places + 1])
