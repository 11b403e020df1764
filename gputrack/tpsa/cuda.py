"""Operations on truncated power series by CUDA kernels, for CuPy arrays (1, rows, maps): one map per thread."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gputrack.base.arrays import Array, module_named
from gputrack.tpsa.kernel_source import MOST_GPU_PRODUCTS, kernel_text
from gputrack.tpsa.space import Space
from gputrack.tpsa.structs import OPERATION, TABLES
from gputrack.tpsa.tables import adjoint_terms, by_length, product_terms, tree

THREADS = 128
OPTIONS = ("-std=c++17", f"-DGT_THREADS={THREADS}")
#: operations with CUDA kernels; others use array mathematics
NAMES = ("product", "product_adjoint", "quotient", "exp", "square_root", "sine_cosine")


@cache
def kernels(space: Space) -> Kernels:
    """Kernels of a space."""
    return Kernels(space)


@cache
def _module(space: Space | None) -> Any:
    return module_named("cupy").RawModule(code=kernel_text("cuda/tpsa.h", space), options=OPTIONS)


class Kernels:
    """Compiled operations on real CuPy arrays; twin of `gputrack.tpsa.host.Kernels`.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        self.space, self._xp = space, module_named("cupy")
        own = [
            np.array(space.first), space.degrees, by_length(space),
            *product_terms(space), *adjoint_terms(space), *tree(space),
        ]  # fmt: skip
        self._kept = [self._xp.asarray(np.ascontiguousarray(array, dtype=np.int32)) for array in own]
        tables = TABLES.memory(space.order, space.dimensions, *(a.data.ptr for a in self._kept))
        self._tables = self._xp.asarray(np.frombuffer(bytes(tables), dtype=np.uint64))
        self._weights = self._xp.asarray(space.degrees[:, None].astype(float))
        straight = len(product_terms(space).left) <= MOST_GPU_PRODUCTS
        self._module = _module(space if straight else None)

    def product(self, a: Array, b: Array, order: int) -> Array:
        """Twin of `gputrack.tpsa.array_operations.product`."""
        return self._launch("tpsa_product", a, b, order, self._orders(a, b, order))[0]

    def product_adjoint(self, g: Array, b: Array, order: int) -> Array:
        """Twin of `gputrack.tpsa.array_operations.product_adjoint`."""
        return self._launch("tpsa_product_adjoint", g, b, order, self._orders(g, b, order))[0]

    def quotient(self, a: Array, b: Array, order: int) -> Array:
        """Twin of `gputrack.tpsa.array_operations.quotient`."""
        return self._launch("tpsa_quotient", a, b, order, self._orders(a, b, order))[0]

    def exp(self, a: Array, order: int) -> Array:
        """Twin of `gputrack.tpsa.array_operations.exp`."""
        e = a * self._weights[: a.shape[1]]
        return self._launch("tpsa_exponential", e, e, order, self._orders(a, a, order), self._xp.exp(a[:, 0]))[0]

    def square_root(self, a: Array, order: int) -> Array:
        """Twin of `gputrack.tpsa.array_operations.square_root`."""
        return self._launch("tpsa_square_root", a, a, order, self._orders(a, a, order), self._xp.sqrt(a[:, 0]))[0]

    def sine_cosine(self, a: Array, sign: int, order: int) -> tuple[Array, Array]:
        """Twin of `gputrack.tpsa.array_operations.sine_cosine`."""
        xp, e = self._xp, a * self._weights[: a.shape[1]]
        sine, cosine = (xp.sin, xp.cos) if sign < 0 else (xp.sinh, xp.cosh)
        orders = self._orders(a, None, order) | (sign > 0) << 8
        s, c = self._launch("tpsa_sine_cosine", e, e, order, orders, sine(a[:, 0]), cosine(a[:, 0]))
        return s, c

    def _orders(self, a: Array, b: Array | None, order: int) -> int:
        of = self.space.order_of
        return of[a.shape[1]] | (0 if b is None else of[b.shape[1]] << 8) | order << 16

    def _launch(self, name: str, a: Array, b: Array, order: int, orders: int, *values: Array) -> list[Array]:
        """Run a kernel; `values` are the constant parts of the results, which the kernel does not set."""
        xp = self._xp
        a, b = xp.ascontiguousarray(a), xp.ascontiguousarray(b)
        maps = a.shape[0] * a.shape[2]
        results = [xp.empty((1, self.space.first[order + 1], maps)) for _ in range(max(1, len(values)))]
        for result, value in zip(results, values, strict=False):
            result[:, 0] = value
        tables, *series = (x.data.ptr for x in (self._tables, a, b, results[0], results[-1]))
        operation = OPERATION.memory(tables, maps, orders, *series)
        self._module.get_function(name)((-(-maps // THREADS),), (THREADS,), OPERATION.arguments(operation))
        return results
