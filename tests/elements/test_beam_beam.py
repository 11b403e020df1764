"""Beam-beam collisions: against xfields, the tune shift, Coulomb's force; the boost; far away; gradients; arguments."""

import math
from dataclasses import replace

import numpy as np
import pytest
from support.backends import here, host_copy, track
from support.gradients import close, swept
from support.helpers import coordinates_of, pull, push
from support.peers import xfields_peer

import gputrack as gt
from gputrack.backends.array.backend import ArrayBackend
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT, VACUUM_PERMITTIVITY
from gputrack.elements.crossing import boost, unboost
from gputrack.elements.map import ReferenceValues, make_state
from gputrack.elements.parameters import parameters_of
from gputrack.io.json_lattice import read_json
from gputrack.lattice.program import compile_program

ELECTRON = gt.ReferenceParticle.electron(total=10e9)
PROTON = gt.ReferenceParticle.proton(kinetic=50e6)
FLAT = gt.BeamBeam(
    "ip", particles=2e10, charge=-1.0, emit_x=2e-8, emit_y=1e-9, beta_x=0.5, beta_y=0.06, sigma_z=0.01,
)  # fmt: skip
ROUND = FLAT.replaced(emit_x=2e-9, emit_y=2e-9, beta_x=0.3, beta_y=0.3)
KINDS = {
    "thin": FLAT,
    "round": ROUND.replaced(slicing=gt.EqualCharge(3)),
    "hourglass": FLAT.replaced(alpha_x=0.7, alpha_y=-0.4, slicing=gt.EqualCharge(5)),
    "slopes": FLAT.replaced(slope_x=1e-4, slope_y=3e-5, dx=1e-4, dy=-1e-5),
    "crossing": FLAT.replaced(crossing_x=0.03),
    "both planes": ROUND.replaced(crossing_x=0.02, crossing_y=-0.013, crab_x=-0.01, slicing=gt.EqualDistance(5)),
}


def start_of(element, n, amplitude=2.0, seed=1):
    """Coordinates (6, n) of some strong beam's sigmas."""
    sx, sy = math.sqrt(element.emit_x * element.beta_x), math.sqrt(element.emit_y * element.beta_y)
    scale = np.array([amplitude * sx, 1e-4, amplitude * sy, 1e-4, 1e-2, 1e-3])[:, None]
    return np.random.default_rng(seed).normal(size=(6, n)) * scale


@pytest.mark.parametrize("kind", KINDS)
def test_collision_is_xfields(kind):
    start = start_of(KINDS[kind], 300)
    ours, theirs = push(KINDS[kind], start, ELECTRON), xfields_peer.collided(KINDS[kind], start, ELECTRON)
    change = abs(ours - start).max(axis=1)
    assert (change[[0, 1, 2, 3]] > 1e-7).all() and change[5] > 1e-9
    # rounding; their boost is that at the speed of light, and 1/gamma^2 is 3e-9
    relative = 5e-9 if KINDS[kind].crossing_x else 1e-12
    assert (abs(ours - theirs).max(axis=1) <= relative * change + 1e-13 * abs(start).max(axis=1)).all()


@pytest.mark.parametrize(("reference", "sign"), [(ELECTRON, -1.0), (ELECTRON, 1.0), (PROTON, 1.0)])
def test_focusing_is_the_tune_shift_formula(reference, sign):
    """Of head-on beams: kicks N r0/gamma 2 x/(sx (sx + sy)), a lens where the charges attract."""
    element = FLAT.replaced(charge=sign, sigma_z=0.0)
    sx, sy = math.sqrt(element.emit_x * element.beta_x), math.sqrt(element.emit_y * element.beta_y)
    charge = ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY * reference.mass)
    # r0 N/(beta^2 gamma) (1 + beta^2)/2 for equal velocities; at the speed of light r0 N/gamma
    beta = reference.beta0
    k = -sign * element.particles * charge / (beta**2 * reference.gamma0) * (1.0 + beta**2)
    small = 1e-6
    out = push(element, np.array([[small * sx, 0, 0, 0, 0, 0], [0, 0, small * sy, 0, 0, 0]]).T, reference)
    assert -out[1, 0] / (small * sx) == pytest.approx(k / (sx * (sx + sy)), rel=1e-9)
    assert -out[3, 1] / (small * sy) == pytest.approx(k / (sy * (sx + sy)), rel=1e-9)


