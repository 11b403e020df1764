"""Cavities, patches and passive elements of MAD-X as gputrack elements."""

from __future__ import annotations

from typing import Any

from gputrack.base.reference import ReferenceParticle
from gputrack.elements import CrabCavity, Drift, Element, Marker, RFCavity, Translation, YRotation
from gputrack.io.madx.element_attributes import ElementAttributes

MEGA = 1e6


def drift(attributes: ElementAttributes) -> Element:
    """Drift."""
    return Drift(**attributes.placed())


def passive(attributes: ElementAttributes) -> Element:
    """Drift, or Marker if the length is 0, for classes without effect on particles."""
    placed = attributes.placed()
    if placed["length"]:
        return Drift(**placed)
    return Marker(**{key: value for key, value in placed.items() if key != "length"})


def rfcavity(attributes: ElementAttributes, reference: ReferenceParticle | None) -> Element:
    """Accelerating cavity; with ``harmon`` the frequency is set later."""
    return RFCavity(**attributes.placed(), **_wave(attributes, reference))


def crabcavity(attributes: ElementAttributes, reference: ReferenceParticle | None) -> Element:
    """Crab cavity."""
    return CrabCavity(**attributes.placed(), **_wave(attributes, reference))


def _wave(attributes: ElementAttributes, reference: ReferenceParticle | None) -> dict[str, Any]:
    """Voltage, frequency and lag.

    MAD-X's volt [MV] is the energy gain of the beam's particle, independent of its charge q; gputrack multiplies the
    voltage by |q|.
    """
    volt, freq = attributes.number("volt"), attributes.number("freq")
    if volt and reference is None:
        raise attributes.error("a cavity with a voltage needs a beam command in the file")
    charge = 1.0 if reference is None else abs(reference.charge)
    return {"voltage": volt * MEGA / charge, "frequency": freq * MEGA, "lag": attributes.number("lag")}


def harmonic(attributes: ElementAttributes) -> float:
    """Harmonic number of a cavity; 0 if the frequency is given instead."""
    number = attributes.number("harmon")
    if number < 0:
        raise attributes.error(f"harmon must be >= 0, got {number:g}")
    return float(int(number))


def translation(attributes: ElementAttributes) -> Element:
    """Translation of the reference frame in x and y."""
    if attributes.number("ds"):
        raise attributes.error("ds is not supported: MAD-X counts the path to the new origin as a delay; use a drift")
    if attributes.number("l") or attributes.number("tilt"):
        raise attributes.error("a translation has neither length nor tilt")
    return Translation(attributes.element.name, **attributes.numbers(x="dx", y="dy"))


def yrotation(attributes: ElementAttributes) -> Element:
    """Rotation of the reference frame about y, with MAD-X's sign."""
    if attributes.number("l"):
        raise attributes.error("a yrotation has no length")
    return YRotation(attributes.element.name, angle=attributes.number("angle"))
