"""Moments and emittances as primitives: both rules against autograd through the formulas, degenerate beams, devices."""

import tracemalloc

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian, make_jvp, make_vjp
from autograd.test_util import check_grads
from scipy.linalg import expm
from support.emulation import fake_cupy
from support.helpers import richardson
from support.rings import small_ring, wide_beam

import gputrack as gt
from gputrack.base.symplectic import symplectic_form
from gputrack.beam import moments
from gputrack.beam.moment_rules import eigen_emittance_gradients, eigen_emittances, mean_and_sigma

SIZES = np.array([1e-3, 1e-4, 5e-4, 2e-4, 1e-2, 1e-3])


def particles(n=40, shape=(), seed=1):
    """Coordinates (..., 6, n), weights (n,), and the mask of survivors (..., n); the lost are NaN."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(6) + 0.3 * rng.normal(size=(6, 6))
    c = SIZES[:, None] * (mixing @ rng.normal(size=(*shape, 6, n)) + rng.normal(size=(6, 1)))
    alive = rng.random((*shape, n)) > 0.3
    return np.where(alive[..., None, :], c, np.nan), rng.uniform(0.5, 2.0, n), alive


def by_formulas(coordinates, weights, alive):
    """The same moments through operations that autograd differentiates one by one."""
    c, w = moments.survivors(coordinates, weights, alive)
    return anp.concatenate([moments.mean(c, w)[..., None, :], moments.sigma(c, w)], axis=-2)


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_moments_pull_back_as_the_formulas_do(shape):
    c, w, alive = particles(shape=shape)
    pull, value = make_vjp(lambda v: mean_and_sigma(v, w, alive))(c)
    pull_by_formulas, expected = make_vjp(lambda v: by_formulas(v, w, alive))(c)
    assert value.shape == (*shape, 7, 6) and np.array_equal(value, expected)
    cotangent = np.random.default_rng(2).normal(size=value.shape)
    found, wanted = pull(cotangent), pull_by_formulas(cotangent)
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-14 * np.abs(wanted).max())
    assert np.all(np.where(alive[..., None, :], 0.0, found) == 0.0)


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_moments_push_forward_obeys_the_dot_product_test(shape):
    c, w, alive = particles(shape=shape)
    rng = np.random.default_rng(3)
    v, u = SIZES[:, None] * rng.normal(size=c.shape), rng.normal(size=(*shape, 7, 6))
    _, pushed = make_jvp(lambda x: mean_and_sigma(x, w, alive))(c)(v)
    pull, _ = make_vjp(lambda x: mean_and_sigma(x, w, alive))(c)
    assert np.sum(u * pushed) == pytest.approx(np.sum(pull(u) * v), rel=1e-12)


def test_moments_have_second_derivatives():
    c, w, alive = particles(n=5)
    scaled = np.where(alive, c, 0.0) / SIZES[:, None]
    check_grads(lambda v: mean_and_sigma(v, w, alive), modes=["fwd", "rev"], order=2)(scaled)


def test_moments_keep_to_few_arrays_of_the_beams_size():
    n = 20_000
    c, w, alive = particles(n=n)
    pull, value = make_vjp(lambda v: mean_and_sigma(v, w, alive))(c)
    cotangent = np.ones_like(value)
    tracemalloc.start()
    pull(cotangent)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * c.nbytes  # one n x 6 x 6 intermediate alone would be 6


def test_moments_on_a_device_send_only_themselves_to_the_host(monkeypatch):
    """Rules on arrays of a stand-in that refuses to become NumPy arrays by itself."""
    from gputrack.beam.moment_rules import _pull_moments, push_moments

    fake_cupy.install(monkeypatch)
    import cupy

    c, w, alive = particles()
    there = [cupy.asarray(a) for a in (c, w, alive)]
    value = mean_and_sigma(*there)
    assert type(value) is np.ndarray and np.array_equal(value, mean_and_sigma(c, w, alive))
    rng = np.random.default_rng(5)
    cotangent, tangent = rng.normal(size=(7, 6)), rng.normal(size=c.shape)
    bar = _pull_moments(value, *there)(cotangent)
    assert type(bar) is cupy.ndarray
    assert bar.get() == pytest.approx(_pull_moments(value, c, w, alive)(cotangent), rel=1e-14)
    pushed = push_moments(cupy.asarray(tangent), value, *there)
    assert type(pushed) is np.ndarray
    assert pushed == pytest.approx(push_moments(tangent, value, c, w, alive), rel=1e-14)


def plane_sigma(emittances):
    """Sigma of three uncoupled planes."""
    matrix = np.zeros((6, 6))
    for i, (e, beta, alpha) in enumerate(zip(emittances, (3.0, 0.5, 20.0), (-2.0, 1.5, 0.4), strict=True)):
        block = [[beta, -alpha], [-alpha, (1.0 + alpha**2) / beta]]
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = e * np.array(block)
    return matrix


def coupled(matrix, strength=0.3):
    """Sigma after a random symplectic matrix: eigen-emittances stay."""
    quadratic = np.random.default_rng(8).normal(size=(6, 6))
    m = expm(strength * symplectic_form(6) @ (quadratic + quadratic.T))
    return m @ matrix @ m.T


def symmetric(seed=6):
    half = np.random.default_rng(seed).normal(size=(6, 6))
    return half + half.T


def test_eigen_emittances_against_autograd_through_the_decomposition():
    matrix = coupled(plane_sigma((5e-8, 1e-8, 3e-9)))
    found = eigen_emittance_gradients(matrix)
    expected = jacobian(moments.eigen_emittances)(matrix)
    for one, other in zip(found, expected, strict=True):
        other = 0.5 * (other + other.T)  # the factorisation reads one triangle only
        assert one == pytest.approx(other, abs=1e-8 * np.abs(other).max())
    scaled = coupled(plane_sigma((5.0, 1.0, 0.3)))
    for k in range(3):
        difference = richardson(lambda t, k=k: eigen_emittances(scaled + t * symmetric())[k], 1e-5)
        assert np.sum(eigen_emittance_gradients(scaled)[k] * symmetric()) == pytest.approx(difference, rel=1e-8)
    _, pushed = make_jvp(eigen_emittances)(scaled)(symmetric())
    pulled = jacobian(eigen_emittances)(scaled)
    assert pushed == pytest.approx(np.sum(pulled * symmetric(), axis=(1, 2)), rel=1e-13)


def test_eigen_emittances_are_homogeneous():
    """Euler: d(emittance) along sigma itself is the emittance."""
    matrix = coupled(plane_sigma((5e-8, 1e-8, 3e-9)))
    along = np.sum(eigen_emittance_gradients(matrix) * matrix, axis=(1, 2))
    assert along == pytest.approx([5e-8, 1e-8, 3e-9], rel=1e-10)


@pytest.mark.parametrize("emittances", [(2.0, 2.0, 0.3), (2.0, 0.3, 0.3), (2.0, 2.0, 2.0)])
def test_equal_eigen_emittances_share_the_derivative_of_their_sum(emittances):
    matrix = coupled(plane_sigma(emittances))
    gradients = eigen_emittance_gradients(matrix)
    assert np.all(np.isfinite(gradients))
    rounding = 1e-9 * np.abs(gradients).max()
    for i in range(3):
        for j in range(3):
            if emittances[i] == emittances[j]:
                assert gradients[i] == pytest.approx(gradients[j], abs=rounding)
    groups = {value: [i for i in range(3) if emittances[i] == value] for value in emittances}
    for members in groups.values():
        total = richardson(lambda t, m=members: np.sum(eigen_emittances(matrix + t * symmetric())[m]), 1e-5)
        assert np.sum(gradients[members] * symmetric()) == pytest.approx(total, rel=1e-7)


def test_flat_beam_has_derivatives_in_the_other_planes():
    matrix = plane_sigma((2.0, 0.0, 0.3))
    gradients = eigen_emittance_gradients(matrix)
    assert np.all(np.isfinite(gradients)) and not gradients[2].any()
    direction = symmetric()
    direction[2:4] = direction[:, 2:4] = 0.0
    for k in range(2):
        expected = richardson(lambda t, k=k: eigen_emittances(matrix + t * direction)[k], 1e-5)
        assert np.sum(gradients[k] * direction) == pytest.approx(expected, rel=1e-8)


OBSERVABLES = {
    "emittance x": lambda b: b.emittance("x"),
    "emittance y": lambda b: b.emittance("y", normalized=True),
    "emittance z": lambda b: b.emittance("z"),
    "eigen": lambda b: anp.sum(b.eigen_emittances() * np.array([1.0, 2.0, 3.0])),
    "eigen normalized": lambda b: anp.sum(b.eigen_emittances(normalized=True)),
    "size": lambda b: b.size("y"),
    "centroid": lambda b: b.centroid("px"),
    "sigma": lambda b: b.sigma[0, 4],
}


@pytest.mark.parametrize("name", OBSERVABLES)
def test_gradients_through_tracking(name):
    """All of them, with lost particles and weights, against differences along the coordinates and of a magnet."""
    ring = small_ring()
    start = wide_beam(30, weights=np.linspace(0.5, 2.0, 30), loss_code=np.r_[np.zeros(25, int), np.full(5, 4)])
    knobs = ring.knobs("qf.k1")

    def objective(coordinates, k):
        beam = start.replaced(coordinates=coordinates)
        return OBSERVABLES[name](gt.track(ring.with_knobs(knobs, k), beam, 2))

    by_coordinates = grad(objective, 0)(np.array(start.coordinates), knobs.values)
    v = np.random.default_rng(7).normal(size=(6, 30)) * np.std(start.coordinates, axis=1)[:, None]
    expected = richardson(lambda t: objective(start.coordinates + t * v, knobs.values), 1e-3)
    assert np.sum(by_coordinates * v) == pytest.approx(expected, rel=1e-8)
    by_knob = grad(objective, 1)(np.array(start.coordinates), knobs.values)[0]
    expected = richardson(lambda t: objective(start.coordinates, knobs.values + t), 1e-4)
    rounding = 1e-12 * abs(objective(start.coordinates, knobs.values)) / 1e-4  # of differences of nearly an invariant
    assert by_knob == pytest.approx(expected, rel=1e-8, abs=rounding)


def _flat(n):
    c = wide_beam(n).coordinates.copy()
    c[2:4] = 0.0
    return c


def _round(n):
    """Equal eigen-emittances in x and y to the last bit."""
    c = np.zeros((6, 4 * n))
    c[:4] = np.repeat(np.diag([1e-3, 1e-4, 1e-3, 1e-4]), n, axis=1) * np.where(np.arange(4 * n) % 2, 1.0, -1.0)
    return c


DEGENERATE = {
    "single": wide_beam(1).coordinates, "on axis": np.zeros((6, 1)), "two": wide_beam(2).coordinates,
    "equal": np.repeat(wide_beam(1).coordinates, 3, axis=1), "flat": _flat(20), "round": _round(4),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("name", OBSERVABLES)
def test_degenerate_beams_have_finite_gradients(kind, name):
    coordinates = np.array(DEGENERATE[kind])
    value, gradient = gt.value_and_grad(lambda c: OBSERVABLES[name](gt.Beam(c, small_ring().reference)))(coordinates)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))


def test_all_lost_is_an_error_also_while_differentiating():
    ring = small_ring()
    beam = wide_beam(5)
    with pytest.raises(gt.errors.InputError, match="all 5 particles are lost"):
        grad(lambda c: gt.track(ring, beam.replaced(coordinates=c), limit=1e-9).emittance("x"))(
            np.array(beam.coordinates)
        )
