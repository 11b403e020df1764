"""Derivatives with respect to the parameters of the incoming beam: emittances, Twiss, sizes, dispersion, centroid."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.helpers import richardson
from support.rings import ELECTRON, small_ring

import gputrack as gt
from gputrack.base.errors import InputError

TWISS = ("betx", "alfx", "bety", "alfy", "dx", "dpx", "dy", "dpy")
NAMES = ("emit x", "emit y", *TWISS, "sigma_z", "sigma_delta", "x", "px", "y", "py", "z", "delta")
VALUES = np.array(
    [1e-8, 1e-9, 8.0, -1.5, 3.0, 0.7, 0.4, 0.05, 0.1, -0.02, 3e-3, 1e-3, 1e-4, 1e-5, 2e-4, -1e-5, 1e-3, 1e-4]
)


def arguments(p):
    """Keywords of the constructors from the vector of all parameters."""
    twiss = gt.InitialTwiss(**{name: p[2 + i] for i, name in enumerate(TWISS)})
    common = dict(emit=(p[0], p[1]), twiss=twiss, sigma_z=p[10], sigma_delta=p[11], seed=5)
    return common | dict(centroid=[p[12 + i] for i in range(6)])


MAKERS = {
    "gaussian": lambda n, p: gt.Beam.gaussian(n, ELECTRON, **arguments(p)),
    "cut": lambda n, p: gt.Beam.gaussian(n, ELECTRON, cut=2.0, **arguments(p)),
    "exact": lambda n, p: gt.Beam.gaussian(n, ELECTRON, exact_moments=True, **arguments(p)),
    "kv": lambda n, p: gt.Beam.kv(n, ELECTRON, **arguments(p)),
    "waterbag 4": lambda n, p: gt.Beam.waterbag(n, ELECTRON, dimensions=4, **arguments(p)),
    "waterbag 6": lambda n, p: gt.Beam.waterbag(n, ELECTRON, dimensions=6, exact_moments=True, **arguments(p)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_coordinates_follow_every_parameter(name):
    """The gradient with respect to all 18 parameters against differences; the same beam as with plain numbers."""
    make, n = MAKERS[name], 12
    plain = make(n, VALUES)
    u = np.random.default_rng(1).normal(size=(6, n))

    def objective(p):
        return anp.sum(make(n, p).coordinates * u)

    value, gradient = gt.value_and_grad(objective)(VALUES)
    assert value == np.sum(plain.coordinates * u)
    for i, unit in enumerate(np.diag(VALUES)):
        expected = richardson(lambda t, d=unit: objective(VALUES + t * d), 1e-2)
        assert gradient @ unit == pytest.approx(expected, rel=1e-9, abs=1e-14), NAMES[i]


def test_second_moments_are_those_of_the_formulas():
    """With exact moments sigma is known: e beta + (D sigma_delta)^2 and so on, and so are its derivatives."""

    def sigma(p):
        return MAKERS["exact"](50, p).sigma

    jacobian = gt.jacobian(sigma)(VALUES)
    p = dict(zip(NAMES, VALUES, strict=True))
    spread = p["sigma_delta"] ** 2
    expected = {
        (0, 0, "betx"): p["emit x"],
        (0, 0, "emit x"): p["betx"],
        (0, 0, "dx"): 2.0 * p["dx"] * spread,
        (0, 0, "x"): 0.0,
        (0, 1, "alfx"): -p["emit x"],
        (1, 1, "alfx"): 2.0 * p["emit x"] * p["alfx"] / p["betx"],
        (1, 1, "betx"): -p["emit x"] * (1.0 + p["alfx"] ** 2) / p["betx"] ** 2,
        (2, 2, "bety"): p["emit y"],
        (2, 5, "dy"): spread,
        (0, 1, "dpx"): p["dx"] * spread,
        (4, 4, "sigma_z"): 2.0 * p["sigma_z"],
        (5, 5, "sigma_delta"): 2.0 * p["sigma_delta"],
        (0, 5, "sigma_delta"): 2.0 * p["sigma_delta"] * p["dx"],
    }
    for (i, j, name), value in expected.items():
        found, rounding = jacobian[i, j, NAMES.index(name)], 1e-13 * np.sqrt(sigma(VALUES)[i, i] * sigma(VALUES)[j, j])
        assert found == pytest.approx(value, rel=1e-10, abs=rounding / abs(p[name])), (i, j, name)


def test_through_tracking_together_with_a_magnet():
    ring = small_ring()
    knobs = ring.knobs("qf.k1")

    def objective(p):
        out = gt.track(ring.with_knobs(knobs, p[18:]), MAKERS["gaussian"](200, p), 2)
        return 1e6 * out.size("x") * out.size("y") + 1e8 * out.emittance("x")

    values = np.append(VALUES, knobs.values)
    gradient = gt.grad(objective)(values)
    for i, unit in enumerate(np.diag(values)):
        errors = []
        for step in (1e-4, 1e-3, 1e-2):  # kicks by the sextupole and by the cavity differ in size
            errors.append(abs(gradient @ unit - richardson(lambda t, d=unit: objective(values + t * d), step)))
        assert min(errors) <= 1e-8 * abs(gradient @ unit) + 1e-11 * abs(objective(values)), (i, errors)


def test_sigma_matrix():
    half = np.random.default_rng(3).normal(size=(6, 6)) * np.array([1e-3, 1e-4, 1e-3, 1e-4, 1e-2, 1e-3])[:, None]
    matrix = half @ half.T
    u = np.random.default_rng(4).normal(size=(6, 15))

    def objective(scale, strength):
        turn = anp.array([[1.0, strength], [0.0, 1.0]])
        moved = anp.concatenate([anp.dot(turn, matrix[:2]), matrix[2:]])
        moved = anp.concatenate([anp.dot(moved[:, :2], turn.T), moved[:, 2:]], axis=1)
        beam = gt.Beam.from_sigma(15, ELECTRON, scale * moved, seed=2)
        return anp.sum(beam.coordinates * u)

    for argnum in (0, 1):
        found = gt.grad(objective, argnum)(1.3, 0.4)
        expected = richardson(lambda t, a=argnum: objective(1.3 + t * (a == 0), 0.4 + t * (a == 1)), 1e-2)
        assert found == pytest.approx(expected, rel=1e-8)


def test_twiss_of_any_object_and_single_particles():
    def spread(beta):
        twiss = type("Twiss", (), dict(betx=beta, alfx=0.0, bety=2.0, alfy=0.0))()
        beam = gt.Beam.gaussian(
            40, ELECTRON, emit=(1e-8, 1e-9), twiss=twiss, sigma_z=0.0, sigma_delta=0.0, seed=1, exact_moments=True
        )
        return beam.size("x") ** 2

    assert gt.grad(spread)(4.0) == pytest.approx(1e-8, rel=1e-12)
    ring = gt.Lattice([gt.Drift("d", length=2.0)], ELECTRON, model=gt.Model(hamiltonian=gt.Expanded()))
    assert gt.grad(lambda px: gt.track(ring, gt.Beam.single(ELECTRON, px=px)).x[0])(1e-3) == pytest.approx(2.0)


def test_normalised_emittance_of_a_traced_reference():
    """A given normalised emittance is preserved at any momentum, and the geometric one decreases."""
    twiss = gt.InitialTwiss(betx=4.0, alfx=0.0, bety=2.0, alfy=0.0)

    def emittance(p0c, normalized):
        reference = ELECTRON.with_p0c(p0c)
        scale = 1e-6 * reference.mass / reference.p0c
        beam = gt.Beam.gaussian(
            40, reference, emit=(scale, scale), twiss=twiss, sigma_z=0.0, sigma_delta=0.0, seed=1, exact_moments=True
        )
        return beam.emittance("x", normalized=normalized)

    p0c = ELECTRON.p0c
    assert emittance(p0c, True) == pytest.approx(1e-6, rel=1e-12)
    assert gt.grad(emittance)(p0c, True) * p0c == pytest.approx(0.0, abs=1e-18)
    assert gt.grad(emittance)(p0c, False) * p0c == pytest.approx(-1e-6 * ELECTRON.mass / p0c, rel=1e-12)


def test_zero_emittance_has_finite_derivatives():
    def objective(p):
        return anp.sum(MAKERS["gaussian"](5, p).coordinates ** 2)

    gradient = gt.grad(objective)(np.where(np.arange(18) < 2, 0.0, VALUES))
    assert np.all(np.isfinite(gradient)) and gradient[6] != 0.0 and gradient[0] == 0.0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("emit x", -1e-9, "emit x must be >= 0 m"),
        ("betx", 0.0, "betx must be > 0 m"),
        ("alfx", np.nan, "alfx must be finite"),
        ("sigma_z", -1.0, "sigma_z must be >= 0 m"),
        ("px", np.inf, "centroid px must be finite"),
        ("sigma_delta", 1e308, "overflow"),
    ],
)
def test_traced_values_are_checked(name, value, words):
    values = np.where(np.array(NAMES) == name, value, VALUES)
    if words == "overflow":
        values[NAMES.index("dx")] = 1e10
    with pytest.raises(InputError, match=words):
        gt.grad(lambda p: anp.sum(MAKERS["gaussian"](5, p).coordinates))(values)
    if name == "betx":
        with pytest.raises(InputError, match="betx must be one number"):
            gt.grad(lambda b: gt.InitialTwiss(betx=b, alfx=0.0, bety=1.0, alfy=0.0).betx[0])(np.ones(2))


def test_traced_parameters_start_on_the_host(monkeypatch):
    from support.emulation import fake_cupy

    fake_cupy.install(monkeypatch)
    with pytest.raises(InputError, match="xp must be 'numpy'"):
        gt.grad(lambda x: gt.Beam.single(ELECTRON, x=x, xp="cupy").x[0])(1e-3)
