"""Orbit correctors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.elements.drift import DRIFT
from gputrack.elements.element import ALIGNMENT, ANY, POSITIVE, Element, holds_middle, piece_of
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model, Steps
from gputrack.elements.multipole import MULTIPOLE
from gputrack.elements.radiation import radiation_call
from gputrack.elements.splitting import compose, steps_of
from gputrack.elements.straight import STRAIGHT

STEPS = Steps(4, 1, 1)


@dataclass(frozen=True, kw_only=True)
class _Corrector(Element):
    """A corrector: a uniform field over the length, or a thin kick where the length is 0."""

    #: parameter that kicks each plane
    KICKS: ClassVar[dict[str, str]] = {}
    RADIATION_KICKS: ClassVar[int] = 2

    def _free(self) -> Mapping[str, tuple[float, float]]:
        length = {"length": POSITIVE} if self.length else {}
        return {**ALIGNMENT, **length, **dict.fromkeys(self.KICKS.values(), ANY)}

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        if self.length == 0 and "length" not in active:
            return None
        kicks = any(self._uses(name, active) for name in self.KICKS.values())
        return int(model.exact), kicks, steps_of(model.integrator, STEPS)[0], self.length == 0

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if statics is None and not holds_middle(begin, end):
            return []
        p = p if statics is None else piece_of(p, begin, end, "length", *cls.KICKS.values())
        zero = 0.0 * p["length"]
        h, v = (p[cls.KICKS[plane]] if plane in cls.KICKS else zero for plane in "xy")
        if statics is None:
            return [_kick(zero, -h, v)]
        exact, kicks, scheme, thin = statics
        if not kicks:
            return [_drift(exact, p["length"])]
        if thin:  # strength over length is 0/0: the same splitting, step by step
            steps: list[MapCall] = []
            return compose(
                steps, scheme, 1,
                lambda calls, part: [*calls, _drift(exact, part * p["length"])],
                lambda calls, part: [*calls, _kick(zero, -part * h, part * v)],
            )
        # One slice: a uniform field is integrated exactly but for terms of third order in the slopes.
        integers = {"terms": 1, "skew": 1, "exact": exact, "scheme": scheme, "slices": 1}
        series = {"bn": [-h / p["length"]], "an": [v / p["length"]]}
        return [MapCall(STRAIGHT, integers, {"length": p["length"]}, series)]

    def _extended(self, active: frozenset[str]) -> bool:
        return self.length > 0.0

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        if not statics[1]:
            return []
        zero = 0.0 * p["length"]
        h, v = (p[cls.KICKS[plane]] / p["length"] if plane in cls.KICKS else zero for plane in "xy")
        return [radiation_call(share * p["length"], zero, [-h], [v])]


def _drift(exact: int, length: Any) -> MapCall:
    return MapCall(DRIFT, {"exact": exact}, {"length": length})


def _kick(zero: Any, normal: Any, skew: Any) -> MapCall:
    return MapCall(MULTIPOLE, {"terms": 1}, {"angle": zero, "curvature": zero}, {"bn": [normal], "an": [skew]})


@dataclass(frozen=True, kw_only=True)
class Kicker(_Corrector):
    """Corrector in both planes.

    Parameters
    ----------
    hkick, vkick : float
        Change of px and py over the element, in units of the reference momentum.
    """

    hkick: float = 0.0
    vkick: float = 0.0

    KICKS: ClassVar[dict[str, str]] = {"x": "hkick", "y": "vkick"}


@dataclass(frozen=True, kw_only=True)
class HKicker(_Corrector):
    """Horizontal corrector.

    Parameters
    ----------
    kick : float
        Change of px over the element, in units of the reference momentum.
    """

    kick: float = 0.0

    KICKS: ClassVar[dict[str, str]] = {"x": "kick"}


@dataclass(frozen=True, kw_only=True)
class VKicker(_Corrector):
    """Vertical corrector.

    Parameters
    ----------
    kick : float
        Change of py over the element, in units of the reference momentum.
    """

    kick: float = 0.0

    KICKS: ClassVar[dict[str, str]] = {"y": "kick"}
