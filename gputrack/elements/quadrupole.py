"""Quadrupole, and the matrix-kick body: the quadrupole's linear map at each particle's momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gputrack.base.special.smooth import horner, slope_excess_remainder, trig_halvings
from gputrack.elements.drift import DriftBody
from gputrack.elements.interval import ANY
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import MatrixKick, Model, Steps
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import piece_of
from gputrack.elements.schemes import BlanesMoan, LaskarRobutel
from gputrack.elements.splitting import compose, longest_outer, steps_of
from gputrack.elements.straight import StraightBody, _StraightMagnet, multipole_kick
from gputrack.elements.symbol import RED, Symbol

# cos(sqrt M) = Ce + Co M and sin(sqrt M)/sqrt M = Se + So M with M^2 = u: power series in u.
CE = tuple(1.0 / math.factorial(4 * j) for j in range(6))
CO = tuple(-1.0 / math.factorial(4 * j + 2) for j in range(6))
SE = tuple(1.0 / math.factorial(4 * j + 1) for j in range(6))
SO = tuple(-1.0 / math.factorial(4 * j + 3) for j in range(6))


def cos_sinc_parts(u: Any, halvings: int) -> tuple[Any, Any, Any, Any]:
    """Ce, Co, Se, So of a 2x2 matrix M with M^2 = u times the identity.

    They are smooth in u, so that normal and skew gradients need no rotation, and none of the four
    is singular where both vanish. Halvings work as in `gputrack.base.special.smooth.cos_sinc`.
    """
    v = u * 0.0625**halvings
    ce, co, se, so = horner(CE, v), horner(CO, v), horner(SE, v), horner(SO, v)
    for _ in range(halvings):
        se, so = ce * se + co * so * v, 0.25 * (ce * so + co * se)
        ce, co = 2.0 * (ce * ce + co * co * v) - 1.0, ce * co
        v = 16.0 * v
    return ce, co, se, so


def quadrupole_matrix(s: State, length: Any, b1: Any, a1: Any, halvings: int) -> State:
    """Exact flow of (px^2 + py^2)/(2 (1+delta)) + b1 (x^2 - y^2)/2 - a1 x y over `length` [m].

    z' = beta/beta0 - 1 - (px^2 + py^2)/(2 (1+delta)^2), integrated with the virial theorem:
    p^2/(1+delta) = E + d(x px + y py)/ds / 2, E the (constant) transverse energy.
    """
    inverse = s.inverse
    scale = length * length * inverse
    m, n = b1 * scale, a1 * scale
    ce, co, se, so = cos_sinc_parts(m * m + n * n, halvings)
    # field at the entrance, -d(px, py)/ds
    fx, fy = b1 * s.x - a1 * s.y, -a1 * s.x - b1 * s.y
    energy = 0.5 * ((s.px * s.px + s.py * s.py) * inverse + s.x * fx + s.y * fy)
    drift = length * inverse
    se_drift, so_drift = se * drift, so * drift
    x = ce * s.x + co * (m * s.x - n * s.y) + se_drift * s.px + so_drift * (m * s.px - n * s.py)
    y = ce * s.y - co * (n * s.x + m * s.y) + se_drift * s.py - so_drift * (n * s.px + m * s.py)
    px = ce * s.px + co * (m * s.px - n * s.py) - length * (se * fx + so * (m * fx - n * fy))
    py = ce * s.py - co * (n * s.px + m * s.py) - length * (se * fy - so * (n * fx + m * fy))
    action = x * px - s.x * s.px + y * py - s.y * s.py
    dz = length * s.slip - 0.5 * inverse * (length * energy + 0.5 * action)
    return s._replace(x=x, px=px, y=y, py=py, z=s.z + dz)


def drift_remainder(s: State, length: Any) -> State:
    """Exact minus expanded drift: the flow of the square root's terms beyond second order."""
    u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse)
    w = slope_excess_remainder(u)
    slope = length * s.inverse * (0.5 * u + w)
    return s._replace(x=s.x + slope * s.px, y=s.y + slope * s.py, z=s.z - length * w)


def quadrupole_by(s: State, op: Any, length: Any) -> State:
    """Matrix-kick integration over `length` [m].

    The outer step is the quadrupole matrix. The inner one is the square root's remainder between two
    half kicks of all other multipoles.
    """
    zero = 0.0 * op.bn[1]
    skew = op.an or [zero] * len(op.bn)
    bn, an = [op.bn[0], zero, *op.bn[2:]], [skew[0], zero, *skew[2:]]

    def inner(t: State, part: float) -> State:
        if op.kicks:
            t = multipole_kick(t, 0.5 * part * length, bn, an)
        if op.exact:
            t = drift_remainder(t, part * length)
        return multipole_kick(t, 0.5 * part * length, bn, an) if op.kicks else t

    def outer(t: State, part: float) -> State:
        return quadrupole_matrix(t, part * length, op.bn[1], skew[1], op.halvings)

    return compose(s, op.scheme, op.slices, outer, inner)


