"""The field of beams in free space: analytic fields, xfields, conservation, and derivatives."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.constants import e, epsilon_0
from scipy.integrate import quad
from scipy.special import erf
from support.backends import host_copy, placed
from support.gaussian_bunch import gaussian_points

import gputrack as gt
from gputrack.backends.collective import adjoint_by_autograd
from gputrack.collective.green import line_green, point_green
from gputrack.collective.open_kick import BUNCH_KICK, LINE_KICK
from gputrack.collective.perveance import perveance
from gputrack.elements.collective_map import Bunch
from gputrack.elements.map import ReferenceValues

PROTON = gt.ReferenceParticle.proton(kinetic=1e8)
VALUES = ReferenceValues.of(PROTON)


def op_of(field, **constants):
    return SimpleNamespace(effect=field, number=0, **constants)


CASES = {
    "line": (LINE_KICK, op_of(gt.OpenField2D((8e-3, 9e-3), (12, 14)), length=0.3, current=5.0)),
    "bunch": (BUNCH_KICK, op_of(gt.OpenField3D((8e-3, 9e-3, 4e-2), (8, 9, 10)), length=0.3)),
}


def bunch(n=30):
    """With weights that differ, and a part of the charge lost before."""
    rng = np.random.default_rng(1)
    coordinates = rng.normal(size=(6, n)) * np.array([1e-3, 1e-3, 1.2e-3, 1e-3, 5e-3, 1e-2])[:, None]
    weights = rng.uniform(0.5, 2.0, n) * 1e9
    return Bunch(coordinates, weights, 1.1 * weights.sum())


# -- Green functions ----------------------------------------------------------------------------------------------


def test_green_functions_are_averages_over_cells():
    """Against quadrature in other cells, and in the origin's own: the integral of 1/r over a cube is 2.3800774."""
    line = line_green((0.5, 0.4), (40, 40))
    nodes, shares = np.polynomial.legendre.leggauss(12)
    for i, j in ((39, 30), (2, 2)):
        x, y = 0.5 * i + 0.25 * nodes[:, None], 0.4 * j + 0.2 * nodes[None, :]
        average = 0.25 * np.sum(shares[:, None] * shares[None, :] * -np.log(x * x + y * y))
        assert abs(line[i, j] - average) <= 1e-11
    point = point_green((0.5, 0.4, 0.7), (20, 20, 20))
    z = 1.4 + 0.35 * nodes
    r = np.sqrt((x * x + y * y)[:, :, None] + z**2)
    average = 0.125 * np.sum(shares[:, None, None] * shares[None, :, None] * shares / r)
    assert abs(point[2, 2, 2] - average) <= 1e-12
    assert abs(point_green((1.0, 1.0, 1.0), (4, 4, 4))[0, 0, 0] - 2.3800774) <= 1e-6
    inner = quad(lambda v: quad(lambda u: -math.log(u * u + v * v), 0.0, 0.5)[0], 0.0, 0.5)[0] * 4.0
    assert abs(line_green((1.0, 1.0), (4, 4))[0, 0] - inner) <= 1e-7


# -- fields -------------------------------------------------------------------------------------------------------


def smoothed(sigma, field):
    return math.sqrt(sigma**2 + 7.0 / 12.0 * field.steps[0] ** 2)


def test_round_gaussian_beam():
    """px' = K (1 - exp(-r^2/(2 s^2)))/r; witnesses without weight feel it too.

    Spreading and gathering by splines (h^2/4 each) and averages over cells (h^2/12) make s^2 larger by 7 h^2/12.
    """
    sigma = 1e-3
    points = gaussian_points(20000, (sigma, sigma))
    radii = np.linspace(0.2, 4.0, 12) * sigma
    coordinates = np.zeros((6, points.shape[1] + 12))
    coordinates[0, 12:], coordinates[2, 12:] = points
    coordinates[0, :12], coordinates[2, :12] = 0.6 * radii, 0.8 * radii
    weights = np.concatenate([np.zeros(12), np.ones(points.shape[1])])
    op = op_of(gt.OpenField2D((0.0105, 0.0105), (128, 128)), length=0.3, current=5.0)
    after = LINE_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
    wider = smoothed(sigma, op.effect)
    expected = 0.3 * perveance(5.0, VALUES) * (1.0 - np.exp(-0.5 * (radii / wider) ** 2)) / radii
    for row, part in ((1, 0.6), (3, 0.8)):
        assert np.abs(after[row, :12] / part - expected).max() <= 2e-3 * expected.max()  # of the sample


