"""Distributions against their closed-form moments and edges; grids point by point."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.beam import moments
from gputrack.beam.beam import Beam
from gputrack.beam.initial_twiss import InitialTwiss

PROTON = gt.ReferenceParticle.proton(kinetic=50e6)
TWISS = InitialTwiss(betx=3.0, alfx=-2.0, bety=0.5, alfy=1.5)
EMIT = (2e-6, 5e-8)
DISPERSIVE = InitialTwiss(3.0, -2.0, 0.5, 1.5, dx=0.8, dpx=-0.1, dy=0.02, dpy=0.3)
SHAPE: dict[str, Any] = dict(emit=EMIT, twiss=TWISS, sigma_z=0.1, sigma_delta=1e-3, seed=1)


def matched_sigma(twiss: InitialTwiss) -> np.ndarray:
    """Second moments from the textbook, written independently of the module."""
    sigma = np.zeros((6, 6))
    for i, (e, beta, alpha) in enumerate(
        [(EMIT[0], twiss.betx, twiss.alfx), (EMIT[1], twiss.bety, twiss.alfy)]
    ):
        sigma[2 * i, 2 * i] = e * beta
        sigma[2 * i, 2 * i + 1] = sigma[2 * i + 1, 2 * i] = -e * alpha
        sigma[2 * i + 1, 2 * i + 1] = e * (1 + alpha**2) / beta
    sigma[4, 4] = 0.1**2
    dispersion = np.array([twiss.dx, twiss.dpx, twiss.dy, twiss.dpy, 0.0, 1.0])
    return sigma + 1e-6 * np.outer(dispersion, dispersion)


def coupled_sigma() -> np.ndarray:
    factor = np.eye(6) + 0.4 * np.random.default_rng(5).normal(size=(6, 6))
    sizes = np.array([1e-3, 1e-4, 2e-3, 5e-5, 0.2, 1e-3])
    return sizes[:, None] * (factor @ factor.T) * sizes


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of second moments in units of the sizes."""
    return float(np.max(np.abs(found - expected) / np.sqrt(np.outer(np.diag(expected), np.diag(expected)))))


def amplitudes(beam: Beam, plane: int) -> np.ndarray:
    """Courant-Snyder amplitude over emittance, (x^2 + (alpha x + beta px)^2) / (beta emittance)."""
    beta, alpha = ((TWISS.betx, TWISS.alfx), (TWISS.bety, TWISS.alfy))[plane]
    q, p = beam.coordinates[2 * plane], beam.coordinates[2 * plane + 1]
    return np.asarray((q**2 + (alpha * q + beta * p) ** 2) / (beta * EMIT[plane]))


@pytest.mark.parametrize("twiss", [TWISS, DISPERSIVE], ids=["plain", "dispersive"])
def test_gaussian_with_exact_moments(twiss: InitialTwiss) -> None:
    centroid = [1e-3, -2e-4, 5e-4, 0.0, 0.01, 1e-3]
    b = Beam.gaussian(500, PROTON, **(SHAPE | {"twiss": twiss}), centroid=centroid, exact_moments=True)
    assert relative(b.sigma, matched_sigma(twiss)) < 1e-12
    assert b.mean == pytest.approx(centroid, rel=1e-12, abs=1e-15)
    if twiss is TWISS:
        assert b.eigen_emittances() == pytest.approx([1e-4, *EMIT], rel=1e-10)
    # dispersion subtracted, the betatron emittances are those that were asked for
    offset = np.array([twiss.dx, twiss.dpx, twiss.dy, twiss.dpy, 0.0, 0.0])[:, None] * b.delta
    betatron = b.replaced(coordinates=b.coordinates - offset)
    assert (betatron.emittance("x"), betatron.emittance("y")) == pytest.approx(EMIT, rel=1e-11)


def test_gaussian_samples_its_moments() -> None:
    n = 20_000
    b = Beam.gaussian(n, PROTON, **SHAPE)
    assert relative(b.sigma, matched_sigma(TWISS)) < 6.0 * np.sqrt(2.0 / n)
    assert np.all(np.abs(b.mean) < 6.0 * np.sqrt(np.diag(b.sigma) / n))
    kurtosis = np.mean((b.x / b.size("x")) ** 4)
    assert kurtosis == pytest.approx(3.0, abs=6.0 * np.sqrt(24.0 / n))


def test_seeds() -> None:
    one, same = Beam.gaussian(10, PROTON, **SHAPE), Beam.gaussian(10, PROTON, **SHAPE)
    other = Beam.gaussian(10, PROTON, **(SHAPE | {"seed": 2}))
    assert np.array_equal(one.coordinates, same.coordinates)
    assert not np.any(one.coordinates == other.coordinates)


