"""Wakefields: against analytic loss and kick factors, another code, autograd and differences."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, ndtri
from support.backends import host_copy, placed

import gputrack as gt
from gputrack.backends.collective import adjoint_by_autograd
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT
from gputrack.collective.arrival import arrival
from gputrack.collective.wake import WAKE
from gputrack.collective.wake_functions import IMPEDANCE, ResistiveWall, Resonators, Table
from gputrack.elements.collective_map import Bunch
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.program import compile_program

ELECTRON = gt.ReferenceParticle.electron(total=3e9)
ION = gt.ReferenceParticle.proton(kinetic=5e7)
BINS = gt.UniformBins(301, (-0.06, 0.06))
CAVITY = dict(shunt_impedance=(5e3,), frequency=(3e9,), quality=(1.2,))
PIPE = dict(wall_length=10.0, radius=0.02, conductivity=5.8e7)
SIGMA, REAL = 0.01, 1e10


def gaussian(reference, n=20_000, **offsets):
    """A Gaussian bunch without noise: quantiles along its length."""
    coordinates = np.zeros((6, n))
    coordinates[4] = SIGMA * ndtri((np.arange(n) + 0.5) / n)
    for row, value in offsets.items():
        coordinates[["x", "px", "y", "py"].index(row)] = value
    return gt.Beam(coordinates, reference, weights=REAL / n)


def after(element, beam):
    return gt.track(gt.Lattice([element], beam.reference), beam).coordinates


def loss_factor(out, reference):
    """Mean energy loss over charge squared [V/C]."""
    return -out[5].mean() * reference.p0c * reference.beta0 / (REAL * ELEMENTARY_CHARGE)


def resonator_loss_factor():
    """(1/pi) integral of Re Z(w) exp(-(w sigma/c)^2) over w > 0."""
    w0 = 2.0 * math.pi * CAVITY["frequency"][0]

    def spectrum(w):
        impedance = 5e3 / (1.0 + 1.2j * (w / w0 - w0 / w))
        return impedance.real * math.exp(-((w * SIGMA / SPEED_OF_LIGHT) ** 2))

    return quad(spectrum, 1e3, 10.0 * SPEED_OF_LIGHT / SIGMA, limit=500)[0] / math.pi


@pytest.mark.parametrize(("slicing", "tolerance"), [(BINS, 3e-4), (gt.Quantiles(200), 5e-4)])
def test_loss_factor_of_a_resonator(slicing, tolerance):
    out = after(gt.ResonatorWake("w", slicing=slicing, **CAVITY), gaussian(ELECTRON))
    assert abs(loss_factor(out, ELECTRON) / resonator_loss_factor() - 1.0) < tolerance


def test_error_of_bins_falls_with_the_square_of_their_length():
    errors = []
    for number in (41, 81, 161):
        element = gt.ResonatorWake("w", slicing=gt.UniformBins(number, (-0.06, 0.06)), **CAVITY)
        errors.append(loss_factor(after(element, gaussian(ELECTRON)), ELECTRON) / resonator_loss_factor() - 1.0)
    assert 3.5 < errors[0] / errors[1] < 4.5 and 3.5 < errors[1] / errors[2] < 4.5


def test_loss_and_kick_factor_of_a_resistive_wall():
    """Gamma(3/4) c L/(4 pi^2 b sigma^1.5) sqrt(Z0/(2 conductivity)), and that of the dipolar wake by integration."""
    bins = gt.UniformBins(601, (-0.06, 0.06))
    out = after(gt.ResistiveWallWake("w", slicing=bins, **PIPE), gaussian(ELECTRON))
    expected = gamma(0.75) * SPEED_OF_LIGHT * 10.0 / (4.0 * math.pi**2 * 0.02 * SIGMA**1.5)
    expected *= math.sqrt(IMPEDANCE / (2.0 * 5.8e7))
    assert abs(loss_factor(out, ELECTRON) / expected - 1.0) < 2e-4
    out = after(gt.ResistiveWallWake("w", slicing=bins, component="dipolar_x", **PIPE), gaussian(ELECTRON, x=1e-3))
    found = out[1].mean() * ELECTRON.p0c * ELECTRON.beta0 / (REAL * ELEMENTARY_CHARGE * 1e-3)
    strength = SPEED_OF_LIGHT * 10.0 / (math.pi * 0.02**3) * math.sqrt(IMPEDANCE / (math.pi * 5.8e7))
    mean = quad(lambda u: 2.0 * math.exp(-(u**4) / (4.0 * SIGMA**2)), 0, 1)[0] / (2.0 * SIGMA * math.sqrt(math.pi))
    assert abs(found / (strength * mean) - 1.0) < 2e-4


def test_a_charge_feels_half_of_the_wake_just_behind_it():
    """The fundamental theorem of beam loading, and causality: particles ahead feel nothing."""
    coordinates = np.zeros((6, 3))
    coordinates[4] = 0.02, 0.02 - 1e-9, 0.04  # the second is just behind the first, the third is ahead
    beam = gt.Beam(coordinates, ELECTRON, weights=np.array([1e10, 1.0, 1.0]))
    out = after(gt.ResonatorWake("w", slicing=gt.Quantiles(3), **CAVITY), beam)
    assert out[5, 0] < 0.0 and abs(out[5, 1] / out[5, 0] - 2.0) < 1e-6
    assert abs(out[5, 2]) < 1e-9 * abs(out[5, 0])


def test_particles_behind_are_deflected_to_the_side_of_the_source():
    """And by q^2: a beam of antiparticles alike."""
    coordinates = np.zeros((6, 2))
    coordinates[0, 0], coordinates[4] = 1e-3, (0.01, 0.0)
    kicks = []
    for reference in (ELECTRON, gt.ReferenceParticle(ELECTRON.mass, 1.0, ELECTRON.p0c)):
        beam = gt.Beam(coordinates, reference, weights=np.array([1e10, 1.0]))
        element = gt.ResonatorWake("w", slicing=gt.Quantiles(2), component="dipolar_x", **CAVITY)
        kicks.append(after(element, beam)[1])
    assert kicks[0][1] > 0.0 and abs(kicks[0][0]) < 1e-9 * kicks[0][1]
    assert np.array_equal(*kicks)


@pytest.mark.parametrize("component", ["longitudinal", "dipolar_x", "dipolar_y", "quadrupolar_x", "quadrupolar_y"])
def test_against_xwakes(component):
    """Another code assigns each particle to one slice as a whole: kicks agree to the width of a slice."""
    xwakes, xtrack = pytest.importorskip("xwakes"), pytest.importorskip("xtrack")
    other = xwakes.WakeResonator(kind=component, r=1e4, q=1.5, f_r=1e9)
    other.configure_for_tracking(zeta_range=(-0.06, 0.06), num_slices=2401)
    beam = gaussian(ION, x=1e-3, y=-2e-3)
    c = beam.coordinates
    particles = xtrack.Particles(
        p0c=ION.p0c, mass0=ION.mass, q0=1.0, x=c[0], y=c[2], zeta=c[4], weight=np.asarray(beam.weights)
    )
    other.track(particles)
    element = gt.ResonatorWake(
        "w", slicing=gt.UniformBins(2401, (-0.06, 0.06)), component=component, shunt_impedance=(1e4,),
        frequency=(1e9,), quality=(1.5,),
    )  # fmt: skip
    out = after(element, beam)
    for name, row in (("px", 1), ("py", 3), ("delta", 5)):
        expected = getattr(particles, name)
        assert np.abs(out[row] - expected).max() <= 4e-3 * max(np.abs(expected).max(), 1e-30), name


def wake_at(distance, function):
    return float(function.wake(np.array([distance]))[0])


def test_wake_functions_and_their_integrals():
    """S is the integral of W; resonators pass smoothly through Q = 1/2."""
    grid = np.linspace(1e-4, 0.3, 7)
    table = np.array([0.0, 0.1, 0.25, 0.5]), np.array([2.0, -1.0, 3.0, 0.0])
    functions = [Resonators([2.0, 3.0, 1e9, 2e9, q, 4.0], side, 0.8) for q in (0.3, 0.5, 0.7) for side in (False, True)]
    for function in [*functions, Table([1.5], *table), ResistiveWall([1.0, 0.02, 1e6], True, 1.0)]:
        for begin, end in zip(grid, grid[1:], strict=False):
            inner = [t for t in table[0] if begin < t < end]
            area = quad(wake_at, begin, end, args=(function,), points=inner or None)[0]
            difference = function.integral(np.array([end])) - function.integral(np.array([begin]))
            assert abs(area - difference[0]) <= 1e-9 * max(abs(area), 1e-6 * abs(function.wake(grid)).max())
    near = [Resonators([2.0, 1e9, q], True, 1.0).wake(grid) for q in (0.5 - 1e-9, 0.5, 0.5 + 1e-9)]
    assert np.allclose(near[0], near[1], rtol=1e-7) and np.allclose(near[2], near[1], rtol=1e-7)


def test_table_of_a_resonator_is_the_resonator():
    distances = np.linspace(0.0, 0.13, 4000)
    function = Resonators([5e3, 3e9, 1.2], False, ELECTRON.beta0)
    table = gt.TableWake("w", slicing=BINS, distances=distances, wake=function.wake(distances))
    out = [after(e, gaussian(ELECTRON))[5] for e in (table, gt.ResonatorWake("w", slicing=BINS, **CAVITY))]
    assert np.abs(out[0] - out[1]).max() <= 1e-4 * np.abs(out[1]).max()


def elements():
    """Every component and wake, with both ways of slicing where they can be."""
    two = dict(shunt_impedance=(5e6, 2e6), frequency=(3e9, 1e9), quality=(1.2, 0.4))
    bins, quantiles = gt.UniformBins(12, (-0.3, 0.3)), gt.Quantiles(7)
    made = [
        gt.ResonatorWake("w", slicing=slicing, component=component, **two)
        for slicing in (bins, quantiles)
        for component in ("longitudinal", "dipolar_x", "dipolar_y", "quadrupolar_x", "quadrupolar_y")
    ]
    wall = dict(PIPE, wall_length=1e5)
    made += [gt.ResistiveWallWake("w", slicing=bins, component=c, **wall) for c in ("longitudinal", "dipolar_y")]
    table = dict(distances=(0.0, 0.1, 0.8), wake=(1e15, -1e15, 0.0))
    return [*made, *(gt.TableWake("w", slicing=slicing, **table) for slicing in (bins, quantiles))]


def bunch(reference, backend="host", n=40):
    rng = np.random.default_rng(4)
    sizes = np.array([1e-3, 1e-3, 2e-3, 1e-3, 0.08, 2e-2])[:, None]
    coordinates = sizes * np.clip(rng.normal(size=(6, n)), -3, 3)
    weights = 1e9 * (reference.p0c / 3e9) * rng.uniform(0.5, 2.0, n)  # kicks of all species are alike
    return placed(gt.Beam(coordinates, reference, weights=weights), backend)


@pytest.mark.parametrize("reference", [ELECTRON, ION], ids=["electron", "proton"])
@pytest.mark.parametrize("number", range(len(elements())))
def test_adjoint_is_that_of_autograd(number, reference):
    """Coordinates, each constant and each of the reference's values."""
    element, beam = elements()[number], bunch(reference)
    program = compile_program(gt.Lattice([element], reference))
    kind, op = program.collective(0)
    assert kind is WAKE
    ref = ReferenceValues.of(reference)
    seen = Bunch(np.array(beam.coordinates), np.array(beam.weights), float(beam.weights.sum()), 1.0)
    bar = np.random.default_rng(1).normal(size=(6, beam.n))
    found, expected = kind.adjoint(seen, op, ref, bar), adjoint_by_autograd(kind, seen, op, ref, bar)
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(np.asarray(other)).max()
        assert np.abs(np.asarray(one) - np.asarray(other)).max() <= 1e-11 * scale
    kicked = after(element, beam)
    assert np.abs(kicked - beam.coordinates).max() > 1e-6, "the wake is too weak to test anything"


