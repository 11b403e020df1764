"""Operations on truncated power series by compiled kernels on the host, built at first use and cached on disk."""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
from typing import Any

import numpy as np

from gputrack.base.compiler import build, find_compiler
from gputrack.tpsa.kernel_source import is_straight, kernel_text
from gputrack.tpsa.space import Space
from gputrack.tpsa.structs import TABLES
from gputrack.tpsa.tables import adjoint_terms, by_length, product_terms, tree

_LONG, _POINTER = ctypes.c_long, ctypes.c_void_p
#: behind the tables, the shape packed into one integer, and the number of tiles
_SIGNATURES = {
    "tpsa_product": 3, "tpsa_product_adjoint": 3, "tpsa_quotient": 3, "tpsa_exponential": 2, "tpsa_sine_cosine": 3,
    "tpsa_square_root": 2,
}  # fmt: skip
#: offset of the address of an array's data in the array object: the first member after the object header
_HEADER = object.__basicsize__
_REAL = np.dtype(np.float64)
_Parts = list[tuple[np.ndarray, int]]  # arrays, and the orders up to which they have rows


def has_kernels() -> bool:
    """Whether there is a compiler, and array objects have the layout that the kernels assume."""
    return find_compiler() is not None and _places_are_known()


@cache
def kernels(space: Space) -> Kernels:
    """Kernels of a space."""
    return Kernels(space, is_straight(space))


@cache
def _library(space: Space | None) -> ctypes.CDLL:
    lib = build(kernel_text("host/tpsa.h", space))
    for name, series in _SIGNATURES.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = [_POINTER, _LONG, _LONG, *[_POINTER] * series], None
    for function, result in ((lib.tpsa_compose, None), (lib.tpsa_inverse, _LONG)):
        function.argtypes, function.restype = [_POINTER, _LONG, _LONG, _POINTER], result
    return lib


