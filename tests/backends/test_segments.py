"""Lattices cut at maps of the whole beam: tracking, records, losses, and derivatives as if they were not cut."""

import numpy as np
import pytest
from support.backends import host_copy, placed, plain

import gputrack as gt

FIELD = gt.PipeModes((0.02, 0.016), (5, 4))
REFERENCE = gt.ReferenceParticle.proton(kinetic=7e6)
HANDLES = ("d*.length", "q1.k1", "q2.length", "b1.angle", "*.current", "q1.dx", "rf.voltage")


def cell():
    """A line with faces, a displaced magnet, a cavity, and apertures that some particles meet."""
    opening = gt.Aperture(rectangle=(4.5e-3, 4.5e-3))
    elements = [
        gt.Drift("d1", length=0.1), gt.Quadrupole("q1", length=0.1, k1=20.0, dx=1e-4, tilt=0.01), gt.Marker("m1"),
        gt.SectorBend("b1", length=0.2, angle=0.1, e1=0.05),
        gt.Quadrupole("q2", length=0.1, k1=-20.0, aperture=opening),
        gt.RFCavity("rf", length=0.1, voltage=2e4, frequency=5e7),
        gt.Drift("d2", length=0.1), gt.Marker("m2"),
    ]  # fmt: skip
    line = gt.Lattice(elements, REFERENCE, name="cell")
    return line.with_space_charge(FIELD, current=0.02, kicks_per_element={"*": 1, "q*": 2})


def beam(n=60):
    sizes = np.array([2e-3, 2e-3, 2e-3, 2e-3, 5e-3, 1e-3])[:, None]
    rng = np.random.default_rng(2)
    coordinates = np.clip(rng.normal(size=(6, n)), -3.0, 3.0) * sizes
    return gt.Beam(coordinates, REFERENCE, weights=rng.uniform(0.5, 2.0, n))


MONITORS = [gt.Monitor("m*"), gt.Monitor("m2", every=2)]


def tracked(backend, turns=3, **options):
    return gt.track(cell(), placed(beam(), backend), turns, monitors=MONITORS, backend=backend, **options)


def test_program_is_cut_at_each_kick():
    from gputrack.lattice.program import compile_program

    program = compile_program(cell())
    assert len(program.cuts) == 2 * 2 + 4 and "pipe_kick" not in {kind.name for kind in program.kinds}
    assert all(program.calls[cut][0].name == "pipe_kick" for cut in program.cuts)


