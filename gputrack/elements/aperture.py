"""Apertures: rectangle, ellipse, or both. Particles outside are lost with code APERTURE."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gputrack.base.errors import InputError
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.roles import Role


@dataclass(frozen=True)
class Aperture:
    """Half widths [m] of a rectangle, an ellipse, or the intersection of both.

    Parameters
    ----------
    rectangle : (float, float), optional
        Half width in x and half height in y.
    ellipse : (float, float), optional
        Half axes in x and y.

    Raises
    ------
    InputError
        Neither is given, or a half width is not a number > 0.
    """

    rectangle: tuple[float, float] | None = None
    ellipse: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.rectangle is None and self.ellipse is None:
            raise InputError("Aperture: give rectangle=(a, b), ellipse=(a, b) or both")
        for name in ("rectangle", "ellipse"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _pair(name, value))


def _pair(name: str, value: Any) -> tuple[float, float]:
    try:
        a, b = (float(v) for v in value)
    except (TypeError, ValueError):
        a = b = math.nan
    if not (a > 0 and b > 0):
        raise InputError(f"Aperture: {name} must be two half widths > 0 m, got {value!r}")
    return a, b


def aperture(s: State, op: Any, ref: ReferenceValues) -> State:
    """Identity: the loop over maps evaluates `inside` and marks losses."""
    return s


def inside(s: State, op: Any) -> Any:
    """Mask of particles inside: |x| <= a, |y| <= b, and (x/c)^2 + (y/d)^2 <= 1.

    Constants are reciprocal half widths, 0 where there is no such limit.
    """
    rx, ry = s.x * op.inverse_a, s.y * op.inverse_b
    ex, ey = s.x * op.inverse_c, s.y * op.inverse_d
    return (rx * rx <= 1.0) & (ry * ry <= 1.0) & (ex * ex + ey * ey <= 1.0)


APERTURE = MapKind(
    "aperture", "aperture", aperture, aperture,
    constants=("inverse_a", "inverse_b", "inverse_c", "inverse_d"),
)  # fmt: skip


def aperture_calls(limits: Aperture | None) -> list[MapCall]:
    """The check as map calls, none or one."""
    if limits is None:
        return []
    a, b = limits.rectangle or (math.inf, math.inf)
    c, d = limits.ellipse or (math.inf, math.inf)
    names = APERTURE.constants
    constants = dict(zip(names, (1 / a, 1 / b, 1 / c, 1 / d), strict=True))
    return [MapCall(APERTURE, constants=constants, role=Role.CHECK)]
