"""Operations on truncated power series by the host compiler's kernels, built at first use and kept on disk."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.compiler import build, find_compiler
from gputrack.tpsa.kernel_text import kernel_text
from gputrack.tpsa.space import Space
from gputrack.tpsa.straight_text import is_straight
from gputrack.tpsa.tables import adjoint_terms, by_length, product_terms, tree

_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_long, ctypes.c_void_p
#: behind the tables, the shape packed into one integer, and the number of tiles
_SIGNATURES = {
    "tpsa_product": 3, "tpsa_product_adjoint": 3, "tpsa_quotient": 3, "tpsa_exponential": 2, "tpsa_sine_cosine": 3,
    "tpsa_square_root": 2,
}  # fmt: skip
_COMPOSE: Any = [
    _POINTER, _INT, _LONG, _POINTER, _POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER, _INT, _POINTER, _POINTER, _INT,
]  # fmt: skip
_REAL = np.dtype(np.float64)


class Tables(ctypes.Structure):
    """Twin of `Tables` in kernels/tpsa/sums.h."""

    _fields_ = (
        ("order", _INT),
        ("dimensions", _INT),
        *(
            (name, _POINTER)
            for name in (
                "first", "degrees", "by_length", "starts", "left", "right",
                "adjoint_starts", "adjoint_left", "adjoint_right", "tree_rows", "tree_lasts",
            )
        ),
    )  # fmt: skip


def has_kernels() -> bool:
    """Whether there is a compiler."""
    return find_compiler() is not None


@cache
def kernels(space: Space) -> Kernels:
    """The kernels of a space."""
    return Kernels(space, is_straight(space))


@cache
def _library(space: Space | None) -> ctypes.CDLL:
    lib = build(kernel_text("tpsa/tpsa_host.h", space))
    for name, series in _SIGNATURES.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = [_POINTER, _LONG, _LONG, *[_POINTER] * series], None
    lib.tpsa_compose.argtypes, lib.tpsa_compose.restype = _COMPOSE, None
    return lib


class Kernels:
    """Compiled operations on NumPy arrays (tiles, rows, lanes), real or complex, of one space.

    Parameters
    ----------
    space : Space
    straight : bool
        Whether they are built for this space alone: faster, after some seconds of building, once.
    """

    def __init__(self, space: Space, straight: bool) -> None:
        self.space = space
        arrays = [
            np.array(space.first), space.degrees, by_length(space),
            *product_terms(space), *adjoint_terms(space), *tree(space),
        ]  # fmt: skip
        self._kept = [np.ascontiguousarray(array, dtype=np.int32) for array in arrays]
        self._tables = Tables(space.order, space.dimensions, *(array.ctypes.data for array in self._kept))
        self.tables = ctypes.addressof(self._tables)
        self._weights = space.degrees[:, None].astype(float)
        self.library = _library(space if straight else None)

    def product(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.product`."""
        return self._of_two(self.library.tpsa_product, a, b, order)

    def product_adjoint(self, g: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.product_adjoint`."""
        return self._of_two(self.library.tpsa_product_adjoint, g, b, order)

    def quotient(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.quotient`."""
        return self._of_two(self.library.tpsa_quotient, a, b, order)

    def _of_two(self, function: Any, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        if a.dtype is not _REAL or b.dtype is not _REAL:
            return self._of_two_complex(function, a, b, order)
        tiles, rows, lanes = a.shape
        orders = self.space.order_of
        shape = (lanes > 1) | orders[rows] << 8 | orders[b.shape[1]] << 16 | order << 24
        a, b = _whole(a), _whole(b)
        c, address = _empty(tiles, self.space.first[order + 1], lanes)
        function(self.tables, shape, tiles, _address(a), _address(b), address)
        return c

    def _of_two_complex(self, function: Any, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        tiles, rows, lanes = a.shape
        orders = self.space.order_of
        kind = 2 if lanes == 1 else 3
        shape = kind | orders[rows] << 8 | orders[b.shape[1]] << 16 | order << 24
        first, second = _split(a), _split(b)
        c, address = _empty(tiles, 2 * self.space.first[order + 1], lanes)
        function(self.tables, shape, tiles, _address(first), _address(second), address)
        return _merged(c)

    def exp(self, a: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.exp`."""
        return self._of_one(self.library.tpsa_exponential, self._weighted(a), order, (np.exp(a[:, 0]),))[0]

    def sine_cosine(self, a: np.ndarray, sign: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Twin of `gputrack.tpsa.reference.sine_cosine`."""
        sine, cosine = (np.sin, np.cos) if sign < 0 else (np.sinh, np.cosh)
        values = sine(a[:, 0]), cosine(a[:, 0])
        s, c = self._of_one(self.library.tpsa_sine_cosine, self._weighted(a), order, values, sign > 0)
        return s, c

    def square_root(self, a: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.square_root`."""
        return self._of_one(self.library.tpsa_square_root, a, order, (np.sqrt(a[:, 0]),))[0]

    def compose(self, a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.compose`: (series, tiles, rows, lanes)."""
        return self._composed(a, b, order, False)

    def compose_adjoint(self, g: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.compose_adjoint`."""
        return self._composed(g, b, order, True)

    def _composed(self, a: np.ndarray, b: np.ndarray, order: int, adjoint: bool) -> np.ndarray:
        lowest = int(not b[:, :, 0].any())
        orders = [np.full(len(x), self.space.order_of[x.shape[2]], dtype=np.int32) for x in (a, b)]
        a, b = _alike(a, b)
        plain = a.dtype == np.float64
        (first, second), parts = ((a, b), 1) if plain else ((_split(a), _split(b)), 2)
        tiles, lanes = a.shape[1], a.shape[3]
        c, _ = _empty(len(a) * tiles, self.space.first[order + 1] * parts, lanes)
        c = c.reshape(len(a), tiles, c.shape[1], lanes)
        buffers, work_address = _empty(self.space.order + 1, self.space.size * parts, lanes)
        used = np.empty(self.space.size, dtype=np.bool_)
        lists = [_addresses(x) for x in (first, second, c)]
        kind = (lanes > 1) + 2 * (not plain)
        self.library.tpsa_compose(
            self.tables, kind, tiles, _address(lists[0]), _address(orders[0]), len(a),
            _address(lists[1]), _address(orders[1]), lowest, _address(lists[2]), order,
            work_address, _address(used), int(adjoint),
        )  # fmt: skip
        del buffers  # until here they were the kernel's
        return c if plain else _merged(c)

    def _weighted(self, a: np.ndarray) -> np.ndarray:
        return a * self._weights[: a.shape[1]]

    def _of_one(
        self, function: Any, a: np.ndarray, order: int, values: tuple[np.ndarray, ...], flag: bool = False
    ) -> list[np.ndarray]:
        """Functions whose constant parts are given, (tiles, lanes) each."""
        tiles, rows, lanes = a.shape
        plain = a.dtype is _REAL
        own = _whole(a) if plain else _split(a)
        results, addresses = [], []
        for value in values:
            result, address = _empty(tiles, self.space.first[order + 1] * (1 if plain else 2), lanes)
            if plain:
                result[:, 0] = value
            else:
                result[:, 0], result[:, 1] = value.real, value.imag
            results.append(result)
            addresses.append(address)
        shape = (lanes > 1) | (0 if plain else 2) | self.space.order_of[rows] << 8 | order << 16 | flag << 24
        function(self.tables, shape, tiles, _address(own), *addresses)
        return results if plain else [_merged(result) for result in results]


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of one type, both contiguous."""
    if a.dtype != b.dtype:
        kind = np.result_type(a, b)
        a, b = a.astype(kind), b.astype(kind)
    return _whole(a), _whole(b)


def _whole(a: np.ndarray) -> np.ndarray:
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def _empty(tiles: int, rows: int, lanes: int) -> tuple[np.ndarray, int]:
    """A new array and its address; one of tiles begins on a cache line, as vectors load fastest."""
    if lanes == 1:
        single = np.empty((tiles, rows, 1))
        return single, _address(single)
    count = tiles * rows * lanes
    raw = np.empty(count + 8)
    address = _address(raw)
    shift = -address // 8 % 8
    return raw[shift : shift + count].reshape(tiles, rows, lanes), address + 8 * shift


def _address(array: np.ndarray) -> int:
    """Where a contiguous array begins; several times faster than ``array.ctypes.data``, for read-only or empty ones."""
    try:
        start: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(start))
    except (TypeError, ValueError):
        address: int = array.ctypes.data
        return address


def _addresses(array: np.ndarray) -> np.ndarray:
    """Where each of the series in an array begins."""
    begin = _address(array)
    return np.arange(begin, begin + array.nbytes, array.strides[0], dtype=np.uint64)


def _split(a: np.ndarray) -> np.ndarray:
    """Real parts and imaginary parts in rows of their own, (..., 2 rows, lanes), from complex numbers."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a, dtype=np.complex128).view(np.float64).reshape(*more, rows, lanes, 2)
    return np.ascontiguousarray(parts.swapaxes(-1, -2)).reshape(*more, 2 * rows, lanes)


def _merged(a: np.ndarray) -> np.ndarray:
    """Complex numbers from their parts, the inverse of `_split`."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a.reshape(*more, rows // 2, 2, lanes).swapaxes(-1, -2))
    return parts.view(np.complex128)[..., 0]


