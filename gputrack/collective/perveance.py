"""Generalized perveance of a current."""

from __future__ import annotations

import math
from typing import Any

from gputrack.base.constants import SPEED_OF_LIGHT, VACUUM_PERMITTIVITY
from gputrack.elements.map import ReferenceValues


def perveance(current: Any, ref: ReferenceValues) -> Any:
    """K = q I/(2 pi eps0 p0 v0^2 gamma0^2), the generalized perveance of a current [A]; dimensionless.

    M. Reiser, Theory and Design of Charged Particle Beams, section 4.2. q I > 0 for a beam, which repels itself.
    """
    return current * perveance_rate(ref)


def perveance_rate(ref: ReferenceValues) -> Any:
    """K/I [1/A]: |q|/(p0 c) 1/(2 pi eps0 c) 1/(beta0 gamma0)^2."""
    ohms = 1.0 / (2.0 * math.pi * VACUUM_PERMITTIVITY * SPEED_OF_LIGHT)
    return ohms * ref.charge_over_momentum * ref.inverse_gamma0_squared / (ref.beta0 * ref.beta0)


def perveance_bars(bar: Any, current: Any, ref: ReferenceValues) -> tuple[Any, list[Any]]:
    """Cotangents of the current and of the reference values from the cotangent of K."""
    rate = perveance_rate(ref)
    total = bar * current * rate
    return bar * rate, [
        -2.0 * total / ref.beta0, total / ref.inverse_gamma0_squared, 0.0, total / ref.charge_over_momentum, 0.0
    ]  # fmt: skip
