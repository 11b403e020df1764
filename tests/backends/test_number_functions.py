"""Logarithms, angles and complex functions of the kernels' numbers and of arrays, against extended precision."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import pytest

from gputrack.base import arrays
from gputrack.base.compiler import build
from gputrack.base.kernel_files import flatten, kernel_folder
from gputrack.base.special import pair

#: two arguments, and both parts of the result; dual numbers along x, then along y, with the rates in `rates`
TEXT = """
template <class T>
static void evaluate(int which, const T& x, const T& y, T& re, T& im) {
  const Pair<T> z = {x, y};
  Pair<T> r = {y, y};
  switch (which) {
    case 0: r.re = log(x); break;
    case 1: r.re = log1p(x); break;
    case 2: r.re = asinh(x); break;
    case 3: r.re = atan2(y, x); break;
    case 4: r = square_root(z); break;
    case 5: r = logarithm(z); break;
    case 6: r = unit_root(z); break;
    case 7: r = arcsine(z); break;
  }
  re = r.re;
  im = r.im;
}
extern "C" int lanes() { return LANES; }
extern "C" void values(int which, const Number* x, const Number* y, Number* out, int n) {
  for (int i = 0; i < n; ++i) evaluate(which, x[i], y[i], out[i], out[n + i]);
}
extern "C" void rates(int which, const Number* x, const Number* y, Number* out, int n) {
  for (int i = 0; i < n; ++i)
    for (int along = 0; along < 2; ++along) {
      Dual<Number> re, im;
      const Dual<Number> u = {x[i], broadcast(1.0 - along)}, v = {y[i], broadcast((double)along)};
      evaluate(which, u, v, re, im);
      out[2 * along * n + i] = re.tangent;
      out[(2 * along + 1) * n + i] = im.tangent;
    }
}
"""
REAL = {"log": 0, "log1p": 1, "asinh": 2, "atan2": 3}
COMPLEX = {"square_root": 4, "logarithm": 5, "unit_root": 6, "arcsine": 7}
#: packs of vectors, as on the host; single numbers, as on a GPU
NUMBERS = {"packs": "", "single": "#define GT_EMULATED_GPU\n#include <cmath>\nusing std::sqrt; using std::exp;\n"
           "#define __device__\n#define __forceinline__ inline\n#define __noinline__\n"}  # fmt: skip


@cache
def library(numbers):
    seen = set()
    text = "".join(flatten(kernel_folder() / name, seen) for name in ("target.h", "numbers/pair.h"))
    return build(NUMBERS[numbers] + text + TEXT)


def run(numbers, entry, which, x, y, parts):
    """What a function of the library writes, (parts, n)."""
    lib, n = library(numbers), len(x)
    lanes = lib.lanes()
    count = -(-n // lanes)
    memory = np.zeros((2 + parts) * count * lanes + 8)
    start = -memory.ctypes.data % 64 // 8  # vectors are loaded from multiples of their size
    memory = memory[start : start + (2 + parts) * count * lanes].reshape(2 + parts, count * lanes)
    memory[0], memory[1] = np.resize(x, count * lanes), np.resize(y, count * lanes)
    getattr(lib, entry)(which, *(ctypes.c_void_p(memory[i].ctypes.data) for i in range(3)), count)
    return memory[2:, :n].copy()


def reference(name, x, y):
    """(2, n) Both parts in extended precision; cuts have the values from above."""
    x, y = np.longdouble(x), np.longdouble(y) + 0.0
    with np.errstate(all="ignore"):
        if name in REAL:
            real = {"log": np.log, "log1p": np.log1p, "asinh": np.arcsinh}
            return np.array([np.arctan2(y, x) if name == "atan2" else real[name](x), y])
        z = x + 1j * y
        if name in ("square_root", "logarithm"):
            found = np.sqrt(z) if name == "square_root" else np.log(z)
        else:
            # from above: 1 - z has its cut below where 1 + z has it above
            found = np.arcsin(z) if name == "arcsine" else np.sqrt(1 - z) * np.sqrt(1 + z)
        return np.array([found.real, found.imag])


def ulps(name, found, expected):
    """Largest distance in units of the last place of the expected value; 0 where both are equal, infinite or NaN.

    Of a logarithm next to the unit circle and of a root next to the real axis, one part is a small difference: there
    the unit is that of the modulus.
    """
    rounded = np.asarray(expected, dtype=float)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    size = np.hypot(*rounded) if name in ("logarithm", "unit_root") else np.abs(rounded)
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.abs(found - expected) / np.spacing(size)).max()


def arguments(name):
    """Points over many orders of magnitude, next to 1, and special ones."""
    rng = np.random.default_rng(sum(map(ord, name)))
    sizes = 10.0 ** rng.uniform(-12.0, 3.0, (2, 4000)) * rng.choice([-1.0, 1.0], (2, 4000))
    near = 1.0 + 10.0 ** rng.uniform(-12.0, -1.0, 2000) * rng.choice([-1.0, 1.0], 2000), sizes[1, :2000]
    angle = rng.uniform(-np.pi, np.pi, 2000)
    x, y = np.concatenate([sizes, near, [np.cos(angle), np.sin(angle)]], axis=1)
    if name == "log":
        return np.abs(np.concatenate([x, [0.0, 1.0, 5e-324, 1e-310, 1e308, np.inf]])), np.resize(y, len(x) + 6)
    if name == "log1p":
        extra = [0.0, -0.5, -1.0 + 2.0**-53, 1e-300, 1e300]
        return np.concatenate([np.maximum(x, -1.0 + 1e-15), extra]), np.resize(y, len(x) + len(extra))
    if name == "asinh":
        extra = [0.0, 1e-320, -1e-300, 1e200, -1e307]
        return np.concatenate([x, extra]), np.resize(y, len(x) + len(extra))
    if name == "atan2":
        axes = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1e-300, 1.0), (1.0, 1e-300)], dtype=float)
        return np.concatenate([x, axes[:, 0]]), np.concatenate([y, axes[:, 1]])
    return x, y


#: Units in the last place. Each is a sum and a product or two beyond a polynomial, whose own error is below one unit:
#: a few roundings of half a unit. Functions of pairs join two roots and a function of them.
LIMIT = dict.fromkeys(REAL, 4.0) | dict.fromkeys(COMPLEX, 10.0)


@pytest.mark.parametrize("name", [*REAL, *COMPLEX])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_values(name, numbers, record_property):
    x, y = arguments(name)
    found, expected = run(numbers, "values", (REAL | COMPLEX)[name], x, y, 2), reference(name, x, y)
    parts = slice(0, 1) if name in REAL else slice(None)
    worst = ulps(name, found[parts], expected[parts])
    record_property(f"{name}, {numbers}", f"{worst:.2f} units in the last place")
    print(f"{name}, {numbers}: {worst:.2f} units in the last place")
    assert worst <= LIMIT[name]


def test_outside_of_the_domain():
    """As the functions of the language: NaN below the domain, infinite at its end."""
    x = np.array([-1.0, -1e-320, np.nan, 0.0])
    for numbers in NUMBERS:
        np.testing.assert_array_equal(run(numbers, "values", REAL["log"], x, x, 2)[0], [np.nan] * 3 + [-np.inf])
        np.testing.assert_array_equal(run(numbers, "values", REAL["log1p"], x - 1.0, x, 2)[0, :1], [np.nan])


@pytest.mark.parametrize("name", [*REAL, *COMPLEX])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_rates(name, numbers):
    """Dual numbers along x and along y, against the derivative in closed form in extended precision."""
    x, y = arguments(name)
    away = np.hypot(np.abs(x) - 1.0, y) > 1e-6  # from the branch points
    regular = away & (np.abs(x) > 1e-6) & (np.abs(x) < 1e3) & (np.abs(y) > 1e-9)
    x, y = x[regular], y[regular]
    found = run(numbers, "rates", (REAL | COMPLEX)[name], x, y, 4)
    u, v = np.longdouble(x), np.longdouble(y)
    z = u + 1j * v
    if name == "atan2":
        slopes = [-v / (u * u + v * v), u / (u * u + v * v)]
        np.testing.assert_allclose(found[[0, 2]], np.array(slopes, dtype=float), rtol=1e-14)
        return
    if name in REAL:
        slope = {"log": 1 / u, "log1p": 1 / (1 + u), "asinh": 1 / np.sqrt(1 + u * u)}[name]
        np.testing.assert_allclose(found[0], slope.astype(float), rtol=4e-15 / np.abs(np.minimum(1.0, 1.0 + x)).min())
        return
    root = np.sqrt(1 - z) * np.sqrt(1 + z)
    slope = {"square_root": 0.5 / np.sqrt(z), "logarithm": 1 / z, "unit_root": -z / root, "arcsine": 1 / root}[name]
    expected = np.array([slope.real, slope.imag, -slope.imag, slope.real])
    # of the slope's modulus: rounding of z, amplified where 1 - z^2 is small
    error = np.abs(found - expected) / np.abs(slope) * np.minimum(1.0, np.abs(1 - z * z))
    assert error.max() < 1e-14


@pytest.mark.parametrize("name", COMPLEX)
def test_twin_in_array_mathematics(name):
    x, y = arguments(name)
    found = np.array(getattr(pair, name)((x, y)))
    assert ulps(name, found, reference(name, x, y)) <= LIMIT[name]


def test_angles_of_arrays():
    """As NumPy's; complex steps give derivatives on all branches."""
    x, y = arguments("atan2")
    np.testing.assert_array_equal(arrays.arctan2(y, x), np.arctan2(y, x))
    # a step of 1e-200 does not underflow
    regular = (np.hypot(x, y) > 1e-6) & (np.minimum(np.abs(x), np.abs(y)) > 1e-100)
    x, y = x[regular], y[regular]
    stepped = arrays.arctan2(y, x + 1e-200j)
    np.testing.assert_allclose(stepped.real, np.arctan2(y, x), rtol=0, atol=1e-15)
    np.testing.assert_allclose(stepped.imag / 1e-200, -y / (x * x + y * y), rtol=1e-14)
