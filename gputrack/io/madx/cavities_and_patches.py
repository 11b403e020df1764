"""Cavities, patches and passive elements of MAD-X as gputrack elements."""

from __future__ import annotations

from typing import Any

from gputrack.base.reference import ReferenceParticle
from gputrack.elements import CrabCavity, Drift, Element, Marker, RFCavity, Translation, YRotation
from gputrack.io.madx.element_attributes import Given

MEGA = 1e6


def drift(given: Given) -> Element:
    """Drift."""
    return Drift(**given.placed())


def passive(given: Given) -> Element:
    """Drift, or Marker where the length is 0: for whatever does nothing to particles."""
    placed = given.placed()
    if placed["length"]:
        return Drift(**placed)
    return Marker(**{key: value for key, value in placed.items() if key != "length"})


def rfcavity(given: Given, reference: ReferenceParticle | None) -> Element:
    """Accelerating cavity; the frequency is set later where ``harmon`` is given."""
    return RFCavity(**given.placed(), **_wave(given, reference))


def crabcavity(given: Given, reference: ReferenceParticle | None) -> Element:
    """Crab cavity."""
    return CrabCavity(**given.placed(), **_wave(given, reference))


def _wave(given: Given, reference: ReferenceParticle | None) -> dict[str, Any]:
    """MAD-X's volt [MV] is the energy gain of the beam's particle, whatever its charge; ours is multiplied by |q|."""
    volt, freq = given.number("volt"), given.number("freq")
    if volt and reference is None:
        raise given.error("a cavity with a voltage needs a beam command in the file")
    charge = 1.0 if reference is None else abs(reference.charge)
    return {"voltage": volt * MEGA / charge, "frequency": freq * MEGA, "lag": given.number("lag")}


def harmonic(given: Given) -> float:
    """Harmonic number of a cavity; 0 where the frequency is given instead."""
    number = given.number("harmon")
    if number < 0:
        raise given.error(f"harmon must be >= 0, got {number:g}")
    return float(int(number))


def translation(given: Given) -> Element:
    """Patch; along s, MAD-X counts the flight to the new origin as a delay and gputrack does not."""
    if given.number("ds"):
        raise given.error("ds is counted differently in MAD-X and gputrack; write a drift")
    if given.number("l") or given.number("tilt"):
        raise given.error("a translation has neither length nor tilt")
    return Translation(given.element.name, **given.numbers(x="dx", y="dy"))


def yrotation(given: Given) -> Element:
    """Patch, with MAD-X's sign."""
    if given.number("l"):
        raise given.error("a yrotation has no length")
    return YRotation(given.element.name, angle=given.number("angle"))
