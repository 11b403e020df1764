"""Argument validation: parameters of elements are converted to finite floats, series to tuples of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gputrack.base.arrays import is_traced
from gputrack.elements.interval import ANY
from gputrack.elements.parameters import Declaration, declarations, per_class, series_names

if TYPE_CHECKING:
    from gputrack.elements.element import Element

MAX_MULTIPOLE_ORDER = 20


def validated(element: Element) -> dict[str, object]:
    """Parameters and series of an element as finite floats and tuples of them, where they are not that already.

    Raises
    ------
    InputError
        A value is not a finite number, or not valid for its parameter.
    """
    kind = type(element)
    converted: dict[str, object] = {}
    for name, own in _parameters(kind).items():
        given = getattr(element, name)
        value = given
        if type(value) is not float or not math.isfinite(value):
            value = finite_number(element, name, given, own.may_be_none)
        if own.valid is not ANY and value is not None and value not in own.valid:
            unit = f" {own.unit}" if own.unit else ""
            raise element.input_error(f"{name} must be {own.valid}{unit}, got {value!r}")
        if value is not given:
            converted[name] = value
    for name in series_names(kind):
        converted[name] = number_series(element, name, getattr(element, name))
    return converted


@per_class
def _parameters(kind: type[Element]) -> Mapping[str, Declaration]:
    return {name: own for name, own in declarations(kind).items() if own.is_parameter}


def finite_number(element: Element, name: str, value: object, may_be_none: bool = False) -> float | None:
    """A value as a finite float, or None where it may be that.

    Raises
    ------
    InputError
        It is not a finite number.
    """
    if value is None and may_be_none:
        return None
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise element.input_error(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        if is_traced(value):
            handle = f"{element.name}.{name}"
            raise element.input_error(
                f"{name} is being differentiated; set it by lattice.with_knobs(lattice.knobs({handle!r}), values)"
            ) from None
        raise element.input_error(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise element.input_error(f"{name} must be finite, got {value!r}")
    return number


def number_series(
    element: Element, name: str, value: object, longest: int | None = MAX_MULTIPOLE_ORDER + 1
) -> tuple[float, ...]:
    """A value as a tuple of finite floats.

    Parameters
    ----------
    element, name
        For messages.
    value : object
    longest : int, optional
        Largest number of entries.

    Raises
    ------
    InputError
        It is not a list of finite numbers, or too long.
    """
    if isinstance(value, (str, bytes)):
        raise element.input_error(f"{name} must be a list of numbers, got {value!r}")
    try:
        entries: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
    except TypeError:
        raise element.input_error(f"{name} must be a list of numbers, got {value!r}") from None
    if longest is not None and len(entries) > longest:
        order = longest - 1
        raise element.input_error(f"{name} may have {longest} entries (order {order}), got {len(entries)}")
    return tuple(finite_number(element, f"{name}[{i}]", v) for i, v in enumerate(entries))  # type: ignore[misc]
