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

_INT, _LONG, _POINTER, _DOUBLE = ctypes.c_int, ctypes.c_long, ctypes.c_void_p, ctypes.c_double
_SERIES = [_POINTER, _INT]  # coefficients, and the order up to which there are some
_SIGNATURES = {
    "tpsa_product": _SERIES * 3,
    "tpsa_product_adjoint": _SERIES * 3,
    "tpsa_quotient": _SERIES * 3,
    "tpsa_exponential": _SERIES * 2,
    "tpsa_sine_cosine": [*_SERIES, _DOUBLE, _POINTER, *_SERIES],
    "tpsa_square_root": _SERIES * 2,
    "tpsa_compose": [
        _POINTER, _POINTER, _INT, _POINTER, _POINTER, _INT, *_SERIES, _POINTER, _POINTER, _INT,
    ],
}


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
    for name, arguments in _SIGNATURES.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = [ctypes.POINTER(Tables), _INT, _LONG, *arguments], None
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
        tables = Tables(space.order, space.dimensions, *(array.ctypes.data for array in self._kept))
        self.tables = ctypes.byref(tables)
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
        a, b = _alike(a, b)
        orders = self.space.order_of
        plain = a.dtype == np.float64
        if not plain:
            a, b = _split(a), _split(b)
        c, address = _empty(a.shape[0], self.space.first[order + 1] * (1 if plain else 2), a.shape[-1])
        rows_a, rows_b = (a.shape[1], b.shape[1]) if plain else (a.shape[1] // 2, b.shape[1] // 2)
        kind = (a.shape[2] > 1) + 2 * (not plain)
        function(
            self.tables, kind, a.shape[0],
            _address(a), orders[rows_a], _address(b), orders[rows_b], address, order,
        )  # fmt: skip
        return c if plain else _merged(c)

    def exp(self, a: np.ndarray, order: int) -> np.ndarray:
        """Twin of `gputrack.tpsa.reference.exp`."""
        return self._of_one(self.library.tpsa_exponential, self._weighted(a), order, (np.exp(a[:, 0]),))[0]

    def sine_cosine(self, a: np.ndarray, sign: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Twin of `gputrack.tpsa.reference.sine_cosine`."""
        sine, cosine = (np.sin, np.cos) if sign < 0 else (np.sinh, np.cosh)
        values = sine(a[:, 0]), cosine(a[:, 0])
        s, c = self._of_one(self.library.tpsa_sine_cosine, self._weighted(a), order, values, float(sign))
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
        c = c.reshape(len(a), tiles, -1, lanes)
        buffers, work_address = _empty(self.space.order + 1, self.space.size * parts, lanes)
        used = np.empty(self.space.size, dtype=np.bool_)
        lists = [np.array([_address(x) + i * x[0].nbytes for i in range(len(x))], dtype=np.uint64)
                 for x in (first, second, c)]  # fmt: skip
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

    @property
    def _weights(self) -> np.ndarray:
        return self.space.degrees[:, None].astype(float)

    def _of_one(
        self, function: Any, a: np.ndarray, order: int, values: tuple[np.ndarray, ...], *more: float
    ) -> list[np.ndarray]:
        """Functions whose constant parts are given, (tiles, lanes) each."""
        own = self.space.order_of[a.shape[1]]
        plain = a.dtype == np.float64
        data = _aligned(a) if plain else _split(a)
        rows, results = self.space.first[order + 1], []
        for value in values:
            result, address = _empty(a.shape[0], rows * (1 if plain else 2), a.shape[2])
            if plain:
                result[:, 0] = value
            else:
                result[:, 0], result[:, 1] = value.real, value.imag
            results.append((result, address))
        kind = (a.shape[2] > 1) + 2 * (not plain)
        addresses = [address for _, address in results]
        function(self.tables, kind, a.shape[0], _address(data), own, *more, *addresses, order)
        return [result if plain else _merged(result) for result, _ in results]


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of one type, both contiguous."""
    if a.dtype != b.dtype:
        kind = np.result_type(a, b)
        a, b = a.astype(kind), b.astype(kind)
    return _aligned(a), _aligned(b)


def _aligned(a: np.ndarray) -> np.ndarray:
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def _empty(tiles: int, rows: int, lanes: int) -> tuple[np.ndarray, int]:
    """A new array that begins on a cache line, as vectors load fastest, and its address."""
    count = tiles * rows * lanes
    raw = np.empty(count + 8)
    address = raw.__array_interface__["data"][0]
    shift = -address // 8 % 8
    return raw[shift : shift + count].reshape(tiles, rows, lanes), address + 8 * shift


def _address(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _split(a: np.ndarray) -> np.ndarray:
    """Real parts and imaginary parts in rows of their own, (..., 2 rows, lanes), from complex numbers."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a).view(np.float64).reshape(*more, rows, lanes, 2)
    return np.ascontiguousarray(parts.swapaxes(-1, -2)).reshape(*more, 2 * rows, lanes)


def _merged(a: np.ndarray) -> np.ndarray:
    """Complex numbers from their parts, the inverse of `_split`."""
    *more, rows, lanes = a.shape
    parts = np.ascontiguousarray(a.reshape(*more, rows // 2, 2, lanes).swapaxes(-1, -2))
    return parts.view(np.complex128)[..., 0]


