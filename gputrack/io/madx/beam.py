"""The beam command: species, energy in eV, and the number of particles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gputrack.base.constants import ELECTRON_MASS, SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.base.reference import SPECIES, ReferenceParticle
from gputrack.io.madx.classes import words
from gputrack.io.madx.source import Where

GEV = 1e9
#: the five alternative specifications of the energy, in MAD-X's order of precedence
ENERGIES = ("energy", "pc", "gamma", "beta", "brho")
#: attributes that do not affect the lattice
IGNORED = words(
    "bunched radiate ex exn ey eyn et sigt sige kbunch freq0 circ dtbyds deltap alfa u0 qs arad pdamp n1min"
)
NUMBERS = frozenset((*ENERGIES, "mass", "charge", "bv", "npart", "bcurrent"))
#: relative tolerance for masses and energies of one beam command to be consistent
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Beam:
    """Species and energy; the defaults are MAD-X's.

    Parameters
    ----------
    particle : str
    mass, energy : float
        Rest and total energy [eV].
    charge : float
        In units of the elementary charge.
    npart : float
        Number of particles in a bunch.
    bcurrent : float
        Current [A], from which MAD-X computes npart if it knows the revolution frequency.
    assumed : tuple of str
        Quantities that no command has set, which have MAD-X's defaults.
    """

    particle: str = "positron"
    mass: float = ELECTRON_MASS
    charge: float = 1.0
    energy: float = GEV
    pc: float = math.sqrt((GEV - ELECTRON_MASS) * (GEV + ELECTRON_MASS))
    npart: float = 1.0
    bcurrent: float = 0.0
    assumed: tuple[str, ...] = ("particle", "energy")

    def attribute(self, name: str, where: Where) -> float:
        """Value of ``beam->name`` in MAD-X's units: GeV, T m."""
        known = {
            "mass": self.mass / GEV, "charge": self.charge, "energy": self.energy / GEV, "pc": self.pc / GEV,
            "gamma": self.energy / self.mass, "beta": self.pc / self.energy,
            "brho": self.pc / (abs(self.charge) * SPEED_OF_LIGHT), "bv": 1.0, "npart": self.npart,
        }  # fmt: skip
        if name not in known:
            raise where.error(f"'beam->{name}' is not supported; supported are {', '.join(known)}")
        return known[name]

    def updated(self, particle: str | None, values: Mapping[str, float], where: Where) -> Beam:
        """The beam after a further beam command.

        Raises
        ------
        LatticeFileError
            Values contradict each other or are out of range.
        """
        if values.get("bv", 1.0) != 1.0:
            raise where.error(f"beam: bv = {values['bv']:g}: only bv = 1 is supported; reverse the sequence instead")
        beam = _with_species(self, particle, values, where)
        beam = replace(beam, npart=values.get("npart", beam.npart), bcurrent=values.get("bcurrent", beam.bcurrent))
        return _with_energy(beam, values, where)

    def reference(self, where: Where) -> ReferenceParticle:
        """The reference particle."""
        try:
            return ReferenceParticle(self.mass, self.charge, self.pc)
        except InputError as error:
            raise where.error(f"beam: {error}") from None


def _with_species(beam: Beam, particle: str | None, values: Mapping[str, float], where: Where) -> Beam:
    assumed = tuple(a for a in beam.assumed if a != "particle")
    name = particle if particle is not None else beam.particle
    if particle is None and "mass" in values:
        name = "default"  # MAD-X's name of a beam given by mass and charge alone
    if name in SPECIES:
        mass, charge = SPECIES[name]
        _require_same("mass", values.get("mass", mass / GEV) * GEV, mass, name, where)
        _require_same("charge", values.get("charge", charge), charge, name, where)
        unchanged = particle is None and not {"mass", "charge"} & values.keys()
        return replace(beam, particle=name, mass=mass, charge=charge, assumed=beam.assumed if unchanged else assumed)
    if name != beam.particle and "mass" not in values:
        raise where.error(f"beam: particle '{name}' needs a mass; known species are {', '.join(SPECIES)}")
    mass, charge = values.get("mass", beam.mass / GEV) * GEV, values.get("charge", beam.charge)
    if not mass > 0 or charge == 0:
        raise where.error(f"beam: mass must be > 0 and charge not 0, got mass = {mass / GEV:g}, charge = {charge:g}")
    return replace(beam, particle=name, mass=mass, charge=charge, assumed=assumed)


def _require_same(quantity: str, got: float, expected: float, name: str, where: Where) -> None:
    if not abs(got - expected) <= TOLERANCE * abs(expected):
        raise where.error(
            f"beam: {quantity} = {got:g} contradicts particle = {name}; give particle = ion, mass and charge instead"
        )


def _with_energy(beam: Beam, values: Mapping[str, float], where: Where) -> Beam:
    names = [name for name in ENERGIES if name in values]
    if not names:  # MAD-X keeps the energy when the species changes
        return _with_energy_and_momentum(beam, beam.energy, _momentum(beam.energy, beam.mass, where))
    first, *others = names
    beam = replace(
        _with_energy_and_momentum(beam, *_energy(beam, first, values[first], where)),
        assumed=tuple(a for a in beam.assumed if a != "energy"),
    )
    for name in others:  # files saved by MAD-X contain all five, rounded
        expected = beam.attribute(name, where)
        if not abs(values[name] - expected) <= TOLERANCE * expected:
            raise where.error(f"beam: {first} = {values[first]:g} contradicts {name} = {values[name]:g}; give one")
    return beam


def _with_energy_and_momentum(beam: Beam, energy: float, momentum: float) -> Beam:
    return replace(beam, energy=energy, pc=momentum)


def _energy(beam: Beam, name: str, value: float, where: Where) -> tuple[float, float]:
    """Total energy and momentum times c [eV] from one of `ENERGIES`."""
    if name == "beta":
        if not 0.0 < value < 1.0:
            raise where.error(f"beam: beta must lie between 0 and 1, got {value:g}")
        momentum = beam.mass * value / math.sqrt((1.0 - value) * (1.0 + value))
    elif name == "brho":
        momentum = value * abs(beam.charge) * SPEED_OF_LIGHT
    elif name == "pc":
        momentum = value * GEV
    else:
        energy = value * (beam.mass if name == "gamma" else GEV)
        return energy, _momentum(energy, beam.mass, where)
    if not 0.0 < momentum < math.inf:
        raise where.error(f"beam: {name} must be > 0, got {value:g}")
    return math.hypot(momentum, beam.mass), momentum


def _momentum(energy: float, mass: float, where: Where) -> float:
    kinetic = energy - mass
    if not 0.0 < kinetic < 1e150:  # squares must not overflow
        raise where.error(
            f"beam: total energy must exceed the rest energy {mass / GEV:g} GeV, got {energy / GEV:g} GeV"
        )
    return math.sqrt(kinetic * (kinetic + 2.0 * mass))
