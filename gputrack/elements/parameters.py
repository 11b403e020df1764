"""Parameters of element classes, declared with units, valid values, and intervals in which they can vary freely.

    @dataclass(frozen=True, kw_only=True)
    class Lens(Element):
        strength: float = parameter(0.0, unit="1/m", free=ANY)
        errors: tuple[float, ...] = series(unit="m^-n")
        slices: int = option(1)

Parameters and entries of series have derivatives, options have none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, overload

from gputrack.elements.interval import ANY, Interval

if TYPE_CHECKING:
    from gputrack.elements.element import Element

_KEY = "gputrack"
T = TypeVar("T")


@dataclass(frozen=True)
class Declaration:
    """Declared properties of a field of an element class, see `parameter`, `series` and `option`."""

    unit: str = ""
    valid: Interval = ANY
    free: Interval | None = None
    is_parameter: bool = False
    is_series: bool = False
    may_be_none: bool = False


@overload
def parameter(
    default: float = 0.0, *, unit: str = "", valid: Interval = ANY, free: Interval | None = None
) -> float: ...
@overload
def parameter(
    default: None, *, unit: str = "", valid: Interval = ANY, free: Interval | None = None
) -> float | None: ...
def parameter(
    default: float | None = 0.0, *, unit: str = "", valid: Interval = ANY, free: Interval | None = None
) -> float | None:
    """Declare a field that is a real number and has a derivative.

    Parameters
    ----------
    default : float or None
        None for a parameter that by default follows from others; its annotation is ``float | None``.
    unit : str
        For messages.
    valid : Interval
        Values that the element accepts; others raise `InputError`.
    free : Interval, optional
        Interval in which any value is valid independently of other parameters, and changes only constants of the maps
        (or `Element.same_maps` checks this). New values in it reach the constants as arrays, without new elements; a
        parameter with a present value outside is not free. By default a new element is made for each value, which is
        always correct, but slow. A class that validates an inherited parameter declares it again.
    """
    made = Declaration(unit, valid, free, is_parameter=True, may_be_none=default is None)
    field: Any = dataclasses.field(default=default, metadata={_KEY: made})
    return field  # type: ignore[no-any-return]


def series(*, unit: str = "", free: Interval | None = None) -> tuple[float, ...]:
    """Declare a field that is a list of real numbers, each of which has a derivative; see `parameter`."""
    field: Any = dataclasses.field(default=(), metadata={_KEY: Declaration(unit, ANY, free, is_series=True)})
    return field  # type: ignore[no-any-return]


#: metadata of a field without a derivative, for `dataclasses.field`
OPTION: Mapping[str, Declaration] = {_KEY: Declaration()}


def option(default: Any = MISSING) -> Any:
    """Declare a field without a derivative: a choice, a flag, any hashable object; without default it must be given."""
    return dataclasses.field(default=default, metadata=OPTION)


def per_class(function: Callable[[type[Element]], T]) -> Callable[[type[Element]], T]:
    """Evaluate a function of an element class once for each class."""
    cached: Any = cache(function)
    return cached  # type: ignore[no-any-return]


@per_class
def declarations(kind: type[Element]) -> Mapping[str, Declaration]:
    """Declarations of all fields of an element class, in their order.

    Raises
    ------
    TypeError
        A field is not declared.
    """
    for field in dataclasses.fields(kind):
        if _KEY not in field.metadata:
            raise TypeError(
                f"{kind.__name__}: field {field.name!r} is not declared; write "
                f"{field.name}: ... = parameter(...), series(...) or option(...), see gputrack.elements.parameters"
            )
    return {field.name: field.metadata[_KEY] for field in dataclasses.fields(kind)}


@per_class
def _names(kind: type[Element]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = declarations(kind).items()
    return tuple(n for n, d in found if d.is_parameter), tuple(n for n, d in found if d.is_series)


def parameter_names(kind: type[Element]) -> tuple[str, ...]:
    """Names of the real parameters of an element class."""
    return _names(kind)[0]


def series_names(kind: type[Element]) -> tuple[str, ...]:
    """Names of the parameters that are lists of numbers."""
    return _names(kind)[1]


def free_parameters(element: Element) -> dict[str, tuple[float, float]]:
    """Parameters and series that can vary freely, with the limits between which they can; see `parameter`."""
    fixed = element.fixed()
    return {
        name: limits for name, interval, limits in _free(type(element))
        if name not in fixed and _inside(getattr(element, name), interval)
    }  # fmt: skip


@per_class
def _free(kind: type[Element]) -> list[tuple[str, Interval, tuple[float, float]]]:
    return [(n, d.free, d.free.limits()) for n, d in declarations(kind).items() if d.free is not None]


def _inside(value: Any, interval: Interval) -> bool:
    return isinstance(value, tuple) or (value is not None and value in interval)


def parameters_of(element: Element) -> dict[str, Any]:
    """Parameters of one element for map calls: numbers (0 in place of None), and lists of numbers."""
    numbers, lists = _names(type(element))
    p: dict[str, Any] = {name: getattr(element, name) or 0.0 for name in numbers}
    return p | {name: list(getattr(element, name)) for name in lists}
