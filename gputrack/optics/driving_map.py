"""Driving terms from the one-turn map, to any order: its Lie generator, and the generating function of its normal form.

In the coordinates w of the linear normal modes at the start, about the dispersive orbit, let t_s be the map from the
start to a place s, less its linear part. Of the whole turn, t is exp(-:h:) by definition. Elsewhere the one-turn map
is t_s m t_s^-1, and what brings it to normal form t_s a, with a that of the start: all places are one batch of maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gputrack.arrays import Array
from gputrack.checks import require_integer
from gputrack.errors import InputError
from gputrack.map_program import identity_map
from gputrack.optics.driving_names import TERMS, Powers, exponents_of
from gputrack.optics.driving_result import Detuning, DrivingMethod, DrivingTerms
from gputrack.optics.mode_coordinates import InPhasors, ModeCoordinates, of_actions
from gputrack.optics.trajectory import optics_program
from gputrack.optics.twiss import Twiss
from gputrack.tpsa.lie import exponential_map, hamiltonian, lie_logarithm
from gputrack.tpsa.maps import Map
from gputrack.tpsa.normal_form import NormalForm
from gputrack.tpsa.series import Series
from gputrack.transfer_map import pass_maps


@dataclass(frozen=True)
class FromMap(DrivingMethod):
    """Driving terms of the one-turn map: everything that tracking knows, in all orders of the strengths.

    Parameters
    ----------
    order : int
        Of the map, >= 2: terms have j + k + l + m + p <= order + 1.
    """

    order: int = 3

    def __post_init__(self) -> None:
        require_integer("FromMap", "order", self.order, at_least=2)

    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> MapTerms:
        """See `driving_terms`."""
        if optics.lattice.traced:
            raise InputError("driving_terms: FromMap has no gradients; differentiate FirstOrder() or SecondOrder()")
        if names is None:
            names = tuple(name for name in TERMS if 3 <= sum(exponents_of(name)) <= self.order + 1)
        for name in names:
            degree = sum(exponents_of(name))
            if degree < 3:
                raise InputError(f"driving_terms: {name} is linear: it is in the normal modes, not in maps about them")
            if degree > self.order + 1:
                raise InputError(f"driving_terms: {name} needs FromMap({degree - 1}), got FromMap({self.order})")
        return MapTerms(optics, names, self.order)


@dataclass(frozen=True, eq=False, repr=False)
class MapTerms(DrivingTerms):
    """Driving terms of a one-turn map, see `DrivingTerms`.

    Attributes
    ----------
    twiss : Twiss
    order : int
        Of the map.
    normal_form : NormalForm
        Of the map at the start.
    """

    twiss: Twiss
    names: tuple[str, ...]
    order: int

    @property
    def _names(self) -> tuple[str, ...]:
        return self.names

    def _theory(self) -> str:
        return f"from the map of order {self.order}"

    def _h(self, powers: Powers, along: bool) -> Any:
        return self._picked(self._generators if along else self._generator, powers, along)

    def _f(self, powers: Powers, along: bool) -> Any:
        return self._picked(self._normalisers if along else self._normaliser, powers, along)

    def _picked(self, functions: InPhasors, powers: Powers, along: bool) -> Any:
        term = functions.term(powers)
        return self.unwound(powers) * term if along else term[0]

    @cached_property
    def contributions(self) -> dict[str, Array]:
        """What each element adds to terms with j + k + l + m + p = 3, (elements,): bends and their faces, too.

        Of higher orders, parts of the ring have generators that do not simply add up.
        """
        sums = InPhasors(-hamiltonian(lie_logarithm(self._maps.truncated(2))))
        powers = {name: exponents_of(name) for name in self.names}
        return {name: np.diff(sums.term(p)) for name, p in powers.items() if sum(p) == 3}

    @property
    def detuning(self) -> Detuning:
        """Of everything that the map knows.

        Raises
        ------
        InputError
            The order of the map is 2.
        """
        tune = self.normal_form.tune
        return Detuning(tune(0, (1,)), tune(0, (0, 1)), tune(1, (0, 1)))

    @cached_property
    def normal_form(self) -> NormalForm:
        """Of the map at the start."""
        return Map.of(self._passed[0], self._passed[1][-1]).without_constant().normal_form()

    # -- maps ----------------------------------------------------------------------------------------------------------

    @cached_property
    def _passed(self) -> tuple[Any, Array]:
        """Space, and coefficients (rows of twiss, 6, size) of the maps from the start to each place."""
        lattice = self.twiss.lattice
        passed = pass_maps(
            lattice, self.order, self.twiss.orbit, places=range(len(lattice)), program=optics_program(lattice)
        )
        return passed.space, np.concatenate([identity_map(passed.space, passed.orbit)[None], passed.at])

    @cached_property
    def _modes(self) -> ModeCoordinates:
        return ModeCoordinates(self.twiss, self.order)

    @cached_property
    def _maps(self) -> Map:
        """t_s of all places."""
        return self._modes.maps(*self._passed)

    @cached_property
    def _turn(self) -> Map:
        """t of the whole turn."""
        return Map([c[-1:] for c in self._maps.components])

    @cached_property
    def _generator(self) -> InPhasors:
        return InPhasors(-hamiltonian(lie_logarithm(self._turn)))

    @cached_property
    def _generators(self) -> InPhasors:
        """t_s^-1, then the turn without its rotation R, then R^-1 t_s R."""
        turned = self._modes.turned(self._maps)
        return InPhasors(-hamiltonian(lie_logarithm(turned @ self._turn @ self._maps.inverse())))

    @cached_property
    def _normalising(self) -> Map:
        """a of the start."""
        return self._modes.normalising(self.normal_form.transformation)

    @cached_property
    def _normaliser(self) -> InPhasors:
        return InPhasors(normaliser(self._normalising))

    @cached_property
    def _normalisers(self) -> InPhasors:
        return InPhasors(normaliser(self._maps @ self._normalising))


def normaliser(given: Map) -> Series:
    """f without functions of the actions alone, of the maps a = exp(:f:) or a exp(:k:), k of the actions alone.

    Such a k changes f from the degree above its own on: it is taken away degree by degree.
    """
    f = hamiltonian(lie_logarithm(given))
    for degree in range(3, given.order + 1):
        given = given @ exponential_map(-of_actions(f, degree))
        f = hamiltonian(lie_logarithm(given))
    return f