def test_error_falls_with_the_square_of_the_step():
    """A Gaussian beam on points so dense that the grid alone is to blame."""
    sigma, places = 1e-3, np.linspace(0.1, 3.0, 237) * 1e-3  # all over the cells
    nodes = np.linspace(-4.8, 4.8, 193)
    x, y = (grid.ravel() for grid in np.meshgrid(sigma * nodes, sigma * nodes))
    coordinates = np.zeros((6, len(x) + 237))
    coordinates[0, 237:], coordinates[2, 237:], coordinates[0, :237] = x, y, places
    weights = np.concatenate([np.zeros(237), np.exp(-0.5 * (x * x + y * y) / sigma**2)])
    expected = 0.3 * perveance(5.0, VALUES) * (1.0 - np.exp(-0.5 * (places / sigma) ** 2)) / places
    errors = []
    for points in (26, 50, 98):  # steps of 0.4, 0.2, 0.1 sigma
        op = op_of(gt.OpenField2D((9.6e-3 + 1e-12, 9.6e-3 + 1e-12), (points, points)), length=0.3, current=5.0)
        after = LINE_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
        errors.append(np.std(after[1, :237] - expected))
    assert 3.3 <= errors[0] / errors[1] <= 4.7 and 3.3 <= errors[1] / errors[2] <= 4.7


def test_uniform_cylinder():
    """Linear inside, K/r outside."""
    radius, n = 2e-3, 60000
    turn = np.arange(n) * math.pi * (3.0 - math.sqrt(5.0))
    r = radius * np.sqrt((np.arange(n) + 0.5) / n)
    coordinates = np.zeros((6, n + 6))
    coordinates[0, 6:], coordinates[2, 6:] = r * np.cos(turn), r * np.sin(turn)
    coordinates[0, :6] = places = np.array([0.3, 0.6, 0.8, 1.3, 1.6, 2.0]) * radius
    weights = np.concatenate([np.zeros(6), np.ones(n)])
    op = op_of(gt.OpenField2D((9e-3, 9e-3), (128, 128)), length=1.0, current=5.0)
    after = LINE_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
    strength = perveance(5.0, VALUES)
    expected = np.where(places < radius, strength * places / radius**2, strength / places)
    assert np.abs(after[1, :6] - expected).max() <= 5e-3 * expected.max()


def test_bunch_that_is_round_in_its_own_frame():
    """There E = Q/(4 pi eps0 r^2) (erf(u) - 2 u exp(-u^2)/sqrt(pi)), u = r/(sqrt(2) s), in all three directions."""
    sigma, real = 1e-3, 1e10
    gamma, beta = PROTON.gamma0, PROTON.beta0
    points = gaussian_points(30000, (sigma, sigma, sigma / gamma))
    n, radii = points.shape[1], np.array([0.5, 1.0, 2.0, 3.0]) * sigma
    coordinates = np.zeros((6, n + 8))
    coordinates[0, 8:], coordinates[2, 8:], coordinates[4, 8:] = points
    coordinates[0, :4], coordinates[4, 4:8] = radii, radii / gamma
    weights = np.concatenate([np.zeros(8), np.full(n, real / n)])
    op = op_of(gt.OpenField3D((0.0105, 0.0105, 0.0105 / gamma), (48, 48, 48)), length=0.1)
    after = BUNCH_KICK.forward(Bunch(coordinates, weights, weights.sum()), op, VALUES)
    u = radii / (math.sqrt(2.0) * smoothed(sigma, op.effect))
    field = real * e / (4.0 * math.pi * epsilon_0 * radii**2) * (erf(u) - 2.0 * u * np.exp(-u * u) / math.sqrt(math.pi))
    transverse = 0.1 * field / (gamma * beta * PROTON.p0c)
    along = 0.1 * field / (beta * PROTON.p0c)  # the electric field along the motion is the same in both frames
    assert np.abs(after[1, :4] - transverse).max() <= 6e-3 * transverse.max()  # of the sample
    assert np.abs(after[5, 4:8] - along).max() <= 6e-3 * along.max()


def test_bunch_against_xfields():
    """Kicks of a long bunch by xfields' solver, which takes fields from differences: both smooth by some per cent."""
    pytest.importorskip("xfields")
    import xfields
    import xtrack

    rng, n, real = np.random.default_rng(3), 40000, 2e11
    coordinates = np.clip(rng.normal(size=(6, n)), -2.9, 2.9) * np.array([1e-3, 0, 1.5e-3, 0, 0.02, 0])[:, None]
    field = gt.OpenField3D((9e-3, 9e-3, 0.14), (48, 48, 32))
    op = op_of(field, length=0.5)
    weights = np.full(n, real / n)
    ours = BUNCH_KICK.forward(Bunch(coordinates, weights, real), op, VALUES)
    beam = xtrack.Particles(
        mass0=PROTON.mass, p0c=PROTON.p0c, x=coordinates[0], y=coordinates[2], zeta=coordinates[4], weight=real / n
    )
    kick = xfields.SpaceCharge3D(
        length=0.5, update_on_track=True, apply_z_kick=False, x_range=(-4.6e-3, 4.6e-3), y_range=(-4.6e-3, 4.6e-3),
        z_range=(-0.07, 0.07), nx=64, ny=64, nz=32, solver="FFTSolver3D", gamma0=PROTON.gamma0,
    )  # fmt: skip
    kick.track(beam)
    order = np.argsort(beam.particle_id)
    for row, theirs in ((1, beam.px[order]), (3, beam.py[order])):
        assert np.std(ours[row] - theirs) <= 0.02 * np.std(theirs)
        assert abs(np.dot(ours[row], theirs) / np.dot(theirs, theirs) - 1.0) <= 0.01


