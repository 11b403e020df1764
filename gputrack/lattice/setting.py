"""Setting: values of knobs on a lattice, as arrays; elements are made on first use."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gputrack.base.cache import Entry, Identity
from gputrack.elements import Element
from gputrack.lattice.knobs import Knobs, Limits, get_parameter, limits_of, set_parameter

if TYPE_CHECKING:
    from gputrack.lattice.places import LatticePlaces

#: parameters on which the length of the reference orbit depends
_LENGTHS = ("length", "angle")
#: sets of knobs for which results are cached
_SETS = 32
_LIMITS: Entry[Limits] = Entry("intervals of knobs", _SETS)
_PRESENT: Entry[tuple[np.ndarray, np.ndarray]] = Entry("values of driven parameters", _SETS)
_SWITCHED_OFF: Entry[LatticePlaces] = Entry("lattice with parameters at zero", most=4)
_DRIVEN: Entry[frozenset[int]] = Entry("places that knobs drive", _SETS)
_LEFT: Entry[tuple[Knobs, np.ndarray]] = Entry("knobs without those of others", _SETS)
_MERGED: Entry[tuple[Knobs, np.ndarray]] = Entry("knobs of successive settings", _SETS)


@dataclass(frozen=True)
class Driven:
    """A subset of the parameters that knobs drive.

    Attributes
    ----------
    knobs : Identity
    chosen : bytes
        Whether each of the driven parameters belongs to the subset.
    """

    knobs: Identity
    chosen: bytes

    def parameters(self) -> list[tuple[int, str]]:
        """(place, parameter) of each."""
        driven = self.knobs.held.driven
        every = [(place, name) for name, (places, _) in driven.items() for place in places.tolist()]
        return [every[number] for number in np.flatnonzero(np.frombuffer(self.chosen, dtype=bool)).tolist()]


class Form(NamedTuple):
    """Data that determine the form of the maps: whether a magnet is skew, displaced, ...

    Attributes
    ----------
    lattice : LatticePlaces
        Lattice of elements, with parameters that are set to 0.
    others : Driven
        Parameters set to other values.
    """

    lattice: LatticePlaces
    others: Driven


@dataclass(frozen=True, eq=False)
class Setting:
    """Values of knobs on a lattice.

    Attributes
    ----------
    origin : lattice
        Lattice of elements, without a setting itself.
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
        """Whether lengths of the reference orbit depend on its parameters."""
        return changes_lengths(self.knobs)

    def admits(self, knobs: Knobs, numbers: np.ndarray) -> bool:
        """Whether values of knobs are known to be valid without a check of each element."""
        find = lambda: limits_of(self.origin.elements, knobs)  # noqa: E731
        return self.origin.cache.get(_LIMITS, find, Identity(knobs)).admit(numbers)

    def followed_by(self, knobs: Knobs, numbers: np.ndarray) -> Setting:
        """Setting with further knobs, which override earlier values of the same parameters.

        Its size does not grow when parameters are set repeatedly.
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
        """Whether a parameter of an element is set, by its index."""
        place = operator.index(place) % max(1, len(self.origin))
        return place in self.origin.cache.get(_DRIVEN, lambda: _places(self.knobs), Identity(self.knobs))

    def without(self, knobs: Knobs) -> tuple[Knobs, np.ndarray]:
        """Knobs and values of the setting, without parameters that other knobs drive."""
        key = Identity(self.knobs), Identity(knobs)
        left, rest = self.origin.cache.get(_LEFT, lambda: _left(self.knobs, knobs), *key)
        return left, self.numbers[rest]

    def elements(self) -> tuple[Element, ...]:
        """All elements."""
        return with_parameters(self.origin.elements, self.knobs, self.numbers)

    def values(self, parameter: str, present: np.ndarray) -> np.ndarray:
        """(elements,) Values of a parameter, given those of the origin."""
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
    """Number of the knob of each driven parameter, and the parameter's value in a lattice."""
    driving, values = [np.zeros(0, dtype=int)], [np.zeros(0)]
    for parameter, (places, numbers) in knobs.driven.items():
        driving.append(numbers)
        values.append(np.array([get_parameter(lattice.elements[i], parameter) for i in places.tolist()]))
    return np.concatenate(driving), np.concatenate(values)


def _without(lattice: LatticePlaces, parameters: Sequence[tuple[int, str]]) -> LatticePlaces:
    """Lattice with some parameters set to 0."""
    changed = list(lattice.elements)
    for place, parameter in parameters:
        changed[place] = set_parameter(changed[place], parameter, 0.0)
    return lattice.made_of(changed)


def with_parameters(elements: Sequence[Element], knobs: Knobs, numbers: np.ndarray) -> tuple[Element, ...]:
    """Elements with values of knobs, each validated."""
    changed = list(elements)
    for knob, value in zip(knobs, numbers.tolist(), strict=True):
        for i in knob.places:
            changed[i] = set_parameter(changed[i], knob.parameter, value)
    return tuple(changed)


def without_parameters(knobs: Knobs, taken: set[tuple[int, str]]) -> Knobs:
    """Knobs without some of the (place, parameter) that they drive."""
    free = [[place for place in knob.places if (place, knob.parameter) not in taken] for knob in knobs]
    return Knobs(tuple(replace(k, places=tuple(p)) for k, p in zip(knobs, free, strict=True)))


def parameters_of(knobs: Knobs) -> set[tuple[int, str]]:
    """(place, parameter) that knobs drive."""
    return {(place, knob.parameter) for knob in knobs for place in knob.places}


def _places(knobs: Knobs) -> frozenset[int]:
    return frozenset(place for knob in knobs for place in knob.places)


def changes_lengths(knobs: Knobs) -> bool:
    """Whether lengths of the reference orbit depend on parameters that knobs drive."""
    return any(name in knobs.driven for name in _LENGTHS)


def _left(first: Knobs, second: Knobs) -> tuple[Knobs, np.ndarray]:
    """Knobs without the parameters that others drive, and the numbers of those that remain."""
    if not parameters_of(first) & parameters_of(second):
        return first, np.arange(len(first))
    free = without_parameters(first, parameters_of(second))
    rest = [number for number, knob in enumerate(free) if knob.places]
    return Knobs(tuple(free[number] for number in rest)), np.array(rest, dtype=int)


def _merged(first: Knobs, second: Knobs) -> tuple[Knobs, np.ndarray]:
    """Knobs of two successive settings, and the numbers of those of the first that remain."""
    left, rest = _left(first, second)
    return (left + second if len(left) else second), rest