def test_kicks_are_undone(backend):
    for element in elements():
        ring = gt.Lattice([element], ION)
        out = gt.track(ring, bunch(ION, backend), backend=backend)
        back = gt.track(ring, out, backend=backend, backwards=True)
        assert np.abs(host_copy(back.coordinates) - bunch(ION).coordinates).max() <= 1e-15


def test_all_backends_agree(backend):
    for element in elements():
        out = gt.track(gt.Lattice([element], ION), bunch(ION, backend), backend=backend)
        by_arrays = gt.track(gt.Lattice([element], ION), bunch(ION), backend="array")
        assert np.abs(host_copy(out.coordinates) - by_arrays.coordinates).max() <= 1e-14


def remembering(turns=2, slicing=None):
    """A short ring in which turns before act, with lengths so that derivatives with respect to zeta count."""
    wake = gt.ResonatorWake(
        "w", slicing=slicing or gt.UniformBins(12, (-0.3, 0.3)), component="dipolar_x", turns=turns, period=3.0,
        shunt_impedance=(5e7,), frequency=(3e8,), quality=(30.0,),
    )  # fmt: skip
    focusing, defocusing = (gt.Quadrupole(name, length=0.2, k1=k1) for name, k1 in (("q", 1.0), ("p", -1.0)))
    return gt.Lattice([gt.Drift("d", length=0.5), focusing, wake, defocusing], ION)