def test_kick_across_a_crossing_is_coulombs_force():
    """Slow beams that cross at a right angle: the momentum that a point charge gives at a distance, by integration."""
    v, b, phi = PROTON.beta0, 0.05, math.pi / 4
    element = gt.BeamBeam("i", particles=1e9, emit_x=1e-8, emit_y=1e-8, beta_x=1.0, beta_y=1.0, crossing_x=2 * phi)
    kick = push(element, np.array([[0, 0, b, 0, 0, 0.0]]).T, PROTON)[3, 0]
    t = np.linspace(-3000.0, 3000.0, 2_000_001) * b / v  # times c
    way = np.array([np.sin(phi), np.cos(phi)])  # of the weak one in (X, Z); the strong one has -Z
    across = v * t[:, None] * (way - way * [1, -1])
    along = across @ (way * [1, -1])
    gamma2 = 1.0 / (1.0 - v * v)
    distance3 = (gamma2 * along**2 + (np.sum(across**2, axis=1) - along**2) + b * b) ** 1.5
    field = math.sqrt(gamma2) * b / distance3
    force = field * (1.0 - v * v * (way @ (way * [1, -1])))
    volts = 1e9 * ELEMENTARY_CHARGE / (4 * math.pi * VACUUM_PERMITTIVITY)
    assert kick == pytest.approx(volts * np.trapezoid(force, t) / PROTON.p0c, rel=2e-5)


@pytest.mark.parametrize("reference", [ELECTRON, PROTON])
def test_boost_and_its_inverse(reference):
    """Identity to rounding, and the invariants of a Lorentz transformation."""
    ref, op = ReferenceValues.of(reference), type("Op", (), {"nx": 0.2, "ny": -0.35})
    start = start_of(FLAT, 200, amplitude=20.0) * np.array([[10, 100, 10, 100, 1, 30]]).T
    s = boost(make_state(start, ref), op, ref)
    back = coordinates_of(unboost(s, op, ref))
    assert (abs(back - start).max(axis=1) <= 1e-13 * abs(start).max(axis=1)).all()
    still = coordinates_of(boost(make_state(np.zeros((6, 1)), ref), op, ref))
    assert not still.any()
    # a particle ahead of the reference particle is displaced to the inner side, by gamma z n
    ahead = coordinates_of(boost(make_state(np.array([[0, 0, 0, 0, 1e-3, 0.0]]).T, ref), op, ref))[:, 0]
    gamma = 1.0 / math.sqrt(1.0 - reference.beta0**2 * (0.2**2 + 0.35**2))
    np.testing.assert_allclose(ahead, [2e-4 * gamma, 0, -3.5e-4 * gamma, 0, 1e-3 * gamma, 0], rtol=1e-13, atol=1e-18)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amplitude", [0.01, 2.0, 20.0])
def test_kernels_and_adjoints_near_and_far(kind, amplitude):
    """Of small beams, where fields are as nonlinear as they are: positions, gradients, to the array maps; inverse."""
    element = KINDS[kind]
    active = {0: frozenset({"dx", "crossing_x", "crossing_y"})}
    program = compile_program(gt.Lattice([element], ELECTRON), active=active)
    start = start_of(element, 100, amplitude)
    scale = np.abs(start).max(axis=1, keepdims=True)
    cotangent = np.random.default_rng(2).normal(size=start.shape) / scale
    there, bar, constants = swept("host", program, ELECTRON, start, cotangent)
    back, bar_by_arrays, expected = swept(ArrayBackend(1), program, ELECTRON, start, cotangent)
    assert (np.abs(there - start) <= 1e-13 * scale).all()
    assert (np.abs(back - start) <= 1e-13 * scale).all()
    for row, (a, b) in enumerate(zip(bar, bar_by_arrays, strict=True)):
        good, worst = close(a, b, 1e-12)
        assert good, (row, worst)
    for k, (first, second) in enumerate(zip(program.ops[:-1, 1], program.ops[1:, 1], strict=True)):
        for i in range(first, second):
            size = max(abs(expected[i]), abs(expected).max() * 1e-12)
            assert abs(constants[i] - expected[i]) <= 1e-10 * size, (k, i)


def test_slices_converge():
    """To the continuous bunch, by equal charges; equal distances reach the same."""
    element = FLAT.replaced(crossing_x=0.02, emit_y=4e-9)
    start = start_of(element, 50)

    def after(slicing):
        return push(element.replaced(slicing=slicing), start, ELECTRON)[[1, 3]]

    limit = after(gt.EqualDistance(400, 6.0))
    size = abs(limit - start[[1, 3]]).max()
    errors = [abs(after(gt.EqualCharge(n)) - limit).max() / size for n in (5, 15, 45)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2] and errors[2] < 2e-3
    assert abs(after(gt.EqualDistance(45, 5.0)) - limit).max() <= 1e-3 * size


