"""Thin multipole."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import namespace, plain_values
from gputrack.elements.element import ALIGNMENT, ANY, POSITIVE, Element, holds_middle
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model
from gputrack.elements.radiation import radiation_call
from gputrack.elements.straight import multipole_kick


def multipole_by(s: State, op: Any, sign: float) -> State:
    """Thin kick from V = Re-part of the field potential + curvature x^2/2 - angle x (1 + delta).

    The last term bends the reference orbit by `angle`: px += angle (1 + delta), z -= angle x.
    """
    s = multipole_kick(s, sign, op.bn, op.an)
    return s._replace(
        px=s.px + sign * (op.angle * s.opd - op.curvature * s.x),
        z=s.z - sign * (op.angle * s.x),
    )


def multipole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Thin multipole."""
    return multipole_by(s, op, 1.0)


def unmultipole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the opposite kick."""
    return multipole_by(s, op, -1.0)


MULTIPOLE = MapKind(
    "multipole", "multipole", multipole, unmultipole,
    integers=("terms",), constants=("angle", "curvature"),
    series={"bn": "terms", "an": "terms"},
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Multipole(Element):
    """Thin multipole of any order up to 20.

    Parameters
    ----------
    knl, ksl : sequence of float
        Integrated normal and skew strengths [m^-n], MAD-X convention: without the factorial folded in;
        ``knl[0]`` > 0 bends towards -x.
    angle : float
        Angle by which the reference orbit is bent here [rad]. MAD-X bends it by ``knl[0]``.
    lrad : float
        Fictitious length [m] over which the angle is bent; gives the weak focusing knl[0] angle/lrad. 0 is none of it,
        and no limit of what small lengths give: where there are a field and an angle, it has no derivative there.
    """

    knl: tuple[float, ...] = ()
    ksl: tuple[float, ...] = ()
    angle: float = 0.0
    lrad: float = 0.0

    _NOT_NEGATIVE = ("length", "current", "lrad")
    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self._error(f"length must be 0 m, got {self.length!r}; lrad is the fictitious length")

    def _require_radiating(self) -> None:
        super()._require_radiating()
        if self.angle and not self.lrad:
            raise self._error(
                f"bends the orbit by {self.angle!r} rad over no length, which would radiate without limit; "
                "give lrad > 0 m, or leave radiation out"
            )

    def _extended(self, active: frozenset[str]) -> bool:
        return self.lrad > 0.0

    def _free(self) -> Mapping[str, tuple[float, float]]:
        lrad = {"lrad": POSITIVE} if self.lrad else {}
        free = {**ALIGNMENT, **dict.fromkeys(("knl", "ksl", "angle"), ANY), **lrad}
        if self.radiation is not None and not lrad:
            del free["angle"]  # which only 0 is right for
        return free

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        if "lrad" in active and not self.lrad and self.angle and any(self.knl[:1]):
            raise self._error(
                "lrad = 0 m stands for no weak focusing, there is no derivative with respect to it; give lrad > 0"
            )
        terms = 1
        for name in ("knl", "ksl"):
            for n, value in enumerate(getattr(self, name)):
                if value or f"{name}[{n}]" in active:
                    terms = max(terms, n + 1)
        return terms, self._uses("lrad", active)

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if not holds_middle(begin, end):
            return []
        terms, curved = statics
        zero = 0.0 * p["angle"]
        bn, an = _terms(p, terms)
        constants = {"angle": p["angle"], "curvature": _curvature(bn[0] * p["angle"], p["lrad"]) if curved else zero}
        return [MapCall(MULTIPOLE, {"terms": terms}, constants, {"bn": bn, "an": an})]

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        bn, an = ([v / p["lrad"] for v in series] for series in _terms(p, statics[0]))
        return [radiation_call(share * p["lrad"], p["angle"] / p["lrad"], bn, an)]


def _terms(p: Mapping[str, Any], terms: int) -> tuple[list[Any], list[Any]]:
    """Integrated field coefficients, with factorials folded in."""
    zero = 0.0 * p["angle"]
    bn, an = ([*p[name][:terms]] + [zero] * (terms - len(p[name])) for name in ("knl", "ksl"))
    scaled = [[v / math.factorial(n) for n, v in enumerate(series)] for series in (bn, an)]
    return scaled[0], scaled[1]


def _curvature(bent: Any, lrad: Any) -> Any:
    """Field times angle over length, 0 for those without length."""
    long = plain_values(lrad) > 0.0
    xp = namespace(bent, lrad)
    return xp.where(long, bent, 0.0) / xp.where(long, lrad, 1.0)
