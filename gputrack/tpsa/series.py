"""Truncated power series, single or in batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NoReturn

import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.calculus import derivative, integral, poisson
from gputrack.tpsa.elementary import UNARY, Elementary
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.layout import beside, lanes_of, namespace, packed, padded, unpacked
from gputrack.tpsa.printing import series_text
from gputrack.tpsa.space import Space

_NUMBERS = (int, float, complex, np.number)
#: methods for NumPy's arithmetic, with a series as the left operand, or as the right one only
_BINARY = {
    np.add: ("__add__", "__radd__"), np.subtract: ("__sub__", "__rsub__"), np.multiply: ("__mul__", "__rmul__"),
    np.true_divide: ("__truediv__", "__rtruediv__"), np.power: ("__pow__", "__rpow__"),
}  # fmt: skip
_COMPARISONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)


class Series(Elementary):
    """Batch of power series with real or complex coefficients, truncated at the order of their space.

    Made by `variables`, `constant` and `Series.of`. Operations return new series; an operand may be a number, or an
    array whose shape broadcasts with that of the batch. Only coefficients up to the series' own order are stored, so
    that products of low-order series are cheap.

    Attributes
    ----------
    space : Space
    batch : tuple of int
        Shape of the batch; () for a single series.
    """

    __slots__ = ("_data", "batch", "space")

    def __init__(self, space: Space, data: Array, batch: tuple[int, ...]) -> None:
        self.space = space
        self._data = data
        self.batch = batch

    @classmethod
    def of(cls, space: Space, coefficients: Array) -> Series:
        """Series with given coefficients.

        Parameters
        ----------
        space : Space
        coefficients : (..., rows) array
            In the order of ``space.exponents``, up to any whole order; NumPy, CuPy, or traced by autograd.

        Raises
        ------
        InputError
            `rows` is not a number of monomials up to some order, or the coefficients are not numbers.
        """
        array = coefficients if is_traced(coefficients) else namespace(coefficients).asarray(coefficients)
        if untraced(array).dtype.kind not in "fiuc":
            raise InputError(f"Series: coefficients must be numbers, got dtype {untraced(array).dtype}")
        if array.ndim == 0 or array.shape[-1] not in space.order_of or 0 in array.shape:
            sizes = ", ".join(map(str, space.order_of))
            raise InputError(f"Series: the last axis of coefficients must be one of {sizes}, got shape {array.shape}")
        if not is_traced(array):
            array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        return cls(space, packed(array), tuple(array.shape[:-1]))

    # -- coefficients --------------------------------------------------------------------------------------------------

    @property
    def order(self) -> int:
        """Order up to which coefficients are stored; higher ones are 0."""
        return self.space.order_of[self._data.shape[1]]

    @property
    def coefficients(self) -> Array:
        """(*batch, size) All coefficients, in the order of ``space.exponents``."""
        return unpacked(padded(self._data, self.space.size), self.batch)

    @property
    def constant(self) -> Array:
        """(*batch) Constant parts."""
        return unpacked(self._data[:, :1], self.batch)[..., 0]

    def coefficient(self, exponents: Sequence[int]) -> Array:
        """(*batch) Coefficients of one monomial.

        Raises
        ------
        InputError
            See `Space.row`.
        """
        row = self.space.row(exponents)
        if row >= self._data.shape[1]:
            return 0.0 * self.constant
        return unpacked(self._data[:, row : row + 1], self.batch)[..., 0]

    def __getitem__(self, place: Any) -> Series:
        """Part of the batch, indexed as an array of its shape."""
        xp = namespace(self._data)
        try:
            numbers = np.arange(math.prod(self.batch)).reshape(self.batch)[place]
        except (IndexError, TypeError) as error:
            raise InputError(f"Series: batch of shape {self.batch} has no {short(place)}: {error}") from None
        flat = unpacked(self._data, (math.prod(self.batch),))
        kept = xp.reshape(flat[beside(numbers.ravel(), flat)], (*numbers.shape, flat.shape[1]))
        return Series(self.space, packed(kept), numbers.shape)

    def __iter__(self) -> NoReturn:
        raise InputError("Series: not a sequence; its coefficients are series.coefficients")

    def __repr__(self) -> str:
        return series_text(self)

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Series:
        return self._sum(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Series:
        return self._sum(other, -1)

    def __rsub__(self, other: Any) -> Series:
        return (-self)._sum(other, 1)

    def __neg__(self) -> Series:
        return self._like(-self._data)

    def __pos__(self) -> Series:
        return self

    def __mul__(self, other: Any) -> Series:
        if isinstance(other, _NUMBERS):
            return Series(self.space, self._data * other, self.batch)
        a, b = self._pair(other)
        if not isinstance(b, Series):
            return a._like(a._data * b)
        space, first, second = self.space, a._data, b._data
        order = space.order_of[first.shape[1]] + space.order_of[second.shape[1]]
        return Series(space, ops.product(space, first, second, min(space.order, order)), a.batch)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Series:
        if isinstance(other, _NUMBERS):
            _require_divisor(other)
            return self._like(self._data / other)
        a, b = self._pair(other)
        if not isinstance(b, Series):
            _require_divisor(b)
            return a._like(a._data / b)
        return a._over(b)

    def __rtruediv__(self, other: Any) -> Series:
        b, a = self._pair(other)
        top = a if not isinstance(a, _NUMBERS) else a + 0.0 * b._data[:, :1]
        return b._like(top)._over(b)

    def _over(self, b: Series) -> Series:
        _require_divisor(b._data[:, :1])
        order = self.order if b.order == 0 else self.space.order
        return self._like(ops.quotient(self.space, self._data, b._data, order))

    def __pow__(self, exponent: Any) -> Series:
        if isinstance(exponent, (int, np.integer)):
            return self._to_integer(int(exponent))
        if isinstance(exponent, Series):
            return (exponent * self.log()).exp()
        if not isinstance(exponent, (float, np.floating)):
            raise InputError(f"Series: an exponent must be a real number or a series, got {short(exponent)}")
        if exponent == int(exponent):
            return self._to_integer(int(exponent))
        rest = exponent * self.log()
        power: Series = (rest - rest.constant).exp() * self.constant**exponent
        return power

    def __rpow__(self, base: Any) -> Series:
        if not isinstance(base, _NUMBERS) or not (isinstance(base, (complex, np.complexfloating)) or base > 0):
            raise InputError(f"Series: the base of a power must be a number > 0, got {short(base)}")
        power: Series = (self * np.log(base)).exp()
        return power

    def _to_integer(self, exponent: int) -> Series:
        if exponent < 0:
            return 1.0 / self._to_integer(-exponent)
        result, square = None, self
        while exponent:
            if exponent & 1:
                result = square if result is None else result * square
            exponent >>= 1
            square = square * square if exponent else square
        return self._like(1.0 + 0.0 * self._data[:, :1]) if result is None else result

    # -- calculus ------------------------------------------------------------------------------------------------------

    def derivative(self, variable: int) -> Series:
        """Partial derivative, of one order less."""
        return derivative(self, variable)

    def integral(self, variable: int) -> Series:
        """Integral from 0 over one variable."""
        return integral(self, variable)

    def poisson(self, other: Series) -> Series:
        """Poisson bracket, see `gputrack.tpsa.calculus.poisson`."""
        return poisson(self, other)

    def evaluate(self, points: Array) -> Array:
        """Values at points, see `gputrack.tpsa.evaluation.evaluate`."""
        return evaluate((self,), points)[0]

    def truncated(self, order: int) -> Series:
        """Copy without the coefficients above an order."""
        require_integer("Series", "order", order, at_least=0)
        return self._like(self._data[:, : self.space.rows(order)]) if order < self.order else self

    def to(self, space: Space) -> Series:
        """The same polynomial in a space of another order, truncated if that is lower.

        Raises
        ------
        InputError
            The space has other variables or parameters.
        """
        if space == self.space:
            return self
        if (space.variables, space.parameters) != (self.space.variables, self.space.parameters):
            raise InputError(f"Series: {self.space} and {space} differ in their variables or parameters")
        order = min(self.order, space.order)
        rows = self.space.find(space.exponents[: space.first[order + 1]])
        inside = rows >= 0
        data = self._data[:, beside(np.where(inside, rows, 0), self._data)]
        return Series(space, data if inside.all() else data * beside(1.0 * inside[:, None], data), self.batch)

    @property
    def real(self) -> Series:
        """Real parts of the coefficients."""
        return self._like(namespace(self._data).real(self._data) * 1.0)

    @property
    def imag(self) -> Series:
        """Imaginary parts of the coefficients."""
        return self._like(namespace(self._data).imag(self._data) * 1.0)

    def conjugate(self) -> Series:
        """Series with conjugate coefficients."""
        return self._like(namespace(self._data).conj(self._data))

    # -- unsupported operations ----------------------------------------------------------------------------------------

    def _refused(self, *_: Any) -> NoReturn:
        raise InputError("Series: power series cannot be compared or converted; use series.constant or .coefficients")

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refused
    __bool__ = __float__ = __int__ = __complex__ = __abs__ = _refused
    __hash__ = object.__hash__

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("Series: not an array; its coefficients are series.coefficients")

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's functions of one argument, and its arithmetic with arrays on the left."""
        if method == "__call__" and not options:
            if function in UNARY:
                return getattr(inputs[0], UNARY[function])()
            if function in _BINARY:
                left, right = inputs
                ahead, behind = _BINARY[function]
                if isinstance(left, Series):
                    return getattr(left, ahead)(_plain(right))
                return getattr(right, behind)(_plain(left))
            if function is np.arctan2:
                left, right = (_plain(value) for value in inputs)
                return (left if isinstance(left, Series) else left + 0.0 * right).arctan2(right)
            if function in (np.negative, np.positive, np.square):
                return self * self if function is np.square else -self if function is np.negative else self
            if function in _COMPARISONS:
                self._refused()
        raise InputError(f"numpy.{function.__name__}: is not defined for power series")

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """Functions that autograd calls for the other operand of a traced number; others raise."""
        answers = {np.shape: self.batch, np.ndim: len(self.batch), np.iscomplexobj: self._kind == "c"}
        if function in answers:
            return answers[function]
        if function is np.result_type:
            return np.dtype(np.complex128 if self._kind == "c" else np.float64)
        raise InputError(f"numpy.{function.__name__}: is not defined for power series")

    # -- internals -----------------------------------------------------------------------------------------------------

    @property
    def _full(self) -> int:
        """Order of a function of this series."""
        return self.space.order if self.order else 0

    @property
    def _kind(self) -> str:
        return str(untraced(self._data).dtype.kind)

    def _like(self, data: Array) -> Series:
        return Series(self.space, data, self.batch)

    def _sum(self, other: Any, sign: int) -> Series:
        a, b = self._pair(other)
        if not isinstance(b, Series):
            return a._like(_with_constant(a._data, b if sign > 0 else -b))
        first, second = a._data, b._data
        rows = max(first.shape[1], second.shape[1])
        if first.shape[1] != rows:
            first = padded(first, rows)
        elif second.shape[1] != rows:
            second = padded(second, rows)
        return a._like(first + second if sign > 0 else first - second)

    def _pair(self, other: Any) -> tuple[Series, Any]:
        """Both operands with a common batch; the other is a number, (tiles, 1, lanes), or a series."""
        if type(other) is Series:
            if other.space is not self.space and other.space != self.space:
                raise InputError(f"Series: operands belong to different spaces, {self.space} and {other.space}")
            if other.batch == self.batch:
                return self, other
            shape = _common(self.batch, other.batch)
            return self._spread(shape), other._spread(shape)
        if isinstance(other, _NUMBERS):
            return self, other
        array = _as_numbers(other)
        shape = _common(self.batch, tuple(array.shape))
        xp = namespace(array)
        own = packed(xp.reshape(_broadcast(array, shape), (*shape, 1)))
        return self._spread(shape), own

    def _spread(self, batch: tuple[int, ...]) -> Series:
        """Series broadcast to a larger batch."""
        if batch == self.batch:
            return self
        rows = self._data.shape[1]
        if math.prod(self.batch) == 1:  # most frequent: one series for many
            tiles, lanes = lanes_of(batch, not isinstance(untraced(self._data), np.ndarray))
            return Series(self.space, _broadcast(self._data, (tiles, rows, lanes)), batch)
        whole = unpacked(self._data, self.batch)
        return Series(self.space, packed(_broadcast(whole, (*batch, rows))), batch)


