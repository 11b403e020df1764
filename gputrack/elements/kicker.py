"""Orbit correctors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.elements.drift import drift_call
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model, Steps
from gputrack.elements.multipole import multipole_call
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import holds_middle, piece_of
from gputrack.elements.radiation import radiation_call
from gputrack.elements.splitting import compose, steps_of
from gputrack.elements.statics import Body
from gputrack.elements.straight import STRAIGHT

STEPS = Steps(4, 1, 1)


@dataclass(frozen=True)
class ThinBody(Body):
    """Statics of a corrector without length: a kick in the middle."""


@dataclass(frozen=True)
class CorrectorBody(Body):
    """Statics of a corrector with a length.

    Attributes
    ----------
    exact : int
        Whether the Hamiltonian is exact.
    kicks : bool
        Whether there is a field.
    scheme : int
        Splitting, see `gputrack.elements.splitting`.
    steps : bool
        Whether each step of the splitting is a separate map, for an active length of 0.
    """

    exact: int
    kicks: bool
    scheme: int
    steps: bool


@dataclass(frozen=True, kw_only=True)
class _Corrector(Element):
    """Corrector: a uniform field over the length, or a thin kick if the length is 0."""

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)

    #: parameter that kicks in each plane
    KICKS: ClassVar[dict[str, str]] = {}
    RADIATION_KICKS: ClassVar[int] = 2

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """Statics of a thin kick if the length is 0 and not active."""
        if self.length == 0 and "length" not in active:
            return ThinBody()
        kicks = any(self.uses(name, active) for name in self.KICKS.values())
        return CorrectorBody(int(model.exact), kicks, steps_of(model.integrator, STEPS)[0], self.length == 0)

    def has_extended_field(self, active: frozenset[str]) -> bool:
        """Whether there is a length."""
        return self.length > 0.0

    @classmethod
    def lower_body(
        cls, p: Mapping[str, Any], body: ThinBody | CorrectorBody, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        """Kick in the middle; or one slice, exact in a uniform field up to terms of third order in the slopes."""
        if isinstance(body, ThinBody):
            return [_kick(0.0 * p["length"], *cls._kicks(p))] if holds_middle(begin, end) else []
        p = piece_of(p, begin, end, "length", *cls.KICKS.values())
        if not body.kicks:
            return [drift_call(p["length"], body.exact)]
        h, v = cls._kicks(p)
        if body.steps:  # strength over length is 0/0
            return _in_steps(p["length"], h, v, body)
        integers = {"terms": 1, "skew": 1, "exact": body.exact, "scheme": body.scheme, "slices": 1}
        series = {"bn": [-h / p["length"]], "an": [v / p["length"]]}
        return [MapCall(STRAIGHT, integers, {"length": p["length"]}, series)]

    @classmethod
    def _kicks(cls, p: Mapping[str, Any]) -> tuple[Any, Any]:
        """Changes of px and py."""
        zero = 0.0 * p["length"]
        h, v = (p[cls.KICKS[plane]] if plane in cls.KICKS else zero for plane in "xy")
        return h, v

    @classmethod
    def lower_radiation(cls, p: Mapping[str, Any], body: CorrectorBody, share: float, side: int = 0) -> list[MapCall]:
        """A kick in the uniform field."""
        if not body.kicks:
            return []
        h, v = (kick / p["length"] for kick in cls._kicks(p))
        return [radiation_call(share * p["length"], 0.0 * p["length"], [-h], [v])]


def _in_steps(length: Any, h: Any, v: Any, body: CorrectorBody) -> list[MapCall]:
    """The splitting step by step."""
    steps: list[MapCall] = []
    return compose(
        steps, body.scheme, 1,
        lambda calls, part: [*calls, drift_call(part * length, body.exact)],
        lambda calls, part: [*calls, _kick(0.0 * length, part * h, part * v)],
    )  # fmt: skip


def _kick(zero: Any, h: Any, v: Any) -> MapCall:
    return multipole_call([-h], [v], zero, zero)


@dataclass(frozen=True, kw_only=True)
class Kicker(_Corrector):
    """Corrector in both planes.

    Parameters
    ----------
    hkick, vkick : float
        Change of px and py over the element, in units of the reference momentum.
    """

    hkick: float = parameter(unit="rad", free=ANY)
    vkick: float = parameter(unit="rad", free=ANY)

    KICKS: ClassVar[dict[str, str]] = {"x": "hkick", "y": "vkick"}


@dataclass(frozen=True, kw_only=True)
class HKicker(_Corrector):
    """Horizontal corrector.

    Parameters
    ----------
    kick : float
        Change of px over the element, in units of the reference momentum.
    """

    kick: float = parameter(unit="rad", free=ANY)

    KICKS: ClassVar[dict[str, str]] = {"x": "kick"}


@dataclass(frozen=True, kw_only=True)
class VKicker(_Corrector):
    """Vertical corrector.

    Parameters
    ----------
    kick : float
        Change of py over the element, in units of the reference momentum.
    """

    kick: float = parameter(unit="rad", free=ANY)

    KICKS: ClassVar[dict[str, str]] = {"y": "kick"}