class Kernels:
    """Compiled operations on NumPy arrays (tiles, rows, lanes), real or complex, of one space.

    Parameters
    ----------
    space : Space
    straight : bool
        Whether they are built for this space only: faster, after compilation for some seconds at first use.
    """

    def __init__(self, space: Space, straight: bool) -> None:
        self.space = space
        arrays = [
            np.array(space.first), space.degrees, by_length(space),
            *product_terms(space), *adjoint_terms(space), *tree(space),
        ]  # fmt: skip
        self._kept = [np.ascontiguousarray(array, dtype=np.int32) for array in arrays]
        self._tables = TABLES.memory(space.order, space.dimensions, *(array.ctypes.data for array in self._kept))
        self.tables = ctypes.addressof(self._tables)
        self.library = _library(space if straight else None)

    def product(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.product`."""
        return self._of_two(self.library.tpsa_product, a, b, order)

    def product_adjoint(self, g: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.product_adjoint`."""
        return self._of_two(self.library.tpsa_product_adjoint, g, b, order)

    def quotient(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.quotient`."""
        return self._of_two(self.library.tpsa_quotient, a, b, order)

    def _of_two(self, function: Any, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        if a.dtype is not _REAL or b.dtype is not _REAL:
            return self._of_two_complex(function, a, b, order)
        tiles, rows, lanes = a.shape
        orders = self.space.order_of
        shape = (lanes > 1) | orders[rows] << 8 | orders[b.shape[1]] << 16 | order << 24
        a, b = _whole(a), _whole(b)
        c = _empty(tiles, self.space.first[order + 1], lanes)
        function(self.tables, shape, tiles, id(a) + _HEADER, id(b) + _HEADER, id(c) + _HEADER)
        return c

    def _of_two_complex(self, function: Any, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        tiles, rows, lanes = a.shape
        orders = self.space.order_of
        kind = 2 if lanes == 1 else 3
        shape = kind | orders[rows] << 8 | orders[b.shape[1]] << 16 | order << 24
        first, second = _split(a), _split(b)
        c = _empty(tiles, 2 * self.space.first[order + 1], lanes)
        function(self.tables, shape, tiles, place(first), place(second), place(c))
        return _merged(c)

    def exp(self, a: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.exp`."""
        return self._of_one(self.library.tpsa_exponential, a, order, (np.exp,))[0]

    def sine_cosine(self, a: np.ndarray, sign: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Twin of `gputrack.tpsa.array_operations.sine_cosine`."""
        values = (np.sin, np.cos) if sign < 0 else (np.sinh, np.cosh)
        s, c = self._of_one(self.library.tpsa_sine_cosine, a, order, values, sign > 0)
        return s, c

    def square_root(self, a: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.square_root`."""
        return self._of_one(self.library.tpsa_square_root, a, order, (np.sqrt,))[0]

    def compose(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.compose`: (series, tiles, rows, lanes)."""
        return self._composed(a, b, order, False)

    def compose_adjoint(self, g: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.array_operations.compose_adjoint`."""
        return self._composed(g, b, order, True)

    def _composed(self, a: np.ndarray, b: np.ndarray, order: int, adjoint: bool) -> np.ndarray:
        orders = [self.space.order_of[x.shape[2]] for x in (a, b)]
        a, b = _alike(a, b)
        if a.dtype == np.float64:
            return self.compose_parts(list(a), list(b), order, adjoint)
        given = zip((_split(a), _split(b)), orders, strict=True)
        first, second = ([(part, own) for part in x] for x, own in given)
        return _merged(self._run_compose(first, second, a.shape[1], a.shape[3], order, adjoint, 2))

    def compose_parts(self, a: list[np.ndarray], b: list[np.ndarray], order: int, adjoint: bool = False) -> np.ndarray:
        """`compose` for contiguous real series (tiles, rows, lanes), each of its own order."""
        orders, (tiles, _, lanes) = self.space.order_of, b[0].shape
        first, second = ([(x, orders[x.shape[1]]) for x in parts] for parts in (a, b))
        return self._run_compose(first, second, tiles, lanes, order, adjoint, 0)

    def _run_compose(
        self, a: _Parts, b: _Parts, tiles: int, lanes: int, order: int, adjoint: bool, kind: int
    ) -> np.ndarray:
        """`kind`: 0 for real series, 2 for complex ones with separate rows of real and imaginary parts."""
        rows = self.space.first[order + 1] << (kind >> 1)
        c = _empty(len(a) * tiles, rows, lanes).reshape(len(a), tiles, rows, lanes)
        given = array("q", [len(a), order, adjoint])
        for part, own in (*a, *b):
            given.append(place(part))
            given.append(own)
        given.append(place(c))
        self.library.tpsa_compose(self.tables, kind | (lanes > 1), tiles, given.buffer_info()[0])
        return c

    def inverse(self, a: list[np.ndarray], order: int) -> np.ndarray | None:
        """(variables, tiles, rows, lanes) Inverse of a map of contiguous real series (tiles, rows, lanes).

        Up to an order >= 1; None if a constant part is not 0 or a linear part is singular.
        """
        space, (tiles, _, lanes) = self.space, a[0].shape
        rows = space.first[order + 1]
        c = _empty(len(a) * tiles, rows, lanes).reshape(len(a), tiles, rows, lanes)
        given = array("q", [len(a), order])
        for part in a:
            given.append(place(part))
            given.append(space.order_of[part.shape[1]])
        given.append(place(c))
        return None if self.library.tpsa_inverse(self.tables, lanes > 1, tiles, given.buffer_info()[0]) else c

    def _of_one(
        self, function: Any, a: np.ndarray, order: int, values: tuple[Any, ...], flag: bool = False
    ) -> list[np.ndarray]:
        """Elementary functions, given their values for the constant parts."""
        tiles, rows, lanes = a.shape
        plain = a.dtype is _REAL
        own = _whole(a) if plain else _split(a)
        results = [_empty(tiles, self.space.first[order + 1] * (1 if plain else 2), lanes) for _ in values]
        if not plain:
            for result, value in zip(results, values, strict=True):
                constant = value(a[:, 0])
                result[:, 0], result[:, 1] = constant.real, constant.imag
        shape = (lanes > 1) | (0 if plain else 2) | self.space.order_of[rows] << 8 | order << 16 | flag << 24
        function(self.tables, shape, tiles, id(own) + _HEADER, *[id(result) + _HEADER for result in results])
        return results if plain else [_merged(result) for result in results]


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays contiguous and of the same type."""
    if a.dtype != b.dtype:
        kind = np.result_type(a, b)
        a, b = a.astype(kind), b.astype(kind)
    return _whole(a), _whole(b)


def _whole(a: np.ndarray) -> np.ndarray:
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def _empty(tiles: int, rows: int, lanes: int) -> np.ndarray:
    """New array; several lanes are aligned to a cache line, for fast vector loads."""
    if lanes == 1:
        return np.empty((tiles, rows, 1))
    count = tiles * rows * lanes
    raw: Any = np.empty(count + 8)
    shift = -ctypes.addressof(ctypes.c_char.from_buffer(raw)) // 8 % 8
    aligned: np.ndarray = raw[shift : shift + count].reshape(tiles, rows, lanes)
    return aligned


def place(data: np.ndarray) -> int:
    """Address of the member with the address of an array's data, many times faster to get than that itself."""
    return id(data) + _HEADER


@cache
def _places_are_known() -> bool:
    """Whether array objects have the address of their data at the assumed offset."""
    sample = np.empty(3)
    return ctypes.c_void_p.from_address(place(sample)).value == sample.ctypes.data


def _split(a: np.ndarray) -> np.ndarray:
    """Separate rows of real and imaginary parts, (..., 2 rows, lanes), from complex numbers."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a, dtype=np.complex128).view(np.float64).reshape(*more, rows, lanes, 2)
    return np.ascontiguousarray(parts.swapaxes(-1, -2)).reshape(*more, 2 * rows, lanes)


def _merged(a: np.ndarray) -> np.ndarray:
    """Complex numbers from separate parts: inverse of `_split`."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a.reshape(*more, rows // 2, 2, lanes).swapaxes(-1, -2))
    return parts.view(np.complex128)[..., 0]
