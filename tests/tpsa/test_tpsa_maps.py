"""Maps against GTPSA, against points, and against their identities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.peers.tpsa_peer import Gtpsa, assert_close

import gputrack.tpsa as tp
from gputrack.base.errors import InputError
from gputrack.base.symplectic import symplectic_form
from gputrack.tpsa import Map, Series, Space
from gputrack.tpsa.host import has_kernels
from gputrack.tpsa.symplectic import symplectic_matrix
from gputrack.tpsa.vector_field import raised

pytestmark = pytest.mark.usefixtures("series_by_tables")

SPACES = [Space(6, 2), Space(6, 4), Space(4, 5), Space(2, 8)]


def random_map(space, seed, batch=(), size=0.3):
    """Near a rotation in each plane, coefficients falling with the degree, the origin fixed."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(-size, size, (*batch, space.variables, space.size)) * 0.7**space.degrees
    c[..., 0] = 0.0
    c[..., 1 : 1 + space.variables] += np.eye(space.variables)
    if space.variables % 2 == 0:
        c[..., 1 : 1 + space.variables] += symplectic_form(space.variables)
    return Map.of(space, c)


def small_points(space):
    """So near the origin that terms beyond the order of the space are rounding."""
    points = np.random.default_rng(3).uniform(-1, 1, (space.dimensions, 9)) * 2e-18 ** (1.0 / (space.order + 1))
    points[space.variables :] *= 2e-18 ** (1.0 / (space.parameter_order + 1))
    return points


def close(a, b, ulps=256):
    assert_close(a.space, a.coefficients, b.coefficients, ulps)


def rows(given):
    return list(given.coefficients)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_composition_and_inverses_as_gtpsa(space):
    peer = Gtpsa(space)
    a, b = random_map(space, 1), random_map(space, 2)
    assert_close(space, (a @ b).coefficients, peer.on_maps("compose", rows(a), rows(b)), 64)
    assert_close(space, a.inverse().coefficients, peer.on_maps("minv", rows(a)), 4096)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_lie_exponential_as_gtpsa(space):
    peer = Gtpsa(space)
    field, target = random_map(space, 3, size=0.1), random_map(space, 4)
    field = field - Map([c.truncated(1) for c in field.components])  # from order 2 on, as theirs must be
    made = Map(tp.lie_exponential(field, target))
    assert_close(space, made.coefficients, peer.on_maps("exppb", rows(field), rows(target)), 256)


@pytest.mark.parametrize("space", [*SPACES, Space(3, 4, 2, 2)], ids=str)
def test_composition_is_putting_in(space):
    """At points so small that truncated terms are below rounding."""
    a, b = random_map(space, 1), random_map(space, 2)
    points = small_points(space)
    inner = b.evaluate(points)
    expected = a.evaluate(np.vstack([inner, points[space.variables :]]))
    np.testing.assert_allclose((a @ b).evaluate(points), expected, rtol=0, atol=1e-15)


def test_polynomials_are_taken_where_the_inner_constant_lies():
    space = Space(2, 3)
    x, y = tp.variables(space)
    inner = Map([0.5 + x * y, y - 2.0])
    close(Map([x * x * y, x]) @ inner, Map([inner[0] ** 2 * inner[1], inner[0]]), 4)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([Space(2, 5), Space(4, 3), Space(3, 4, 1, 2)]))
def test_group(seed, space):
    a, b, c = (random_map(space, seed + i, size=0.2) for i in range(3))
    unit = Map.identity(space)
    close((a @ b) @ c, a @ (b @ c), 1024)
    back = a.inverse()
    for product in (a @ back, back @ a):
        assert np.abs((product - unit).coefficients).max() < 2e-12
    close(a @ unit, a, 2)
    assert np.abs(((a @ b).inverse() - b.inverse() @ back).coefficients).max() < 1e-10


