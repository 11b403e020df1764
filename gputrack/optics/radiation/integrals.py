"""Synchrotron radiation integrals, and the energy loss, damping and equilibrium that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arguments import arguments
from gputrack.base.arrays import Array, untraced
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT, VACUUM_PERMITTIVITY
from gputrack.base.errors import InputError
from gputrack.elements import RFCavity
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.coupled_functions import dispersion_along, periodic_dispersion
from gputrack.optics.linear.inside_magnets import Inside, inside
from gputrack.optics.linear.magnets import Magnets, magnets_of
from gputrack.optics.linear.normal_modes import symplectic_inverse
from gputrack.optics.linear.trajectory import optics_groups, positions
from gputrack.optics.linear.twiss import twiss

HBAR_C = 6.626_070_15e-34 / (2.0 * math.pi * ELEMENTARY_CHARGE) * SPEED_OF_LIGHT  # eV m, exact


@dataclass(frozen=True, eq=False, repr=False)
class Radiation:
    """Radiation damping and quantum excitation to first order in the energy loss per turn.

    R. H. Helm, M. J. Lee, P. L. Morton, M. Sands, IEEE Trans. Nucl. Sci. 20 (1973) 900; M. Sands, SLAC-121 (1970).

    Attributes
    ----------
    i1, i2, i3 : float
        Integrals of h D [m], h^2 [1/m] and |h|^3 [1/m^2], with the curvature h and the dispersion D in the plane of a
        bend.
    i4x, i4y : float
        Integrals of (h^3 + 2 h k1) D minus h^2 D tan(e) at the faces [1/m], for D in x and in y.
    i5x, i5y : float
        Integrals of |h|^3 H [1/m], with the dispersion invariant H of each mode: gamma D^2 + 2 alpha D D' + beta D'^2
        without coupling.
    slip : float
        Slip factor.
    lattice : Lattice
    """

    i1: Any
    i2: Any
    i3: Any
    i4x: Any
    i4y: Any
    i5x: Any
    i5y: Any
    slip: Any
    lattice: Lattice

    @property
    def i4(self) -> Any:
        """Sum of both planes [1/m]."""
        return self.i4x + self.i4y

    @property
    def i5(self) -> Any:
        """Integral of the horizontal mode [1/m]."""
        return self.i5x

    @property
    def energy_loss(self) -> Any:
        """Energy lost per turn [eV]: 2/3 r0 m c^2 beta^3 gamma^4 I2."""
        ref = self.lattice.require_reference()
        radius = ref.charge**2 * ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY * ref.mass)
        return 2.0 / 3.0 * radius * ref.mass * ref.beta0**3 * ref.gamma0**4 * self.i2

    @property
    def partition(self) -> tuple[Any, Any, Any]:
        """Damping partition numbers Jx, Jy, Jz; their sum is 4."""
        jx, jy = 1.0 - self.i4x / self.i2, 1.0 - self.i4y / self.i2
        return jx, jy, 4.0 - jx - jy

    @property
    def damping_times(self) -> tuple[Any, Any, Any]:
        """Damping times of the amplitudes in x, y and z [s]."""
        ref = self.lattice.require_reference()
        turn = positions(self.lattice)[-1] / (ref.beta0 * SPEED_OF_LIGHT)
        jx, jy, jz = (2.0 * ref.energy * turn / (j * self.energy_loss) for j in self.partition)
        return jx, jy, jz

    def _excitation(self) -> Any:
        """C_q gamma^2 [m]."""
        ref = self.lattice.require_reference()
        return 55.0 / (32.0 * math.sqrt(3.0)) * HBAR_C / ref.mass * ref.gamma0**2

    @property
    def emittance(self) -> tuple[Any, Any]:
        """Equilibrium emittances of both transverse modes [m]."""
        jx, jy, _ = self._require_damped()
        return self._excitation() * self.i5x / (jx * self.i2), self._excitation() * self.i5y / (jy * self.i2)

    @property
    def energy_spread(self) -> Any:
        """Relative rms energy spread."""
        _, _, jz = self._require_damped()
        return anp.sqrt(self._excitation() * self.i3 / (jz * self.i2))

    def _require_damped(self) -> tuple[Any, Any, Any]:
        for name, number in zip("xyz", self.partition, strict=True):
            if not number > 0.0:
                value = f"J{name} = {float(untraced(number)):.6g}"
                raise InputError(f"Radiation: there is no equilibrium: motion in {name} is not damped, {value}")
        return self.partition

    @property
    def synchrotron_tune(self) -> Any:
        """Synchrotron tune of small amplitudes about the phase at which the cavities restore the energy.

        Qs^2 = k slip C sqrt(V^2 - U0^2)/(4 pi^2 beta^2 E), k = 2 pi f/(beta c), V the total voltage.

        Raises
        ------
        InputError
            Cavities have different frequencies, or the voltage is less than the energy loss.
        """
        ref = self.lattice.require_reference()
        voltages, frequencies = _cavities(self.lattice)
        if len(set(untraced(frequencies).tolist())) != 1:
            raise InputError("Radiation: synchrotron_tune needs cavities that are on, with a common frequency")
        voltage, loss = abs(ref.charge) * anp.sum(voltages), self.energy_loss
        if not abs(voltage) > loss:
            gain, lost = float(abs(untraced(voltage))), float(untraced(loss))
            raise InputError(f"Radiation: cavities restore at most {gain:.6g} eV per turn, but {lost:.6g} eV are lost")
        # frequencies are weighted with voltages, for derivatives with respect to one of them
        frequency = anp.sum(voltages * frequencies) / anp.sum(voltages)
        wave = 2.0 * math.pi * frequency / (ref.beta0 * SPEED_OF_LIGHT)
        focusing = wave * anp.abs(self.slip) * positions(self.lattice)[-1] * anp.sqrt(voltage**2 - loss**2)
        return anp.sqrt(focusing / (ref.beta0**2 * ref.energy)) / (2.0 * math.pi)

    def __repr__(self) -> str:
        names = ("i1", "i2", "i3", "i4x", "i4y", "i5x", "i5y", "energy_loss")
        rows = [f"  {name:<14} {float(untraced(getattr(self, name))):.10g}" for name in names]
        for name in ("partition", "damping_times"):
            rows.append(f"  {name:<14} {', '.join(f'{float(untraced(v)):.8g}' for v in getattr(self, name))}")
        return "\n".join([f"<Radiation of {self.lattice.name!r}:", *rows]) + ">"


def _cavities(lattice: Lattice) -> tuple[Array, Array]:
    """Voltages [V] and frequencies [Hz] of the cavities that are on."""
    tables = [group.parameters for group in optics_groups(lattice) if issubclass(group.kind, RFCavity)]
    voltages, frequencies = (
        anp.concatenate([np.zeros(0), *(p[name] for p in tables)]) for name in ("voltage", "frequency")
    )
    on = np.asarray(untraced(voltages)) != 0.0
    return voltages[on], frequencies[on]


@arguments(lattice=LATTICE)
def radiation(lattice: Lattice) -> Radiation:
    """Radiation integrals of a ring about its reference orbit.

    All bends radiate, thin ones with their length `lrad`; other magnets do not, even if the closed orbit is off their
    axis. Integrals over bends use the optics inside them and the Gauss-Legendre rule.

    Raises
    ------
    InputError
        See `twiss`; or there are no bends.
    """
    optics = twiss(lattice).coasting
    magnets = magnets_of(optics.lattice)
    size = np.asarray(untraced(magnets.length + magnets.lrad))
    bends = magnets.chosen(((np.asarray(untraced(magnets.angle)) != 0.0) | magnets.traced) & (size > 0.0))
    if not np.asarray(untraced(bends.angle)).any():
        raise InputError(f"Lattice {lattice.name!r}: no bends, hence no radiation")
    dispersion = dispersion_along(optics.matrices, periodic_dispersion(optics.matrix))
    inner = inside(bends, optics.bases[bends.places], dispersion[bends.places], optics.delta[bends.places])
    return Radiation(**_integrals(bends, inner, dispersion), slip=optics.slip, lattice=lattice)


def _integrals(bends: Magnets, inner: Inside, dispersion: Array) -> dict[str, Any]:
    thick = np.asarray(untraced(bends.length)) > 0.0
    size = anp.where(thick, bends.length, bends.lrad)
    h = bends.angle / size
    weights = anp.where(thick[:, None], inner.weights, size[:, None] / inner.weights.shape[1])
    gradient = anp.where(thick, anp.real(bends.fields[:, 1]), 0.0)
    cosine, sine = anp.cos(bends.tilt), anp.sin(bends.tilt)
    entering, leaving = dispersion[bends.places], dispersion[bends.places + 1]
    integrals = {"i2": anp.sum(h**2 * size), "i3": anp.sum(anp.abs(h) ** 3 * size), "i1": 0.0}
    for name, part, row in (("x", cosine, 0), ("y", sine, 2)):
        mean = part * anp.sum(weights * inner.dispersion[..., row], axis=1)
        ends = part * (anp.tan(bends.e1) * entering[:, row] + anp.tan(bends.e2) * leaving[:, row])
        integrals["i1"] = integrals["i1"] + anp.sum(h * mean)
        integrals[f"i4{name}"] = anp.sum((h**3 + 2.0 * h * gradient) * mean - h**2 * ends)
    for name, invariant in zip("xy", _invariants(inner), strict=True):
        integrals[f"i5{name}"] = anp.sum(anp.abs(h) ** 3 * anp.sum(weights * invariant, axis=1))
    return integrals


def _invariants(inner: Inside) -> tuple[Array, Array]:
    """Dispersion invariants H of both modes: squares of the dispersion in normalised coordinates."""
    squares = anp.matmul(symplectic_inverse(inner.bases), inner.dispersion[..., None])[..., 0] ** 2
    return squares[..., 0] + squares[..., 1], squares[..., 2] + squares[..., 3]
