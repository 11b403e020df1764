"""Moments and emittances against closed forms, invariance under symplectic maps, and other array libraries."""

from __future__ import annotations

import array_api_strict
import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from scipy.linalg import expm

from gputrack.base.errors import InputError
from gputrack.base.symplectic import symplectic_form
from gputrack.beam import moments


def particles(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Correlated particles with sizes of a real beam, off axis, and uneven weights."""
    random = np.random.default_rng(seed)
    sizes = np.array([1e-3, 1e-4, 5e-4, 2e-4, 1e-2, 1e-3])
    mixing = np.eye(6) + 0.3 * random.normal(size=(6, 6))
    centre = np.array([2e-3, 0.0, -1e-3, 1e-4, 0.0, 1e-3])
    return sizes[:, None] * (mixing @ random.normal(size=(6, n))) + centre[:, None], random.uniform(0.5, 2.0, n)


def random_symplectic(seed: int) -> np.ndarray:
    """Exponential of a random Hamiltonian matrix: fully coupled, symplectic to rounding."""
    random = np.random.default_rng(seed)
    quadratic = random.normal(size=(6, 6))
    return expm(0.3 * symplectic_form(6) @ (quadratic + quadratic.T))


def uncoupled(emittances: tuple[float, float, float]) -> np.ndarray:
    """Sigma of three planes with beta 3, 0.5, 20 m and alpha -2, 1.5, 0.4."""
    matrix = np.zeros((6, 6))
    for i, (e, beta, alpha) in enumerate(zip(emittances, (3.0, 0.5, 20.0), (-2.0, 1.5, 0.4), strict=True)):
        block = [[beta, -alpha], [-alpha, (1.0 + alpha**2) / beta]]
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = e * np.array(block)
    return matrix


def test_mean_and_sigma_are_numpys_weighted_ones() -> None:
    c, w = particles(1)
    assert moments.mean(c, w) == pytest.approx(np.average(c, axis=1, weights=w), rel=1e-13)
    scale = np.sqrt(np.outer(c.var(axis=1), c.var(axis=1)))
    assert np.max(np.abs(moments.sigma(c, w) - np.cov(c, aweights=w, ddof=0)) / scale) < 1e-13


def test_sigma_is_symmetric_to_the_bit() -> None:
    matrix = moments.sigma(*particles(2))
    assert np.array_equal(matrix, matrix.T)


def test_sigma_keeps_its_digits_far_from_the_axis() -> None:
    c, w = particles(3)
    near = moments.sigma(c, w)
    far = moments.sigma(c + 1.0, w)  # c + 1 itself has lost 1e-16 / 1e-4 of each offset
    scale = np.sqrt(np.outer(np.diag(near), np.diag(near)))
    assert np.max(np.abs(far - near) / scale) < 1e-11


def test_weight_two_is_two_particles() -> None:
    c, w = particles(4, 50)
    w[:] = 1.0
    w[7] = 2.0
    twice = np.concatenate([c, c[:, 7:8]], axis=1)
    ones = np.ones(51)
    assert moments.mean(c, w) == pytest.approx(moments.mean(twice, ones), rel=1e-13)
    for plane in "xyz":
        weighted = moments.projected_emittance(moments.sigma(c, w), plane)
        assert weighted == pytest.approx(moments.projected_emittance(moments.sigma(twice, ones), plane), rel=1e-13)


def test_lost_particles_do_not_count_even_as_nan() -> None:
    c, w = particles(5)
    alive = np.arange(c.shape[1]) % 3 > 0
    kept = moments.sigma(c[:, alive], w[alive])
    c[:, ~alive] = np.nan
    assert moments.sigma(*moments.survivors(c, w, alive)) == pytest.approx(kept, rel=1e-12)


def test_no_weight_gives_nan_without_a_warning() -> None:
    c, w = particles(6)
    assert np.all(np.isnan(moments.mean(c, 0.0 * w)))


@pytest.mark.parametrize("emittances", [(1e-9, 1e-12, 1e-5), (2e-6, 2e-6, 3e-6), (1e-9, 1e-9, 1e-9)])
def test_emittances_of_uncoupled_planes(emittances: tuple[float, float, float]) -> None:
    matrix = uncoupled(emittances)
    projected = [float(moments.projected_emittance(matrix, plane)) for plane in "xyz"]
    assert projected == pytest.approx(emittances, rel=1e-13)
    assert moments.eigen_emittances(matrix) == pytest.approx(sorted(emittances, reverse=True), rel=1e-13)


@pytest.mark.parametrize("seed", range(20))
def test_eigen_emittances_are_invariant_under_coupled_symplectic_maps(seed: int) -> None:
    matrix, turn = uncoupled((1e-8, 3e-9, 5e-8)), random_symplectic(seed)
    after = turn @ matrix @ turn.T
    assert moments.eigen_emittances(after) == pytest.approx([5e-8, 1e-8, 3e-9], rel=1e-10)
    # ... and the map does couple: the projected emittance has grown.
    assert moments.projected_emittance(after, "x") > 1.01e-8


def test_eigen_emittances_are_moduli_of_the_eigenvalues_of_sigma_s() -> None:
    matrix = moments.sigma(*particles(7))
    values = np.linalg.eigvals(matrix @ symplectic_form(6))
    assert np.repeat(moments.eigen_emittances(matrix), 2) == pytest.approx(
        np.sort(np.abs(values))[::-1], rel=1e-9
    )


def test_degenerate_beams() -> None:
    one = moments.sigma(np.full((6, 1), 1e-3), np.ones(1))
    assert np.array_equal(moments.eigen_emittances(one), np.zeros(3))
    assert moments.projected_emittance(one, "x") == 0.0
    flat = uncoupled((1e-9, 2e-9, 0.0))
    flat[4, 4] = 1e-4  # long, without energy spread
    assert moments.eigen_emittances(flat) == pytest.approx([2e-9, 1e-9, 0.0], rel=1e-12, abs=1e-24)


def test_cholesky_reproduces_singular_matrices() -> None:
    factor = np.random.default_rng(8).normal(size=(6, 3))
    matrix = factor @ factor.T
    found = moments.cholesky(matrix)
    assert np.array_equal(found, np.tril(found))
    assert found @ found.T == pytest.approx(matrix, abs=1e-14 * np.trace(matrix))


def test_strict_array_api() -> None:
    c, w = particles(9)
    alive = np.arange(c.shape[1]) % 4 > 0
    strict = [array_api_strict.asarray(a) for a in (c, w, alive)]
    cs, ws = moments.survivors(*strict)
    expected = moments.sigma(*moments.survivors(c, w, alive))
    found = moments.sigma(cs, ws)
    assert type(found).__module__.startswith("array_api_strict")
    assert np.asarray(found) == pytest.approx(expected, rel=1e-12, abs=1e-24)
    assert np.asarray(moments.eigen_emittances(found)) == pytest.approx(moments.eigen_emittances(expected))
    assert float(moments.projected_emittance(found, "z")) == pytest.approx(
        float(moments.projected_emittance(expected, "z"))
    )


def observable(c: np.ndarray, w: np.ndarray) -> float:
    """A scalar that depends on all moments, of order one."""
    matrix = moments.sigma(c, w)
    eigen = moments.eigen_emittances(matrix)
    planes = sum(k * moments.projected_emittance(matrix, p) for k, p in ((3e6, "x"), (5e6, "y"), (1e5, "z")))
    return planes + 1e6 * anp.sum(eigen * np.array([0.1, 1.0, 2.0])) + anp.sum(moments.mean(c, w))


@pytest.mark.parametrize("argument", [0, 1])
def test_autograd_against_central_differences(argument: int) -> None:
    values = list(particles(10, 30))
    gradient = autograd.grad(observable, argument)(*values)
    random = np.random.default_rng(11)
    for _ in range(5):
        size = values[argument].std(axis=-1, keepdims=True)
        direction = size * random.normal(size=values[argument].shape)
        step, ends = 1e-4, []
        for sign in (1.0, -1.0, 2.0, -2.0):
            moved = list(values)
            moved[argument] = values[argument] + sign * step * direction
            ends.append(observable(*moved))
        # fourth order: (8 (f1 - f-1) - (f2 - f-2)) / 12h, accurate to 1e-16/1e-4 and (1e-4)^4
        slope = (8.0 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12.0 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-8)


def test_gradient_is_finite_at_zero_emittance_and_equal_emittances() -> None:
    still = autograd.grad(lambda s: moments.projected_emittance(s, "x"))(np.zeros((6, 6)))
    assert np.array_equal(still, np.zeros((6, 6)))
    equal = autograd.grad(lambda s: anp.sum(moments.eigen_emittances(s)))(uncoupled((1e-9, 1e-9, 1e-9)))
    # d(sum of emittances)/d<x^2> = gamma/2 of the plane, here (1 + 4) / 3 / 2
    assert equal[0, 0] == pytest.approx(5.0 / 6.0, rel=1e-9)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(InputError, match="plane must be 'x', 'y' or 'z', got 'px'"):
        moments.projected_emittance(np.eye(6), "px")
    with pytest.raises(InputError, match="coordinate must be one of x, px"):
        moments.coordinate_index("t")
