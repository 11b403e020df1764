"""Elements of a MAD-X file as gputrack elements."""

from __future__ import annotations

from collections.abc import Callable

from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element
from gputrack.io.madx import cavities_and_patches, collisions, magnets
from gputrack.io.madx.beam import Beam
from gputrack.io.madx.element_attributes import Given
from gputrack.io.madx.environment import Environment
from gputrack.io.madx.ignored import Report

#: classes that act on particles
ACTIVE: dict[str, Callable[[Given], Element]] = {
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
#: cavities need to know the charge of the beam
CAVITIES = {"rfcavity": cavities_and_patches.rfcavity, "crabcavity": cavities_and_patches.crabcavity}
#: classes whose effect does not vanish with their attributes
REFUSED = ("changerefp0",)


class Converter:
    """Converts each element once; the same element may then stand in many places."""

    def __init__(
        self, environment: Environment, report: Report, reference: ReferenceParticle | None, beam: Beam | None
    ) -> None:
        self.environment = environment
        self.report = report
        self.reference, self.beam = reference, beam
        self._done: dict[str, Element] = {}
        self._harmonics: dict[str, float] = {}

    def element(self, name: str) -> Element:
        """The element of a name; cavities given by their harmonic number have no frequency yet.

        Raises
        ------
        LatticeFileError
            It has no counterpart, or its values are out of range.
        """
        if name not in self._done:
            given = Given(self.environment.elements[name], self.environment)
            try:
                self._done[name] = self._converted(given)
            except InputError as error:
                raise given.element.where.error(str(error)) from None
            given.finish(self.report)
        return self._done[name]

    def _converted(self, given: Given) -> Element:
        kind = given.element.kind
        if kind in ACTIVE:
            return ACTIVE[kind](given)
        if kind in CAVITIES:
            if number := cavities_and_patches.harmonic(given):
                self._harmonics[given.element.name] = number
            return CAVITIES[kind](given, self.reference)
        if kind == "beambeam":
            return collisions.beambeam(given, self.beam, self.report)
        if kind in REFUSED:
            raise given.error("this class has no counterpart in gputrack")
        if kind != "marker":
            self.report.note(f"class '{kind}' is read as Drift or Marker", given.element.where)
        return cavities_and_patches.passive(given)

    def with_frequency(self, element: Element, circumference: float) -> Element:
        """Frequency harmon beta c/circumference for a cavity given by its harmonic number."""
        number = self._harmonics.get(element.name)
        if number is None:
            return element
        given = Given(self.environment.elements[element.name], self.environment)
        if self.reference is None or not circumference > 0.0:
            raise given.error("harmon needs a beam command in the file and a lattice with a length")
        frequency = number * self.reference.beta0 * SPEED_OF_LIGHT / circumference
        return self._once(element, frequency)

    def _once(self, element: Element, frequency: float) -> Element:
        if getattr(self._done[element.name], "frequency", None) != frequency:
            self._done[element.name] = element.replaced(frequency=frequency)
        return self._done[element.name]
