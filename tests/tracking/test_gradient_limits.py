"""Gradients where textbook formulas are 0/0, on the axis, and of beams with lost particles: finite and right."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import SPECIES
from support.gradients import MODELS, close, kernels, parameter_bars, swept
from support.limits import LIMITS
from support.losses import LOSSES, beam_of

import gputrack as gt
from gputrack.backends.array.backend import ArrayBackend
from gputrack.lattice.program import compile_program

ELECTRON = SPECIES["electron"]


def places():
    """Coordinates (6, 5): on the axis; off it with delta = 0 in one plane, in both, in all; off momentum only."""
    one = np.array([2e-3, -1e-3, 1e-3, 2e-3, 3e-3, 4e-3])
    shown = [[], [0, 1], [0, 1, 2, 3], range(6), [5]]
    return np.array([[one[i] if i in which else 0.0 for i in range(6)] for which in shown]).T


@kernels
@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize(("element", "active"), [limit[:2] for limit in LIMITS.values()], ids=list(LIMITS))
def test_gradient_at_the_limit_by_kernels_and_by_autograd(backend, element, active, model):
    """Parameters that are 0 keep their place in the maps; adjoint kernels against autograd of the array maps."""
    program = compile_program(gt.Lattice([element], ELECTRON, model=model), active={0: frozenset(active)})
    cotangent = np.random.default_rng(1).normal(size=(6, 5))
    _, bar, constants = swept(backend, program, ELECTRON, places(), cotangent)
    _, expected, expected_constants = swept(ArrayBackend(1), program, ELECTRON, places(), cotangent)
    assert np.isfinite(bar).all() and np.isfinite(constants).all()
    good, worst = close(bar, expected, 1e-12)
    assert good, worst
    good, worst = close(parameter_bars(program, constants), parameter_bars(program, expected_constants), 1e-12)
    assert good, worst


L, X, Y, PX, Z, DELTA = 0.7, 2e-3, 1e-3, 3e-4, 5e-3, 4e-3
THIN = gt.Model(gt.MatrixKick(2, 1), gt.Expanded(), gt.LinearEdge())
# Element, parameter, start, and the derivatives of the outgoing coordinates with respect to it at 0, of the expanded
# Hamiltonian H = (px^2 + py^2)/(2 (1 + delta)) + V: variation of constants along the drift.
KNOWN = {
    "k1": (gt.Quadrupole("q", length=L), dict(x=X), dict(x=-X * L**2 / 2, px=-X * L, z=0.0)),
    "k1_vertical": (gt.Quadrupole("q", length=L), dict(y=Y), dict(y=Y * L**2 / 2, py=Y * L, z=0.0)),
    "k1s": (gt.Quadrupole("q", length=L), dict(x=X), dict(y=X * L**2 / 2, py=X * L)),
    "k2": (gt.Sextupole("s", length=L), dict(x=X), dict(px=-(X**2) * L / 2)),
    "ks": (gt.Solenoid("s", length=L), dict(x=X, y=Y), dict(x=Y * L / 2, y=-X * L / 2, px=0.0, py=0.0, z=0.0)),
    "angle": (gt.SectorBend("b", length=L), dict(x=X, delta=DELTA), dict(
        x=DELTA * L / 2 / (1 + DELTA), px=DELTA, y=0.0, z=-X)),
    "e1": (gt.SectorBend("b", length=L), dict(x=X, y=Y), dict(x=0.0, px=0.0, y=0.0, py=0.0)),
    # a kick h spread over a short length: drifts before and after it, half of the length each in the mean
    "length": (gt.Kicker("k", hkick=1e-3, vkick=-2e-3), dict(px=PX), dict(
        x=PX + 0.5e-3, y=-1e-3, px=0.0, py=0.0)),
    "length_dead": (gt.VKicker("k"), dict(px=PX, delta=DELTA), dict(x=PX / (1 + DELTA), y=0.0, py=0.0)),
    "lrad": (gt.Multipole("m", knl=(1e-3, 0.2)), dict(x=X), dict(px=0.0, x=0.0)),
    "voltage": (gt.RFCavity("c", lag=0.25), dict(x=X), dict(
        x=0.0, px=0.0, delta=1.0 / (ELECTRON.p0c * ELECTRON.beta0))),
}  # fmt: skip
NAMES = ("x", "px", "y", "py", "z", "delta")


@pytest.mark.parametrize("case", KNOWN)
def test_gradient_at_the_limit_is_the_known_one(case):
    element, start, known = KNOWN[case]
    parameter = case.partition("_")[0]
    lattice = gt.Lattice([element], ELECTRON, model=THIN)
    knobs = lattice.knobs(f"{element.name}.{parameter}")

    def outgoing(values):
        return gt.track(lattice.with_knobs(knobs, values), beam_of(start)).coordinates[:, 0]

    derivative = dict(zip(NAMES, gt.jacobian(outgoing)(knobs.values)[:, 0], strict=True))
    for name, value in known.items():
        assert derivative[name] == pytest.approx(value, rel=1e-9, abs=1e-18), name


@pytest.mark.parametrize("order", [2, 4, 6])
def test_a_corrector_without_length_has_the_derivatives_of_a_short_one(order):
    """In all knobs, by both modes, in optics too; and lengths set from there give the thick corrector."""
    model = gt.Model(gt.MatrixKick(order, 1))
    line = gt.Lattice(
        [gt.Drift("d", length=1.0), gt.Kicker("k", hkick=2e-3, vkick=1e-3, dx=1e-3, tilt=0.3), gt.HKicker("h"),
         gt.Drift("e", length=0.5)], ELECTRON, model=model,
    )  # fmt: skip
    knobs = line.knobs("k.length", "k.hkick", "h.length", "h.kick", "d.length")
    start = np.array(places()[:, 1:])
    weights = np.random.default_rng(1).normal(size=start.shape)

    def goal(values):
        return anp.sum(weights * gt.track(line.with_knobs(knobs, values), gt.Beam(start, ELECTRON)).coordinates)

    gradient = gt.grad(goal)(knobs.values)
    step = np.array([1e-5, 0.0, 1e-5, 0.0, 0.0])
    for i in range(len(knobs)):
        unit = np.eye(len(knobs))[i]
        if i in (0, 2):  # lengths: from one side, without terms linear in them
            f = [goal(knobs.values + k * step * unit) for k in range(4)]
            slope = (-11 * f[0] + 18 * f[1] - 9 * f[2] + 2 * f[3]) / 6e-5
        else:
            slope = (goal(knobs.values + 1e-4 * unit) - goal(knobs.values - 1e-4 * unit)) / 2e-4
        assert abs(gradient[i] - slope) <= 1e-7 * np.abs(gradient).max()
        assert abs(gt.jvp(goal, (knobs.values,), (unit,))[1] - gradient[i]) <= 1e-12 * np.abs(gradient).max()
    thick = line.with_changes("k", length=0.2)
    again = line.with_knobs(line.knobs("k.length"), [0.2])
    np.testing.assert_allclose(
        gt.track(again, gt.Beam(start, ELECTRON)).coordinates, gt.track(thick, gt.Beam(start, ELECTRON)).coordinates,
        rtol=0, atol=1e-17,
    )  # fmt: skip

    alike, beginning = line.knobs("h.length", "e.length"), gt.InitialTwiss(betx=3.0, alfx=0.0, bety=2.0, alfy=0.0)
    slopes = gt.grad(lambda v: gt.twiss(line.with_knobs(alike, v), start=beginning).betx[-1])(alike.values)
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-12)  # without a kick, length is length


def test_a_length_that_is_none_has_no_derivative():
    """lrad = 0 means no weak focusing, which is not the limit of small lrad: an error where it would matter."""
    line = gt.Lattice([gt.Multipole("m", knl=(1e-3, 0.2), angle=1e-3)], ELECTRON)
    knobs = line.knobs("m.lrad")
    with pytest.raises(gt.errors.InputError, match=r"Multipole 'm': lrad = 0 m means no weak focusing"):
        gt.grad(lambda k: gt.track(line.with_knobs(knobs, k), beam_of({"x": 1e-3})).centroid("px"))(knobs.values)
    bent = line.knobs("m.knl[0]", "m.angle")
    slopes = gt.grad(lambda k: gt.track(line.with_knobs(bent, k), beam_of({"x": 1e-3})).centroid("px"))(bent.values)
    np.testing.assert_allclose(slopes, [-1.0, 1.0], rtol=1e-14)


def test_magnets_without_length():
    """Next to others with errors; integrated strengths have no derivative there, and raise."""
    errors = gt.Sextupole("s1", length=0.1, k2=3.0, knl=(0.0, 0.2), ksl=(0.1,))
    line = gt.Lattice([errors, gt.Sextupole("s2", ksl=(0.0,)), gt.Drift("e", length=0.5)], ELECTRON)
    knobs = line.knobs("s*.length", "s*.k2", each=True) + line.knobs("e.length")
    start = gt.Beam(places(), ELECTRON)
    slopes = gt.grad(lambda k: weighted(gt.track(line.with_knobs(knobs, k), start)))(knobs.values)
    assert np.isfinite(slopes).all()
    assert slopes[1] == pytest.approx(slopes[-1], rel=1e-12)  # without a field, length is length
    integrated = line.knobs("s2.knl[1]", "s2.length")
    with pytest.raises(gt.errors.InputError, match=r"Sextupole 's2': knl\[1\] has no derivative at length 0 m"):
        gt.grad(lambda k: weighted(gt.track(line.with_knobs(integrated, k), start)))(integrated.values)


# -- lost particles -------------------------------------------------------------------------------------------------


def weighted(out):
    return anp.sum(out.coordinates * np.random.default_rng(2).normal(size=out.coordinates.shape))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_last_coordinates_is_finite_and_that_of_forward_mode(name):
    """However a particle is lost, its last coordinates are finite, and so are their derivatives."""
    loss = LOSSES[name]
    lattice = gt.Lattice(loss.elements, ELECTRON)
    beam = beam_of({}, loss.start)

    def outgoing(coordinates):
        return weighted(gt.track(lattice, beam.replaced(coordinates=coordinates), 6, limit=loss.limit))

    start = np.array(beam.coordinates)
    gradient = gt.grad(outgoing)(start)
    assert np.isfinite(outgoing(start)) and np.isfinite(gradient).all()
    direction = np.random.default_rng(3).normal(size=start.shape)
    along = gt.jvp(outgoing, (start,), (direction,))[1]
    assert np.sum(gradient * direction) == pytest.approx(along, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 0.0])
def test_gradient_of_a_beam_with_particles_lost_before_is_that_of_the_others(value):
    """Lost ones may hold anything; statistics do not depend on them, nor do their derivatives."""
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1", "sf*.k2", "rf*.voltage", "bend.01a.e1")
    others = np.random.default_rng(5).normal(size=(6, 12)) * 1e-4
    lost = np.arange(12) % 3 == 1
    start = np.where(lost, value, others)
    code = np.where(lost, gt.LossCode.IMPORTED, gt.LossCode.ALIVE)

    def statistics(values, coordinates, code):
        beam = gt.Beam(coordinates, ring.reference, loss_code=code)
        out = gt.track(ring.with_knobs(knobs, values), beam, 3)
        return 1e8 * out.emittance("x") + 1e3 * out.centroid("delta") + 1e4 * anp.sum(out.eigen_emittances())

    by_knobs, by_start = gt.grad(statistics, (0, 1))(knobs.values, start, code)
    alone, by_others = gt.grad(statistics, (0, 1))(knobs.values, others[:, ~lost], code[~lost])
    assert by_knobs == pytest.approx(alone, rel=1e-12)
    assert by_start[:, ~lost] == pytest.approx(by_others, rel=1e-12, abs=1e-12 * np.abs(by_others).max())
    assert not by_start[:, lost].any()
