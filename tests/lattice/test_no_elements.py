"""Values of knobs reach the constants of programs as arrays: no element is made on the way."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.rings import scraping_ring, wide_beam

import gputrack as gt
from gputrack.elements.element import Element

RING = gt.demo_ring()
HANDLES = ("qf.*.k1", "qd.*.dx", "sd.*.k2", "bend.*.angle", "d1.length", "cor.01a.hkick", "rf.voltage", "qf.*.tilt")
BEAM = gt.Beam(1e-5 * np.random.default_rng(1).normal(size=(6, 20)), RING.reference)


@pytest.fixture(name="made")
def _made(monkeypatch):
    """Names of the elements that were made."""
    names = []
    init = Element.__post_init__

    def counted(self):
        names.append(self.name)
        init(self)

    monkeypatch.setattr(Element, "__post_init__", counted)
    return names


def shifted(knobs, number=1):
    """New values; those that are zero become small."""
    return knobs.values * (1.0 + 1e-6 * number) + np.where(knobs.values == 0.0, 1e-7 * number, 0.0)


def test_elements_are_counted(made):
    """All of them: classes check on in __post_init__, and a replaced element is made anew."""
    gt.Quadrupole("q", length=1.0)
    RING[4].replaced(k1=1.0)
    gt.SectorBend("b", length=1.0, angle=0.1)
    assert made == ["q", RING[4].name, "b"]


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_gradients_of_tracking_make_none(made, turns, mode):
    knobs, monitors = RING.knobs(*HANDLES), [gt.Monitor("bpm*"), gt.Monitor("q*", every=2, moments=True)]

    def objective(values):
        out = gt.track(RING.with_knobs(knobs, values), BEAM, turns, monitors=monitors, threads=1)
        return anp.sum(out.coordinates[0] ** 2) + anp.sum(out.records[0].coordinates[:, :, 2] ** 2)

    for number in range(3):
        values = shifted(knobs, number + 1)
        if mode == "reverse":
            gt.value_and_grad(objective)(values)
        else:
            gt.jvp(objective, (values,), (np.ones(len(knobs)),))
    assert not made


def test_losses_and_their_frames_make_none(made):
    """Particles are lost in displaced magnets, and monitors give names and positions."""
    ring, beam = scraping_ring(), wide_beam(200)
    made.clear()
    knobs = ring.knobs("qf.k1", "qf.dx", "qd.tilt", "s.k2")
    for number in range(1, 3):
        changed = ring.with_knobs(knobs, shifted(knobs, number) + [0.0, 1e-3, 1e-2, 0.0])
        out = gt.track(changed, beam, 20, monitors=[gt.Monitor("qf")], threads=1)
        assert 0 < out.n_lost < out.n and len(out.losses().by_element) > 1
        assert len(out.records[0].names) and str(out.losses())
    value = gt.grad(lambda v: gt.track(ring.with_knobs(knobs, v), beam, 20, threads=1).size("x"))(shifted(knobs))
    assert np.isfinite(value).all() and not made


@pytest.mark.parametrize("way", ["with_knobs", "with_changes"])
def test_twiss_makes_none(made, way):
    knobs = RING.knobs("qf.*.k1", "sd.*.k2", "d1.length")

    def changed(number):
        values = shifted(knobs, number)
        if way == "with_knobs":
            return RING.with_knobs(knobs, values)
        first = RING.with_changes("qf.*", k1=values[0]).with_changes("sd.*", k2=values[1])
        return first.with_changes("d1", length=values[2])

    gt.twiss(changed(1)).summary  # noqa: B018 (the first one compiles the ring, without its apertures)
    made.clear()
    for number in range(2, 4):
        optics = gt.twiss(changed(number))
        assert np.isfinite(list(optics.summary.values())).all() and optics.name[-1] == "end"
    assert not made


def test_gradients_of_optics_make_none(made):
    knobs = RING.knobs(*HANDLES)

    def objective(values):
        optics = gt.twiss(RING.with_knobs(knobs, values))
        return optics.qx + optics.qy + anp.sum(optics.betx) * 1e-3 + optics.dqx

    gt.value_and_grad(objective)(shifted(knobs))
    made.clear()
    for number in range(2, 4):
        gt.value_and_grad(objective)(shifted(knobs, number))
    assert not made
