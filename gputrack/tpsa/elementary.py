"""Elementary functions of truncated power series.

With E f = sum of |k| f_k x^k (Euler's operator, a derivation), the functions whose derivative is algebraic follow from
E f = f'(a) E a by division of each coefficient by its degree: one or two products at any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.layout import namespace

if TYPE_CHECKING:
    from gputrack.tpsa.series import Series

NEAR = 2.0  # largest constant part for which sin(a)/a is expanded about 0
_TERMS = 24  # of that expansion: 2^48/49! is below rounding


class Elementary:
    """Elementary functions as methods of series, called by ``gputrack.base.arrays.sqrt`` and NumPy's functions."""

    __slots__ = ()

    def sqrt(self: Any) -> Series:
        """Square root; the constant part must be > 0 (or complex, and not 0)."""
        _require(self, "sqrt", "> 0", lambda c: c > 0)
        root: Series = self._like(ops.square_root(self.space, self._data, self._full))
        return root

    def exp(self: Any) -> Series:
        """Exponential function."""
        power: Series = self._like(ops.exp(self.space, self._data, self._full))
        return power

    def log(self: Any) -> Series:
        """Natural logarithm; the constant part must be > 0 (or complex, and not 0)."""
        _require(self, "log", "> 0", lambda c: c > 0)
        return _integrated(self, lambda c, xp: xp.log(c), self)

    def log1p(self: Any) -> Series:
        """log(1 + a), accurate where the constant part is small; it must be > -1 (or complex, and not -1)."""
        _require(self, "log1p", "> -1", lambda c: c > -1, singular=-1.0)
        return _integrated(self, lambda c, xp: xp.log1p(c), 1.0 + self)

    def sin_cos(self: Any) -> tuple[Series, Series]:
        """Sine and cosine at the cost of one of them."""
        s, c = ops.sine_cosine(self.space, self._data, -1, self._full)
        return self._like(s), self._like(c)

    def sinh_cosh(self: Any) -> tuple[Series, Series]:
        """Hyperbolic sine and cosine at the cost of one of them."""
        s, c = ops.sine_cosine(self.space, self._data, 1, self._full)
        return self._like(s), self._like(c)

    def sin(self) -> Series:
        """Sine."""
        return self.sin_cos()[0]

    def cos(self) -> Series:
        """Cosine."""
        return self.sin_cos()[1]

    def tan(self) -> Series:
        """Tangent; the cosine of the constant part must not be 0."""
        s, c = self.sin_cos()
        return s / c

    def sinh(self) -> Series:
        """Hyperbolic sine."""
        return self.sinh_cosh()[0]

    def cosh(self) -> Series:
        """Hyperbolic cosine."""
        return self.sinh_cosh()[1]

    def tanh(self) -> Series:
        """Hyperbolic tangent."""
        s, c = self.sinh_cosh()
        return s / c

    def arcsin(self: Any) -> Series:
        """Inverse sine; the constant part must lie between -1 and 1."""
        _require(self, "arcsin", "between -1 and 1", lambda c: abs(c) < 1)
        return _integrated(self, lambda c, xp: xp.arcsin(c), ((1.0 - self) * (1.0 + self)).sqrt())

    def arccos(self: Any) -> Series:
        """Inverse cosine; the constant part must lie between -1 and 1."""
        _require(self, "arccos", "between -1 and 1", lambda c: abs(c) < 1)
        return _integrated(self, lambda c, xp: xp.arccos(c), -((1.0 - self) * (1.0 + self)).sqrt())

    def arctan(self: Any) -> Series:
        """Inverse tangent."""
        return _integrated(self, lambda c, xp: xp.arctan(c), 1.0 + self * self)

    def arctan2(self: Any, other: Any) -> Series:
        """Angle of (other, self) between -pi and pi; real, and not both constant parts 0.

        Sum of the angle of the constant parts and an arc tangent about 0 in the frame rotated by that angle.

        Parameters
        ----------
        other : Series, number or array

        Raises
        ------
        InputError
            A coefficient is complex, or both constant parts are 0.
        """
        y, x = self, other + 0.0 * self
        if "c" in (y._kind, x._kind):
            raise InputError("Series.arctan2: coefficients must be real")
        across, up = x.constant, y.constant
        if not bool(untraced(across**2 + up**2).all()):
            raise InputError("Series.arctan2: one of the constant parts must be other than 0")
        turned = y * across - x * up
        angle: Series = ((turned - turned.constant) / (x * across + y * up)).arctan()
        total: Series = angle + namespace(across, up).arctan2(up, across)
        return total

    def arcsinh(self: Any) -> Series:
        """Inverse hyperbolic sine."""
        return _integrated(self, lambda c, xp: xp.arcsinh(c), (1.0 + self * self).sqrt())

    def arccosh(self: Any) -> Series:
        """Inverse hyperbolic cosine; the constant part must be > 1."""
        _require(self, "arccosh", "> 1", lambda c: c > 1)
        # Two roots give the principal branch for complex numbers as well.
        return _integrated(self, lambda c, xp: xp.arccosh(c), (self - 1.0).sqrt() * (self + 1.0).sqrt())

    def arctanh(self: Any) -> Series:
        """Inverse hyperbolic tangent; the constant part must lie between -1 and 1."""
        _require(self, "arctanh", "between -1 and 1", lambda c: abs(c) < 1)
        return _integrated(self, lambda c, xp: xp.arctanh(c), (1.0 - self) * (1.0 + self))

    def sinc(self: Any) -> Series:
        """sin(a)/a, smooth where a is 0."""
        quotient: Series = self.taylor(_cardinal(self, -1))
        return quotient

    def sinhc(self: Any) -> Series:
        """sinh(a)/a, smooth where a is 0."""
        quotient: Series = self.taylor(_cardinal(self, 1))
        return quotient

    def taylor(self: Any, coefficients: Any) -> Series:
        """Analytic function, given the coefficients of its expansion about the constant part.

        Parameters
        ----------
        coefficients : sequence of numbers, or of arrays of the shape of the batch
            f^(n)(a_0) / n! for n = 0, 1, ... up to the order of the space; missing ones are 0.

        Returns
        -------
        Series
        """
        values = list(coefficients)[: self.space.order + 1]
        rest = self - self.constant
        total: Series = rest * 0.0 + values[-1]
        for value in values[-2::-1]:
            total = total * rest + value
        return total

    asin, acos, atan = arcsin, arccos, arctan
    asinh, acosh, atanh = arcsinh, arccosh, arctanh