def test_losses_and_records_are_the_same_on_all_backends(backend):
    """Some are lost at an aperture, some at the pipe; numbers agree to rounding, codes and places exactly."""
    out, by_arrays = tracked(backend), tracked("array")
    assert 5 < by_arrays.n_lost < 55 and len(set(by_arrays.loss_turn)) > 2
    for found, expected in zip(plain(out), plain(by_arrays), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    for found, expected in zip(out.records, by_arrays.records, strict=True):
        np.testing.assert_allclose(host_copy(found.coordinates), expected.coordinates, rtol=0, atol=1e-13)
    assert [len(r.turns) for r in out.records] == [3, 2]


def test_pipe_loses_particles():
    """Particles outside where the first kick acts, with the element's place and the code of apertures."""
    start = np.zeros((6, 3))
    start[0] = 0.0, 0.0101, 0.0
    start[2] = 0.0, 0.0, -0.0081
    out = gt.track(cell(), gt.Beam(start, REFERENCE))
    assert out.loss_code.tolist() == [0, gt.LossCode.APERTURE, gt.LossCode.APERTURE]
    assert out.loss_element.tolist()[1:] == [0, 0]


def test_lost_particles_take_their_charge_with_them():
    """Others feel the same whether a particle is lost at the first kick or is absent, with its weight in the sum."""
    start = beam(20).coordinates.copy()
    start[0, 0] = 0.05
    weights = np.ones(20)
    out = gt.track(cell(), gt.Beam(start, REFERENCE, weights=weights))
    half = cell().with_changes("*", current=0.02 * 19 / 20)
    alone = gt.track(half, gt.Beam(start[:, 1:], REFERENCE))
    np.testing.assert_allclose(out.coordinates[:, 1:], alone.coordinates, rtol=0, atol=1e-14)


def test_turns_are_undone(backend):
    """Backwards through all cuts, for those that are not lost."""
    small = gt.Beam(0.2 * beam().coordinates, REFERENCE)
    out = gt.track(cell(), placed(small, backend), 3, backend=backend)
    assert not out.n_lost
    back = gt.track(cell(), out, 3, backend=backend, backwards=True)
    np.testing.assert_allclose(host_copy(back.coordinates), small.coordinates, rtol=0, atol=1e-14)


def test_no_current_is_exactly_no_kick():
    """Momenta are the same to the bit; the pieces of the elements are there all the same."""
    ring = cell().with_changes("*", current=0.0)
    start = 0.2 * beam().coordinates
    one, two = (gt.track(ring, gt.Beam(start[:, :n], REFERENCE)) for n in (60, 7))
    assert np.array_equal(one.coordinates[:, :7], two.coordinates)


def test_gradients_agree_with_autograd_and_with_tangents():
    knobs = cell().knobs(*HANDLES)
    monitored = [gt.Monitor("m*", moments=True)]

    def goal(values, backend):
        out = gt.track(cell().with_knobs(knobs, values), beam(), 2, monitors=monitored, backend=backend)
        return 1e6 * (out.emittance("x") + out.emittance("y")) + 1e3 * out.records[0].mean[1, 0, 0]

    by_arrays = gt.grad(lambda v: goal(v, "array"))(knobs.values)
    found = gt.grad(lambda v: goal(v, "host"))(knobs.values)
    assert gt.track(cell(), beam(), 2).n_lost > 5
    scale = np.abs(by_arrays * knobs.values).max()
    assert np.abs((found - by_arrays) * knobs.values).max() <= 1e-12 * scale
    forward = gt.jacobian(lambda v: goal(v, "host"), mode="forward")(knobs.values)
    assert np.abs((forward - by_arrays) * knobs.values).max() <= 1e-12 * scale


def test_gradient_is_that_of_differences():
    """Particles as they are lost do not change, so that the figure is smooth."""
    knobs = cell().knobs("q1.k1", "*.current", "d1.length")
    small = gt.Beam(0.3 * beam().coordinates, REFERENCE)

    def goal(values):
        return 1e6 * gt.track(cell().with_knobs(knobs, values), small, 2).emittance("x")

    gradient = gt.grad(goal)(knobs.values)
    for i, start in enumerate(knobs.values):
        ends = [goal(knobs.values + np.eye(3)[i] * s * 1e-3 * start) for s in (-2, -1, 1, 2)]
        slope = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12e-3 * start)
        assert abs(slope - gradient[i]) <= 1e-8 * abs(gradient[i])


def test_gradient_with_respect_to_coordinates(backend):
    """Those of lost particles among them, on every backend."""
    if backend == "array":
        pytest.skip("it is the reference")

    def goal(coordinates, name):
        start = gt.Beam(coordinates, REFERENCE, weights=placed(beam(), name).weights)
        return gt.track(cell(), start, 2, backend=name).emittance("x") * 1e6

    start = placed(beam(), backend).coordinates
    found = host_copy(gt.grad(lambda c: goal(c, backend))(start))
    by_arrays = gt.grad(lambda c: goal(c, "array"))(beam().coordinates)
    assert np.abs(found - by_arrays).max() <= 1e-12 * np.abs(by_arrays).max()


def test_optics_say_that_they_do_not_know_collective_effects():
    message = r"Drift 'd1' acts on the whole beam.*without_collective_effects"
    for figure in (gt.twiss, gt.closed_orbit, lambda ring: gt.one_turn_map(ring, order=2), gt.linear_optics):
        with pytest.raises(gt.errors.InputError, match=message):
            figure(cell())
    assert not any(element.collective for element in cell().without_collective_effects())


