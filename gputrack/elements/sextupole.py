"""Sextupole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gputrack.elements.interval import ANY
from gputrack.elements.parameters import parameter
from gputrack.elements.straight import _StraightMagnet
from gputrack.elements.symbol import GREEN, Symbol


@dataclass(frozen=True, kw_only=True)
class Sextupole(_StraightMagnet):
    """Straight sextupole.

    Parameters
    ----------
    k2, k2s : float
        Normal and skew strength [m^-3]; px' = -k2 (x^2 - y^2)/2, py' = k2 x y.
    """

    k2: float = parameter(unit="m^-3", free=ANY)
    k2s: float = parameter(unit="m^-3", free=ANY)

    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {"k2": (2, False), "k2s": (2, True)}
    SYMBOL: ClassVar[Symbol | None] = Symbol(GREEN, 0.0, 0.7, "k2")
