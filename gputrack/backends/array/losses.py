"""Conditions for the loss of particles on the backend `array`; twin of kernels/program/losses.h."""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import namespace
from gputrack.base.losses import LossCode
from gputrack.elements.map import State


def acceptable(s: State, limit: float) -> Any:
    """Whether coordinates are physical and within the limits."""
    inside_limit = (s.x * s.x <= limit * limit) & (s.y * s.y <= limit * limit)
    forward = (s.px * s.px + s.py * s.py <= s.opd * s.opd) & (0.0 * s.opd <= s.opd)
    return inside_limit & forward & (0.0 * s.z <= 0.0)


def loss_codes(s: State, limit: float) -> Any:
    """Loss codes of coordinates that are not acceptable."""
    xp = namespace(s.x)
    finite = xp.isfinite(s.x)
    for value in s[1:6]:
        finite = finite & xp.isfinite(value)
    beyond = (s.x * s.x > limit * limit) | (s.y * s.y > limit * limit)
    kind = xp.where(beyond, int(LossCode.LIMIT), int(LossCode.UNPHYSICAL))
    return xp.where(finite, kind, int(LossCode.NOT_FINITE))
