"""Optics inside elements, at asked positions and over ranges: against MAD-X's interpolation, gradients, errors."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import CASES, SPECIES
from support.helpers import richardson
from support.peers import processes

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.elements.observation import ObservationPoints
from gputrack.optics.linear.trajectory import trajectory

ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
MODELS = {
    "default": gt.Model(), "drift-kick": gt.Model(gt.DriftKick(4, 2)), "linear": gt.Model(edge=gt.LinearEdge()),
    "expanded": gt.Model(hamiltonian=gt.Expanded()),
}  # fmt: skip
#: optics know no radiation
THICK = [name for name, case in CASES.items() if case.element.length and case.element.radiation is None]
#: bends whose exit face acts on particles even where it stands at a right angle and its kick is linear
FACED = ("e2", "hgap", "fint", "e1")
COLUMNS = ("betx", "alfx", "mux", "bety", "alfy", "muy", "dx", "dpx", "dy", "dpy")
LINE = """
    beam, particle=electron, energy=3;
    d: drift, l=0.5; q: quadrupole, l=0.4, k1=1.3; qs: quadrupole, l=0.3, k1=0.4, k1s=0.5; s: sextupole, l=0.2, k2=5;
    b: sbend, l=1.2, angle=0.2, e1=0.06, e2=-0.02, k1=0.3, hgap=0.02, fint=0.4; so: solenoid, l=0.6, ks=0.35;
    r: rbend, l=1.0, angle=-0.1, tilt=1.5707963267948966; o: octupole, l=0.3, k3=10; h: hkicker, l=0.2;
    rf: rfcavity, l=0.5, volt=0; ln: line=(d, {q}, d, b, d, s, q, r, d, so, o, h, rf, q); use, sequence=ln;