def test_slices_hold_all_the_charge():
    for slicing in (gt.EqualCharge(1), gt.EqualCharge(9), gt.EqualDistance(7, 2.5), gt.EqualDistance(1)):
        shares, centres = np.array(slicing.parts()).T
        assert len(shares) == slicing.slices and shares.sum() == pytest.approx(1.0, abs=1e-15)
        assert shares @ centres == pytest.approx(0.0, abs=1e-15) and (np.diff(centres) > 0).all()
    np.testing.assert_allclose(np.array(gt.EqualCharge(9).parts())[:, 0], 1.0 / 9.0, rtol=1e-14)


def test_crab_waves_are_sines():
    wave = FLAT.replaced(crab_x=0.01, crab_frequency=1e9, slicing=gt.EqualCharge(3))
    wavenumber = 2 * math.pi * 1e9 / SPEED_OF_LIGHT
    ops = [call.constants for call in wave.form(gt.Model()).lower(parameters_of(wave))]
    assert [op["x"] for op in ops] == pytest.approx([0.01 * math.sin(wavenumber * op["z"]) / wavenumber for op in ops])
    assert abs(ops[0]["z"]) > 5e-3


@pytest.mark.parametrize("backend", here())
def test_no_charge_is_the_identity(backend):
    start = start_of(FLAT, 40)
    for nothing in ({"particles": 0.0}, {"charge": 0.0}):
        line = gt.Lattice([FLAT.replaced(crossing_x=0.1, **nothing)], ELECTRON)
        assert (host_copy(track(backend, line, gt.Beam(start, ELECTRON)).coordinates) == start).all()


def test_gradient_of_many_turns_with_a_beam_beam_lens():
    """Through a ring, in the parameters that people turn, against differences."""
    ring = gt.demo_ring()
    strong = gt.BeamBeam(
        "ip", particles=3e9, charge=-1.0, emit_x=4e-8, emit_y=4e-9, beta_x=13.0, beta_y=9.0, sigma_z=6e-3,
        crossing_x=0.01, slicing=gt.EqualCharge(3),
    )  # fmt: skip
    ring = gt.Lattice([strong, *ring], ring.reference, model=ring.model)
    beam = gt.Beam(start_of(strong, 16, 1.0) * np.array([[1, 1, 1, 1, 0.1, 0.1]]).T, ring.reference)
    names = ("particles", "emit_x", "beta_y", "alpha_x", "dx", "crossing_x", "sigma_z")
    knobs = ring.knobs(*(f"ip.{name}" for name in names))

    def objective(values):
        return 1e9 * gt.track(ring.with_knobs(knobs, values), beam, 5).emittance("x")

    _, gradient = gt.value_and_grad(objective)(knobs.values)
    for i, knob in enumerate(knobs):
        unit, step = np.eye(len(knobs))[i], 1e-4 * (abs(knob.value) or 1e-3)
        d = [(objective(knobs.values + k * step * unit) - objective(knobs.values - k * step * unit)) / (2 * k * step)
             for k in (1, 2)]  # fmt: skip
        assert gradient[i] == pytest.approx((4 * d[0] - d[1]) / 3, rel=1e-6, abs=1e-9 / step), knob.handle


def test_json_round_trip(tmp_path):
    line = gt.Lattice([FLAT.replaced(slicing=gt.EqualDistance(7, 2.5)), ROUND], ELECTRON)
    gt.save(line, tmp_path / "line.json")
    assert read_json(tmp_path / "line.json") == line


def test_inverse_by_the_public_function():
    start = start_of(FLAT, 30)
    element = KINDS["both planes"]
    assert abs(pull(element, push(element, start, PROTON), PROTON) - start).max() <= 1e-15
    there = gt.track(gt.Lattice([element], ELECTRON), gt.Beam(start, ELECTRON))
    back = gt.track(gt.Lattice([element], ELECTRON), there, backwards=True)
    assert abs(back.coordinates - start).max() <= 1e-15


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"emit_x": 0.0}, "emit_x must be > 0 m, got 0.0"), ({"beta_y": -1.0}, "beta_y must be > 0 m"),
        ({"particles": -1.0}, "particles must be >= 0"), ({"length": 1.0}, "length must be 0 m"),
        ({"crossing_x": 4.0}, "crossing_x must be below pi"), ({"slicing": 5}, "slicing must be EqualCharge"),
        ({"sigma_z": -1e-3}, "sigma_z must be >= 0"),
    ],
)  # fmt: skip
def test_errors(changes, words):
    with pytest.raises(gt.errors.InputError, match=words):
        replace(FLAT, **changes)


def test_errors_of_slicings():
    for wrong in (lambda: gt.EqualCharge(0), lambda: gt.EqualCharge(2.5), lambda: gt.EqualDistance(3, -1.0)):
        with pytest.raises(gt.errors.InputError, match="Equal"):
            wrong()