@pytest.mark.parametrize("selected", [[], [0], [1, 2], [0, 1, 2, 3]])
def test_partial_inverse(selected):
    space = Space(4, 4, 1, 1)
    a = random_map(space, 5)
    points = small_points(space)
    images = a.evaluate(points)
    mixed, expected = points.copy(), images.copy()
    mixed[selected], expected[selected] = images[selected], points[selected]
    np.testing.assert_allclose(a.partial_inverse(selected).evaluate(mixed), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("space", [Space(4, 3), Space(3, 4, 2, 1), Space(2, 1)], ids=str)
def test_inverse_by_kernels_is_that_of_array_mathematics(space):
    """Which complex coefficients take; matrices whose diagonal is 0, and orders below the space's."""
    a = random_map(space, 5, (9,))
    turned = Map([*a.components[1:], a.components[0]])
    for given_map in (a, turned, turned.truncated(1), Map([c[3] for c in turned])):
        twin = Map([c * (1.0 + 0.0j) for c in given_map]).inverse()
        assert given_map.inverse().order == twin.order
        np.testing.assert_allclose(given_map.inverse().coefficients, twin.coefficients.real, rtol=1e-11, atol=1e-11)
    linear = np.eye(4, k=1) + np.diag([1e-3], -3)  # no pivot on the diagonal
    shuffled = Map.of(Space(4, 2), np.concatenate([np.zeros((4, 1)), linear, 0.1 * np.ones((4, 10))], axis=1))
    assert np.abs((shuffled @ shuffled.inverse() - Map.identity(Space(4, 2))).coefficients).max() < 1e-6


def test_partial_inverse_as_gtpsa():
    import ctypes

    space = Space(4, 4)
    a = random_map(space, 5)
    chosen = (ctypes.c_int32 * 4)(0, 1, 0, 1)
    theirs = Gtpsa(space).on_maps("pminv", rows(a), more=(chosen,))
    assert_close(space, a.partial_inverse([1, 3]).coefficients, theirs, 4096)


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [Space(4, 3), Space(2, 6, 1, 1)], ids=str)
def test_a_batch_is_a_loop(space):
    a, b = random_map(space, 1, (3, 4)), random_map(space, 2, (3, 4))
    whole, back = a @ b, a.inverse()
    assert whole.batch == (3, 4) and whole.coefficients.shape == (3, 4, space.variables, space.size)
    for i in ((0, 0), (2, 3)):
        first, second = Map([c[i] for c in a]), Map([c[i] for c in b])
        # NumPy, which takes over without a compiler, adds up in an order that depends on how many there are.
        exact = 0.0 if has_kernels() else 1e-14
        np.testing.assert_allclose(whole.coefficients[i], (first @ second).coefficients, rtol=0, atol=exact)
        np.testing.assert_allclose(back.coefficients[i], first.inverse().coefficients, rtol=exact, atol=exact)
    one = Map([c[0, 1] for c in b])
    alone = Map([c[1, 1] for c in a]) @ one
    np.testing.assert_allclose((a @ one).coefficients[1, 1], alone.coefficients, rtol=0, atol=exact)


def test_complex_maps():
    space = Space(4, 3)
    a, b, unit = random_map(space, 1), random_map(space, 2), Map.identity(space)
    twisted = Map([c * (1 + 0.2j) for c in a])
    close(twisted @ b, Map([c * (1 + 0.2j) for c in (a @ b)]), 8)
    many = Map([np.ones(9) * c for c in twisted])
    assert np.abs((many @ many.inverse() - unit).coefficients).max() < 1e-13


# -- Lie operators -----------------------------------------------------------------------------------------------------


def generator(space, seed, lowest=3):
    """A function of degrees from `lowest` on, in the space one order higher."""
    high = raised(space)
    c = np.random.default_rng(seed).uniform(-0.2, 0.2, high.size) * 0.7**high.degrees
    inside = high.exponents[:, : space.variables].sum(axis=1)
    return Series.of(high, np.where((high.degrees >= lowest) & (inside > 0), c, 0.0))


@pytest.mark.parametrize("space", [Space(2, 6), Space(4, 4), Space(6, 3), Space(2, 4, 1, 1)], ids=str)
def test_exponentials_are_symplectic_and_undone_by_logarithms(space):
    f = generator(space, 1)
    made = tp.exponential_map(f)
    assert made.symplectic_defect().max() < 1e-15
    field = tp.lie_logarithm(made)
    np.testing.assert_allclose(tp.hamiltonian(field).coefficients, f.coefficients, rtol=0, atol=1e-15)
    back = tp.exponential_map(-f)
    assert np.abs((made @ back - Map.identity(space)).coefficients).max() < 1e-15


def test_functions_follow_the_map():
    """exp(:f:) g = g(exp(:f:) x)."""
    space = Space(4, 5)
    field, g = tp.field_of(generator(space, 1)), Series.of(space, np.random.default_rng(2).normal(size=space.size))
    made = Map(tp.lie_exponential(field, Map.identity(space)))
    from gputrack.tpsa.components import composed

    close(tp.lie_exponential(field, [g])[0], composed([g], made)[0], 64)


def test_quadratic_generators_are_rotations():
    """exp(:f:) with f = -mu (q^2 + p^2) / 2 turns by mu."""
    q, p = tp.variables(Space(2, 3))
    made = tp.exponential_map(-0.35 * (q * q + p * p))
    c, s = np.cos(0.7), np.sin(0.7)
    np.testing.assert_allclose(made.matrix, [[c, s], [-s, c]], atol=1e-15)


