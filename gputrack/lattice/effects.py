"""Space charge and synchrotron radiation, added to the elements of a lattice and removed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from gputrack.elements import Element, RadiationKicks, SpaceChargeKicks
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.places import LatticePlaces


class LatticeEffects(LatticePlaces):
    """Methods of `gputrack.Lattice` for effects distributed along its elements."""

    def with_space_charge(
        self,
        field: Any,
        *,
        current: float | None = None,
        kicks_per_element: int | Mapping[str, int] = 1,
        select: str = "*",
    ) -> Self:
        """Copy with space-charge kicks inside its elements.

        Parameters
        ----------
        field : PipeModes, PipeBunch, OpenField2D, OpenField3D
            How the field is computed.
        current : float
            Beam current [A], >= 0: a parameter of each element, so that ``"*.current"`` is a knob. The field of a
            bunch, such as `OpenField3D`, has none: its charge is that of the particles' weights.
        kicks_per_element : int, or mapping of globs to int
            Evenly spread over the length. With a mapping, elements that no glob matches have no kicks.
        select : str
            Glob of the elements that have kicks; those without length have none.
        """
        self._require_untraced("with_space_charge")
        chosen = set(self.indices(select))
        numbers = kicks_per_element if isinstance(kicks_per_element, Mapping) else {"*": kicks_per_element}
        elements = list(self.elements)
        for pattern, number in numbers.items():
            kicks = SpaceChargeKicks(field, number)
            for i in chosen.intersection(self.indices(pattern)):
                elements[i] = elements[i].replaced(space_charge=kicks, current=kicks.require_current(current))
        return self.made_of(elements)

    def with_radiation(
        self, kicks_per_element: int | Mapping[str, int] | None = None, *, select: str = "*"
    ) -> Self:
        """Copy with mean synchrotron radiation.

        Particles of any charge and energy radiate in bends, straight magnets, solenoids, correctors and thin
        multipoles with `lrad`, according to the field component transverse to their motion at their own position;
        thin kicks without `lrad` do not radiate. The field of a bend ends at its faces: between parallel faces parallel
        rays lose the same energy, between faces perpendicular to the orbit they lose more by h x. pyAT, xtrack and
        MAD-X's tracking leave this out and radiate as if all faces were perpendicular: damping partition numbers and
        emittances of their tracking then contradict the radiation integrals, which have the term of the faces (16
        sector bends with e1 = e2 = 0.1 rad: Jx = 0.22 instead of 0.62). Fields end sharply: that the square of a field
        with a soft fringe has a smaller integral, by fint (2 hgap) at each face, is left out, as in the integrals.

        Motion is then not symplectic, and a cavity must restore the energy. `damping` gives the closed orbit and the
        damping times, `envelope` also the effect of quantum excitation, which tracking does not include.

        Gradients undo the turns. Undoing damping amplifies rounding errors at the damping rate, by
        exp(turns/damping time in turns): a few damping times are well within double precision.

        Parameters
        ----------
        kicks_per_element : int, or mapping of globs to int
            At both ends and in between, see `RadiationKicks`. By default 4 in bends and 2 in other magnets: in the
            demonstration ring damping partition numbers are then accurate to 4e-8 and the equilibrium emittance to
            4e-6 (with 3 in bends to 2e-7 and 8e-3). With a mapping, elements that no glob matches do not radiate.
        select : str
            Glob of the elements that radiate; those without a field are unchanged.

        Raises
        ------
        InputError
            A number is not an integer >= 1, no name matches, or a thin bend has no `lrad`.
        """
        self._require_untraced("with_radiation")
        chosen = set(self.indices(select))
        numbers = kicks_per_element if isinstance(kicks_per_element, Mapping) else {"*": kicks_per_element}
        elements = list(self.elements)
        for pattern, number in numbers.items():
            given = None if number is None else RadiationKicks(number)
            for i in chosen.intersection(self.indices(pattern)):
                if elements[i].RADIATION_KICKS:
                    kicks = given or RadiationKicks(elements[i].RADIATION_KICKS)
                    elements[i] = elements[i].replaced(radiation=kicks)
        return self.made_of(elements)

    def without_radiation(self) -> Self:
        """Copy without synchrotron radiation."""
        self._require_untraced("without_radiation")
        return self.made_of(e.replaced(radiation=None) if e.radiation is not None else e for e in self.elements)

    @cached_property
    def first_radiating(self) -> Element | None:
        """First element in which particles radiate."""
        if self.setting is not None:
            return self.origin.first_radiating
        return next((element for element in self.elements if element.radiation is not None), None)

    @cached_property
    def first_collective(self) -> Element | None:
        """First element with a collective effect."""
        if self.setting is not None:
            return self.origin.first_collective or self.first_growing(self.setting.knobs)
        return next((element for element in self.elements if element.collective), None)

    def first_growing(self, knobs: Knobs) -> Element | None:
        """First element with space-charge kicks whose length is a knob: it may become other than zero."""
        elements = self.origin.elements
        places = knobs.driven["length"][0].tolist() if "length" in knobs.driven else []
        return next((elements[i] for i in sorted(places) if elements[i].space_charge is not None), None)

    def without_collective_effects(self) -> Self:
        """Copy without collective effects: no space charge, and markers in place of other collective elements."""
        self._require_untraced("without_collective_effects")
        return self.made_of(element.single_particle() for element in self.elements)
