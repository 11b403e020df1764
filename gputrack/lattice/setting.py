"""Setting: values of knobs on a lattice, as arrays; elements are made when they are asked for."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gputrack.base.cache import Entry, Identity
from gputrack.elements import Element
from gputrack.lattice.knobs import Knob, Knobs, Limits, get_parameter, limits_of, set_parameter

if TYPE_CHECKING:
    from gputrack.lattice.places import LatticePlaces

#: parameters on which the length of the reference orbit depends
_LENGTHS = ("length", "angle")
#: sets of knobs in turn with which a lattice is set without being looked at again
_SETS = 32
_LIMITS: Entry[Limits] = Entry("intervals of knobs", _SETS)
_PRESENT: Entry[tuple[np.ndarray, np.ndarray]] = Entry("values of driven parameters", _SETS)
_SWITCHED_OFF: Entry[LatticePlaces] = Entry("lattice with parameters at zero", most=4)
_DRIVEN: Entry[frozenset[int]] = Entry("places that knobs drive", _SETS)
_LEFT: Entry[tuple[Knobs, np.ndarray]] = Entry("knobs without those of others", _SETS)
_MERGED: Entry[tuple[Knobs, np.ndarray]] = Entry("knobs of one setting after another", _SETS)


@dataclass(frozen=True)
class Driven:
    """Some of the parameters that knobs drive.

    Attributes
    ----------
    knobs : Identity
    chosen : bytes
        For each parameter that the knobs drive, whether it is one of them.
    """

    knobs: Identity
    chosen: bytes

    def parameters(self) -> list[tuple[int, str]]:
        """(place, parameter) of each."""
        driven = self.knobs.held.driven
        every = [(place, name) for name, (places, _) in driven.items() for place in places.tolist()]
        return [every[number] for number in np.flatnonzero(np.frombuffer(self.chosen, dtype=bool)).tolist()]


class Form(NamedTuple):
    """What the form of maps follows from: whether a magnet is skew, displaced, ...

    Attributes
    ----------
    lattice : LatticePlaces
        Made of elements, with 0 where that was set.
    others : Driven
        The parameters that are set to other values.
    """

    lattice: LatticePlaces
    others: Driven


@dataclass(frozen=True, eq=False)
class Setting:
    """Values of knobs on a lattice.

    Attributes
    ----------
    origin : lattice
        Made of elements: it has no setting itself.
    knobs : Knobs
    numbers : (n,) array
    """

    origin: LatticePlaces
    knobs: Knobs
    numbers: np.ndarray

    def changes(self, *parameters: str) -> bool:
        """Whether some of these parameters are set."""
        return any(name in self.knobs.driven for name in parameters)

    @property
    def changes_lengths(self) -> bool:
        """Whether parameters are set on which lengths of the reference orbit depend."""
        return changes_lengths(self.knobs)

    def admits(self, knobs: Knobs, numbers: np.ndarray) -> bool:
        """Whether values of knobs are right without a look at elements one by one."""
        find = lambda: limits_of(self.origin.elements, knobs)  # noqa: E731
        return self.origin.cache.get(_LIMITS, find, Identity(knobs)).admit(numbers)

    def followed_by(self, knobs: Knobs, numbers: np.ndarray) -> Setting:
        """With further knobs, which override what is set of the same parameters.

        A setting does not grow with the number of times that a parameter is set.
        """
        if knobs is self.knobs or not len(self.knobs):
            return replace(self, knobs=knobs, numbers=numbers)
        key = Identity(self.knobs), Identity(knobs)
        merged, rest = self.origin.cache.get(_MERGED, lambda: _merged(self.knobs, knobs), *key)
        return replace(self, knobs=merged, numbers=np.concatenate([self.numbers[rest], numbers]))

    def form(self) -> Form:
        """Form of the maps for these values."""
        own, cache = Identity(self.knobs), self.origin.cache
        driving, present = cache.get(_PRESENT, lambda: _present(self.origin, self.knobs), own)
        zero = (self.numbers == 0.0)[driving]
        switched_off = zero & (present != 0.0)
        lattice = self.origin
        if switched_off.any():
            off = Driven(own, switched_off.tobytes())
            lattice = cache.get(_SWITCHED_OFF, lambda: _without(self.origin, off.parameters()), off)
        return Form(lattice, Driven(own, (~zero).tobytes()))

    def drives(self, place: int) -> bool:
        """Whether a parameter of the element at a place is set."""
        place = operator.index(place) % max(1, len(self.origin))
        return place in self.origin.cache.get(_DRIVEN, lambda: _places(self.knobs), Identity(self.knobs))

    def without(self, knobs: Knobs) -> tuple[Knobs, np.ndarray]:
        """What is set, and the values, but for parameters that other knobs drive."""
        key = Identity(self.knobs), Identity(knobs)
        left, rest = self.origin.cache.get(_LEFT, lambda: _left(self.knobs, knobs), *key)
        return left, self.numbers[rest]

    def elements(self) -> tuple[Element, ...]:
        """All elements."""
        return with_parameters(self.origin.elements, self.knobs, self.numbers)

    def values(self, parameter: str, present: np.ndarray) -> np.ndarray:
        """(elements,) Values of a parameter, from those of the origin."""
        if parameter not in self.knobs.driven:
            return present
        places, driving = self.knobs.driven[parameter]
        values = present.copy()
        values[places] = self.numbers[driving]
        return values

    def lengths(self) -> np.ndarray:
        """(elements,) Lengths of the reference orbit [m]."""
        lengths = self.origin.lengths
        elements, driven = self.origin.elements, self.knobs.driven
        changed = {place for name in _LENGTHS if name in driven for place in driven[name][0].tolist()}
        kinds: dict[type[Element], list[int]] = {}
        for place in sorted(changed):
            kinds.setdefault(type(elements[place]), []).append(place)
        present = {name: np.array([getattr(e, name, 0.0) for e in elements]) for name in _LENGTHS if changed}
        values = {name: self.values(name, column) for name, column in present.items()}
        for kind, places in kinds.items():
            lengths[places] = kind.arc_length_of({name: column[places] for name, column in values.items()})
        return lengths


def _present(lattice: LatticePlaces, knobs: Knobs) -> tuple[np.ndarray, np.ndarray]:
    """For each parameter that knobs drive the number of its knob, and its value in a lattice."""
    driving, values = [np.zeros(0, dtype=int)], [np.zeros(0)]
    for parameter, (places, numbers) in knobs.driven.items():
        driving.append(numbers)
        values.append(np.array([get_parameter(lattice.elements[i], parameter) for i in places.tolist()]))
    return np.concatenate(driving), np.concatenate(values)


def _without(lattice: LatticePlaces, parameters: Sequence[tuple[int, str]]) -> LatticePlaces:
    """A lattice with some parameters at 0."""
    changed = list(lattice.elements)
    for place, parameter in parameters:
        changed[place] = set_parameter(changed[place], parameter, 0.0)
    return lattice.made_of(changed)


def with_parameters(elements: Sequence[Element], knobs: Knobs, numbers: np.ndarray) -> tuple[Element, ...]:
    """Elements with the parameters that knobs drive, each checked."""
    changed = list(elements)
    for knob, value in zip(knobs, numbers.tolist(), strict=True):
        for i in knob.places:
            changed[i] = set_parameter(changed[i], knob.parameter, value)
    return tuple(changed)


def without_parameters(knobs: Knobs, taken: set[tuple[int, str]]) -> Knobs:
    """The same knobs without some of the (place, parameter) that they drive."""
    free = [[place for place in knob.places if (place, knob.parameter) not in taken] for knob in knobs]
    return Knobs(tuple(Knob(k.handle, tuple(p), k.parameter, k.value) for k, p in zip(knobs, free, strict=True)))


def parameters_of(knobs: Knobs) -> set[tuple[int, str]]:
    """(place, parameter) that knobs drive."""
    return {(place, knob.parameter) for knob in knobs for place in knob.places}


def _places(knobs: Knobs) -> frozenset[int]:
    return frozenset(place for knob in knobs for place in knob.places)


def changes_lengths(knobs: Knobs) -> bool:
    """Whether knobs drive parameters on which lengths of the reference orbit depend."""
    return any(name in knobs.driven for name in _LENGTHS)


def _left(first: Knobs, second: Knobs) -> tuple[Knobs, np.ndarray]:
    """Knobs without the parameters that others drive, and the numbers of those that are left."""
    if not parameters_of(first) & parameters_of(second):
        return first, np.arange(len(first))
    free = without_parameters(first, parameters_of(second))
    rest = [number for number, knob in enumerate(free) if knob.places]
    return Knobs(tuple(free[number] for number in rest)), np.array(rest, dtype=int)


def _merged(first: Knobs, second: Knobs) -> tuple[Knobs, np.ndarray]:
    """Knobs of one setting after another, and the numbers of those of the first that are left."""
    left, rest = _left(first, second)
    return (left + second if len(left) else second), rest