def test_earlier_turns_act():
    """With one particle: the kick of turn n is the sum of the wakes of all preceding turns."""
    ring = gt.Lattice([remembering(turns=5)[2]], ION)
    coordinates = np.zeros((6, 2))
    coordinates[0], coordinates[4] = 1e-3, (0.0, 0.0)
    beam = gt.Beam(coordinates, ION, weights=1e10)
    function = Resonators([5e7, 3e8, 30.0], True, ION.beta0)
    h = 0.6 / 11
    rate = 2e10 * ELEMENTARY_CHARGE / ION.p0c / ION.beta0 * 1e-3
    kicks = np.diff([0.0, *(gt.track(ring, beam, turns=n).coordinates[1, 0] for n in range(1, 6))]) / rate
    for n in range(1, 5):
        # zeta = 0 lies halfway between two centres: three distances count, by 1/4, 1/2, 1/4, each averaged over a slice
        ends = function.integral(3.0 * n + h * np.array([-1.5, -0.5, 0.5, 1.5]))
        expected = np.diff(ends) @ [0.25, 0.5, 0.25] / h
        assert abs(kicks[n] - kicks[n - 1] - expected) <= 1e-9 * np.abs(kicks).max()


@pytest.mark.parametrize("slicing", [gt.UniformBins(12, (-0.3, 0.3)), gt.Quantiles(6)], ids=["bins", "quantiles"])
def test_gradient_through_the_memory_of_turns(slicing):
    """Against differences: parameters of the wake, of magnets, the period; over several turns and checkpoints."""
    ring = remembering(2, slicing)
    knobs = ring.knobs("q.k1", "d.length", "w.shunt_impedance[0]", "w.frequency[0]", "w.quality[0]", "w.period")
    beam = bunch(ION)
    weights = np.random.default_rng(9).normal(size=beam.n)

    def goal(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, turns=11)
        return 1e3 * anp.sum(out.coordinates[0] * weights)

    gradient = gt.grad(goal)(knobs.values)
    again = gt.grad(goal)(knobs.values)
    assert np.array_equal(gradient, again)
    for i, start in enumerate(knobs.values):
        step = 2e-5 * start * np.eye(len(knobs))[i]
        near = (goal(knobs.values + step) - goal(knobs.values - step)) / (4e-5 * start)
        far = (goal(knobs.values + 2 * step) - goal(knobs.values - 2 * step)) / (8e-5 * start)
        assert abs((4 * near - far) / 3 - gradient[i]) <= 1e-6 * abs(gradient[i]), knobs[i].handle


