"""Thin multipole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import ratio_or_zero
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE
from gputrack.elements.magnet import Magnet, field_coefficients
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter, series
from gputrack.elements.pieces import holds_middle
from gputrack.elements.radiation import radiation_call
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.elements.statics import Body
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


@dataclass(frozen=True)
class MultipoleBody(Body):
    """Statics of a thin multipole: number of terms; whether there is weak focusing over `lrad`."""

    terms: int
    weak_focusing: bool


@dataclass(frozen=True, kw_only=True)
class Multipole(Element):
    """Thin multipole of any order up to 20.

    Parameters
    ----------
    knl, ksl : sequence of float
        Integrated normal and skew strengths [m^-n], MAD-X convention: without the factorial folded in;
        ``knl[0]`` > 0 bends towards -x.
    angle : float
        Bending angle of the reference orbit [rad]; in MAD-X it is ``knl[0]``.
    lrad : float
        Fictitious length [m] of the bend, >= 0, for the weak focusing knl[0] angle/lrad. lrad = 0 means no weak
        focusing, which is not the limit of small lengths: with a field and an angle, the derivative does not exist
        there.
    """

    knl: tuple[float, ...] = series(unit="m^-n", free=ANY)
    ksl: tuple[float, ...] = series(unit="m^-n", free=ANY)
    angle: float = parameter(unit="rad", free=ANY)
    lrad: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)

    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self.input_error(f"length must be 0 m, got {self.length!r}; lrad is the fictitious length")

    def _validate_radiation(self) -> None:
        super()._validate_radiation()
        if self.angle and not self.lrad:
            raise self.input_error(
                f"angle {self.angle!r} rad without a length would mean infinite radiation; "
                "give lrad > 0 m, or omit radiation="
            )

    def fixed(self) -> frozenset[str]:
        """The angle, which must be 0 with radiation but without lrad."""
        return frozenset({"angle"}) if self.radiation is not None and not self.lrad else frozenset()

    def has_extended_field(self, active: frozenset[str]) -> bool:
        """Over `lrad`."""
        return self.lrad > 0.0

    def body_statics(self, model: Model, active: frozenset[str]) -> MultipoleBody:
        """Terms up to the highest one that is not zero or is active."""
        if "lrad" in active and not self.lrad and self.angle and any(self.knl[:1]):
            raise self.input_error(
                "lrad = 0 m means no weak focusing: there is no derivative with respect to lrad; give lrad > 0"
            )
        terms = 1
        for name in ("knl", "ksl"):
            for n, value in enumerate(getattr(self, name)):
                if value or f"{name}[{n}]" in active:
                    terms = max(terms, n + 1)
        return MultipoleBody(terms, self.uses("lrad", active))

    @classmethod
    def lower_body(
        cls, p: Mapping[str, Any], body: MultipoleBody, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        """A kick in the middle."""
        if not holds_middle(begin, end):
            return []
        bn, an = _terms(p, body.terms)
        curvature = ratio_or_zero(bn[0] * p["angle"], p["lrad"]) if body.weak_focusing else 0.0 * p["angle"]
        return [multipole_call(bn, an, p["angle"], curvature)]

    @classmethod
    def lower_radiation(cls, p: Mapping[str, Any], body: MultipoleBody, share: float, side: int = 0) -> list[MapCall]:
        """A kick in the field spread over `lrad`."""
        bn, an = ([v / p["lrad"] for v in terms] for terms in _terms(p, body.terms))
        return [radiation_call(share * p["lrad"], p["angle"] / p["lrad"], bn, an)]

    @classmethod
    def reference_motion(cls, p: Mapping[str, Any]) -> ReferenceMotion:
        """An arc of no length."""
        return ReferenceMotion(p["length"], p["angle"], p["tilt"])

    @classmethod
    def magnet(cls, p: Mapping[str, Any], body: MultipoleBody) -> Magnet:
        """Integrated multipoles."""
        fields = field_coefficients(p, 1.0 + 0.0 * p["tilt"])
        return Magnet(fields, angle=p["angle"], lrad=p["lrad"])


def multipole_call(bn: list[Any], an: list[Any], angle: Any, curvature: Any) -> MapCall:
    """A thin kick in integrated multipoles, factorials folded in."""
    constants = {"angle": angle, "curvature": curvature}
    return MapCall(MULTIPOLE, {"terms": len(bn)}, constants, {"bn": bn, "an": an})


def _terms(p: Mapping[str, Any], terms: int) -> tuple[list[Any], list[Any]]:
    """Integrated field coefficients, with factorials folded in."""
    zero = 0.0 * p["angle"]
    given = [[*p[name][:terms]] + [zero] * (terms - len(p[name])) for name in ("knl", "ksl")]
    bn, an = ([v / math.factorial(n) for n, v in enumerate(values)] for values in given)
    return bn, an
