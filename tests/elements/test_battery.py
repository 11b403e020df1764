"""Every element with every model, for every species, on every backend: symplectic, invertible, the same everywhere."""


import autograd.numpy as anp
import numpy as np
import pytest
from autograd import make_vjp
from support.backends import here
from support.battery import COORDINATES, PAIRS, all_species, backward, forward, jacobian, lowered, passage
from support.cases import CASES, SPECIES
from support.helpers import coordinates_of
from support.one_passage import EPS, TOLERANCE, run, scale_of

from gputrack.elements.map import built_in_maps, make_state

SYMPLECTIC = np.kron(np.eye(3), [[0.0, 1.0], [-1.0, 0.0]])
every_pair = pytest.mark.parametrize(("case", "model", "which"), PAIRS)


@pytest.mark.parametrize("name", [kind.name for kind in built_in_maps() if kind.name != "record"])
def test_each_map_occurs_in_a_case(name):
    assert any(call.kind.name == name for case, model, _ in PAIRS for call in lowered(case, model))


RADIATING = [pair for pair in PAIRS if any("radiation" in call.kind.name for call in lowered(*pair[:2]))]


@pytest.mark.parametrize(("case", "model", "which"), [pair for pair in PAIRS if pair not in RADIATING])
def test_symplectic(case, model, which):
    p = passage(case, model, which)
    m = np.moveaxis(p.matrix, -1, 0)
    assert np.isfinite(m).all()
    residual = abs(np.swapaxes(m, -1, -2) @ SYMPLECTIC @ m - SYMPLECTIC).max(axis=(1, 2))
    # Products of two entries of m, each with a relative rounding error, add up to entries of size 1.
    norm = np.linalg.norm(m, 2, axis=(1, 2))
    assert (residual / np.maximum(1.0, norm) ** 2).max() <= 1e-13


@pytest.mark.parametrize(("case", "model", "which"), RADIATING)
def test_damping_shrinks_volumes_as_it_must(case, model, which):
    """Where P = 1 + delta flows by dP/dl ~ P^2 + 1/G^2 at fixed slopes and time; all other maps keep volumes.

    A kick shrinks px, py and z as P and velocity, and dP'/dP is the ratio of the flow's speeds.
    """
    p = passage(case, model, which)
    rest = p.ref.inverse_gamma0_squared / p.ref.beta0**2
    s, shrunk = make_state(p.before, p.ref), 1.0
    for call in p.calls:
        t = call.forward(s, p.ref)
        if "radiation" in call.kind.name:
            ratio, velocity = t.opd / s.opd, (1.0 + t.slip) / (1.0 + s.slip)
            shrunk = shrunk * ratio**2 * velocity * (t.opd**2 + rest) / (s.opd**2 + rest)
        s = t
    m = np.moveaxis(p.matrix, -1, 0)
    np.testing.assert_allclose(np.linalg.det(m), shrunk, rtol=1e-11)
    assert abs(1.0 - shrunk).max() > 1e-6


@every_pair
def test_inverse(case, model, which):
    p = passage(case, model, which)
    back = coordinates_of(backward(p.calls, p.after, p.ref))
    assert abs(back - p.before).max() <= 1e-13 * scale_of(p, case)


@pytest.mark.parametrize("model", ["MatrixKick-2-exact-full", "DriftKick-2-expanded-linear"])
@pytest.mark.parametrize("case", CASES)
def test_complex_step_is_the_derivative_by_autograd(case, model):
    """The Jacobian that symplecticity is tested on, from an independent method, for one species."""
    calls = lowered(case, model)
    coordinates, ref = all_species("usual")
    n = COORDINATES["usual"]().shape[1]
    coordinates, ref = coordinates[:, :n], type(ref)(*(values[0] for values in ref))

    pull, _ = make_vjp(lambda c: anp.stack(forward(calls, c, ref)[:6]))(coordinates)
    rows = [pull(np.eye(6)[:, [k]] + np.zeros((6, n))) for k in range(6)]
    matrix = jacobian(calls, coordinates, ref)
    np.testing.assert_allclose(np.array(rows), matrix, rtol=0, atol=1e-13 * max(1.0, abs(matrix).max()))


def test_backend_runs_here(backend):
    """Skipped, with the reason, for a backend that the tests below leave out on this machine."""
    assert backend in here()


# the array backend runs the very maps tested above: every fifth pair is enough
RUNS = [(backend, *pair) for backend in here() for pair in (PAIRS[::5] if backend == "array" else PAIRS)]


@pytest.mark.parametrize("backwards", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize(("backend", "case", "model", "which"), RUNS)
def test_backend_agrees_with_the_maps(backend, case, model, which, backwards):
    """A few ulp of the amplitude: kernels fuse products with sums and expand square roots at small angles."""
    p = passage(case, model, which)
    n = COORDINATES[which]().shape[1]
    start, end = (p.after, p.before) if backwards else (p.before, p.after)
    for species in SPECIES:
        mine = slice(n * list(SPECIES).index(species), n * (list(SPECIES).index(species) + 1))
        out = run(backend, case, model, start[:, mine], species, backwards)
        assert abs(out - end[:, mine]).max() <= TOLERANCE[backwards] * scale_of(p, case)


@pytest.mark.parametrize(("case", "model"), [pair[:2] for pair in PAIRS if pair[2] == "usual"])
def test_reference_particle(case, model):
    """It stays on the axis, to rounding, where the element's fields vanish there, and only there.

    Drift-kick splits the bending of the particle from that of the frame: it stays to the order of the step.
    """
    p = passage(case, model, "usual")
    split = any(call.kind.name in ("bend", "dipole") for call in p.calls) and model.startswith("DriftKick")
    off_axis = abs(p.after[:, p.before[5] == 0]).max()
    assert off_axis <= (SPLIT[model.split("-exact")[0]] if split else 1e-15) if CASES[case].on_axis else off_axis > 1e-6


SPLIT = {"DriftKick-2": 0.05, "DriftKick-4": 0.03, "DriftKick-6": 1e-3, "DriftKick": 1e-4}


def test_functions_of_delta_in_the_state():
    """Slip of the reference implementation, against beta/beta0 - 1 worked out from energies."""
    coordinates, ref = all_species("usual")
    s = make_state(coordinates, ref)
    for k, reference in enumerate(np.repeat(list(SPECIES.values()), COORDINATES["usual"]().shape[1])):
        p = reference.p0c * (1.0 + coordinates[5, k])
        beta = p / np.hypot(p, reference.mass)
        assert s.slip[k] == pytest.approx(beta / reference.beta0 - 1.0, abs=4 * EPS)