def test_each_row_of_a_jacobian_is_swept_by_itself():
    """Several sweeps of one forward run: none finds states of another one in the memory."""
    ring, beam = remembering(), bunch(ION)
    knobs = ring.knobs("q.k1", "w.shunt_impedance[0]")

    def both(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, turns=5)
        return anp.array([out.mean[0], out.mean[1]])

    rows = [gt.grad(lambda v, i=i: both(v)[i])(knobs.values) for i in range(2)]
    np.testing.assert_allclose(gt.jacobian(both)(knobs.values), rows, rtol=1e-13)


def test_limits_of_multi_turn_wakes():
    ring, beam = remembering(), bunch(ION)
    with pytest.raises(gt.errors.InputError, match="earlier turns"):
        gt.track(ring, beam, backwards=True)
    knobs = ring.knobs("q.k1")
    with pytest.raises(gt.errors.InputError, match="earlier turns"):
        gt.jvp(lambda v: gt.track(ring.with_knobs(knobs, v), beam).coordinates, (knobs.values,), (np.ones(1),))


def test_particles_beyond_the_bins_are_lost():
    coordinates = np.zeros((6, 3))
    coordinates[4] = 0.0, 0.07, -0.07
    out = gt.track(gt.Lattice([gt.ResonatorWake("w", slicing=BINS, **CAVITY)], ION), gt.Beam(coordinates, ION))
    assert out.loss_code.tolist() == [0, gt.LossCode.APERTURE, gt.LossCode.APERTURE]