def quadrupole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body over op.length."""
    return quadrupole_by(s, op, op.length)


def unquadrupole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the splitting is symmetric, so it is the same over -length."""
    return quadrupole_by(s, op, -op.length)


QUADRUPOLE = MapKind(
    "quadrupole", "quadrupole", quadrupole, unquadrupole,
    integers=("terms", "skew", "exact", "scheme", "slices", "halvings", "kicks"), constants=("length",),
    series={"bn": "terms", "an": "skew"},
)  # fmt: skip


@dataclass(frozen=True)
class MatrixBody(StraightBody):
    """Statics of a body by matrix and kick.

    Attributes
    ----------
    halvings : int
        Of the matrix's phases, see `cos_sinc_parts`.
    kicks : int
        Whether there are multipoles in addition to the gradient.
    errors : bool
        Whether scheme and slices are those for additional multipoles.
    """

    halvings: int
    kicks: int
    errors: bool


def _has_errors(knl: Sequence[Any], ksl: Sequence[Any]) -> bool:
    """Whether the series have entries for multipoles outside the matrix; the dipole entry may only be a placeholder."""
    return any(len(series) not in (0, 2) or (len(series) == 2 and np.any(series[0])) for series in (knl, ksl))


def _largest_phase(gradient: Any, length: Any, scheme: int, slices: int) -> Any:
    """Square of the largest phase advance of an outer step, down to 1 + delta = 1/2."""
    step = longest_outer(scheme, slices) * length
    return 2.0 * gradient * step * step  # products overflow to infinity, Python's powers raise


@dataclass(frozen=True, kw_only=True)
class Quadrupole(_StraightMagnet):
    """Straight quadrupole.

    Parameters
    ----------
    k1 : float
        Normal strength [m^-2], > 0 focuses in x: px' = -k1 x, py' = k1 y.
    k1s : float
        Skew strength [m^-2]: px' = k1s y, py' = k1s x.
    """

    k1: float = parameter(unit="m^-2", free=ANY)
    k1s: float = parameter(unit="m^-2", free=ANY)

    STRENGTHS: ClassVar[dict[str, tuple[int, bool]]] = {"k1": (1, False), "k1s": (1, True)}
    STEPS: ClassVar[Steps] = Steps(LaskarRobutel(3), 1, 2)
    #: with errors of any size beside the matrix: one slice of order 4 would be worse than four of Forest and Ruth's
    STEPS_WITH_ERRORS: ClassVar[Steps] = Steps(BlanesMoan(6), 1, 4)
    SYMBOL: ClassVar[Symbol | None] = Symbol(RED, 0.0, 1.0, "k1")

    def _field_statics(self, model: Model, active: frozenset[str]) -> StraightBody:
        if not isinstance(model.integrator, MatrixKick):
            return super()._field_statics(model, active)
        terms = max(2, self._terms(active))
        wanted = active & {f"{name}[{n}]" for name in ("knl", "ksl") for n in range(terms)}
        kicks = int(terms > 2 or any((*self.knl, *self.ksl)) or bool(wanted))
        gradient = math.hypot(self.k1 + self._gradient_error("knl"), self.k1s + self._gradient_error("ksl"))
        # series have an entry for each knob even if it is 0, so that derivatives are those of the same scheme
        errors = _has_errors(self.knl, self.ksl)
        scheme, slices = steps_of(model.integrator, self.STEPS_WITH_ERRORS if errors else self.STEPS)
        halvings = trig_halvings(_largest_phase(gradient, self.length, scheme, slices))
        skew = terms if self._skew(active) else 0
        return MatrixBody(terms, skew, int(model.exact), scheme, slices, halvings, kicks, errors)

    def _gradient_error(self, name: str) -> float:
        series = getattr(self, name)
        return series[1] / self.length if len(series) > 1 and self.length else 0.0

    @classmethod
    def same_maps(cls, p: Mapping[str, Any], body: Any) -> bool:
        """Whether phases are small enough, and the same elements have errors."""
        if not isinstance(body, MatrixBody):
            return True
        if _has_errors(p["knl"], p["ksl"]) != body.errors:
            return False
        k1, k1s = ([p[k], *(v / p["length"] for v in p[s][1:2])] for k, s in (("k1", "knl"), ("k1s", "ksl")))
        gradient = np.hypot(sum(k1), sum(k1s))
        largest = np.max(_largest_phase(gradient, p["length"], body.scheme, body.slices))
        return trig_halvings(float(largest)) <= body.halvings

    @classmethod
    def lower_body(
        cls, p: Mapping[str, Any], body: DriftBody | StraightBody, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        """Matrix-kick, or as for other straight magnets."""
        if not isinstance(body, MatrixBody):
            return super().lower_body(p, body, begin, end)
        return [cls._field_call(QUADRUPOLE, piece_of(p, begin, end, "length", "knl", "ksl"), body)]