def test_optics_take_kicks_in_elements_without_length():
    """They do nothing there, in tracking neither; once a length is varied, optics refuse as they do elsewhere."""
    bare = cell().without_collective_effects()
    thin = gt.Lattice([gt.Marker("m"), *bare, gt.Multipole("k", knl=(0.0, 0.1)), gt.Drift("d0", length=0.0)], REFERENCE)
    full = gt.Lattice([e if e.length else e.replaced(space_charge=gt.SpaceChargeKicks(FIELD), current=1e3)
                       for e in thin], REFERENCE)  # fmt: skip
    assert not any(element.collective for element in full) and full[0].space_charge is not None
    assert gt.twiss(full).qx == gt.twiss(thin).qx
    assert np.array_equal(gt.track(full, beam()).coordinates, gt.track(thin, beam()).coordinates)
    knobs, strength = full.knobs("d0.length"), full.knobs("q1.k1")
    assert gt.grad(lambda k: gt.twiss(full.with_knobs(strength, k)).qx)(strength.values) != 0.0
    message = r"Drift 'd0' acts on the whole beam.*without_collective_effects"
    for figure in (
        lambda: gt.twiss(full.with_knobs(knobs, [0.1])),
        lambda: gt.grad(lambda k: gt.twiss(full.with_knobs(knobs, k)).qx)(knobs.values),
        lambda: gt.one_turn_map(full, order=2, knobs=knobs),
    ):
        with pytest.raises(gt.errors.InputError, match=message):
            figure()


def test_selection_and_mapping_of_kicks_go_together():
    line = gt.Lattice([gt.Drift("a", length=1.0), gt.Drift("b", length=1.0)], REFERENCE)
    chosen = line.with_space_charge(FIELD, current=1.0, kicks_per_element={"*": np.int64(2)}, select="b")
    assert [element.space_charge is not None for element in chosen] == [False, True]
    with pytest.raises(gt.errors.InputError, match=r"number of kicks must be an integer >= 1, got 2\.0"):
        line.with_space_charge(FIELD, current=1.0, kicks_per_element=2.0)


def test_json_keeps_space_charge(tmp_path):
    gt.save(cell(), tmp_path / "cell.json")
    assert gt.load(tmp_path / "cell.json") == cell()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gt.PipeModes((0.1, -0.1)), "pipe width must be > 0 m, got -0.1"),
        (lambda: gt.PipeModes((0.1, 0.1), (0, 3)), "number of modes must be an integer >= 1, got 0"),
        (lambda: gt.PipeModes(0.1), "pipe must be two numbers, got 0.1"),
        (lambda: gt.SpaceChargeKicks("pipe"), "field must be one such as gputrack.PipeModes, got 'pipe'"),
        (lambda: gt.SpaceChargeKicks(FIELD, 0), "number of kicks must be an integer >= 1"),
        (lambda: cell().with_space_charge(FIELD, current=-1.0), "current must be >= 0 A, got -1.0"),
        (lambda: gt.Drift("d", length=1.0, space_charge=FIELD), "space_charge must be gputrack.SpaceChargeKicks"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(gt.errors.InputError, match=message):
        make()


def test_kicks_lose_particles_on_every_backend(backend):
    """Whose momentum becomes too large has acted on the others, and stays where it was; derivatives know of it."""
    line = gt.Lattice([gt.Drift("d1", length=1e-3), gt.Quadrupole("q1", length=1e-3, k1=2.0)], REFERENCE)
    line = line.with_space_charge(FIELD, current=1e5)
    knobs = line.knobs("d1.length", "q1.k1", "*.current")

    def goal(values, name):
        out = gt.track(line.with_knobs(knobs, values), placed(beam(), name), backend=name)
        return out.emittance("x") * 1e4

    out, by_arrays = (gt.track(line, placed(beam(), name), backend=name) for name in (backend, "array"))
    codes = by_arrays.loss_code.tolist()
    assert codes.count(gt.LossCode.UNPHYSICAL) > 3 and codes.count(gt.LossCode.ALIVE) > 10
    for found, expected in zip(plain(out), plain(by_arrays), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    gradients = [gt.grad(lambda v, name=name: goal(v, name))(knobs.values) for name in (backend, "array")]
    scale = np.abs(gradients[1] * knobs.values).max()
    assert np.abs((gradients[0] - gradients[1]) * knobs.values).max() <= 1e-11 * scale
