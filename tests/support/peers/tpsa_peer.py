"""Other codes' truncated power series, coefficient by coefficient, for tests; skipped by name where not installed."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from gputrack.tpsa import Space


class Dace:
    """`daceypy`: the DACE library."""

    name = "daceypy"

    def __init__(self, space: Space) -> None:
        module = pytest.importorskip("daceypy", reason="daceypy is not installed: pip install daceypy")
        self.space, self.da = space, module.DA
        self.da.init(space.order, space.dimensions)

    def series(self, coefficients: np.ndarray) -> Any:
        """A series of theirs."""
        made = self.da(0.0)
        for powers, value in zip(self.space.exponents.tolist(), coefficients, strict=False):
            made.setCoefficient(powers, float(value))
        return made

    def coefficients(self, series: Any) -> np.ndarray:
        """Theirs, in the order of ours."""
        return np.array([series.getCoefficient(powers) for powers in self.space.exponents.tolist()])

    def call(self, name: str, series: Any) -> Any:
        """A function of one argument by its name in NumPy."""
        return getattr(series, name)()

    def poisson(self, a: Any, b: Any) -> Any:
        """They have none; from derivatives."""
        pairs = range(1, self.space.variables + 1, 2)
        return sum((a.deriv(q) * b.deriv(q + 1) - a.deriv(q + 1) * b.deriv(q) for q in pairs), self.da(0.0))

    def derivative(self, series: Any, variable: int) -> Any:
        """With respect to a variable, counted from 0."""
        return series.deriv(variable + 1)

    def integral(self, series: Any, variable: int) -> Any:
        """Over a variable, counted from 0."""
        return series.integ(variable + 1)


class Gtpsa:
    """`madng-tpsa`: the GTPSA library of MAD-NG."""

    name = "madng-tpsa"

    def __init__(self, space: Space) -> None:
        module = pytest.importorskip("madng_tpsa", reason="madng-tpsa is not installed: pip install madng-tpsa")
        more = {"num_params": space.parameters, "param_order": space.parameter_order} if space.parameters else {}
        self.space, self.module = space, module
        self.descriptor = module.Descriptor(space.variables, space.order, **more)

    def series(self, coefficients: np.ndarray) -> Any:
        """A series of theirs."""
        real = not np.iscomplexobj(coefficients)
        made = self.descriptor.zero() if real else self.descriptor.complex_zero()
        for powers, value in zip(self.space.exponents.tolist(), coefficients, strict=False):
            made.set(powers, float(value) if real else complex(value))
        return made

    def coefficients(self, series: Any) -> np.ndarray:
        """Theirs, in the order of ours."""
        return np.array([series.get(powers) for powers in self.space.exponents.tolist()])

    def call(self, name: str, series: Any) -> Any:
        """A function of one argument by its name in NumPy."""
        return getattr(series, name.replace("arc", "a"))()

    def poisson(self, a: Any, b: Any) -> Any:
        """Theirs."""
        return a.poisson_bracket(b)

    def derivative(self, series: Any, variable: int) -> Any:
        """With respect to a variable, counted from 0."""
        return series.derivative(variable + 1)

    def integral(self, series: Any, variable: int) -> Any:
        """Over a variable, counted from 0."""
        return series.integrate(variable + 1)

    # -- maps, straight from the C library -----------------------------------------------------------------------------

    def on_maps(self, name: str, *maps: list[np.ndarray], more: tuple[Any, ...] = ()) -> np.ndarray:
        """``mad_tpsa_<name>(n, a, [n, b,] ..., c)`` on maps given by their coefficients; those of the result."""
        library = ctypes.CDLL(str(self.module.core_library()))
        theirs = [[self.series(c) for c in given] for given in maps]
        out = [self.descriptor.zero() for _ in maps[-1]]
        arguments: list[Any] = []
        for given in theirs:
            arguments += [len(given), self.pointers(given)]
        if len(maps) == 1:
            arguments.append(self.space.variables)
        getattr(library, f"mad_tpsa_{name}")(*arguments, self.pointers(out), *more)
        return np.array([self.coefficients(c) for c in out])

    def pointers(self, series: list[Any]) -> Any:
        """Array of pointers to series."""
        cast = self.module.ffi.cast
        return (ctypes.c_void_p * len(series))(*(int(cast("uintptr_t", s.ptr)) for s in series))


PEERS = {peer.name: peer for peer in (Dace, Gtpsa)}


def random_coefficients(space: Space, seed: int, order: int | None = None, constant: float = 1.3) -> np.ndarray:
    """Coefficients that fall with the degree, as those of maps do; all functions are defined at the constant part."""
    rng = np.random.default_rng(seed)
    rows = space.rows(space.order if order is None else order)
    values = rng.uniform(-0.5, 0.5, rows) * 0.5 ** space.degrees[:rows]
    values[0] = constant
    return values


def assert_close(space: Space, ours: np.ndarray, theirs: np.ndarray, ulps: float) -> None:
    """Within so many roundings of the largest coefficient of each degree: small ones are differences of such."""
    for d in range(space.order + 1):
        rows = slice(space.first[d], space.first[d + 1])
        scale = np.abs(theirs[..., rows]).max(initial=1e-300)
        error = np.abs(ours[..., rows] - theirs[..., rows]).max(initial=0.0)
        assert error <= ulps * 2.0**-52 * scale, f"degree {d}: {error / scale / 2.0**-52:.1f} roundings"
