"""Forward mode: kernels on dual numbers against autograd of the array maps and against the backward sweep."""

from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import EMULATED, host_copy, placed
from support.cases import CASES, SPECIES
from support.gradients import KNOBS, MODELS, SIZE, kernels_and_emulated
from support.helpers import richardson
from support.lossy_line import LIMIT, lossy
from support.nvrtc import DEPRECATED, compile_cuda, options

import gputrack as gt
from gputrack.backends import choose_backend
from gputrack.backends.cuda import backend as cuda
from gputrack.backends.derivatives import Cotangents, Tangents
from gputrack.backends.generated import flattened
from gputrack.backends.host.backend import HostBackend
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.elements.map import built_in_maps
from gputrack.lattice.knob_adjoint import parameter_table
from gputrack.lattice.knob_tangent import group_tangent
from gputrack.lattice.program import compile_program

N = 6  # particles of the battery
ROUNDING = 16 * np.finfo(float).eps  # exact bends subtract lengths of metres from each other in each slice


def directions(program, rng, n=N):
    """Random tangents of everything that goes into a run; those of constants follow from the elements' parameters."""
    constants = np.zeros(len(program.constants))
    for group in program.groups:
        table = parameter_table(group)[1]
        rates = rng.normal(size=table.shape) * np.maximum(1e-2, np.abs(table))
        for places, columns in zip(group.constants, group_tangent(group, rates), strict=True):
            constants[places] = columns
    reference = rng.normal(size=5) * np.array([0.1, 0.1, 1e-10, 1e-10, 1e-5])
    return Tangents(rng.normal(size=(6, n)) * SIZE, constants, reference)


def particles_of(coordinates, xp=np):
    n = coordinates.shape[1]
    codes, turns, ops = np.zeros(n, np.int32), np.full(n, -1, np.int64), np.full(n, -1, np.int32)
    return Particles(*(xp.asarray(np.array(a, order="C")) for a in (coordinates, codes, turns, ops)))


def launch_of(program, reference, n, xp=np):
    return Launch(program, reference, 0, 1, 1.0, make_records([], n, xp))


def runner(backend):
    """A backend by name, on one thread, and its array library."""
    if backend != "cuda":
        return choose_backend(backend, np.zeros((6, 1)), 1), np
    import cupy

    return choose_backend(backend, cupy.zeros((6, 1)), None), cupy


def pushed(backend, program, reference, start, tangents):
    """Coordinates and tangents after a run, on the host."""
    runs, xp = runner(backend)
    program = replace(program, kinds=frozenset(built_in_maps()))  # one build for all cases
    particles = particles_of(start, xp)
    moving = Tangents(xp.array(tangents.coordinates, order="C"), tangents.constants, tangents.reference)
    runs.step_tangent(particles, moving, launch_of(program, reference, start.shape[1], xp))
    assert not particles.loss_code.any()
    return host_copy(particles.coordinates), host_copy(moving.coordinates)


def cases_of(name):
    """Program and reference of a case with each model, one species in turn."""
    element = CASES[name].element.replaced(aperture=None)
    for number, (model_name, model) in enumerate(MODELS.items()):
        reference = SPECIES[("electron", "proton")[number % 2]]
        ring = gt.Lattice([element], reference, model=model)
        yield model_name, compile_program(ring, active={0: frozenset({"dx", "dy", "tilt"})}), reference


def assert_close(a, b, tolerance, case):
    """Relative to the largest entry."""
    worst = np.abs(a - b).max() / np.abs(b).max(initial=1e-3)
    assert worst <= tolerance, (case, worst)


@kernels_and_emulated
@pytest.mark.parametrize("name", CASES)
def test_tangents_of_each_element(name, backend):
    """Dual kernels against forward autograd of the array maps, along all parameters, coordinates and the reference."""
    rng = np.random.default_rng(len(name))
    for model, program, reference in cases_of(name):
        start, along = rng.normal(size=(6, N)) * SIZE, directions(program, rng)
        value, by_arrays = pushed("array", program, reference, start, along)
        coordinates, tangents = pushed(backend, program, reference, start, along)
        np.testing.assert_allclose(coordinates, value, rtol=0, atol=ROUNDING, err_msg=model)
        assert_close(tangents, by_arrays, 1e-12, model)