def _broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    if is_traced(array):
        return array + np.zeros(shape)
    xp = namespace(array)
    return xp.ascontiguousarray(xp.broadcast_to(array, shape))


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise InputError(f"Series: batches of shapes {first} and {second} cannot be broadcast together") from None


def _as_numbers(value: Any) -> Array:
    array = value if is_traced(value) else namespace(value).asarray(value)
    kind = np.asarray(untraced(array)).dtype.kind if is_traced(array) else array.dtype.kind
    if kind not in "fiuc":
        raise InputError(f"Series: operands must be series, numbers or arrays of these, got {short(value)}")
    return array


def _plain(value: Any) -> Any:
    """Number from a zero-dimensional array, to which NumPy's functions convert its scalars."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _with_constant(data: Array, value: Any) -> Array:
    """Add a number, or one for each series, to the constant parts."""
    if type(data) is np.ndarray and data.dtype == np.float64 and isinstance(value, (int, float)):
        result = data.copy()
        result[:, 0] += value
        return result
    if is_traced(data) or is_traced(value):
        return namespace(data, value).concatenate([data[:, :1] + value, data[:, 1:]], axis=1)
    kind = np.result_type(data.dtype, np.asarray(value).dtype if isinstance(value, _NUMBERS) else value.dtype)
    result = data.astype(kind)  # a copy
    result[:, :1] += value
    return result


def _require_divisor(value: Any) -> None:
    if isinstance(value, _NUMBERS):
        good = value != 0
    elif type(value) is np.ndarray and value.size == 1:
        good = value.item() != 0  # shortcut, since operations on small series are short
    else:
        good = untraced(value).all()
    if not good:
        raise InputError("Series: division by 0, or by a series with constant part 0")


def constant(space: Space, value: Any) -> Series:
    """Constant series.

    Parameters
    ----------
    space : Space
    value : number or array
        Its shape is that of the batch.
    """
    array = _as_numbers(value)
    return Series.of(space, namespace(array).reshape(array, (*array.shape, 1)))


def variables(space: Space, at: Any = None) -> tuple[Series, ...]:
    """Variables, followed by parameters, as series.

    Parameters
    ----------
    space : Space
    at : (dimensions, ...) or (variables, ...) array, optional
        Constant parts, for example the closed orbit; by default 0. Further axes are a batch.

    Returns
    -------
    tuple of Series
        One for each variable and parameter.

    Raises
    ------
    InputError
        `at` has another number of entries, or the space is of order 0.

    Examples
    --------
    >>> x, y = variables(Space(2, 3))
    >>> (1.0 + x * y).sqrt()
    1 + 0.5 x1 x2 + ...
    """
    if space.order == 0:
        raise InputError("variables: a space of order 0 has only constants; use order >= 1")
    return _deviations(space) if at is None else _variables(space, _as_numbers(at))


@cache
def _deviations(space: Space) -> tuple[Series, ...]:
    return _variables(space, np.zeros(space.dimensions))


def _variables(space: Space, values: Array) -> tuple[Series, ...]:
    count = values.shape[0] if values.ndim else 0
    if count not in (space.dimensions, space.variables):
        raise InputError(f"variables: at must have {space.dimensions} entries, got shape {tuple(values.shape)}")
    found = []
    for v in range(space.dimensions):
        value = values[v] if v < count else 0.0 * values[0]
        linear = np.zeros(1 + space.dimensions)
        linear[1 + v] = 1.0
        base = constant(space, value)
        found.append(Series.of(space, linear) + base if base.batch == () else base + Series.of(space, linear))
    return tuple(found)