def test_no_charge_is_no_kick():
    weak = bunch(ION).replaced(weights=np.full(40, 1e-300))
    for element in elements():
        assert np.abs(after(element, weak) - weak.coordinates).max() <= 1e-16


def test_json_keeps_wakes(tmp_path):
    ring = gt.Lattice(elements(), ION)
    gt.save(ring, tmp_path / "ring.json")
    assert gt.load(tmp_path / "ring.json") == ring


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(slicing=5), "slicing must be gputrack.UniformBins or gputrack.Quantiles, got 5"),
        (dict(component="diagonal"), "component must be one of longitudinal, .* got 'diagonal'"),
        (dict(quality=(0.0,)), "quality must be > 0, got 0.0"),
        (dict(quality=(1.0, 2.0)), "the same number of values, at least one, of each"),
        (dict(turns=1), "period must be > 0 m with turns > 0"),
        (dict(turns=-1), "turns must be an integer >= 0"),
        (dict(length=1.0), "length must be 0 m, got 1.0"),
    ],
)
def test_impossible_arguments(changes, message):
    with pytest.raises(gt.errors.InputError, match=message):
        gt.ResonatorWake("w", **(dict(slicing=BINS, **CAVITY) | changes))


def test_arguments_of_tables_and_walls():
    with pytest.raises(gt.errors.InputError, match="distances must increase from 0 m"):
        gt.TableWake("w", slicing=BINS, distances=(0.1, 0.2), wake=(1.0, 2.0))
    with pytest.raises(gt.errors.InputError, match=r"table ends at 0.1 m, but slices are up to 0.12\d* m apart"):
        after(gt.TableWake("w", slicing=BINS, distances=(0.0, 0.1), wake=(1.0, 2.0)), gaussian(ION))
    with pytest.raises(gt.errors.InputError, match=r"slicing must be gputrack.UniformBins, which average its wake"):
        gt.ResistiveWallWake("w", slicing=gt.Quantiles(9), **PIPE)
    with pytest.raises(gt.errors.InputError, match="span must increase"):
        gt.UniformBins(5, (1.0, -1.0))


def test_particles_lost_by_the_kick_itself(backend):
    """They acted on the others and keep their coordinates before it, as derivatives and differences show."""
    coordinates = np.zeros((6, 12))
    coordinates[4] = np.linspace(-0.09, 0.11, 12)
    bins = gt.UniformBins(9, (-0.2, 0.2))
    element = gt.ResonatorWake("w", slicing=bins, shunt_impedance=(1e6,), frequency=(1e8,), quality=(1.0,))
    ring = gt.Lattice([gt.Drift("d", length=0.1), element, gt.Drift("e", length=0.1)], ION)
    weights = 9e10 * np.linspace(1.0, 2.0, 12)
    seeds = np.random.default_rng(3).normal(size=(6, 12))

    def beam(values, name):
        return gt.Beam(values, ION, weights=placed(gt.Beam(coordinates, ION, weights=weights), name).weights)

    def goal(values, name):
        out = gt.track(ring, beam(values, name), backend=name)
        return out.coordinates

    start = placed(gt.Beam(coordinates, ION), backend).coordinates
    out = gt.track(ring, beam(start, backend), backend=backend)
    lost = host_copy(out.loss_code) != 0
    assert 1 < lost.sum() < 10 and gt.LossCode.NOT_FINITE in host_copy(out.loss_code)
    if backend == "cuda":
        return
    found = gt.grad(lambda c: anp.sum(seeds * goal(c, backend)))(coordinates)
    step = np.zeros_like(coordinates)
    step[4] = 1e-6 * np.cos(np.arange(12))
    ends = [np.sum(seeds * goal(coordinates + sign * step, backend)) for sign in (-1, 1)]
    assert abs((ends[1] - ends[0]) / 2 - np.sum(found * step)) <= 1e-6 * abs(np.sum(found * step))