@pytest.mark.parametrize("name", CASES)
def test_forward_and_reverse_mode_are_transposes(name):
    """<u, J v> = <J^T u, v> for directions v in coordinates, parameters and reference together."""
    rng = np.random.default_rng(1 + len(name))
    for model, program, reference in cases_of(name):
        start, along, u = rng.normal(size=(6, N)) * SIZE, directions(program, rng), rng.normal(size=(6, N))
        there, tangent = pushed("host", program, reference, start, along)
        bar = u.copy(order="C")
        bars = HostBackend(1).step_adjoint(particles_of(there), Cotangents(bar), launch_of(program, reference, N))
        along_all = np.concatenate([along.coordinates.reshape(-1), along.constants, along.reference])
        terms = np.concatenate([bar.reshape(-1), bars]) * along_all
        scale = max(np.abs(terms).max(), np.abs(u * tangent).max())
        assert abs(np.sum(u * tangent) - np.sum(terms)) <= 1e-12 * scale * terms.size**0.5, model


@pytest.mark.parametrize("name", CASES)
def test_no_direction_no_tangent(name):
    for model, program, reference in cases_of(name):
        still = Tangents(np.zeros((6, 2)), np.zeros(len(program.constants)), np.zeros(5))
        start = np.full((6, 2), 1e-3)
        assert not pushed("host", program, reference, start, still)[1].any(), model


#: elements whose strengths are 0, where formulas are 0/0 or kernels take a shortcut, with one of their knobs
SINGULAR = {
    "quadrupole.k1": gt.Quadrupole("e", length=0.7),
    "quadrupole.k1s": gt.Quadrupole("e", length=0.7, k1=1.2),
    "quadrupole.tilt": gt.Quadrupole("e", length=0.7, k1=1.2),
    "quadrupole.knl[2]": gt.Quadrupole("e", length=0.7, k1=1.2),
    "sextupole.k2": gt.Sextupole("e", length=0.3),
    "octupole.k3s": gt.Octupole("e", length=0.3),
    "sector.angle": gt.SectorBend("e", length=1.5),
    "sector.k0": gt.SectorBend("e", length=1.5, angle=0.2, k0=0.0),
    "sector.k1": gt.SectorBend("e", length=1.5, angle=0.2),
    "rectangular.angle": gt.RectangularBend("e", length=1.5),
    "solenoid.ks": gt.Solenoid("e", length=1.1),
    "multipole.knl[1]": gt.Multipole("e"),
    "cavity.voltage": gt.RFCavity("e", length=0.5, frequency=1e8, lag=0.1),
    "crab.voltage": gt.CrabCavity("e", length=0.5, frequency=1e8, lag=0.1),
    "kicker.hkick": gt.Kicker("e", length=0.4),
    "rotation.angle": gt.YRotation("e"),
    "translation.s": gt.Translation("e"),
}


@pytest.mark.parametrize("place", ["on axis", "off axis"])
@pytest.mark.parametrize("name", SINGULAR)
def test_singular_limits(name, place):
    """Tangents where a strength is 0 and where a particle is on the axis: finite, and those of central differences."""
    reference = SPECIES["proton"]
    start = np.zeros((6, 1)) if place == "on axis" else 0.5 * SIZE * np.array([[1.0, -1, 1, 1, -1, 1]]).T
    for model in MODELS.values():
        ring = gt.Lattice([SINGULAR[name]], reference, model=model)
        knobs = ring.knobs(f"e.{name.partition('.')[2]}")

        def through(values, ring=ring, knobs=knobs):
            return gt.track(ring.with_knobs(knobs, values), gt.Beam(start, reference)).coordinates

        value, tangent = gt.jvp(through, (knobs.values,), (np.ones(1),))
        assert np.isfinite(tangent).all()
        np.testing.assert_allclose(value, through(knobs.values), rtol=0, atol=ROUNDING)
        step = 1e3 if "voltage" in name else 1e-4
        d = [(through(knobs.values + k * step) - through(knobs.values - k * step)) / (2 * k * step) for k in (1, 2)]
        expected = (4 * d[0] - d[1]) / 3
        # Truncation of fourth order and rounding of the differences.
        np.testing.assert_allclose(tangent, expected, rtol=1e-7, atol=2e-16 / step + 1e-9 * np.abs(expected).max())


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring()


