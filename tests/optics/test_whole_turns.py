"""Phase advances above half a turn in one element: fine slicing, analytic phases, adaptive cases with coupling."""

import numpy as np
import pytest

import gputrack as gt

PROTON = gt.ReferenceParticle.proton(kinetic=1e8)
START = gt.InitialTwiss(0.5, 0.3, 0.7, -0.2, 0.1)


def cut(element, pieces, **shares):
    """The element in equal pieces."""
    return [element.replaced(length=element.length / pieces, **{k: v / pieces for k, v in shares.items()})] * pieces


@pytest.mark.parametrize("phase", [1.0, 2.5, 3.1, 3.2, 4.0, 6.28, 6.3, 9.5, 20.0])
def test_phase_of_a_matched_quadrupole(phase):
    """With beta = 1/sqrt(k) and alpha = 0 the phase is sqrt(k) l, exactly; to 1e-8: the integrator of the body."""
    length = 0.7
    k1 = (phase / length) ** 2
    start = gt.InitialTwiss(length / phase, 0.0, length / phase, 0.0)
    model = gt.Model(gt.MatrixKick())
    for sign, column in ((1, "mux"), (-1, "muy")):
        line = gt.Lattice([gt.Quadrupole("q", length=length, k1=sign * k1)], PROTON, model=model)
        assert gt.twiss(line, start=start).columns[column][-1] == pytest.approx(phase / (2 * np.pi), abs=1e-8)


STRONG = {
    "quadrupole": (gt.Quadrupole("e", length=0.4, k1=120.0), {}),
    "skew": (gt.Quadrupole("e", length=0.4, k1s=120.0), {}),
    "rolled": (gt.Quadrupole("e", length=0.4, k1=130.0, tilt=0.3), {}),
    "both": (gt.Quadrupole("e", length=0.5, k1=-90.0, k1s=70.0), {}),
    "solenoid": (gt.Solenoid("e", length=3.0, ks=5.1), {}),
    "bend": (gt.SectorBend("e", length=4.0, angle=3.1), {"angle": 3.1}),
    "bend with gradient": (gt.SectorBend("e", length=1.0, angle=0.3, k1=-60.0), {"angle": 0.3}),
}


@pytest.mark.parametrize("name", STRONG)
def test_phases_are_those_of_fine_slices_wherever_optics_are_printed(name):
    """200 pieces of at most 0.2 rad; integrators of whole and pieces differ by less than 1e-2 of a turn."""
    element, shares = STRONG[name]
    model, drifts = gt.Model(gt.MatrixKick(2, 40)), (gt.Drift("d", length=0.2), gt.Drift("d", length=0.3))
    whole, fine = (
        gt.Lattice([drifts[0], *e, drifts[1]], PROTON, model=model) for e in ([element], cut(element, 200, **shares))
    )
    right = gt.twiss(fine, start=START)
    ends = gt.Positions([0.0, 0.2 + 0.5 * element.length, 0.5 + element.length])
    for at in (None, gt.Slices(2), gt.Slices(3), gt.Slices(20), ends):
        found = gt.twiss(whole, start=START, at=at)
        for column in ("mux", "muy"):
            assert found.columns[column][-1] == pytest.approx(right.columns[column][-1], abs=1e-2), (name, at, column)
    coupled = name in ("skew", "rolled", "both")  # the growing part of the motion then holds back both modes
    assert coupled or abs(right.mux[-1]) + abs(right.muy[-1]) > 0.5


def test_phases_of_random_coupled_lines():
    """Whole turns also where the mode of a plane passes the origin: against 100 pieces of each element."""
    random = np.random.default_rng(5)
    for _ in range(40):
        elements, pieces = [], []
        for i in range(6):
            k = random.normal(0.0, 8.0, 2)
            e = [
                gt.Quadrupole(f"q{i}", length=random.uniform(0.1, 0.8), k1=k[0], k1s=k[1]),
                gt.Solenoid(f"s{i}", length=random.uniform(0.3, 2.0), ks=0.3 * k[0]),
                gt.Drift(f"d{i}", length=random.uniform(0.1, 2.0)),
            ][random.integers(3)]
            elements.append(e)
            pieces.extend(cut(e, 100))
        model = gt.Model(gt.MatrixKick(2, 1))
        whole, fine = (gt.twiss(gt.Lattice(e, PROTON, model=model), start=START) for e in (elements, pieces))
        for column in ("mux", "muy"):
            assert whole.columns[column] == pytest.approx(fine.columns[column][::100], abs=1e-6)


def test_tunes_of_a_ring_of_a_solenoid_and_their_derivatives():
    """Against 60 pieces; derivatives against differences, whose error is below 1e-7."""
    whole, fine = (
        gt.Lattice([*cut(gt.Solenoid("s", length=5.0, ks=1.7), n), gt.Drift("d", length=1.0)], PROTON) for n in (1, 60)
    )
    knobs = whole.knobs("s.ks")

    def tunes(k):
        optics = gt.twiss(whole.with_knobs(knobs, k))
        return optics.qx - 0.3 * optics.qy

    found, right = gt.twiss(whole), gt.twiss(fine)
    assert (found.qx, found.qy) == pytest.approx((right.qx, right.qy), abs=1e-9)
    assert max(abs(found.qx), abs(found.qy)) > 0.5
    step = np.array([1e-5])
    slope = (tunes(knobs.values + step) - tunes(knobs.values - step)) / 2e-5
    assert gt.grad(tunes)(knobs.values)[0] == pytest.approx(slope, rel=1e-6)


def test_normal_rings_are_not_divided(monkeypatch):
    """Optics of a ring of weak elements, coupled or not, take one passage."""
    from gputrack.optics.linear import whole_turns

    def refuse(*arguments):
        raise AssertionError("elements of a normal ring are divided")

    monkeypatch.setattr(whole_turns, "_turns_by_pieces", refuse)
    ring = gt.demo_ring()
    gt.twiss(ring)
    gt.twiss(gt.Lattice([gt.Multipole("skew", ksl=(0.0, 0.05)), *ring], ring.reference, model=ring.model))
