"""Accelerating cavity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import sin, sqrt, untraced
from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.elements.drift import drift_call
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State, refreshed
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import holds_middle, piece_of
from gputrack.elements.statics import Body
from gputrack.elements.symbol import ORANGE, Symbol


def energy_step(s: State, step: Any, ref: ReferenceValues) -> State:
    """Change of the energy by `step` (in units of E0) at constant position and time.

    (1+delta')^2 = (1+delta)^2 + step (2 E/E0 + step)/beta0^2, and delta' - delta from the difference of
    squares; the arrival time is unchanged: z *= beta'/beta.
    """
    velocity = 1.0 + s.slip
    energy = s.opd / velocity
    # the last term is 0, or NaN if the particle loses more than its whole energy, which squares would not show
    gain = step * (2.0 * energy + step) / (ref.beta0 * ref.beta0) + 0.0 * sqrt(energy + step)
    opd = sqrt(s.opd * s.opd + gain)
    after = refreshed(s._replace(delta=s.delta + gain / (opd + s.opd)), ref)
    return after._replace(z=s.z * ((1.0 + after.slip) / velocity))


def rf_kick_by(s: State, op: Any, ref: ReferenceValues, sign: float) -> State:
    """Energy gain |q| V sin(phase - k z/velocity), k = 2 pi f/(beta0 c); z/velocity is -beta0 c tau."""
    step = ref.charge_over_energy * op.voltage * sin(op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0))
    return energy_step(s, sign * step, ref)


def rf_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Kick of the cavity."""
    return rf_kick_by(s, op, ref, 1.0)


def unrf_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the arrival time, hence the step, is the same before and after."""
    return rf_kick_by(s, op, ref, -1.0)


RF_KICK = MapKind(
    "rf_kick", "rf_cavity", rf_kick, unrf_kick, constants=("voltage", "phase", "wavenumber")
)


def wave_constants(p: Mapping[str, Any]) -> dict[str, Any]:
    """Constants of a cavity: voltage [V], phase [rad], wavenumber 2 pi f/c [1/m]."""
    return {
        "voltage": p["voltage"],
        "phase": 2.0 * math.pi * p["lag"],
        "wavenumber": 2.0 * math.pi / SPEED_OF_LIGHT * p["frequency"],
    }


@dataclass(frozen=True)
class CavityBody(Body):
    """Statics of a cavity.

    Attributes
    ----------
    exact : int
        Whether the Hamiltonian is exact.
    thick : bool
        Whether there is a length.
    kicks : bool
        Whether there is a voltage.
    """

    exact: int
    thick: bool
    kicks: bool


@dataclass(frozen=True, kw_only=True)
class _Cavity(Element):
    """Cavity: half a drift, a kick, half a drift.

    Parameters
    ----------
    voltage : float
        Peak voltage [V] as seen by the reference particle, independent of the sign of its charge.
    frequency : float
        Frequency [Hz], >= 0.
    lag : float
        Phase lag in units of 2 pi.
    """

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)
    voltage: float = parameter(unit="V", free=ANY)
    frequency: float = parameter(unit="Hz", valid=NOT_NEGATIVE, free=NOT_NEGATIVE)
    lag: float = parameter(free=ANY)

    def body_statics(self, model: Model, active: frozenset[str]) -> CavityBody:
        """See `CavityBody`."""
        return CavityBody(int(model.exact), self.uses("length", active), self.uses("voltage", active))

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: CavityBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """Drifts, and the kick between them in the piece that holds the middle."""
        if not (body.kicks and holds_middle(begin, end)):
            return _drift_over(p, body, begin, end)
        return [*_drift_over(p, body, begin, 0.5), cls.kick_call(p), *_drift_over(p, body, 0.5, end)]

    @classmethod
    def lower_until(cls, p: Mapping[str, Any], body: CavityBody, part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """The kick is undone by the opposite voltage."""
        kicked = 1.0 * (untraced(part) > 0.5)
        after = kicked * (part - 0.5)
        there = cls._kicked_drift(p, body, part - after, kicked, after)
        return there, cls._kicked_drift(p, body, -after, -kicked, after - part)

    @classmethod
    def _kicked_drift(cls, p: Mapping[str, Any], body: CavityBody, before: Any, kick: Any, after: Any) -> list[MapCall]:
        """Parts of the drift, with a part of the kick between them."""
        middle = [cls.kick_call({**p, "voltage": kick * p["voltage"]})] if body.kicks else []
        return [*_drift_over(p, body, 0.0, before), *middle, *_drift_over(p, body, 0.0, after)]

    @classmethod
    def kick_call(cls, p: Mapping[str, Any]) -> MapCall:
        """The kick as a map call."""
        raise TypeError(f"{cls.__name__} does not define kick_call: its kick")


def _drift_over(p: Mapping[str, Any], body: CavityBody, begin: float, end: Any) -> list[MapCall]:
    if not body.thick or (isinstance(end, float) and begin == end):
        return []
    return [drift_call(piece_of(p, begin, end, "length")["length"], body.exact)]


@dataclass(frozen=True, kw_only=True)
class RFCavity(_Cavity):
    """Accelerating cavity: energy gain |q| V sin(2 pi (lag + f tau)), tau > 0 for late particles.

    Sign as in MAD-X, PTC and xtrack, for either sign of the charge: at lag = 0 a late particle gains energy. |q| is
    the charge in e (as in xtrack; MAD-X and PTC omit it, so that their voltage for ions is |q| V).
    tau is relative to the reference particle's arrival in the same turn, so that a frequency off the harmonic does
    not shift the energy by itself. See `_Cavity` for the parameters.
    """

    SYMBOL: ClassVar[Symbol | None] = Symbol(ORANGE, -0.5, 0.5)

    @classmethod
    def kick_call(cls, p: Mapping[str, Any]) -> MapCall:
        """Acceleration."""
        return MapCall(RF_KICK, constants=wave_constants(p))