@pytest.fixture(scope="module")
def beam(ring):
    twiss = gt.linear_optics(ring).start
    return gt.Beam.gaussian(
        24, ring.reference, emit=(1e-8, 1e-9), twiss=twiss, sigma_z=3e-3, sigma_delta=1e-3, seed=3
    )


MONITORS = (gt.Monitor("bpm.0*", every=2), gt.Monitor("bpm.1*", every=3, moments=True))


def objective(changed, coordinates, turns=5, **options):
    """A scalar of monitors, moments, emittances and coordinates."""
    out = gt.track(changed, gt.Beam(coordinates, changed.reference), turns, monitors=MONITORS, **options)
    first, second = out.records
    orbit = anp.sum(anp.mean(first.coordinates[:, :, 2], axis=-1) ** 2)
    return (
        1e8 * out.emittance("x") + 1e8 * anp.sum(out.eigen_emittances()) + 1e3 * anp.sum(out.x**2) + 1e6 * orbit
        + 1e5 * anp.sum(second.sigma[:, :, 0, 0]) + 1e2 * out.size("y") + anp.sum(out.z**2)
    )  # fmt: skip


def test_jvp_is_the_gradient_along_a_direction(ring, beam):
    """Through a whole objective on the demonstration ring, for all kinds of knobs, coordinates and the reference."""
    knobs = ring.knobs(*KNOBS, "reference.p0c")
    rng = np.random.default_rng(2)
    direction = 0.01 * rng.normal(size=len(knobs)) * np.maximum(1e-2, np.abs(knobs.values))
    moved = rng.normal(size=(6, beam.n)) * np.std(beam.coordinates, axis=1)[:, None]

    def whole(values, coordinates):
        return objective(ring.with_knobs(knobs, values), coordinates)

    at = knobs.values, np.array(beam.coordinates)
    value, tangent = gt.jvp(whole, at, (direction, moved))
    assert value == pytest.approx(whole(*at), rel=1e-11)  # emittances subtract
    by_knobs, by_coordinates = gt.grad(whole, 0)(*at) * direction, gt.grad(whole, 1)(*at) * moved
    scale = max(np.abs(by_knobs).max(), np.abs(by_coordinates).max())
    assert abs(tangent - by_knobs.sum() - by_coordinates.sum()) <= 1e-10 * scale
    assert abs(tangent) > 1e-3 * scale


def test_records_have_tangents(ring, beam):
    """Through `anp` and taken apart: as differences, over stretches of turns, and by jvp of several values at once."""
    knobs = ring.knobs("qf.*.k1")

    def recorded(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, 6, monitors=MONITORS)
        return {"coordinates": out.records[0].coordinates, "moments": [out.records[1].mean, out.records[1].sigma]}

    value, tangent = gt.jvp(recorded, (knobs.values,), (np.ones(1),))
    assert value["coordinates"].shape == tangent["coordinates"].shape == (3, *value["coordinates"].shape[1:])
    for part in (lambda r: r["coordinates"], lambda r: r["moments"][0], lambda r: r["moments"][1]):
        expected = richardson(lambda t, part=part: part(recorded(knobs.values + t)), 1e-4)
        assert_close(part(tangent), expected, 1e-8, "records")


def test_turns_in_one_call_and_one_by_one(ring, beam):
    """Tangents handed from call to call are those of one call, to the bit."""
    knobs = ring.knobs("sf*.k2")

    def at_once(values):
        return gt.track(ring.with_knobs(knobs, values), beam, 4).coordinates

    def one_by_one(values):
        changed, out = ring.with_knobs(knobs, values), beam
        for _ in range(4):
            out = gt.track(changed, out)
        return out.coordinates

    once, several = (gt.jvp(f, (knobs.values,), (np.ones(1),))[1] for f in (at_once, one_by_one))
    assert_close(several, once, 1e-14, "tangents")


