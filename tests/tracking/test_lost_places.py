"""Last coordinates of lost particles are in the frame of the lattice, wherever they were lost; so are derivatives."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import host_copy, placed, plain
from support.battery import usual
from support.cases import CASES
from support.helpers import coordinates_of
from support.rings import ELECTRON

import gputrack as gt
from gputrack.elements.frames import lattice_frame_paths
from gputrack.elements.map import ReferenceValues, make_state
from gputrack.lattice.program import compile_program

OPENING = gt.Aperture(rectangle=(3e-3, 3e-3))
MOVED = dict(dx=1e-3, dy=-5e-4, tilt=0.4)
QUADRUPOLE = gt.Quadrupole("e", length=0.5, k1=1.5, **MOVED)
BEND = gt.SectorBend("e", length=1.0, angle=0.4, e1=0.1, k1=0.3, model=gt.Model(gt.MatrixKick(2, 1)), **MOVED)
FIELD = gt.SpaceChargeKicks(gt.PipeModes((10.0, 10.0), (2, 2)), 2)
CROSSING = gt.BeamBeam(
    "e", particles=4e14, emit_x=1e-9, emit_y=1e-9, crossing_x=1e-3, crossing_y=-5e-4, dx=1e-3, tilt=0.3, sigma_z=1e-3,
    slicing=gt.EqualCharge(2),
)  # fmt: skip


def beam(n=24):
    scale = np.array([2e-3, 2e-3, 2e-3, 2e-3, 5e-3, 1e-2])[:, None]
    coordinates = scale * np.random.default_rng(5).normal(size=(6, n))
    coordinates[:, :4] = 0.0  # near the centre of CROSSING, where it kicks most
    coordinates[0, :4] = 1e-3 + 4e-5 * np.array([1.0, -1.0, 0.8, -0.7])
    coordinates[4, :4] = 0.02  # it is met after the crossing point, where a kick becomes a displacement here
    return gt.Beam(coordinates, ELECTRON)


@pytest.mark.parametrize("element", [QUADRUPOLE, BEND], ids=["quadrupole", "bend"])
def test_particles_lost_at_an_exit_are_where_others_leave(element, backend):
    """Or, at the entrance, where they enter. The frame of a bend is left at another angle than it is entered at."""
    line = gt.Lattice([gt.Drift("d", length=0.5), element], ELECTRON)
    monitors = [gt.Monitor("*")]
    free = gt.track(line, placed(beam(), backend), backend=backend, monitors=monitors).records[0].coordinates
    before, behind = host_copy(free)[0]
    tight = line.with_changes("e", aperture=OPENING)
    out, entering = (gt.track(gt.Lattice([*tight[:1], e], ELECTRON), placed(beam(), backend), backend=backend)
                     for e in (tight[1], gt.Marker("m", aperture=OPENING, **MOVED)))  # fmt: skip
    lost_before, lost = (host_copy(b.loss_code) != 0 for b in (entering, out))
    assert 2 < lost_before.sum() < lost.sum() - 2
    for number in np.flatnonzero(lost):
        expected = before if lost_before[number] else behind
        np.testing.assert_allclose(host_copy(out.coordinates)[:, number], expected[:, number], rtol=0, atol=1e-16)


def test_kicks_of_space_charge_are_between(backend):
    """A displaced drift is a drift: particles lost in its first, second or third part are where they are without."""
    start = np.array([[0.98, 0.9, 0.82, 0.0], [0.2, 0.2, 0.2, 0.0], *np.zeros((4, 4))])
    drift = gt.Drift("e", length=1.0, space_charge=FIELD, dx=1e-3, dy=1e-3)
    given = gt.Beam(start, ELECTRON)
    displaced, straight = (
        plain(gt.track(gt.Lattice([element], ELECTRON), placed(given, backend), backend=backend))
        for element in (drift, drift.replaced(dx=0.0, dy=0.0))
    )
    assert displaced[1].tolist() == straight[1].tolist() == [gt.LossCode.LIMIT] * 3 + [0]
    np.testing.assert_allclose(displaced[0], straight[0], rtol=0, atol=1e-15)


def test_collisions_at_an_angle(backend):
    """Lost by the only slice, in the frame that moves with the crossing: where they entered it."""
    crossing = CROSSING.replaced(slicing=gt.EqualCharge(1))
    out = gt.track(gt.Lattice([crossing], ELECTRON), placed(beam(), backend), backend=backend, limit=0.015)
    lost = host_copy(out.loss_code) != 0
    assert lost[:4].sum() > 2
    np.testing.assert_allclose(host_copy(out.coordinates)[:, lost], beam().coordinates[:, lost], rtol=0, atol=1e-15)


def test_backwards(backend):
    """Lost backwards in the body of a bend, whose frame at the exit is another one: where the particle entered."""
    start = np.array([[0.97, 0.0], [-0.7, 0.0], *np.zeros((4, 2))])
    line = gt.Lattice([gt.SectorBend("e", length=1.0, angle=0.4, dx=1e-3)], ELECTRON)
    out = gt.track(line, placed(gt.Beam(start, ELECTRON), backend), backend=backend, backwards=True)
    assert host_copy(out.loss_code).tolist() == [gt.LossCode.LIMIT, 0]
    np.testing.assert_allclose(host_copy(out.coordinates)[:, 0], start[:, 0], rtol=0, atol=1e-15)


RINGS = {
    "quadrupole": ([gt.Drift("d", length=0.5), QUADRUPOLE.replaced(aperture=OPENING)], ("e.dx", "e.tilt", "e.k1")),
    "bend": ([gt.Drift("d", length=0.5), BEND.replaced(aperture=OPENING)], ("e.dy", "e.tilt", "e.angle", "d.length")),
    "collision": ([gt.Drift("d", length=0.5), CROSSING], ("e.dx", "e.crossing_x", "e.tilt", "reference.p0c")),
}


@pytest.mark.parametrize("name", RINGS)
def test_gradients_of_last_coordinates(name, backend):
    """Both modes against differences; over two turns, with particles that are restored in the sweep."""
    elements, handles = RINGS[name]
    ring = gt.Lattice(elements, ELECTRON)
    knobs, start = ring.knobs(*handles), beam().coordinates
    weights = np.random.default_rng(2).normal(size=start.shape)

    def goal(values, coordinates, name=backend):
        changed = ring.with_knobs(knobs, values)
        given = gt.Beam(coordinates, changed.reference)
        return gt.track(changed, placed(given, name), 2, backend=name, limit=0.015).coordinates

    def number(values, coordinates, name=backend):
        moved = goal(values, coordinates, name)
        return anp.sum(weights * (moved.get() if name == "cuda" else moved))

    places = host_copy(gt.track(ring, placed(beam(), backend), 2, backend=backend, limit=0.015).loss_element)
    assert (places == 1).sum() > 2
    by_knobs = gt.grad(number)(knobs.values, np.array(start))
    for i, value in enumerate(knobs.values):
        step = 1e-6 * max(abs(value), 1e-3) * np.eye(len(knobs))[i]
        slope = number(knobs.values + step, start) - number(knobs.values - step, start)
        assert abs(by_knobs @ step * 2 - slope) <= 2e-6 * abs(slope) + 1e-15, knobs[i].handle
    if backend != "cuda":
        along = gt.jvp(lambda v: number(v, start), (knobs.values,), (np.ones(len(knobs)),))[1]
        assert along == pytest.approx(by_knobs.sum(), rel=1e-11)
        by_start = gt.grad(number, 1)(knobs.values, np.array(start))
        step = 1e-8 * np.random.default_rng(4).normal(size=start.shape)
        slope = number(knobs.values, start + step) - number(knobs.values, start - step)
        assert np.sum(by_start * step) * 2 == pytest.approx(slope, rel=1e-5)


def test_each_map_of_each_element_has_a_path_to_the_frame_of_the_lattice():
    """As many as there are maps, and one more; displaced elements begin, end and are kicked in the lattice's frame."""
    kicks, ref = gt.SpaceChargeKicks(gt.PipeModes((1.0, 1.0), (2, 2)), 2), ReferenceValues.of(ELECTRON)
    for name, case in CASES.items():
        for changes in ({}, MOVED, {**MOVED, "space_charge": kicks, "aperture": OPENING}):
            (group,) = compile_program(gt.Lattice([case.element.replaced(**changes)], ELECTRON)).groups
            calls, paths = group.calls, lattice_frame_paths([call.role for call in group.calls])
            assert len(paths) == len(calls) + 1, name
            assert paths[0] == paths[-1] == [], name
            assert not changes or paths[1], name
            state, kicked = make_state(usual()[:, 1:], ref), None
            for i, call in enumerate(calls):
                if kicked is not None and i <= kicked[0]:  # between a kick and the element's frame
                    back = moved(state, paths[i], calls, ref)
                    np.testing.assert_allclose(back, coordinates_of(kicked[1]), rtol=0, atol=1e-15, err_msg=name)
                if call.effect is None:
                    state = call.forward(state, ref)
                    continue
                assert paths[i] == [], name
                kicked = i + 1 + len(group.kind.frame_calls_inside(group.parameters, 0.5)[1]), state


def moved(state, path, calls, ref):
    for number, forwards in path:
        state = (calls[number].forward if forwards else calls[number].inverse)(state, ref)
    return coordinates_of(state)