def test_overdamped_resonators_far_behind():
    """Finite where the cosh of the undamped motion would overflow, and 0 far behind."""
    function = Resonators([1.0, 1e12, 0.3], True, 1.0)
    far = np.array([0.0, 1e-4, 1.0, 1e4])
    assert np.isfinite(function.wake(far)).all() and function.wake(far)[-1] == 0.0
    assert np.isfinite(function.integral(far)).all()


def test_slices_at_one_place():
    """Particles without length: kicks are finite, each slice feels half of its own wake and none of the other's."""
    beam = gt.Beam(np.zeros((6, 4)), ION, weights=np.full(4, 1e6))
    out = gt.track(gt.Lattice([gt.ResonatorWake("w", slicing=gt.Quantiles(2), **CAVITY)], ION), beam)
    assert not out.n_lost and np.isfinite(out.coordinates).all() and (out.coordinates[5] < 0.0).all()


def few(alive, n=5):
    """A bunch of which `alive` particles live; the others lie anywhere."""
    beam = bunch(ION, n=n)
    return beam.replaced(loss_code=np.where(np.arange(n) < alive, 0, 1), weights=1e11 * np.arange(1.0, n + 1))


@pytest.mark.parametrize("component", ["longitudinal", "dipolar_x", "quadrupolar_y"])
@pytest.mark.parametrize("alive", [1, 2, 3])
def test_fewer_particles_than_slices(backend, alive, component):
    """Each is a slice: it feels half of its own wake, and the whole one of those ahead."""
    wake = gt.ResonatorWake("w", slicing=gt.Quantiles(4), component=component, **CAVITY)
    beam = few(alive)
    out = gt.track(gt.Lattice([wake], ION), placed(beam, backend), backend=backend)
    assert host_copy(out.loss_code).tolist() == beam.loss_code.tolist()
    function = Resonators([5e3, 3e9, 1.2], component != "longitudinal", ION.beta0)
    zeta = arrival(beam.coordinates, ReferenceValues.of(ION)).zeta[:alive]
    ahead = zeta[None, :] - zeta[:, None]
    table = np.heaviside(ahead, 0.5) * function.wake(np.abs(ahead))
    drive = beam.weights[:alive] * (beam.x[:alive] if component == "dipolar_x" else 1.0)
    volts = ELEMENTARY_CHARGE * table @ drive
    change = (host_copy(out.coordinates) - beam.coordinates)[:, :alive]
    if component == "longitudinal":
        momentum = ION.p0c * (1.0 + beam.delta[:alive])
        energy = np.hypot(momentum, ION.mass) - volts
        expected = np.sqrt(energy**2 - ION.mass**2) / ION.p0c - 1.0 - beam.delta[:alive]
        row = 5
    else:
        row = 1 if component == "dipolar_x" else 3
        expected = volts / (ION.p0c * ION.beta0) * (1.0 if row == 1 else beam.y[:alive])
    assert np.abs(expected).max() > 1e-9 or (alive == 1 and row != 5)  # a transverse wake begins at 0
    assert np.abs(change[row] - expected).max() <= 1e-9 * np.abs(expected).max() + 1e-16
    back = gt.track(gt.Lattice([wake], ION), out, backend=backend, backwards=True)
    assert np.abs(host_copy(back.coordinates) - beam.coordinates).max() <= 1e-16


