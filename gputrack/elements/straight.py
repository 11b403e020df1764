"""Straight magnets: any multipoles, drift-kick integration; base of quadrupole, sextupole, ..."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import namespace, plain_values
from gputrack.elements.drift import DRIFT, drift_by
from gputrack.elements.element import ALIGNMENT, ANY, POSITIVE, Element, piece_of
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model, Steps
from gputrack.elements.radiation import radiation_call
from gputrack.elements.schemes import BlanesMoan
from gputrack.elements.splitting import compose, steps_of


def multipole_kick(s: State, length: Any, bn: list[Any], an: list[Any]) -> State:
    """Kick of a straight multipole field: px -= L Re f, py += L Im f.

    f = sum_n (bn[n] + i an[n]) (x + i y)^n = By + i Bx over the reference rigidity.
    """
    re, im = bn[-1], an[-1]
    for b, a in zip(bn[-2::-1], an[-2::-1], strict=True):
        re, im = re * s.x - im * s.y + b, im * s.x + re * s.y + a
    return s._replace(px=s.px - length * re, py=s.py + length * im)


def straight_by(s: State, op: Any, length: Any) -> State:
    """Drift-kick integration of a straight multipole body over `length` [m]."""
    an = op.an or [0.0] * len(op.bn)
    return compose(
        s,
        op.scheme,
        op.slices,
        lambda t, part: drift_by(t, part * length, op.exact),
        lambda t, part: multipole_kick(t, part * length, op.bn, an),
    )


def straight(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body over op.length."""
    return straight_by(s, op, op.length)


def unstraight(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the splitting is symmetric, so it is the same over -length."""
    return straight_by(s, op, -op.length)


STRAIGHT = MapKind(
    "straight", "straight", straight, unstraight,
    integers=("terms", "skew", "exact", "scheme", "slices"), constants=("length",),
    series={"bn": "terms", "an": "skew"},
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _StraightMagnet(Element):
    """Straight thick magnet with further multipole errors.

    Parameters
    ----------
    knl, ksl : sequence of float
        Further normal and skew multipoles, integrated over the length and spread evenly over it
        [m^-n], MAD-X convention: without the factorial folded in.
    """

    knl: tuple[float, ...] = ()
    ksl: tuple[float, ...] = ()

    #: own strengths: parameter name -> (order, skew)
    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {}
    #: scheme and slices where the integrator leaves them open
    STEPS: ClassVar[Steps] = Steps(BlanesMoan(4), 1, 4)
    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length == 0 and any((*self.knl, *self.ksl, *(getattr(self, k) for k in self.STRENGTHS))):
            raise self._error("length must be > 0 m for a field over a length; use a Multipole for a thin one")

    def _free(self) -> Mapping[str, tuple[float, float]]:
        if not self.length:
            return {}
        return {**ALIGNMENT, "length": POSITIVE, **dict.fromkeys((*self.STRENGTHS, "knl", "ksl"), ANY)}

    def _bare(self, active: frozenset[str]) -> bool:
        """Whether there is no field at all, and none is asked for."""
        fields = any(self._uses(name, active) for name in self.STRENGTHS)
        errors = any((*self.knl, *self.ksl)) or any(a.startswith(("knl[", "ksl[")) for a in active)
        return not (fields or errors)

    def _orders(self, active: frozenset[str]) -> int:
        """Number of multipole terms needed, at least 1."""
        terms = 1
        for name, (order, _) in self.STRENGTHS.items():
            if self._uses(name, active):
                terms = max(terms, order + 1)
        for name in ("knl", "ksl"):
            series = getattr(self, name)
            used = [n for n, value in enumerate(series) if value or f"{name}[{n}]" in active]
            terms = max([terms, *(n + 1 for n in used)])
        return terms

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        if self.length == 0:
            integrated = sorted(name for name in active if name.startswith(("knl[", "ksl[")))
            if integrated:
                raise self._error(f"{integrated[0]} has no derivative at length 0 m; give a length, or a Multipole")
            if "length" not in active:
                return None
        if self._bare(active):
            return 0, int(model.exact)
        terms = self._orders(active)
        skew = terms if self._skew(active) else 0
        return terms, skew, int(model.exact), *steps_of(model.integrator, self.STEPS)

    def _skew(self, active: frozenset[str]) -> bool:
        """Whether there are skew multipoles, or some are asked for."""
        strengths = any(self._uses(name, active) for name, (_, skew) in self.STRENGTHS.items() if skew)
        return strengths or any(self.ksl) or any(a.startswith("ksl[") for a in active)

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if statics is None:
            return []
        p = piece_of(p, begin, end, "length", "knl", "ksl")
        if statics[0] == 0:
            return [MapCall(DRIFT, {"exact": statics[1]}, {"length": p["length"]})]
        integers = dict(zip(STRAIGHT.integers, statics, strict=True))
        bn, an = field_terms(p, cls.STRENGTHS, integers["terms"])
        return [MapCall(STRAIGHT, integers, {"length": p["length"]}, {"bn": bn, "an": an[: integers["skew"]]})]

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        if statics is None or statics[0] == 0:
            return []
        terms = statics[1] if statics[0] == "matrix" else statics[0]
        return [radiation_call(share * p["length"], 0.0 * p["length"], *field_terms(p, cls.STRENGTHS, terms))]


def field_terms(
    p: Mapping[str, Any], strengths: Mapping[str, tuple[int, bool]], terms: int
) -> tuple[list[Any], list[Any]]:
    """Field coefficients bn, an [m^-(n+1)] (factorials folded in) from strengths and errors."""
    zero = 0.0 * p["length"]
    bn, an = [zero] * terms, [zero] * terms
    for name, (order, skew) in strengths.items():
        if order < terms:
            target = an if skew else bn
            target[order] = target[order] + p[name] / math.factorial(order)
    for target, name in ((bn, "knl"), (an, "ksl")):
        for n, value in enumerate(p[name][:terms]):
            target[n] = target[n] + _spread(value / math.factorial(n), p["length"])
    return bn, an


def _spread(integrated: Any, length: Any) -> Any:
    """An integrated strength over the length; 0 where there is no length, and hence no strength."""
    long = plain_values(length) != 0.0
    xp = namespace(integrated, length)
    return xp.where(long, integrated, 0.0) / xp.where(long, length, 1.0)
