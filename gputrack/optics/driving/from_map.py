"""Driving terms from the one-turn map, to any order: its Lie generator and the generating function of its normal form.

In the coordinates w of the linear normal modes at the start, about the dispersive orbit, let t_s be the map from the
start to a place s without its linear part. For the whole turn, t = exp(-:h:) by definition. At s the one-turn map is
t_s m t_s^-1, and its normalising map is t_s a, with a that at the start: all places form one batch of maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced
from gputrack.base.checks import require_integer
from gputrack.base.errors import InputError
from gputrack.lattice.optics_program import identity_map, recording_program, turn_program
from gputrack.optics.driving.first_order import detuning_of
from gputrack.optics.driving.mode_coordinates import ModeCoordinates
from gputrack.optics.driving.names import TERMS, Powers, exponents_of
from gputrack.optics.driving.normal_form import generator, normal_form, normaliser
from gputrack.optics.driving.phasors import InPhasors
from gputrack.optics.driving.result import Detuning, DrivingMethod, DrivingTerms
from gputrack.optics.linear.twiss_columns import Twiss
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.map import Map


@dataclass(frozen=True)
class FromMap(DrivingMethod):
    """Driving terms of the one-turn map: all effects included in tracking, to all orders of the strengths.

    Parameters
    ----------
    order : int
        Order of the map, >= 2: terms have j + k + l + m + p <= order + 1.
    """

    order: int = 3

    def __post_init__(self) -> None:
        require_integer("FromMap", "order", self.order, at_least=2)

    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> MapTerms:
        """See `driving_terms`."""
        if names is None:
            names = tuple(name for name in TERMS if 3 <= sum(exponents_of(name)) <= self.order + 1)
        for name in names:
            degree = sum(exponents_of(name))
            if degree < 3:
                raise InputError(f"driving_terms: FromMap has no linear terms, got {name}; use FirstOrder")
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
        Order of the map.
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
        return self._term(self._generators if along else self._generator, powers, along)

    def _f(self, powers: Powers, along: bool) -> Any:
        return self._term(self._normalisers if along else self._normaliser, powers, along)

    def _term(self, functions: InPhasors, powers: Powers, along: bool) -> Any:
        term = functions.term(powers)
        return self.unwound(powers) * term if along else term[0]

    @cached_property
    def contributions(self) -> dict[str, Array]:
        """Contribution of each element to terms with j + k + l + m + p = 3, (elements,), bends and faces included.

        Contributions to terms of higher orders are not additive.
        """
        sums = InPhasors(generator(self._maps.truncated(2)))
        powers = {name: exponents_of(name) for name in self.names}
        return {name: anp.diff(sums.term(p)) for name, p in powers.items() if sum(p) == 3}

    @property
    def detuning(self) -> Detuning:
        """Tune shifts with amplitude from the normal form of the map.

        Raises
        ------
        InputError
            The order of the map is 2.
        """
        if self.order < 3:
            raise InputError(f"DrivingTerms: detuning needs FromMap(3), got FromMap({self.order})")
        shifts = InPhasors(generator(self._normal_form[1]))
        return detuning_of(*(shifts.term(exponents_of(name))[0] for name in ("h22000", "h11110", "h00220")))

    # -- maps ----------------------------------------------------------------------------------------------------------

    def _passed(self, places: range) -> Map:
        """Maps t_s from the start to the exits of the given elements, or to the end if there are none."""
        lattice = self.twiss.lattice
        program = None if lattice.traced else recording_program(lattice) if places else turn_program(lattice)
        passed = pass_maps(lattice, self.order, self.twiss.orbit, places=places, program=program)
        if not places:
            return self._modes.maps(passed.space, passed.final[None], slice(-1, None))
        start = identity_map(passed.space, np.array(untraced(passed.orbit)))[None]
        return self._modes.maps(passed.space, anp.concatenate([start, passed.at]), slice(None))

    @cached_property
    def _modes(self) -> ModeCoordinates:
        return ModeCoordinates(self.twiss, self.order)

    @cached_property
    def _maps(self) -> Map:
        """Maps t_s of all places."""
        return self._passed(range(len(self.twiss.lattice)))

    @cached_property
    def _turn(self) -> Map:
        """Map t of the whole turn."""
        if "_maps" in self.__dict__:
            return Map([c[-1:] for c in self._maps.components])
        return self._passed(range(0))

    @cached_property
    def _generator(self) -> InPhasors:
        return InPhasors(generator(self._turn))

    @cached_property
    def _generators(self) -> InPhasors:
        """Generators of t_s^-1, followed by the turn without its rotation R, followed by R^-1 t_s R."""
        turned = self._modes.conjugated(self._maps)
        return InPhasors(generator(turned @ self._turn @ self._maps.inverse()))

    @cached_property
    def _normal_form(self) -> tuple[Map, Map]:
        return normal_form(self._modes, self._turn)

    @cached_property
    def _normaliser(self) -> InPhasors:
        return InPhasors(normaliser(self._normal_form[0]))

    @cached_property
    def _normalisers(self) -> InPhasors:
        return InPhasors(normaliser(self._maps @ self._normal_form[0]))
