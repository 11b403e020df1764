"""The field of bunches in a pipe, slice by slice: against coasting beams, free space, a formula, and autograd."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from autograd import make_jvp
from scipy.constants import c, e, epsilon_0
from support.backends import host_copy, placed
from support.gaussian_bunch import gaussian_points

import gputrack as gt
from gputrack.backends.collective import adjoint_by_autograd
from gputrack.collective.open_kick import BUNCH_KICK
from gputrack.collective.pipe_bunch import PIPE_BUNCH_KICK
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements.collective_map import Bunch
from gputrack.elements.map import ReferenceValues

PROTON = gt.ReferenceParticle.proton(kinetic=1e8)
VALUES = ReferenceValues.of(PROTON)
OP = SimpleNamespace(length=0.3, effect=gt.PipeBunch((0.01, 0.012), 0.4, 10, (4, 5)), number=0)


def bunch(n=30):
    rng = np.random.default_rng(1)
    coordinates = rng.normal(size=(6, n)) * np.array([1e-3, 1e-3, 1.2e-3, 1e-3, 5e-2, 1e-2])[:, None]
    weights = rng.uniform(0.5, 2.0, n) * 1e9
    return Bunch(coordinates, weights, 1.1 * weights.sum())


def test_middle_of_a_uniform_bunch_is_a_coasting_beam():
    """With the current of its line density, to rounding: the sum of splines is 1."""
    slices, each = 40, 50
    field = gt.PipeBunch((0.01, 0.012), 0.5, slices, (6, 6))
    rng = np.random.default_rng(2)
    across = rng.normal(size=(2, each)) * 1e-3
    places = (np.arange(31) - 15.0) * field.step
    coordinates = np.zeros((6, 31 * each))
    coordinates[0], coordinates[2] = np.tile(across[0], 31), np.tile(across[1], 31)
    coordinates[4] = np.repeat(places, each)
    weights = np.full(31 * each, 1e7)
    op = SimpleNamespace(length=0.3, effect=field, number=0)
    after = PIPE_BUNCH_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
    middle = slice(15 * each, 16 * each)
    current = each * 1e7 / field.step * e * PROTON.beta0 * c
    coasting = SimpleNamespace(length=0.3, current=current, effect=gt.PipeModes(field.pipe, (6, 6)), number=0)
    alone = Bunch(coordinates[:, middle], weights[middle], weights[middle].sum())
    expected = PIPE_KICK.forward(alone, coasting, VALUES)
    assert np.abs(expected[1]).max() > 1e-6
    assert np.abs(after[1:4, middle] - expected[1:4]).max() <= 1e-12 * np.abs(expected[1:4]).max()
    assert np.abs(after[5, middle]).max() <= 1e-12 * np.abs(after[5]).max()  # the density is even


def test_force_along_a_bunch_whose_density_rises():
    """On the axis of a round Gaussian beam, whose charge stands on points of quadrature.

    -q/(4 pi eps0 gamma0^2) g dlambda/dzeta with g = the potential on the axis for unit line density. Splines smooth.
    """
    a, sigma, spread, real = 0.02, 1e-3, 0.05, 1e10
    nodes, shares = np.polynomial.hermite_e.hermegauss(12)
    along = np.linspace(-4.9, 4.9, 301)
    x, y, z = (grid.ravel() for grid in np.meshgrid(sigma * nodes, sigma * nodes, spread * along, indexing="ij"))
    weights = np.einsum("i,j,k->ijk", shares, shares, np.exp(-0.5 * along**2)).ravel()
    weights = np.concatenate([np.zeros(5), real / weights.sum() * weights])
    coordinates = np.zeros((6, len(weights)))
    coordinates[0, 5:], coordinates[2, 5:], coordinates[4, 5:] = x, y, z
    coordinates[4, :5] = places = np.array([-2.0, -1.0, 0.0, 0.7, 1.5]) * spread
    op = SimpleNamespace(length=0.3, effect=gt.PipeBunch((a, a), 10 * spread, 80, (24, 24)), number=0)
    after = PIPE_BUNCH_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
    k = np.arange(1, 25) * math.pi / a
    share = np.exp(-0.5 * (k * sigma) ** 2) * np.sin(0.5 * k * a) ** 2
    g = 16.0 * math.pi / a**2 * np.sum(np.outer(share, share) / (k[:, None] ** 2 + k[None, :] ** 2))
    slope = -places / spread**2 * real / (math.sqrt(2.0 * math.pi) * spread) * np.exp(-0.5 * (places / spread) ** 2)
    force = -e / (4.0 * math.pi * epsilon_0 * PROTON.gamma0**2) * g * slope  # V/m
    expected = 0.3 * force / (PROTON.beta0 * PROTON.p0c)
    assert np.abs(after[5, :5] - expected).max() <= 0.02 * np.abs(expected).max()


def test_long_bunch_in_a_wide_pipe_is_one_in_free_space():
    points = gaussian_points(4000, (1e-3, 1e-3, 0.1))
    n = points.shape[1]
    coordinates = np.zeros((6, n))
    coordinates[0], coordinates[2], coordinates[4] = points
    start = Bunch(coordinates, np.full(n, 1e6), n * 1e6)
    pipe = SimpleNamespace(length=0.3, effect=gt.PipeBunch((0.02, 0.02), 1.0, 40, (32, 32)), number=0)
    free = SimpleNamespace(length=0.3, effect=gt.OpenField3D((0.012, 0.012, 1.0), (64, 64, 40)), number=0)
    ours, theirs = PIPE_BUNCH_KICK.forward(start, pipe, VALUES), BUNCH_KICK.forward(start, free, VALUES)
    assert np.std(ours[1] - theirs[1]) <= 0.04 * np.std(theirs[1])  # noise of the sample on two grids


def test_kick_is_undone_and_symplectic_for_the_bunch():
    start = bunch(5)
    after = start._replace(coordinates=PIPE_BUNCH_KICK.forward(start, OP, VALUES))
    assert np.abs(PIPE_BUNCH_KICK.inverse(after, OP, VALUES) - start.coordinates).max() <= 1e-15
    columns = []
    strong = SimpleNamespace(**{**vars(OP), "length": 30.0})
    for direction in np.eye(30):
        rate = direction.reshape(6, 5)
        pushed = make_jvp(lambda q: PIPE_BUNCH_KICK.forward(start._replace(coordinates=q), strong, VALUES))
        columns.append(pushed(start.coordinates)(rate)[1].ravel())
    jacobian = np.array(columns).T
    form = np.kron(np.kron(np.eye(3), np.array([[0.0, 1.0], [-1.0, 0.0]])), np.diag(start.weights / 1e9))
    assert np.abs(jacobian - np.eye(30)).max() > 1.0
    assert np.abs(jacobian.T @ form @ jacobian - form).max() <= 1e-13 * np.abs(jacobian).max() ** 2


def test_adjoint_is_that_of_autograd():
    start = bunch()
    bar = np.random.default_rng(2).normal(size=start.coordinates.shape)
    expected = adjoint_by_autograd(PIPE_BUNCH_KICK, start, OP, VALUES, bar)
    found = PIPE_BUNCH_KICK.adjoint(start, OP, VALUES, bar)
    change = np.abs(expected.coordinates - bar).max()
    assert np.abs(found.coordinates - expected.coordinates).max() <= 1e-12 * change
    assert np.abs(found.constants - expected.constants).max() <= 1e-12 * np.abs(expected.constants).max()
    for ours, theirs in zip(found.reference, expected.reference, strict=True):
        assert abs(ours - theirs) <= 1e-12 * abs(theirs)


def test_tracked_gradient_on_every_backend(backend):
    """Particles outside the pipe or the slices are lost."""
    line = gt.Lattice([gt.Quadrupole("q1", length=0.2, k1=5.0), gt.Drift("d1", length=0.3)], PROTON)
    line = line.with_space_charge(gt.PipeBunch((0.02, 0.02), 0.6, 8, (4, 4)), kicks_per_element=2)
    coordinates = bunch().coordinates.copy()
    coordinates[0, 3], coordinates[4, 5] = 0.012, 0.5
    beam = gt.Beam(coordinates, PROTON, weights=bunch().weights)
    knobs = line.knobs("q1.k1", "q1.length", "d1.length")

    def goal(values, name):
        out = gt.track(line.with_knobs(knobs, values), placed(beam, name), backend=name)
        return 1e6 * out.emittance("x") + out.sigma[5, 5]

    out = gt.track(line, placed(beam, backend), backend=backend)
    assert np.flatnonzero(host_copy(out.loss_code)).tolist() == [3, 5]
    by_arrays = gt.grad(lambda v: goal(v, "array"))(knobs.values)
    found = gt.grad(lambda v: goal(v, backend))(knobs.values)
    assert np.abs((found - by_arrays) * knobs.values).max() <= 1e-11 * np.abs(by_arrays * knobs.values).max()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gt.PipeBunch((0.1, 0.1), 0.0), "PipeBunch: length must be > 0 m, got 0.0"),
        (lambda: gt.PipeBunch((0.1, 0.1), 1.0, 3), "PipeBunch: slices must be an integer >= 4, got 3"),
        (lambda: gt.PipeBunch((0.1, -0.1), 1.0), "pipe width must be > 0 m, got -0.1"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(gt.errors.InputError, match=message):
        make()
