"""The reference particle: species and momentum to which coordinates and strengths are normalised."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from gputrack.base.arrays import is_traced, sqrt, untraced
from gputrack.base.checks import require_number, require_traceable
from gputrack.base.constants import (
    ATOMIC_MASS,
    ELECTRON_MASS,
    ELEMENTARY_CHARGE,
    MUON_MASS,
    PROTON_MASS,
    SPEED_OF_LIGHT,
    VACUUM_PERMITTIVITY,
)
from gputrack.base.errors import InputError

SPECIES = {
    "electron": (ELECTRON_MASS, -1.0),
    "positron": (ELECTRON_MASS, 1.0),
    "proton": (PROTON_MASS, 1.0),
    "antiproton": (PROTON_MASS, -1.0),
    "posmuon": (MUON_MASS, 1.0),
    "negmuon": (MUON_MASS, -1.0),
}


@dataclass(frozen=True)
class ReferenceParticle:
    """Species and momentum of the reference particle.

    Parameters
    ----------
    mass : float
        Rest energy [eV], > 0.
    charge : float
        Charge in units of the elementary charge, not 0.
    p0c : float
        Momentum times c [eV], > 0. May be traced by autograd, as may the energies of the classmethods: results
        can then be differentiated with respect to it.

    Raises
    ------
    InputError
        A value is not finite or out of range.
    """

    mass: float
    charge: float
    p0c: float

    def __post_init__(self) -> None:
        for name in ("mass", "charge", "p0c"):
            given = getattr(self, name)
            value = _scalar(given) if name == "p0c" else given
            value = require_number("ReferenceParticle", name, value)
            if name != "charge" and value <= 0:
                raise InputError(f"ReferenceParticle: {name} must be > 0 eV, got {float(value)!r}")
            object.__setattr__(self, name, given if is_traced(given) else float(value))
        if self.charge == 0:
            raise InputError("ReferenceParticle: charge must not be 0: magnets do not bend neutral particles")

    @classmethod
    def from_energy(
        cls,
        species: str | None = None,
        *,
        total: float | None = None,
        kinetic: float | None = None,
        mass: float | None = None,
        charge: float | None = None,
    ) -> ReferenceParticle:
        """Reference particle from its total or kinetic energy [eV].

        Give `species` (one of electron, positron, proton, antiproton, posmuon, negmuon), or `mass`
        [eV] and `charge` [e]; and exactly one of `total` and `kinetic`.
        """
        if species is not None:
            if not isinstance(species, str) or species not in SPECIES:
                known = ", ".join(SPECIES)
                raise InputError(f"species must be one of {known}, got {species!r}")
            mass, charge = SPECIES[species]
        if mass is None or charge is None:
            raise InputError("give a species, or both mass [eV] and charge [e]")
        if (total is None) == (kinetic is None):
            raise InputError("give exactly one of total and kinetic energy [eV]")
        mass = require_number("ReferenceParticle", "mass", mass, unit="eV", above=0.0)
        name, given = ("kinetic", kinetic) if total is None else ("total", total)
        energy: Any = require_traceable("ReferenceParticle", name, given, unit="eV")
        rise = energy if total is None else energy - mass
        if not rise > 0:
            raise InputError(
                f"total energy must exceed the rest energy {mass:g} eV, got {untraced(rise) + mass:g} eV"
            )
        # p c = sqrt(T (T + 2 m)) keeps its digits when T << m.
        return cls(mass, charge, sqrt(rise * (rise + 2.0 * mass)))

    def with_p0c(self, p0c: float) -> ReferenceParticle:
        """The same species with another momentum times c [eV]."""
        return replace(self, p0c=p0c)

    @property
    def traced(self) -> bool:
        """Whether its momentum is being differentiated."""
        return is_traced(self.p0c)

    @property
    def plain(self) -> ReferenceParticle:
        """The particle with plain numbers in place of traced ones."""
        return replace(self, p0c=_scalar(self.p0c)) if self.traced else self

    @classmethod
    def electron(cls, *, total: float) -> ReferenceParticle:
        """Electron of the given total energy [eV]."""
        return cls.from_energy("electron", total=total)

    @classmethod
    def proton(cls, *, kinetic: float) -> ReferenceParticle:
        """Proton of the given kinetic energy [eV]."""
        return cls.from_energy("proton", kinetic=kinetic)

    @classmethod
    def ion(cls, *, nucleons: float, charge: float, kinetic: float) -> ReferenceParticle:
        """Ion of `nucleons` atomic masses, `charge` [e], and total kinetic energy [eV]."""
        nucleons = require_number("ReferenceParticle.ion", "nucleons", nucleons, above=0.0)
        return cls.from_energy(mass=nucleons * ATOMIC_MASS, charge=charge, kinetic=kinetic)

    @property
    def energy(self) -> float:
        """Total energy [eV]."""
        if self.traced:
            return sqrt(self.p0c * self.p0c + self.mass * self.mass)  # type: ignore[no-any-return]
        return math.hypot(self.p0c, self.mass)

    @property
    def gamma0(self) -> float:
        """Lorentz factor."""
        return self.energy / self.mass

    @property
    def beta0(self) -> float:
        """Velocity in units of c."""
        return self.p0c / self.energy

    @property
    def classical_radius(self) -> float:
        """q^2/(4 pi eps0 m c^2) [m]."""
        return self.charge**2 * ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY * self.mass)

    @property
    def rigidity(self) -> float:
        """Magnetic rigidity |B rho| [T m] of the reference particle."""
        return self.p0c / (abs(self.charge) * SPEED_OF_LIGHT)


def _scalar(value: Any) -> Any:
    """Plain float of a traced scalar; anything else unchanged."""
    inner = untraced(value)
    return float(inner) if is_traced(value) and getattr(inner, "shape", ()) == () else inner