def test_cut_limits_the_amplitude_and_exact_moments_restore_sizes() -> None:
    b = Beam.gaussian(20_000, PROTON, **SHAPE, cut=2.0)
    for plane in (0, 1):
        largest = amplitudes(b, plane).max()
        assert 3.99 < largest < 4.0 * (1.0 + 1e-12)
    # <r^2>/2 of a Rayleigh distribution cut at c: 1 - (c^2/2) e^(-c^2/2) / (1 - e^(-c^2/2))
    shrunk = 1.0 - 2.0 * np.exp(-2.0) / (1.0 - np.exp(-2.0))
    assert b.emittance("x") / EMIT[0] == pytest.approx(shrunk, rel=0.03)
    exact = Beam.gaussian(500, PROTON, **SHAPE, cut=2.0, exact_moments=True)
    assert relative(exact.sigma, matched_sigma(TWISS)) < 1e-12


def test_kv_is_a_shell_with_uniform_projections() -> None:
    n = 20_000
    b = Beam.kv(n, PROTON, **SHAPE)
    ax, ay = amplitudes(b, 0), amplitudes(b, 1)
    # x and y amplitudes, each up to 4 emittances, always add up to 4
    assert ax + ay == pytest.approx(np.full(n, 4.0), rel=1e-12)
    edge = 2.0 * np.sqrt(EMIT[0] * TWISS.betx)
    assert 0.99 * edge < np.abs(b.x).max() <= edge * (1.0 + 1e-12)
    # a uniform disc: amplitudes uniform on [0, 4] in each plane, and (x, y) uniform in its ellipse
    radius = (b.x / edge) ** 2 + (b.y / (2.0 * np.sqrt(EMIT[1] * TWISS.bety))) ** 2
    for uniform in (ax / 4.0, ay / 4.0, radius):
        deviation = np.abs(np.sort(uniform) - (np.arange(n) + 0.5) / n).max()
        assert deviation < 2.5 / np.sqrt(n)  # Kolmogorov: 1e-5 of all seeds exceed it
    assert b.emittance("x") == pytest.approx(EMIT[0], rel=0.03)
    assert b.emittance("y") == pytest.approx(EMIT[1], rel=0.03)


@pytest.mark.parametrize("dimensions", [4, 6])
def test_waterbag_edge_and_kurtosis(dimensions: int) -> None:
    n = 20_000
    b = Beam.waterbag(n, PROTON, dimensions=dimensions, **SHAPE)
    squares = amplitudes(b, 0) + amplitudes(b, 1)
    if dimensions == 6:
        squares = squares + (b.z / 0.1) ** 2 + (b.delta / 1e-3) ** 2
    # uniform in a ball of squared radius d + 2: (squares / (d + 2))^(d/2) is uniform
    uniform = np.sort(squares / (dimensions + 2.0)) ** (dimensions / 2.0)
    assert uniform[-1] < 1.0 + 1e-12
    assert np.abs(uniform - (np.arange(n) + 0.5) / n).max() < 2.5 / np.sqrt(n)
    # <u^4> = 3 (d + 2) / (d + 4) in units of <u^2>^2
    for name in ("x", "y"):
        kurtosis = np.mean(getattr(b, name) ** 4) / np.mean(getattr(b, name) ** 2) ** 2
        assert kurtosis == pytest.approx(3.0 * (dimensions + 2) / (dimensions + 4), rel=0.03)
    assert relative(b.sigma, matched_sigma(TWISS)) < 0.03
    exact = Beam.waterbag(500, PROTON, dimensions=dimensions, **SHAPE, exact_moments=True)
    assert relative(exact.sigma, matched_sigma(TWISS)) < 1e-12


def test_from_coupled_sigma() -> None:
    b = Beam.from_sigma(400, PROTON, coupled_sigma(), seed=4, exact_moments=True)
    assert relative(b.sigma, coupled_sigma()) < 1e-12
    assert b.eigen_emittances() == pytest.approx(moments.eigen_emittances(coupled_sigma()), rel=1e-10)


def test_from_singular_sigma() -> None:
    sigma = matched_sigma(TWISS)
    sigma[5, :] = sigma[:, 5] = 0.0
    b = Beam.from_sigma(100, PROTON, sigma, seed=4, exact_moments=True)
    assert np.all(b.delta == 0.0) and b.emittance("x") == pytest.approx(EMIT[0], rel=1e-12)


def test_twiss_may_be_any_object_with_scalars() -> None:
    table_row = SimpleNamespace(betx=np.float64(3.0), alfx=-2, bety=0.5, alfy=np.array(1.5))
    same = Beam.gaussian(20, PROTON, **(SHAPE | {"twiss": table_row}))
    assert np.array_equal(same.coordinates, Beam.gaussian(20, PROTON, **SHAPE).coordinates)


def test_grid() -> None:
    b = Beam.grid(PROTON, x=(-1e-3, 1e-3, 3), y=(0.0, 2e-3, 2), delta=0.01)
    assert b.x == pytest.approx([-1e-3, 0, 1e-3] * 2, abs=1e-18)
    assert b.y == pytest.approx([0, 0, 0, 2e-3, 2e-3, 2e-3])
    assert np.all(b.delta == 0.01) and not np.any(b.coordinates[[1, 3, 4]])


