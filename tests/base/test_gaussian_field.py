"""The Faddeeva function and the field of a Gaussian charge: against SciPy, integrals, and the equations they obey."""

import re

import numpy as np
import pytest
from autograd import elementwise_grad
from scipy.integrate import quad
from scipy.special import wofz

from gputrack.base.kernel_files import kernel_folder
from gputrack.base.special import bassetti_erskine as field
from gputrack.base.special import faddeeva as own

RATIOS = (1.0, 1.0 + 1e-9, 1.001, 1.2, 1.4999, 1.5001, 2.0, 11.0, 300.0, 0.8, 0.66, 0.1)


def plane(n, largest, smallest=1e-6):
    """Points x, y of all directions and of sizes up to `largest`."""
    rng = np.random.default_rng(1)
    size, angle = 10 ** rng.uniform(np.log10(smallest), np.log10(largest), n), rng.uniform(-np.pi, np.pi, n)
    angle[: n // 20] = np.repeat([0.0, np.pi, np.pi / 2, -np.pi / 2, 1e-9], n // 100)
    return size * np.cos(angle), size * np.sin(angle)


def test_faddeeva_is_scipys():
    x, y = plane(100_000, 300.0)
    y = abs(y)
    re, im = own.faddeeva(x, y)
    expected = wofz(x + 1j * y)
    assert (abs(re + 1j * im - expected) / abs(expected)).max() <= 5e-14
    for k in (0, 50_000):  # alone as in company, whichever formula the others take
        assert own.faddeeva(x[k : k + 1], y[k : k + 1]) == (re[k], im[k])


def test_derivative_of_the_faddeeva_function():
    x, y = plane(2000, 30.0)
    y = abs(y)
    z = x + 1j * y
    rate = -2.0 * z * wofz(z) + 2j / np.sqrt(np.pi)
    by_x = [elementwise_grad(lambda v, i=i: own.faddeeva(v, y)[i])(x) for i in range(2)]
    by_y = [elementwise_grad(lambda v, i=i: own.faddeeva(x, v)[i])(y) for i in range(2)]
    assert abs(by_x[0] + 1j * by_x[1] - rate).max() <= 1e-12
    assert abs(by_y[0] + 1j * by_y[1] - 1j * rate).max() <= 1e-12


def bassetti_erskine(x, y, a, b):
    """With SciPy's function."""
    if a < b:
        return bassetti_erskine(y, x, b, a)[::-1]
    s, k, up = np.sqrt(2.0 * (a - b)), np.sqrt(b / a), abs(y)
    with np.errstate(over="ignore", invalid="ignore"):
        inner = np.nan_to_num(np.exp(-0.5 * (x * x / a + y * y / b)) * wofz((k * x + 1j * up / k) / s))
    f = 2.0 * np.sqrt(np.pi) / s * (wofz((x + 1j * up) / s) - inner)
    return f.imag, np.copysign(f.real, y)


@pytest.mark.parametrize("ratio", [1.4999, 1.5001, 2.0, 11.0, 300.0, 0.66, 0.1])
def test_field_is_bassettis_and_erskines(ratio):
    """From 0 to 100 sigma, wide and tall; near the axis relative to the largest field."""
    sx, sy = 1e-4 * np.sqrt(ratio), 1e-4 / np.sqrt(ratio)
    x, y = plane(4000, 100.0)
    x, y = x * sx, y * sy
    f = field.gaussian_field(x, y, sx**2, sy**2)
    fx, fy = bassetti_erskine(x, y, sx**2, sy**2)
    size = np.hypot(fx, fy)
    error = np.hypot(f.x - fx, f.y - fy)
    assert error.max() <= 1e-13 * size.max()
    far = np.hypot(x / sx, y / sy) > 0.1
    assert (error / size)[far].max() <= 1e-13


def test_round_beam():
    x, y = plane(2000, 100.0)
    f, r2 = field.gaussian_field(x, y, 1.0 + 0 * x, 1.0), x * x + y * y
    inside = -2.0 * np.expm1(-0.5 * r2) / r2
    np.testing.assert_allclose(f.x, x * inside, rtol=1e-13, atol=0)
    np.testing.assert_allclose(f.y, y * inside, rtol=1e-13, atol=0)


@pytest.mark.parametrize("ratio", [1.0001, 1.3, 6.0])
def test_field_is_the_integral_over_the_charge(ratio):
    """V_x = x int_0^inf 2 dq (2a + q)^(-3/2) (2b + q)^(-1/2) exp(-x^2/(2a + q) - y^2/(2b + q))."""
    a, b = ratio, 1.0 / ratio
    for x, y in ((0.3, 0.2), (2.0, -1.0), (-5.0, 4.0)):

        def integrand(t, power, x=x, y=y):
            q = t / (1.0 - t)
            p, r = 1.0 / (2 * a + q), 1.0 / (2 * b + q)
            return 2.0 * np.sqrt(p * r) * (p, r)[power] * np.exp(-x * x * p - y * y * r) / (1.0 - t) ** 2

        sums = [quad(integrand, 0.0, 1.0, args=(i,), epsabs=0.0, epsrel=1e-13, limit=400)[0] for i in (0, 1)]
        f = field.gaussian_field(x, y, a, b)
        assert f.x == pytest.approx(x * sums[0], rel=1e-12)
        assert f.y == pytest.approx(y * sums[1], rel=1e-12)


@pytest.mark.parametrize("ratio", RATIOS)
def test_equations_of_the_potential(ratio):
    """Poisson's equation, scaling, and the heat equation that ties derivatives in the variances to those in place."""
    a, b = ratio, 1.0 / ratio
    x, y = plane(1000, 8.0)
    x, y = x * np.sqrt(a), y * np.sqrt(b)
    f = field.gaussian_field(x, y, a, b)
    density = 2.0 * np.exp(-0.5 * (x * x / a + y * y / b)) / np.sqrt(a * b)
    np.testing.assert_allclose(f.xx + f.yy, density, rtol=0, atol=2e-13 * density.max())
    np.testing.assert_allclose(x * f.x + y * f.y + a * f.xx + b * f.yy, 2.0, rtol=0, atol=2e-13)

    def along(argument, component):
        at = [x, y, a + 0 * x, b + 0 * x]
        return elementwise_grad(
            lambda v: getattr(field.gaussian_field(*[*at[:argument], v, *at[argument + 1 :]]), component)
        )(at[argument])

    scale = np.array([1.0 / np.sqrt(a * b), 1.0 / (min(a, b) * np.sqrt(max(a, b)))])
    assert abs(along(0, "x") - f.xx).max() <= 1e-12 * scale[0]
    assert abs(along(1, "y") - f.yy).max() <= 1e-12 * scale[0]
    assert abs(along(0, "y") - along(1, "x")).max() <= 1e-12 * scale[0]
    assert abs(2.0 * along(2, "x") - along(0, "xx")).max() <= 1e-11 * scale[1]
    assert abs(2.0 * along(3, "y") - along(1, "yy")).max() <= 1e-11 * scale[1] / min(a, b) ** 0.5


def test_no_seam_between_round_and_elliptic():
    """Both formulas at the ratio of sizes where one takes over from the other, with their derivatives."""
    x, y = plane(2000, 100.0)
    b = 1.0 / field.ROUND
    x = x + 0.0 * b
    for wide in (True, False):
        arguments = (x, y, 1.0 + 0 * x, b + 0 * x) if wide else (x, y, b + 0 * x, 1.0 + 0 * x)
        first, second = field.nearly_round(*arguments), field.elliptic(*arguments)
        for name in field.GaussianField._fields:
            np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=0, atol=2e-13, err_msg=name)
        for i in range(4):
            before, after = arguments[:i], arguments[i + 1 :]
            rates = [
                elementwise_grad(lambda v, f=f, p=before, q=after: sum(f(*p, v, *q)))(arguments[i])
                for f in (field.nearly_round, field.elliptic)
            ]
            np.testing.assert_allclose(*rates, rtol=0, atol=5e-12, err_msg=f"argument {i}")