# -- conservation, inverse, derivatives -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_momentum_and_centroid_stay(case):
    kind, op = CASES[case]
    start = bunch()
    kicks = kind.forward(start, op, VALUES) - start.coordinates
    for row in (1, 3):
        total = np.sum(start.weights * kicks[row])
        assert abs(total) <= 1e-14 * np.sum(start.weights * np.abs(kicks[row]))
    assert np.abs(kicks[1]).max() > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_kick_is_undone_and_symplectic_for_the_bunch(case):
    """In x, px, y, py, zeta and energy over beta0^2 E0, each momentum counted by real particles."""
    kind, op = CASES[case]
    start = bunch(5)
    after = start._replace(coordinates=kind.forward(start, op, VALUES))
    back = kind.inverse(after, op, VALUES)
    assert np.abs(back - start.coordinates).max() <= 1e-16
    columns = []
    for direction in np.eye(30):
        rate = direction.reshape(6, 5)
        moved = gt.jvp(
            lambda q: kind.forward(start._replace(coordinates=q), op, VALUES), (start.coordinates,), (rate,)
        )
        columns.append(moved[1].ravel())
    jacobian = np.array(columns).T
    block = np.kron(np.eye(3), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    form = np.kron(block, np.diag(start.weights / start.weights.mean()))
    assert np.abs(jacobian - np.eye(30)).max() > 1e-3
    # z and delta are a canonical pair at any energy
    assert np.abs(jacobian.T @ form @ jacobian - form).max() <= 1e-12 * max(1.0, np.abs(jacobian).max() ** 2)


@pytest.mark.parametrize("case", CASES)
def test_adjoint_is_that_of_autograd(case):
    kind, op = CASES[case]
    start = bunch()
    bar = np.random.default_rng(2).normal(size=start.coordinates.shape)
    expected, found = adjoint_by_autograd(kind, start, op, VALUES, bar), kind.adjoint(start, op, VALUES, bar)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(np.asarray(ours) - theirs).max() <= 1e-12 * np.abs(theirs).max()


WIDE = [gt.OpenField2D((0.02, 0.02), (10, 10)), gt.OpenField3D((0.02, 0.02, 0.1), (8, 8, 8))]


@pytest.mark.parametrize("field", WIDE, ids=["line", "bunch"])
def test_tracked_gradient_on_every_backend(field, backend):
    """Through a line with a displaced magnet; a particle outside the grid is lost, and takes its charge with it."""
    line = gt.Lattice([gt.Quadrupole("q1", length=0.2, k1=5.0, dx=1e-4), gt.Drift("d1", length=0.3)], PROTON)
    line = line.with_space_charge(field, current=2.0 if field.needs_current else None, kicks_per_element=2)
    coordinates = bunch().coordinates.copy()
    coordinates[0, 3] = 0.05
    beam = gt.Beam(coordinates, PROTON, weights=bunch().weights)
    knobs = line.knobs("q1.k1", "q1.length", "d1.length", "q1.dx")

    def goal(values, name):
        return 1e6 * gt.track(line.with_knobs(knobs, values), placed(beam, name), backend=name).emittance("x")

    out = gt.track(line, placed(beam, backend), backend=backend)
    assert host_copy(out.loss_code)[3] == gt.LossCode.APERTURE and out.n_lost == 1
    by_arrays = gt.grad(lambda v: goal(v, "array"))(knobs.values)
    found = gt.grad(lambda v: goal(v, backend))(knobs.values)
    scale = np.abs(by_arrays * knobs.values).max()
    assert np.abs((found - by_arrays) * knobs.values).max() <= 1e-11 * scale


def test_json_keeps_open_fields(tmp_path):
    line = gt.Lattice([gt.Drift(name, length=1.0) for name in "def"], PROTON)
    line = line.with_space_charge(gt.PipeBunch((0.02, 0.02), 0.5), select="f")
    line = line.with_space_charge(CASES["bunch"][1].effect, select="d")
    line = line.with_space_charge(CASES["line"][1].effect, current=1.0, select="e")
    gt.save(line, tmp_path / "line.json")
    assert gt.load(tmp_path / "line.json") == line


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gt.OpenField2D((1e-2,)), "OpenField2D: size must be 2 numbers"),
        (lambda: gt.OpenField3D((1e-2, 1e-2, 0.0)), "OpenField3D: size in z must be > 0 m, got 0.0"),
        (lambda: gt.OpenField2D((1e-2, 1e-2), (3, 8)), "grid points in x must be an integer >= 4, got 3"),
        (lambda: line().with_space_charge(CASES["line"][1].effect), "OpenField2D needs the beam's current in A"),
        (lambda: line().with_space_charge(CASES["bunch"][1].effect, current=1.0), "OpenField3D takes its charge from"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(gt.errors.InputError, match=message):
        make()


def line():
    return gt.Lattice([gt.Drift("d", length=1.0)], PROTON)