@pytest.mark.parametrize("turns", [0, 2], ids=["one turn", "memory"])
def test_gradients_where_particles_become_fewer_than_slices(turns):
    """Losses on the way leave three for four slices, then none: both modes against differences."""
    wake = gt.ResonatorWake(
        "w", slicing=gt.Quantiles(4), component="dipolar_x", turns=turns, period=3.0, shunt_impedance=(3e9,),
        frequency=(3e8,), quality=(3.0,),
    )  # fmt: skip
    stop = gt.Drift("d", length=0.1, aperture=gt.Aperture(rectangle=(4e-3, 1.0)))
    ring = gt.Lattice([gt.Quadrupole("q", length=0.2, k1=-1.0), wake, stop], ION)
    coordinates = np.array(bunch(ION, n=6).coordinates)
    coordinates[0], coordinates[1] = np.linspace(1e-3, 3e-3, 6), np.linspace(5e-4, 5e-3, 6)
    beam, knobs = gt.Beam(coordinates, ION, weights=1e9), ring.knobs("q.k1", "w.shunt_impedance[0]")
    left = [6 - gt.track(ring, beam, turns=n).n_lost for n in range(12)]
    assert set(left) >= {6, 3, 0}, left
    weights = np.random.default_rng(9).normal(size=(6, 6))

    def goal(values):
        return anp.sum(gt.track(ring.with_knobs(knobs, values), beam, turns=11).coordinates * weights)

    gradient = gt.grad(goal)(knobs.values)
    for i, start in enumerate(knobs.values):
        step = 1e-5 * start * np.eye(2)[i]
        slope = (goal(knobs.values + step) - goal(knobs.values - step)) / (2e-5 * start)
        assert abs(slope - gradient[i]) <= 1e-6 * abs(gradient[i]), knobs[i].handle
        if not turns:
            along = gt.jvp(goal, (knobs.values,), (np.eye(2)[i],))[1]
            assert abs(along - gradient[i]) <= 1e-9 * abs(gradient[i])
            by_arrays = gt.grad(lambda v: anp.sum(gt.track(ring.with_knobs(knobs, v), beam, turns=11, backend="array")
                                              .coordinates * weights))(knobs.values)  # fmt: skip
            assert np.abs(by_arrays / gradient - 1.0).max() <= 1e-9


def test_everybody_lost_on_the_way_in():
    """Before the first map, a wake or the field of a bunch: no particle acts, and gradients are those of no motion."""
    start = np.full((6, 3), 5.0)
    beam = gt.Beam(start, ION, weights=1e9)
    for effect in (
        gt.ResonatorWake("w", slicing=gt.Quantiles(2), **CAVITY),
        gt.Drift("d", length=1.0, space_charge=gt.SpaceChargeKicks(gt.OpenField3D((0.1, 0.1, 0.1)))),
    ):
        ring = gt.Lattice([gt.Marker("m"), effect], ION)
        assert gt.track(ring, beam, 2).n_lost == 3
        slope = gt.grad(lambda c, ring=ring: anp.sum(gt.track(ring, gt.Beam(c, ION), 2).coordinates))(start)
        assert np.array_equal(slope, np.ones((6, 3)))


def test_a_dead_beam_goes_on():
    """As without wakes: no error where no particle is left."""
    beam = gt.Beam(np.zeros((6, 3)), ION, loss_code=np.full(3, 1))
    assert gt.track(gt.Lattice([gt.ResonatorWake("w", slicing=gt.Quantiles(2), **CAVITY)], ION), beam, 2).n_lost == 3


def test_lost_particles_do_not_act(backend):
    """A particle beyond the limit is lost before the first map, a wake, and its derivatives are those of staying."""
    wake = gt.ResonatorWake("w", slicing=gt.UniformBins(9, (-0.1, 0.1)), component="dipolar_x", **CAVITY)
    coordinates = np.zeros((6, 4))
    coordinates[0], coordinates[4] = (5.0, 1e-3, 0.0, -1e-3), (0.05, 0.02, 0.0, -0.05)
    beam = placed(gt.Beam(coordinates, ION, weights=np.full(4, 1e12)), backend)
    alone = gt.track(gt.Lattice([wake], ION), beam, backend=backend)
    behind = gt.track(gt.Lattice([gt.Drift("d", length=0.0), gt.HKicker("k"), wake], ION), beam, backend=backend)
    assert host_copy(alone.loss_code).tolist() == [gt.LossCode.LIMIT, 0, 0, 0]
    assert np.abs(host_copy(alone.coordinates) - host_copy(behind.coordinates)).max() == 0.0
    if backend != "cuda":
        seeds = np.random.default_rng(1).normal(size=(6, 4))
        gradient = gt.grad(
            lambda c: anp.sum(seeds * gt.track(gt.Lattice([wake], ION), beam.replaced(coordinates=c)).coordinates)
        )(coordinates)
        assert np.array_equal(gradient[:, 0], seeds[:, 0])


def test_without_collective_effects_apertures_stay():
    opening = gt.Aperture(ellipse=(1e-3, 1e-3))
    wake = gt.ResonatorWake("w", slicing=BINS, aperture=opening, dx=1e-4, **CAVITY)
    (marker,) = gt.Lattice([wake], ION).without_collective_effects()
    assert (marker.aperture, marker.dx, marker.name) == (opening, 1e-4, "w")