def test_mixed_company():
    """Each particle's field is the same beside others of other shapes; on the axis there is none."""
    x, y = plane(400, 50.0)
    a, b = np.resize([1.0, 1.0, 9.0, 1.0, 1.0], 400), np.resize([1.0, 1.2, 1.0, 9.0, 1e4], 400)
    together = field.gaussian_field(x, y, a, b)
    for k in range(0, 400, 7):
        alone = field.gaussian_field(x[k : k + 1], y[k : k + 1], a[k : k + 1], b[k : k + 1])
        assert all(one[0] == pytest.approx(many[k], rel=1e-14) for one, many in zip(alone, together, strict=True))
    for at in ((1.0, 1.0), (2.0, 0.1)):
        f = field.gaussian_field(0.0, 0.0, *at)
        assert f.x == f.y == 0.0
        assert f.xx == pytest.approx(2.0 / (np.sqrt(at[0]) * (np.sqrt(at[0]) + np.sqrt(at[1]))), rel=1e-14)


@pytest.mark.parametrize(
    ("header", "name", "values"),
    [
        ("numbers/faddeeva.h", "WEIDEMAN", own.WEIDEMAN), ("numbers/faddeeva.h", "ASYMPTOTIC", own.ASYMPTOTIC),
        ("numbers/bassetti_erskine.h", "NODES", field.NODES), ("numbers/bassetti_erskine.h", "GAUSS", field.GAUSS),
    ],
)  # fmt: skip
def test_twins_have_the_same_numbers(header, name, values):
    text = (kernel_folder() / header).read_text(encoding="utf-8")
    body = re.search(rf"\b{name}\[\d+\] = {{(.*?)}}", text, re.DOTALL)[1]
    assert tuple(float(word) for word in body.replace("\n", " ").split(",")) == values


def test_rule_is_gausss():
    """Right for all powers up to 2 n - 1, and not for the next."""
    nodes, weights = np.array(field.NODES), np.array(field.GAUSS)
    for power in range(2 * len(nodes)):
        assert np.sum(weights * nodes**power) == pytest.approx(1.0 / (power + 1.0), rel=1e-14)
