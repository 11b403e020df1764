"""Octupole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gputrack.elements.interval import ANY
from gputrack.elements.parameters import parameter
from gputrack.elements.straight import _StraightMagnet


@dataclass(frozen=True, kw_only=True)
class Octupole(_StraightMagnet):
    """Straight octupole.

    Parameters
    ----------
    k3, k3s : float
        Normal and skew strength [m^-4]; px' = -k3 (x^3 - 3 x y^2)/6, py' = k3 (3 x^2 y - y^3)/6.
    """

    k3: float = parameter(unit="m^-4", free=ANY)
    k3s: float = parameter(unit="m^-4", free=ANY)

    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {"k3": (3, False), "k3s": (3, True)}
