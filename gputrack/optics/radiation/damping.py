"""Radiation damping, from the eigenvalues of the one-turn matrix about the closed orbit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.slices import part
from gputrack.backends import Choice
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import arguments, numbers, optional
from gputrack.base.arrays import Array, untraced
from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_single_particles
from gputrack.optics.linear.closed_orbit import closed_trajectory
from gputrack.optics.linear.normal_modes import UnstableMotionError, turning_eigenvectors
from gputrack.optics.linear.stability import unstable
from gputrack.optics.linear.trajectory import has_rf, positions

#: smallest relative energy loss per turn, at which rates have four digits in double precision
_LEAST = 1e-10


@dataclass(frozen=True, eq=False, repr=False)
class Damping:
    """Motion about the closed orbit of a ring with radiation, in the modes closest to x, y and z.

    Attributes
    ----------
    orbit : (6,) array
        Closed orbit at the start.
    matrix : (6, 6) array
        One-turn matrix about it.
    tunes : (3,) array
        Tunes between 0 and 1; above transition 1 minus the synchrotron tune.
    rates : (3,) array
        Damping rates per turn: amplitudes decrease as exp(-rate). Their sum is -log(det matrix)/2.
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
        """Damping partition numbers, 2 E beta0^2/U0 times the rates, (3,); their sum is 4 for ultrarelativistic beams.

        K. W. Robinson, Phys. Rev. 111 (1958) 373.
        """
        reference = self.lattice.require_reference()
        share: Array = 2.0 * reference.beta0**2 * reference.energy / self.energy_loss * self.rates
        return share

    @property
    def damping_times(self) -> Array:
        """Times in which amplitudes decrease by 1/e [s], (3,); negative if they grow."""
        turn = positions(self.lattice)[-1] / (self.lattice.require_reference().beta0 * SPEED_OF_LIGHT)
        times: Array = turn / self.rates
        return times

    def __repr__(self) -> str:
        rows = {"energy_loss": [self.energy_loss], "orbit": self.orbit, "tunes": self.tunes, "rates": self.rates}
        rows |= {"partition": self.partition, "damping_times": self.damping_times}
        texts = (f"  {name:<14} {', '.join(f'{float(untraced(v)):.8g}' for v in row)}" for name, row in rows.items())
        return "\n".join([f"<Damping in {self.lattice.name!r}:", *texts]) + ">"


@arguments(lattice=LATTICE, guess=optional(numbers(6)), backend=BACKEND)
def damping(lattice: Lattice, guess: np.ndarray | None = None, *, backend: Choice = None) -> Damping:
    """Closed orbit, tunes and damping rates of a ring with radiation.

    Computed from exact derivatives of the tracking maps without assumptions about the optics: valid for coupled rings,
    orbits off the axes of magnets and strong radiation. Differentiable once with respect to knobs.

    Parameters
    ----------
    lattice : Lattice
        A ring of `Lattice.with_radiation` with a cavity on.
    guess : (6,) array, optional
        Start of the search for the closed orbit.
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the maps; see `closed_orbit`.

    Raises
    ------
    InputError
        No element radiates, or the energy loss is too small (slow protons); no cavity is on; there is no closed orbit,
        or the motion about it is unstable.
    """
    require_single_particles(lattice)
    if lattice.first_radiating is None:
        raise InputError(f"Lattice {lattice.name!r}: no element radiates; use lattice.with_radiation()")
    if not has_rf(lattice):
        raise InputError(f"Lattice {lattice.name!r}: no cavity is on to restore the energy; set a voltage")
    passed = closed_trajectory(lattice, 0.0, guess, backend)
    matrix = part(passed, np.s_[-1, :, 1:])
    values, energy_loss = _eigenvalues(lattice, matrix), _energy_loss(lattice, part(passed, np.s_[:, 5, 0]))
    if not abs(float(untraced(energy_loss))) > _LEAST * lattice.require_reference().plain.energy:
        raise InputError(
            f"Lattice {lattice.name!r}: the energy loss of {float(untraced(energy_loss)):.3g} eV per turn is too small "
            "to resolve the damping within rounding; use gputrack.radiation, which is of first order"
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
    """Eigenvalues of the modes of positive norm, (3,), as w M v, whose first derivative is exact for constant w, v."""
    plain = np.asarray(untraced(matrix))
    try:
        vectors, _ = turning_eigenvectors(plain, growth=np.inf)
    except UnstableMotionError:
        raise unstable(lattice, plain) from None
    rows = np.linalg.inv(np.concatenate([vectors, vectors.conj()], axis=1))[:3]
    return anp.einsum("ia,ab,bi->i", rows, matrix, vectors)


def _energy_loss(lattice: Lattice, delta: Array) -> Any:
    """Energy loss in the radiating elements [eV]."""
    reference = lattice.require_reference()
    places = np.array([i for i, element in enumerate(lattice.origin.elements) if element.radiation is not None])
    energy = anp.sqrt((reference.p0c * (1.0 + delta)) ** 2 + reference.mass**2)
    return anp.sum(energy[places] - energy[places + 1])