@pytest.mark.parametrize("space", [Space(4, 4), Space(2, 5, 1, 2)], ids=str)
def test_symplectification(space):
    """Of a symplectic map with noise: symplectic, and as near as the noise; of a symplectic map: itself."""
    rotation = Map.of(space, np.zeros((space.variables, space.size)) + _linear(space, 0.4))
    right = rotation @ tp.exponential_map(generator(space, 1))
    assert right.symplectic_defect().max() < 1e-15
    np.testing.assert_allclose(right.symplectified().coefficients, right.coefficients, rtol=0, atol=1e-14)
    noise = np.random.default_rng(1).normal(size=right.coefficients.shape) * 1e-6
    noise[:, 1 + space.variables : 1 + space.dimensions] = 0.0
    wrong = Map.of(space, right.coefficients + noise)
    repaired = wrong.symplectified()
    assert wrong.symplectic_defect().min() > 1e-8
    assert repaired.symplectic_defect().max() < 1e-14
    assert np.abs((repaired - wrong).coefficients).max() < 2e-5
    np.testing.assert_allclose(repaired.constant, wrong.constant, rtol=0, atol=0)


def _linear(space, angle):
    c, s = np.cos(angle), np.sin(angle)
    rows = np.zeros((space.variables, space.size))
    rows[:, 1 : 1 + space.variables] = np.kron(np.eye(space.variables // 2), [[c, s], [-s, c]])
    return rows


def test_symplectic_matrices():
    matrices = symplectic_matrix(np.eye(4) + np.random.default_rng(1).normal(size=(5, 4, 4)) * 0.05)
    form = symplectic_form(4)
    np.testing.assert_allclose(np.swapaxes(matrices, 1, 2) @ form @ matrices, [form] * 5, atol=1e-15)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [float, complex])
def test_files_give_back_the_same(tmp_path, kind):
    space = Space(3, 4, 2, 1)
    a = random_map(space, 1, (2,))
    a = a if kind is float else Map([c * (1 + 1j) for c in a])
    a.save(tmp_path / "map.npz")
    b = Map.load(tmp_path / "map.npz")
    assert b.space == space and list(tmp_path.iterdir()) == [tmp_path / "map.npz"]
    np.testing.assert_array_equal(a.coefficients, b.coefficients)
    with np.load(tmp_path / "map.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["exponents"], space.exponents)


def test_files_that_hold_no_map(tmp_path):
    with pytest.raises(InputError, match="cannot read map file"):
        Map.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("x")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", space=np.array([object()]), coefficients=np.zeros(3))
    for name in ("text.npz", "other.npz", "pickled.npz"):
        with pytest.raises(InputError, match="contains no map"):
            Map.load(tmp_path / name)
    with pytest.raises(InputError, match="cannot write map file"):
        Map.identity(Space(2, 2)).save(tmp_path / "no folder" / "map.npz")


# -- argument validation -----------------------------------------------------------------------------------------------

X, Y = tp.variables(Space(2, 3))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: Map([X]), "components must be 2 series of one space, got 1"),
        (lambda: Map([X, tp.variables(Space(2, 2))[0]]), "components must be 2 series of one space"),
        (lambda: Map([X, 1.0]), "components must be series"),
        (lambda: Map([np.ones(2) * X, np.ones(3) * Y]), "cannot be broadcast together"),
        (lambda: Map.of(Space(2, 3), np.zeros((3, 10))), "must have shape (..., 2, rows), got (3, 10)"),
        (lambda: Map([X, Y]) @ Map.identity(Space(2, 2)), "different spaces"),
        (lambda: Map([X, Y]) + 1.0, "the other operand must be a Map, got 1.0"),
        (lambda: Map([X + 1.0, Y]).inverse(), "the constant part must be 0, its largest entry is 1"),
        (lambda: Map([X, X]).inverse(), "the linear part is singular"),
        (lambda: Map([X, Y]).partial_inverse([2]), "selected must be different numbers < 2, got [2]"),
        (lambda: Map([X, Y]).partial_inverse([0]) and Map([Y, X]).partial_inverse([0]), "singular"),
        (lambda: tp.lie_logarithm(Map([2.0 * X, Y])), "the linear part must be 1, but differs by 1"),
        (lambda: tp.lie_exponential(Map([99.0 * X, Y]), [X]), "no convergence after 100 terms"),
        (lambda: tp.field_of(tp.variables(Space(3, 2))[0]), "must come in pairs (q, p), got 3"),
        (lambda: X.to(Space(3, 3)), "differ in their variables"),
    ],
)  # fmt: skip
def test_argument_validation(action, message):
    with pytest.raises(InputError) as caught:
        action()
    assert message in str(caught.value)
