"""Argument validation of plain values; each error names the owner, the argument, its value and the remedy."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from gputrack.base.arrays import is_traced, untraced
from gputrack.base.errors import InputError

MOST_PARTICLES = 10**10  # 480 GB of coordinates
LARGEST_INTEGER = 2**31 - 1  # kernels count with 32 bits
MOST_STEPS = 10**5  # slices or kicks of one element


def require_number(
    owner: str,
    name: str,
    value: object,
    *,
    unit: str = "",
    at_least: float | None = None,
    above: float | None = None,
) -> float:
    """Return `value` as a finite float, not below `at_least` and greater than `above`.

    Raises
    ------
    InputError
        It is not a number, not finite, or out of range; the message starts with `owner`.
    """
    end = f" {unit}" if unit else ""
    # NumPy's complex, bool and text would convert, some of them silently.
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if isinstance(value, (bool, str, bytes)) or kind not in "fiu" or getattr(value, "ndim", 0) != 0:
        raise InputError(f"{owner}: {name} must be one number, got {short(value)}")
    if is_traced(value):
        raise InputError(f"{owner}: {name} cannot be differentiated; give a plain number, not one traced by autograd")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{owner}: {name} must be one number, got {short(value)}") from None
    if not math.isfinite(number):
        raise InputError(f"{owner}: {name} must be finite, got {number!r}")
    if at_least is not None and number < at_least:
        raise InputError(f"{owner}: {name} must be >= {at_least:g}{end}, got {number!r}")
    if above is not None and number <= above:
        raise InputError(f"{owner}: {name} must be > {above:g}{end}, got {number!r}")
    return number


def require_traceable(
    owner: str,
    name: str,
    value: Any,
    *,
    unit: str = "",
    at_least: float | None = None,
    above: float | None = None,
) -> Any:
    """As `require_number`, but a number traced by autograd is returned unchanged once its value is checked."""
    number = require_number(owner, name, untraced(value), unit=unit, at_least=at_least, above=above)
    return value if is_traced(value) else number


def require_integer(owner: str, name: str, value: object, *, at_least: int, at_most: float = LARGEST_INTEGER) -> int:
    """Return `value` as an int in the given range, or raise `InputError` as `require_number` does."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < at_least:
        raise InputError(f"{owner}: {name} must be an integer >= {at_least}, got {short(value)}")
    if number > at_most:
        raise InputError(f"{owner}: {name} must be <= {at_most:.0f}, got {short(number)}")
    return number


def require_unmasked(owner: str, name: str, value: object) -> None:
    """Raise `InputError` for a masked array with hidden entries: the numbers under a mask have no meaning."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        hidden = int(np.sum(np.ma.getmaskarray(value)))
        raise InputError(f"{owner}: {name} has {hidden} masked entries; remove them, or fill them with .filled(...)")


def require_count(owner: str, name: str, value: object) -> int:
    """Return a number of particles, from 1 to `MOST_PARTICLES`, or raise `InputError`."""
    number = require_integer(owner, name, value, at_least=1, at_most=math.inf)
    if number > MOST_PARTICLES:
        raise InputError(f"{owner}: {name} must be <= {MOST_PARTICLES:g} particles, got {short(number)}")
    return number


def require_flag(owner: str, name: str, value: object) -> bool:
    """Return `value` if it is True or False, or raise `InputError`."""
    if not isinstance(value, bool):
        raise InputError(f"{owner}: {name} must be True or False, got {short(value)}")
    return value


def require_items(owner: str, name: str, value: object, entries: tuple[str, ...]) -> tuple[object, ...]:
    """Return `value` as a tuple with one item for each of the named `entries`, or raise `InputError`."""
    try:
        items = () if isinstance(value, (str, bytes)) else tuple(value)  # type: ignore[arg-type]
    except TypeError:
        items = ()
    if len(items) != len(entries):
        raise InputError(f"{owner}: {name} must be ({', '.join(entries)}), got {short(value)}")
    return items


def short(value: object) -> str:
    """`repr` of a value on one line of at most 80 characters."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**60:
        return f"an integer of {value.bit_length()} bits"  # digits of huge ones are not printed by Python
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