def test_same_to_the_bit_with_one_and_with_two_threads(ring):
    start = np.random.default_rng(6).normal(size=(6, 333)) * 1e-4
    knobs = ring.knobs("qf.*.k1", "bend.01a.angle")

    def through(values, coordinates, threads):
        changed = ring.with_knobs(knobs, values)
        return gt.track(changed, gt.Beam(coordinates, changed.reference), 2, threads=threads).coordinates

    runs = [
        gt.jvp(lambda k, c, n=n: through(k, c, n), (knobs.values, start), (np.ones(2), start)) for n in (1, 2, 1)
    ]
    for value, tangent in runs[1:]:
        np.testing.assert_array_equal(value, runs[0][0])
        np.testing.assert_array_equal(tangent, runs[0][1])


@kernels_and_emulated
def test_lost_particles_keep_the_tangent_of_their_last_coordinates(backend):
    """For every reason to be lost, in three turns; codes are those of plain tracking, tangents those of array maps."""
    line, start = lossy()
    knobs = line.knobs("d1.length", "d2.length")
    along = np.random.default_rng(3).normal(size=start.shape) * 1e-3

    def tracked(backend):
        codes = []

        def through(values, coordinates):
            own = gt.Beam(coordinates, line.reference)
            out = gt.track(line.with_knobs(knobs, values), own, 3, monitors=[gt.Monitor("d2")], limit=LIMIT,
                           backend=backend)  # fmt: skip
            codes.extend(host_copy(getattr(out, name)) for name in ("loss_code", "loss_turn", "loss_element"))
            return out.coordinates, out.records[0].coordinates

        move = (lambda c: gt.Beam(c, line.reference).to_device("cupy").coordinates) if backend == "cuda" else np.array
        value, tangent = gt.jvp(through, (knobs.values, move(start)), (np.array([0.3, -0.2]), move(along)))
        return codes, [host_copy(a) for a in value], [host_copy(a) for a in tangent]

    plain = gt.track(line, gt.Beam(start, line.reference), 3, limit=LIMIT)
    codes, value, tangent = tracked("array")
    for ours, name in zip(codes, ("loss_code", "loss_turn", "loss_element"), strict=True):
        np.testing.assert_array_equal(ours, getattr(plain, name))
    assert plain.n_lost == 7
    np.testing.assert_array_equal(tangent[1][np.isnan(value[1])], 0.0)
    entrance = plain.loss_element == 0
    np.testing.assert_array_equal(tangent[0][:, entrance], along[:, entrance])  # lost before the first map
    other, values, tangents = tracked(backend)
    for a, b in zip(other, codes, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip((*values, *tangents), (*value, *tangent), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_tangent_of_a_loss_is_that_of_differences():
    line, start = lossy()
    knobs = line.knobs("d1.length")

    def through(values):
        return gt.track(line.with_knobs(knobs, values), gt.Beam(start[:, [0, 2, 6, 8]], line.reference), 3,
                        limit=LIMIT).coordinates  # fmt: skip

    _, tangent = gt.jvp(through, (knobs.values,), (np.ones(1),))
    expected = richardson(lambda t: through(knobs.values + t), 1e-5)
    np.testing.assert_allclose(tangent, expected, rtol=1e-9, atol=1e-11)
    assert tangent[:, 1].any()


@pytest.mark.parametrize("backend", ["cuda", EMULATED], indirect=True)
def test_moments_on_a_gpu(ring, beam, backend):
    """Coordinates on the device, knobs and moments on the host: the same as on the host."""
    knobs = ring.knobs("qf.*.k1", "bend.*.angle")
    there = placed(beam, backend)

    def moments(values, own):
        out = gt.track(ring.with_knobs(knobs, values), own, 2, monitors=[gt.Monitor("bpm*", moments=True)])
        return out.emittance("x"), out.mean, out.records[0].sigma

    host, gpu = (gt.jvp(lambda k, own=own: moments(k, own), (knobs.values,), (np.ones(2),)) for own in (beam, there))
    for ours, theirs in zip((*gpu[0], *gpu[1]), (*host[0], *host[1]), strict=True):
        assert_close(np.asarray(ours), np.asarray(theirs) + 0.0 * np.asarray(ours), 1e-9, "moments")


def test_jacobian_by_columns_is_that_by_rows(ring, beam):
    knobs = ring.knobs("qf.*.k1", "sf*.k2", "bend.02a.length")

    def mean(scale, values):
        return scale * gt.track(ring.with_knobs(knobs, values), beam, 2).mean

    rows = gt.jacobian(mean, 1)(2.0, knobs.values)
    columns = gt.jacobian(mean, 1, mode="forward")(2.0, knobs.values)
    assert rows.shape == columns.shape == (6, 3)
    assert_close(columns, rows, 1e-11, "jacobian")
    assert gt.jacobian(mean, mode="forward")(2.0, knobs.values).shape == (6,)


def test_functions_of_matrices():
    """Rules that autograd has for reverse mode only."""
    rng = np.random.default_rng(4)
    a, b, da = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(3, 3))
    for function in (
        lambda m: anp.sum(anp.linalg.inv(m) ** 2), anp.linalg.det,
        lambda m: anp.sum(anp.linalg.solve(m, b) ** 2), lambda m: anp.sum(anp.linalg.solve(m, m.T @ m) ** 2),
    ):  # fmt: skip
        _, tangent = gt.jvp(function, (a,), (da,))
        assert tangent == pytest.approx(np.sum(gt.grad(function)(a) * da), rel=1e-11)


def test_value_does_not_depend_on_the_argument():
    value, tangent = gt.jvp(lambda k: (3.0, np.ones(2), k), (1.0,), (2.0,))
    assert value == (3.0, pytest.approx(np.ones(2)), 1.0)
    assert tangent == (0.0, pytest.approx(np.zeros(2)), 2.0)


@pytest.mark.parametrize(
    ("primals", "tangents", "words"),
    [
        (1.0, (1.0,), "primals must be a tuple"),
        ((1.0,), (1.0, 2.0), "tangents must be as many as primals, got 2 for 1"),
        ((np.ones(2),), (np.ones(3),), r"tangents\[0\] must have the shape \(2,\)"),
        (("k1",), (1.0,), r"primals\[0\] must be a number"),
        ((1.0,), ([1.0, [2.0]],), r"tangents\[0\] must be a number"),
    ],
)
def test_arguments_that_cannot_be_used(primals, tangents, words):
    with pytest.raises(gt.errors.InputError, match=words):
        gt.jvp(lambda *args: args, primals, tangents)


def test_unavailable_derivatives_are_refused(ring, beam):
    knobs = ring.knobs("qf.*.k1")

    def emittance(values):
        return gt.track(ring.with_knobs(knobs, values), beam).emittance("x")

    with pytest.raises(gt.errors.InputError, match="second derivatives"):
        gt.jvp(gt.grad(emittance), (knobs.values,), (np.ones(1),))
    with pytest.raises(gt.errors.InputError, match="second derivatives"):
        gt.grad(lambda k: gt.jvp(emittance, (k,), (np.ones(1),))[1])(knobs.values)
    with pytest.raises(gt.errors.InputError, match="must return arrays or numbers, got"):
        gt.jvp(lambda k: gt.track(ring.with_knobs(knobs, k), beam), (knobs.values,), (np.ones(1),))
    with pytest.raises(gt.errors.InputError, match="mode must be 'reverse' or 'forward'"):
        gt.jacobian(emittance, mode="backward")


@pytest.mark.parametrize("arch", ["sm_70", "sm_90"])  # oldest and newest: a quarter of a minute each
def test_kernel_compiles_without_spills(arch):
    result = compile_cuda(flattened("cuda/tangent.h", built_in_maps()), arch, *options(cuda.THREADS))
    assert result.kernels["gputrack_tangent"].stores == result.kernels["gputrack_tangent"].loads == 0
    assert [line for line in result.log.splitlines() if not line.startswith(DEPRECATED)] == []
