"""Sextupole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gputrack.elements.straight import _StraightMagnet


@dataclass(frozen=True, kw_only=True)
class Sextupole(_StraightMagnet):
    """Straight sextupole.

    Parameters
    ----------
    k2, k2s : float
        Normal and skew strength [m^-3]; px' = -k2 (x^2 - y^2)/2, py' = k2 x y.
    """

    k2: float = 0.0
    k2s: float = 0.0

    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {"k2": (2, False), "k2s": (2, True)}
