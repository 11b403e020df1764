"""Crab cavity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gputrack.base.arrays import cos, sin
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.rf_cavity import _Cavity, energy_step, wave_constants


def crab_kick_by(s: State, op: Any, ref: ReferenceValues, sign: float) -> State:
    """Kick from the potential -(|q| V/p0c) x sin(phase - k z/velocity), k as in `rf_kick_by`.

    px += |q| V/p0c sin(...), and the energy changes by -|q| V (2 pi f/c) x cos(...): Panofsky and Wenzel's
    theorem, which makes the map symplectic.
    """
    angle = op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0)
    momentum, energy = ref.charge_over_momentum * op.voltage, ref.charge_over_energy * op.voltage
    kicked = s._replace(px=s.px + sign * momentum * sin(angle))
    return energy_step(kicked, -sign * energy * op.wavenumber * s.x * cos(angle), ref)


def crab_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Kick of the crab cavity."""
    return crab_kick_by(s, op, ref, 1.0)


def uncrab_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: position and arrival time are the same before and after."""
    return crab_kick_by(s, op, ref, -1.0)


CRAB_KICK = MapKind(
    "crab_kick", "crab_cavity", crab_kick, uncrab_kick, constants=("voltage", "phase", "wavenumber")
)


@dataclass(frozen=True, kw_only=True)
class CrabCavity(_Cavity):
    """Crab cavity: px += |q| V/(p0 c) sin(2 pi (lag + f tau)), tau > 0 for late particles, with its energy kick.

    Sign as in PTC and xtrack, for either sign of the charge.

    It deflects in x; ``tilt=pi/2`` makes it deflect in y. See `_Cavity` for the parameters.
    """

    @classmethod
    def kick_call(cls, p: Mapping[str, Any]) -> MapCall:
        """Deflection and acceleration."""
        return MapCall(CRAB_KICK, constants=wave_constants(p))