def test_polar_grid() -> None:
    b = Beam.polar_grid(PROTON, radius=3e-3, n_radii=3, n_angles=5)
    radius, angle = np.hypot(b.x, b.y).reshape(5, 3), np.arctan2(b.y, b.x).reshape(5, 3)
    assert radius == pytest.approx(np.tile([1e-3, 2e-3, 3e-3], (5, 1)))
    assert angle == pytest.approx(np.repeat(np.linspace(0, np.pi, 5)[:, None], 3, axis=1))
    ray = Beam.polar_grid(PROTON, radius=1.0, n_radii=2, n_angles=1, angles=(np.pi / 2, np.pi), px=1e-4)
    assert ray.y == pytest.approx([0.5, 1.0]) and np.all(ray.px == 1e-4)


def test_single() -> None:
    b = Beam.single(PROTON, x=1e-3, delta=-0.01)
    assert b.coordinates[:, 0].tolist() == [1e-3, 0, 0, 0, 0, -0.01]


def gaussian(**changes: Any) -> Beam:
    return Beam.gaussian(changes.pop("n", 10), PROTON, **(SHAPE | changes))


MALFORMED = {
    "Beam.gaussian: n must be an integer >= 1, got 0": lambda: gaussian(n=0),
    "Beam.gaussian: n must be an integer >= 1, got 10.0": lambda: gaussian(n=10.0),
    "Beam.gaussian: n must be <= 1e+10 particles, got 100000000000000000000": lambda: gaussian(n=10**20),
    "Beam.gaussian: seed must be an integer >= 0, got None": lambda: gaussian(seed=None),
    "Beam.gaussian: emit must be (x, y), got 1e-06": lambda: gaussian(emit=1e-6),
    "Beam.gaussian: emit y must be >= 0 m, got -1e-09": lambda: gaussian(emit=(1e-9, -1e-9)),
    "Beam.gaussian: sigma_z must be finite, got nan": lambda: gaussian(sigma_z=np.nan),
    "Beam.gaussian: cut must be > 0, got 0.0": lambda: gaussian(cut=0),
    "Beam.gaussian: centroid must be (x, px, y, py, z, delta), got [0.0, 0.0]": lambda: gaussian(centroid=[0.0, 0.0]),
    "Beam.gaussian: exact_moments needs n >= 7 particles, got 6": lambda: gaussian(n=6, exact_moments=True),
    "xp must be 'numpy' or 'cupy', got 'jax'": lambda: gaussian(xp="jax"),
    "SimpleNamespace lacks alfx, bety, alfy": lambda: gaussian(twiss=SimpleNamespace(betx=1.0)),
    "InitialTwiss: betx must be > 0 m, got -3.0": lambda: InitialTwiss(-3, 0, 1, 0),
    "InitialTwiss: alfx must be one number, got array([1., 2.])": lambda: InitialTwiss(1, np.array([1.0, 2.0]), 1, 0),
    "Beam.waterbag: dimensions must be 4 or 6, got 5": lambda: Beam.waterbag(9, PROTON, dimensions=5, **SHAPE),
    "sigma must have shape (6, 6), got (4, 4)": lambda: Beam.from_sigma(9, PROTON, np.eye(4), seed=1),
    "sigma must be symmetric": lambda: Beam.from_sigma(9, PROTON, np.eye(6) + np.eye(6, k=1) / 9, seed=1),
    "a correlation exceeds 1": lambda: Beam.from_sigma(
        9, PROTON, np.eye(6) + 2 * (np.eye(6, k=1) + np.eye(6, k=-1)), seed=1
    ),
    "Beam.grid: x must be (min, max, number), got (0, 1)": lambda: Beam.grid(PROTON, x=(0, 1), y=(0, 1, 2)),
    "Beam.grid: x needs max >= min": lambda: Beam.grid(PROTON, x=(1, 0, 3), y=(0, 1, 2)),
    "Beam.grid: x needs max = min for 1 point": lambda: Beam.grid(PROTON, x=(0, 1, 1), y=(0, 1, 2)),
    "Beam.grid: 't' is not one of": lambda: Beam.grid(PROTON, x=(0, 1, 2), y=(0, 1, 2), t=1.0),
    "Beam.polar_grid: 'x' is not one of": lambda: Beam.polar_grid(PROTON, radius=1, n_radii=1, n_angles=1, x=1),
    "Beam.polar_grid: radius must be > 0 m": lambda: Beam.polar_grid(PROTON, radius=0, n_radii=1, n_angles=1),
    "Beam.single: px must be one number, got 'a'": lambda: Beam.single(PROTON, px="a"),
}  # fmt: skip


@pytest.mark.parametrize("message", MALFORMED)
def test_malformed_input_is_named(message: str) -> None:
    with pytest.raises(InputError) as caught:
        MALFORMED[message]()
    assert message in str(caught.value) and "\n" not in str(caught.value)