def _integrated(a: Series, value: Callable[[Any, Any], Any], slope: Series) -> Series:
    """Function f with E f = E a / slope, and a given value at the constant part."""
    xp = namespace(a._data)
    order = a._full
    weights = xp.asarray(a.space.degrees[:, None], dtype=float)
    data = ops.quotient(a.space, a._data * weights[: a._data.shape[1]], slope._data, order)
    rows = a.space.first[order + 1]
    rest = data[:, 1:] / weights[1:rows]
    return a._like(xp.concatenate([value(a._data[:, :1], xp), rest], axis=1))


def _require(a: Series, name: str, domain: str, holds: Callable[[Any], Any], singular: float = 0.0) -> None:
    """Raise `InputError` if a real constant part lies outside the domain, or a complex one is singular."""
    constant = untraced(a._data)[:, 0]
    good = holds(constant) if constant.dtype.kind == "f" else constant != singular
    if not bool(good.all()):
        worst = constant[~good].ravel()[0].item()
        wanted = domain if constant.dtype.kind == "f" else f"other than {singular:g}"
        raise InputError(f"Series.{name}: the constant part must be {wanted}, got {worst!r}")


def _cardinal(a: Series, sign: int) -> list[Any]:
    """Expansion of sin(a)/a (sign = -1) or sinh(a)/a about the constant part."""
    xp, c, order = namespace(a._data), a.constant, a.space.order
    near = abs(untraced(c)) < NEAR
    small, large = xp.where(near, c, 0.0), xp.where(near, 1.0, c)
    ahead = []
    for n in range(order + 1):
        terms = range((n + 1) // 2, n // 2 + _TERMS)
        factors = ((m, sign**m * math.comb(2 * m, n) / math.factorial(2 * m + 1)) for m in terms)
        ahead.append(sum(factor * small ** (2 * m - n) for m, factor in factors))
    # a f = sin a: c f_n + f_{n-1} = s_n
    s, d = (xp.sin(large), xp.cos(large)) if sign < 0 else (xp.sinh(large), xp.cosh(large))
    turns = (s, d, sign * s, sign * d)
    away: list[Any] = []
    for n in range(order + 1):
        sine = turns[n % 4] / math.factorial(n)
        away.append((sine - (away[-1] if away else 0.0)) / large)
    return [xp.where(near, first, second) for first, second in zip(ahead, away, strict=True)]


#: methods by the names of NumPy's functions of one argument
UNARY = {
    getattr(np, name): name
    for name in (
        "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
        "arcsinh", "arccosh", "arctanh", "log1p",
    )
}  # fmt: skip
