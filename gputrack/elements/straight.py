"""Straight magnets: any multipoles, drift-kick integration; base of quadrupole, sextupole, ..."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import ratio_or_zero
from gputrack.elements.drift import DriftBody, drift_by, drift_call
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE
from gputrack.elements.magnet import Magnet, field_coefficients
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model, Steps
from gputrack.elements.parameters import parameter, series
from gputrack.elements.pieces import piece_of
from gputrack.elements.radiation import radiation_call
from gputrack.elements.schemes import BlanesMoan
from gputrack.elements.splitting import compose, steps_of
from gputrack.elements.statics import Body, NoBody


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


@dataclass(frozen=True)
class StraightBody(Body):
    """Statics of a body by drift and kick.

    Attributes
    ----------
    terms, skew : int
        Normal multipoles, and skew ones: as many, or none.
    exact : int
        Whether the Hamiltonian is exact.
    scheme, slices : int
        Splitting, see `gputrack.elements.splitting`.
    """

    terms: int
    skew: int
    exact: int
    scheme: int
    slices: int


@dataclass(frozen=True, kw_only=True)
class _StraightMagnet(Element):
    """Straight thick magnet with further multipole errors.

    Parameters
    ----------
    knl, ksl : sequence of float
        Further normal and skew multipoles, integrated over the length and spread evenly over it
        [m^-n], MAD-X convention: without the factorial folded in.
    """

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)
    knl: tuple[float, ...] = series(unit="m^-n", free=ANY)
    ksl: tuple[float, ...] = series(unit="m^-n", free=ANY)

    #: strengths of the class: parameter name -> (order, skew)
    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {}
    #: scheme and slices where the integrator leaves them open
    STEPS: ClassVar[Steps] = Steps(BlanesMoan(4), 1, 4)
    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length == 0 and any((*self.knl, *self.ksl, *(getattr(self, k) for k in self.STRENGTHS))):
            raise self.input_error("length must be > 0 m for a field over a length; use a Multipole for a thin one")

    def fixed(self) -> frozenset[str]:
        """All strengths, where there is no length."""
        return frozenset() if self.length else frozenset((*self.STRENGTHS, "knl", "ksl"))

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """Statics of a drift if there is no field and no strength is active; none for zero length."""
        if self.length == 0:
            integrated = sorted(name for name in active if name.startswith(("knl[", "ksl[")))
            if integrated:
                raise self.input_error(
                    f"{integrated[0]} has no derivative at length 0 m; give a length, or a Multipole"
                )
            if "length" not in active:
                return NoBody()
        if not self._has_field(active):
            return DriftBody(int(model.exact))
        return self._field_statics(model, active)

    def _field_statics(self, model: Model, active: frozenset[str]) -> StraightBody:
        terms = self._terms(active)
        skew = terms if self._skew(active) else 0
        return StraightBody(terms, skew, int(model.exact), *steps_of(model.integrator, self.STEPS))

    def _has_field(self, active: frozenset[str]) -> bool:
        """Whether there is a field, or a strength is active."""
        fields = any(self.uses(name, active) for name in self.STRENGTHS)
        return fields or any((*self.knl, *self.ksl)) or any(a.startswith(("knl[", "ksl[")) for a in active)

    def _terms(self, active: frozenset[str]) -> int:
        """Number of multipoles needed, at least 1."""
        terms = 1
        for name, (order, _) in self.STRENGTHS.items():
            if self.uses(name, active):
                terms = max(terms, order + 1)
        for name, values in (("knl", self.knl), ("ksl", self.ksl)):
            for n, value in enumerate(values):
                if value or f"{name}[{n}]" in active:
                    terms = max(terms, n + 1)
        return terms

    def _skew(self, active: frozenset[str]) -> bool:
        """Whether there are skew multipoles, or some are active."""
        strengths = any(self.uses(name, active) for name, (_, skew) in self.STRENGTHS.items() if skew)
        return strengths or any(self.ksl) or any(a.startswith("ksl[") for a in active)

    @classmethod
    def lower_body(
        cls, p: Mapping[str, Any], body: DriftBody | StraightBody, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        """Drift and kick, or a drift without a field."""
        p = piece_of(p, begin, end, "length", "knl", "ksl")
        if isinstance(body, DriftBody):
            return [drift_call(p["length"], body.exact)]
        return [cls._field_call(STRAIGHT, p, body)]

    @classmethod
    def _field_call(cls, kind: MapKind, p: Mapping[str, Any], body: StraightBody) -> MapCall:
        """A map with the multipoles of these magnets."""
        bn, an = field_terms(p, cls.STRENGTHS, body.terms)
        return MapCall(kind, kind.integers_of(body), {"length": p["length"]}, {"bn": bn, "an": an[: body.skew]})

    @classmethod
    def lower_radiation(
        cls, p: Mapping[str, Any], body: DriftBody | StraightBody, share: float, side: int = 0
    ) -> list[MapCall]:
        """A kick in all multipoles."""
        if isinstance(body, DriftBody):
            return []
        bn, an = field_terms(p, cls.STRENGTHS, body.terms)
        return [radiation_call(share * p["length"], 0.0 * p["length"], bn, an)]

    @classmethod
    def magnet(cls, p: Mapping[str, Any], body: Body) -> Magnet:
        """Multipoles over the length."""
        return Magnet(field_coefficients(p, p["length"], cls.STRENGTHS), length=p["length"])


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
            target[n] = target[n] + ratio_or_zero(value / math.factorial(n), p["length"])
    return bn, an