"""


@pytest.mark.parametrize("name", THICK)
def test_observation_points_do_not_change_results(name):
    """But for the rounding of steps there and back; and they tend to the two ends of a body without faces."""
    element = CASES[name].element.replaced(aperture=None)
    parts = np.array([1e-13, 0.25, 0.7, 1.0 - 1e-13])
    for model in MODELS.values():
        ring = gt.Lattice([element], SPECIES["electron"], model=model)
        plain, cut = trajectory(ring, ORBIT), trajectory(ring, ORBIT, ObservationPoints(1, np.zeros(4, int), parts))
        scale = max(1.0, np.abs(plain).max())
        assert np.abs(cut[-1] - plain[-1]).max() <= 1e-13 * scale
        bend = isinstance(element, (gt.SectorBend, gt.RectangularBend))
        faced = bend and (model.edge == gt.FullEdge() or any(getattr(element, p) for p in FACED) or not element.e1)
        if not bend:
            assert np.abs(cut[1] - plain[0]).max() <= 1e-11 * scale
        if not bend or not faced:
            assert np.abs(cut[-2] - plain[-1]).max() <= 1e-11 * scale


@pytest.mark.parametrize("place", [{"dx": 2e-3, "dy": -1e-3}, {"dx": 1e-3, "tilt": 0.3}, {"dy": 1e-3, "tilt": -1.2}])
def test_a_part_of_a_displaced_bend_is_the_shorter_bend_in_the_same_place(place):
    """Exit faces at right angles do nothing in the linear model, so that both end inside the same field."""
    bend = gt.SectorBend("b", length=1.2, angle=0.4, e1=0.1, k0=0.33, **place)
    whole, short = (
        gt.Lattice([b], SPECIES["electron"], model=gt.Model(edge=gt.LinearEdge()))
        for b in (bend, bend.replaced(length=0.75 * 1.2, angle=0.75 * 0.4))
    )
    inside = trajectory(whole, ORBIT, ObservationPoints(1, np.zeros(1, int), np.array([0.75])))[1]
    np.testing.assert_allclose(inside, trajectory(short, ORBIT)[1], atol=1e-14, rtol=1e-13)


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("hamiltonian", [gt.Exact(), gt.Expanded()])
def test_inside_all_thick_elements_against_madx(tmp_path, coupled, hamiltonian):
    text = LINE.format(q="qs" if coupled else "q")
    path = tmp_path / "line.madx"
    path.write_text(text)
    madx = processes.madx(text + "select, flag=interpolate, slice=4;")
    table = madx.twiss(sequence="ln", betx=5, alfx=0.4, bety=7, alfy=-0.3, dx=0.2, dpx=0.01)
    theirs = {name: np.array(table[name])[:-1] for name in (*COLUMNS, "s")}
    madx.exit()
    # bends with gradients are one matrix there
    line = gt.load(path, sequence="ln").with_model(gt.Model(gt.MatrixKick(6, 40), hamiltonian))
    beta0 = line.reference.beta0  # its dispersion is that along the energy
    start = gt.InitialTwiss(5.0, 0.4, 7.0, -0.3, 0.2 * beta0, 0.01 * beta0)
    tw = gt.twiss(line, start=start, at=gt.Slices(4), form=gt.EdwardsTeng())
    np.testing.assert_allclose(tw.s, theirs["s"], atol=1e-12)
    for name in COLUMNS:
        scale = beta0 if name[0] == "d" else 1.0
        error = np.abs(getattr(tw, name) - scale * theirs[name])
        assert error.max() <= 1e-9 * max(1.0, np.abs(theirs[name]).max()), (name, tw.name[error.argmax()])


def displaced_ring():
    """The demonstration ring with offsets and rolls of magnets of all kinds."""
    ring = gt.demo_ring()
    for name, change in (
        ("qf.03a", {"dx": 2e-4, "tilt": 0.02}), ("bend.05b", {"dy": 1e-4, "tilt": 1e-3}), ("sd.07a", {"dx": -3e-4}),
    ):  # fmt: skip
        ring = ring.with_changes(name, **change)
    return ring


@pytest.mark.parametrize("voltage", [0.0, 3e6])
def test_rows_at_ends_are_those_without_rows_inside(voltage):
    ring = displaced_ring().with_changes("rf", voltage=voltage)
    tw, fine = gt.twiss(ring), gt.twiss(ring, at=gt.Slices(3, longest=0.2))
    ends = np.flatnonzero(np.diff(fine.element, prepend=-1))
    assert len(ends) == len(tw.s) < 3 * len(fine.s) and np.diff(fine.s).max() <= 0.2 + 1e-12
    for name in (*tw.columns, "matrices"):
        mine = getattr(fine, name)
        if name == "name":
            assert tuple(np.array(mine)[ends]) == tw.name
        else:
            np.testing.assert_allclose(mine[ends], getattr(tw, name), atol=1e-10, rtol=1e-10)
    assert fine.qx == pytest.approx(tw.qx, abs=1e-12) and fine.dqx == pytest.approx(tw.dqx, abs=1e-12)


def test_asked_positions_come_in_their_order():
    ring = displaced_ring()
    tw = gt.twiss(ring)
    middle = 0.5 * (tw.s[8] + tw.s[9])
    asked = [100.0, float(tw.s[40]), middle, 0.0, ring.length, middle]
    found = gt.twiss(ring, at=gt.Positions(asked))
    np.testing.assert_allclose(found.s, asked, atol=1e-12)
    assert found.betx[2] == found.betx[5] and found.name[2] == tw.name[8]
    assert found.betx[3] == pytest.approx(tw.betx[0]) and found.betx[4] == pytest.approx(tw.betx[-1])
    assert found.alfy[1] == pytest.approx(tw.alfy[np.flatnonzero(tw.s == tw.s[40])[0]])
    fine = gt.twiss(ring, at=gt.Slices(2))
    np.testing.assert_allclose(found.betx[2], fine.betx[np.abs(fine.s - middle).argmin()], rtol=1e-12)
    for name in ("qx", "dqy", "slip", "qs"):
        assert getattr(found, name) == pytest.approx(getattr(tw, name), rel=1e-12)
    np.testing.assert_allclose(found.matrix, tw.matrix, atol=1e-11)
    assert "qx" in repr(found) and len(found.to_pandas()) == 6
    again = found.refined(gt.Positions([middle]))
    assert again.betx[0] == pytest.approx(found.betx[2], rel=1e-12)


def test_ranges():
    ring = gt.demo_ring()
    tw = gt.twiss(ring)
    first, last = ring.names.index("qf.02a"), ring.names.index("bend.04b")
    part = tw.between("qf.02a", "bend.04b")
    assert part.name[0] == "qf.02a" and part.element[-1] == last + 1
    np.testing.assert_array_equal(part.bety, tw.bety[first : last + 2])
    assert part.qx == tw.qx and part.dqx == tw.dqx
    inner = gt.twiss(ring, at=gt.Slices(4)).between("qf.02a", "bend.04b")
    assert inner.s[0] == part.s[0] and inner.s[-1] == part.s[-1] and len(inner.s) > 3 * len(part.s)
    assert tw.between("qf.*", "end").name[-1] == "end"
    line = gt.twiss(ring[first : last + 1], start=tw.at("qf.02a"), at=gt.Slices(4))
    np.testing.assert_allclose(line.betx, inner.betx, rtol=1e-9)
    np.testing.assert_allclose(line.mux, inner.mux - inner.mux[0], atol=1e-9)


@pytest.mark.parametrize("voltage", [0.0, 3e6])
def test_gradient_inside_elements_is_that_of_differences(voltage):
    ring = displaced_ring().with_changes("rf", voltage=voltage)
    knobs = ring.knobs("qf.*.k1", "qf.03a.tilt", "bend.05b.e1", "sd.07a.dx")
    at = gt.Positions([3.1, 30.05, 77.7, 100.2, 140.0])

    def objective(values):
        tw = gt.twiss(ring.with_knobs(knobs, values), at=at)
        return anp.sum(tw.betx + tw.muy + 100.0 * tw.dx) + 1e3 * tw.x[2]

    value, gradient = gt.value_and_grad(objective)(knobs.values)
    assert value == pytest.approx(objective(knobs.values), rel=1e-10)
    for i, knob in enumerate(knobs):
        unit = np.eye(len(knobs))[i]
        size = max(abs(knob.value), 1e-2)
        errors = [
            abs(gradient[i] - richardson(lambda t, u=unit: objective(knobs.values + t * u), step * size))
            for step in (1e-5, 1e-4)
        ]
        assert min(errors) <= 1e-6 * abs(gradient[i]) + 1e-7 * abs(value) / size, (knob.handle, gradient[i], errors)


def test_gradient_by_lengths_moves_the_slices():
    """Rows stay at parts of elements; given positions would move relative to them, and raise."""
    ring = displaced_ring().with_changes("rf", voltage=0.0)
    knobs = ring.knobs("d4.length", "bend.05b.angle", "qf.02a.length")

    def objective(values):
        tw = gt.twiss(ring.with_knobs(knobs, values), at=gt.Slices(3))
        return anp.sum(tw.betx[200:300]) + anp.sum(tw.dx[500:900]) + tw.s[1500]

    gradient = gt.grad(objective)(knobs.values)
    for i in range(len(knobs)):
        unit = np.eye(len(knobs))[i]
        difference = richardson(lambda t, u=unit: objective(knobs.values + t * u), 1e-5)
        assert gradient[i] == pytest.approx(difference, rel=1e-6)
    with pytest.raises(InputError, match="use Slices"):
        gt.grad(lambda k: gt.twiss(ring.with_knobs(knobs, k), at=gt.Positions([3.0])).betx[0])(knobs.values)


def test_wrong_arguments():
    ring = gt.demo_ring()
    tw = gt.twiss(ring)
    for call, words in (
        (lambda: gt.twiss(ring, at=[1.0]), "gputrack.Slices"),
        (lambda: gt.Slices(0), "number must be an integer >= 1"),
        (lambda: gt.Slices(2, longest=0.0), "longest must be > 0 m"),
        (lambda: gt.Positions([]), "list of finite numbers"),
        (lambda: gt.Positions([1.0, np.nan]), "list of finite numbers"),
        (lambda: gt.Positions("here"), "list of finite numbers"),
        (lambda: gt.twiss(ring, at=gt.Positions([-1.0])), "from 0 to 240 m, got -1"),
        (lambda: gt.twiss(ring, at=gt.Positions([240.1])), "from 0 to 240 m, got 240.1"),
        (lambda: gt.Range("", "a"), "first must be the name of an element"),
        (lambda: tw.between("qd.05a", "qf.02a"), "is before"),
        (lambda: tw.rows(3), "glob pattern of names or a Range"),
        (lambda: tw.between("nothing", "qf*"), "no row matches 'nothing'"),
    ):
        with pytest.raises(InputError, match=words):
            call()
