"""Knobs: handles to parameters of elements, their intervals, and how values are read and set."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, overload

import numpy as np

from gputrack.base.checks import require_number, require_unmasked, short
from gputrack.base.errors import InputError
from gputrack.elements import Element
from gputrack.elements.parameters import free_parameters, parameter_names, series_names
from gputrack.lattice.element_order import ElementOrder


@dataclass(frozen=True, eq=False)
class Limits:
    """Open intervals in which all values of knobs are valid.

    Attributes
    ----------
    knobs : Knobs
    low, high : (n,) arrays
        Empty intervals where elements must be validated one by one.
    """

    knobs: Knobs
    low: np.ndarray
    high: np.ndarray

    def admit(self, numbers: np.ndarray) -> bool:
        """Whether all of these values are valid."""
        return bool((np.isfinite(numbers) & (self.low < numbers) & (numbers < self.high)).all())


def limits_of(elements: Sequence[Element], knobs: Knobs) -> Limits:
    """Intervals for knobs of elements."""
    low, high = np.full(len(knobs), -np.inf), np.full(len(knobs), np.inf)
    known: dict[int, dict[str, tuple[float, float]]] = {}
    for parameter, (places, numbers) in knobs.driven.items():
        for place, number in zip(places.tolist(), numbers.tolist(), strict=True):
            element = elements[place]
            if id(element) not in known:
                known[id(element)] = intervals(element)
            below, above = known[id(element)].get(parameter, (np.inf, -np.inf))
            low[number], high[number] = max(low[number], below), min(high[number], above)
    return Limits(knobs, low, high)


def intervals(element: Element) -> dict[str, tuple[float, float]]:
    """Interval of each free parameter, entries of series (``"knl[2]"``) separately."""
    found: dict[str, tuple[float, float]] = {}
    for name, interval in free_parameters(element).items():
        value = getattr(element, name)
        if isinstance(value, tuple):
            found |= {f"{name}[{n}]": interval for n in range(len(value))}
        else:
            found[name] = interval
    return found


REFERENCE_KNOB = "reference.p0c"


@dataclass(frozen=True)
class Knob:
    """A handle to one parameter of one or more elements.

    Attributes
    ----------
    handle : str
    places : tuple of int
        Indices of the elements.
    parameter : str
        ``"k1"``, ``"knl[2]"``, ...
    value : float
        Present value.
    order : ElementOrder, optional
        Elements of the lattice to which the places belong. In another lattice the knob drives the same occurrences of
        the same names. Without it, as for knobs made by hand, places count in any lattice.
    """

    handle: str
    places: tuple[int, ...]
    parameter: str
    value: float
    order: ElementOrder | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("handle", "parameter"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"Knob: {name} must be text, got {short(getattr(self, name))}")
        if not isinstance(self.places, tuple) or not all(isinstance(place, (int, np.integer)) for place in self.places):
            raise InputError(f"Knob: places must be a tuple of indices of elements, got {short(self.places)}")
        require_number("Knob", "value", self.value)

    def bound_to(self, order: ElementOrder) -> Knob:
        """The knob for a lattice with elements in this order; itself if that is its own.

        Raises
        ------
        InputError
            Names, their occurrences or classes differ there; or, for a knob without an order, there is no such place.
        """
        if self.order is None:
            missing = [place for place in self.places if not 0 <= place < len(order.names)]
            if missing:
                raise InputError(f"knob {self.handle!r}: there is no element {missing[0]}")
            return self
        if self.order is order or self.order == order:
            return self
        try:
            places = tuple(self.order.corresponding(place, order) for place in self.places)
        except InputError as error:
            raise InputError(
                f"knob {self.handle!r} is one of another lattice: {error}; take it from this lattice: "
                f"lattice.knobs({self.handle!r})"
            ) from None
        return replace(self, places=places, order=order)


@dataclass(frozen=True, repr=False)
class Knobs(Sequence[Knob]):
    """Several knobs, with their present values; slices and sums are Knobs too."""

    items: tuple[Knob, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.items, tuple) or not all(isinstance(knob, Knob) for knob in self.items):
            raise InputError(f"Knobs: items must be a tuple of gputrack.Knob, got {short(self.items)}")

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, key: int) -> Knob: ...
    @overload
    def __getitem__(self, key: slice) -> Knobs: ...
    def __getitem__(self, key: int | slice) -> Knob | Knobs:
        return Knobs(self.items[key]) if isinstance(key, slice) else self.items[key]

    def __add__(self, other: Knobs) -> Knobs:
        return Knobs(self.items + other.items) if isinstance(other, Knobs) else NotImplemented

    def __repr__(self) -> str:
        shown = [f"{knob.handle}={knob.value:.6g}" for knob in self.items[:8]]
        more = f", ... {len(self) - 8} more" if len(self) > 8 else ""
        return f"<Knobs: {', '.join(shown)}{more}>"

    @property
    def values(self) -> np.ndarray:
        """Present values, shape (n,)."""
        return np.array([knob.value for knob in self.items])

    @cached_property
    def driven(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each parameter the places of the driven elements, and the number of the knob that drives each."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for number, knob in enumerate(self.items):
            places, numbers = found.setdefault(knob.parameter, ([], []))
            places += knob.places
            numbers += [number] * len(knob.places)
        return {name: (np.array(p, dtype=int), np.array(n, dtype=int)) for name, (p, n) in found.items() if p}

    @cached_property
    def of_reference(self) -> np.ndarray:
        """(n,) Whether a knob is the momentum of the reference particle."""
        return np.array([knob.handle == REFERENCE_KNOB for knob in self.items], dtype=bool)


def bound_knobs(knobs: Knobs, order: ElementOrder) -> Knobs:
    """Knobs for a lattice with elements in this order, see `Knob.bound_to`; `knobs` itself if they are that already."""
    bound = tuple(knob.bound_to(order) for knob in knobs)
    return knobs if all(map(operator.is_, bound, knobs)) else Knobs(bound)


def knob_values(knobs: Knobs, values: Any) -> np.ndarray:
    """Values for knobs as an array (n,); raises `InputError` if their number is wrong."""
    require_unmasked("with_knobs", "values", values)
    try:
        numbers = np.asarray(values, dtype=float).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"with_knobs: values must be {len(knobs)} numbers: {error}") from error
    if numbers.shape != (len(knobs),):
        raise InputError(f"with_knobs: {len(knobs)} knobs need as many values, got {numbers.size}")
    return numbers


def _split(element: Element, parameter: str) -> tuple[str, int | None]:
    name, bracket, rest = parameter.partition("[")
    kind = type(element)
    if not bracket and name in parameter_names(kind):
        return name, None
    if bracket and name in series_names(kind) and rest.endswith("]") and rest[:-1].isdigit():
        return name, int(rest[:-1])
    known = [*parameter_names(kind), *(f"{series}[n]" for series in series_names(kind))]
    raise InputError(f"{kind.__name__} {element.name!r} has no parameter {parameter!r}; it has {', '.join(known)}")


def get_parameter(element: Element, parameter: str) -> float:
    """Value of ``"k1"``, ``"knl[2]"``, ...; 0 beyond the end of a series."""
    name, order = _split(element, parameter)
    value = getattr(element, name)
    if order is not None:
        return float(value[order]) if order < len(value) else 0.0
    if value is None:
        raise InputError(
            f"{type(element).__name__} {element.name!r}: {name} follows from other parameters; "
            "set it on the element before making it a knob"
        )
    return float(value)


def set_parameter(element: Element, parameter: str, value: float) -> Element:
    """A copy of `element` with one parameter set."""
    name, order = _split(element, parameter)
    if order is None:
        return element.replaced(**{name: value})
    series = list(getattr(element, name))
    series += [0.0] * (order + 1 - len(series))
    series[order] = value
    return element.replaced(**{name: tuple(series)})
