"""Conversion of MAD-X elements to gputrack elements."""

from __future__ import annotations

from collections.abc import Callable

from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element
from gputrack.io.madx import cavities_and_patches, collisions, magnets
from gputrack.io.madx.beam import Beam
from gputrack.io.madx.element_attributes import ElementAttributes
from gputrack.io.madx.environment import Environment
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.unsupported import effect

#: classes that act on particles
ACTIVE: dict[str, Callable[[ElementAttributes], Element]] = {
    "drift": cavities_and_patches.drift,
    "quadrupole": magnets.quadrupole,
    "sextupole": magnets.sextupole,
    "octupole": magnets.octupole,
    "multipole": magnets.multipole,
    "solenoid": magnets.solenoid,
    "sbend": magnets.sbend,
    "rbend": magnets.rbend,
    "hkicker": magnets.hkicker,
    "vkicker": magnets.vkicker,
    "kicker": magnets.kicker,
    "tkicker": magnets.kicker,
    "translation": cavities_and_patches.translation,
    "yrotation": cavities_and_patches.yrotation,
}
#: cavities, which depend on the charge of the beam
CAVITIES = {"rfcavity": cavities_and_patches.rfcavity, "crabcavity": cavities_and_patches.crabcavity}
#: unsupported classes that affect particles even with default attributes
UNSUPPORTED = ("changerefp0",)


class Converter:
    """Converts each element once; an element may occur at many places."""

    def __init__(
        self, environment: Environment, report: Report, reference: ReferenceParticle | None, beam: Beam | None
    ) -> None:
        self.environment = environment
        self.report = report
        self.reference, self.beam = reference, beam
        self._converted: dict[str, Element] = {}
        self._harmonics: dict[str, float] = {}

    def element(self, name: str) -> Element:
        """Element of a name; the frequency of cavities given by a harmonic number is not set yet.

        Raises
        ------
        LatticeFileError
            It is not supported, or its values are out of range.
        """
        if name not in self._converted:
            attributes = ElementAttributes(self.environment.elements[name], self.environment)
            try:
                self._converted[name] = self._convert(attributes)
            except InputError as error:
                raise attributes.element.where.error(str(error)) from None
            attributes.finish(self.report)
        return self._converted[name]

    def _convert(self, attributes: ElementAttributes) -> Element:
        kind = attributes.element.kind
        if kind in ACTIVE:
            return ACTIVE[kind](attributes)
        if kind in CAVITIES:
            if number := cavities_and_patches.harmonic(attributes):
                self._harmonics[attributes.element.name] = number
            return CAVITIES[kind](attributes, self.reference)
        if kind == "beambeam":
            return collisions.beambeam(attributes, self.beam, self.report)
        if kind in UNSUPPORTED:
            raise attributes.error(f"not supported: {effect(kind, 'p0')}")
        if kind != "marker":
            self.report.note(f"class '{kind}' is read as Drift or Marker", attributes.element.where)
        return cavities_and_patches.passive(attributes)

    def with_frequency(self, element: Element, circumference: float) -> Element:
        """Set the frequency harmon beta c/circumference of a cavity given by its harmonic number."""
        number = self._harmonics.get(element.name)
        if number is None:
            return element
        attributes = ElementAttributes(self.environment.elements[element.name], self.environment)
        if self.reference is None or not circumference > 0.0:
            raise attributes.error("harmon needs a beam command in the file and a lattice of length > 0")
        frequency = number * self.reference.beta0 * SPEED_OF_LIGHT / circumference
        converted = self._converted[element.name]
        if getattr(converted, "frequency", None) != frequency:
            converted = self._converted[element.name] = converted.replaced(frequency=frequency)
        return converted
