"""Knobs: families, one for each place, slices and sums; families of differing magnets driven by expressions."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.helpers import richardson
from support.rings import ELECTRON, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import InputError

LINE = gt.Lattice(
    [
        gt.Sextupole("s1", length=0.1, k2=3.0), gt.Drift("d", length=0.5), gt.Sextupole("s2", length=0.1, k2=5.0),
        gt.Drift("d", length=0.5), gt.Sextupole("s2", length=0.1, k2=-4.0),
    ],
    ELECTRON,
)  # fmt: skip


def strengths(lattice):
    return [e.k2 for e in lattice if isinstance(e, gt.Sextupole)]


def test_one_knob_for_each_place():
    knobs = LINE.knobs("s*.k2", "d.length", each=True)
    assert knobs.values.tolist() == [3.0, 5.0, -4.0, 0.5, 0.5]
    assert [knob.places for knob in knobs] == [(0,), (2,), (4,), (1,), (3,)]
    assert [knob.handle for knob in knobs] == ["s1.k2@0", "s2.k2@2", "s2.k2@4", "d.length@1", "d.length@3"]
    assert [knob.handle for knob in LINE.knobs("s1.k2", each=True)] == ["s1.k2"]
    assert strengths(LINE.with_knobs(knobs[:3], 2.0 * knobs.values[:3])) == [6.0, 10.0, -8.0]
    assert LINE.knobs("reference.p0c", each=True).values == ELECTRON.p0c


def test_families_of_differing_values_say_how():
    with pytest.raises(InputError, match="each=True"):
        LINE.knobs("s*.k2")
    with pytest.raises(InputError, match="each must be True or False"):
        LINE.knobs("s*.k2", each=1)
    with pytest.raises(InputError, match="must have the form"):
        LINE.knobs("k2", each=True)


def test_slices_and_sums():
    knobs = LINE.knobs("s1.k2") + LINE.knobs("d.length")
    assert isinstance(knobs, gt.Knobs) and isinstance(knobs[1:], gt.Knobs) and isinstance(knobs[0], gt.Knob)
    assert [knob.handle for knob in knobs] == ["s1.k2", "d.length"]
    assert knobs[1:].values == 0.5


@pytest.mark.parametrize("law", [lambda v, t: v * (1.0 + t), lambda v, t: v + t, lambda v, t: v * anp.exp(t * v)])
def test_one_number_drives_a_family_of_differing_magnets(law):
    """Scaled, shifted, or by any law: the derivative is that of differences."""
    ring = small_ring()
    ring = ring.with_knobs(ring.knobs("qf.k1", each=True), [1.2, 1.25]).with_changes("qd", k1=-1.3)
    knobs = ring.knobs("q*.k1", each=True)
    assert len(set(knobs.values)) == 3
    beam = wide_beam(20)

    def objective(t):
        out = gt.track(ring.with_knobs(knobs, law(knobs.values, t)), beam, 3)
        return 1e6 * out.emittance("x") + 1e4 * anp.sum(out.y**2)

    found, expected = gt.grad(objective)(0.0), richardson(objective, 2e-4)
    assert found == pytest.approx(expected, rel=1e-8)  # differences lose 4 digits


def test_each_and_family_agree():
    ring = small_ring()
    beam = wide_beam(20)
    each, family = ring.knobs("qf.k1", each=True), ring.knobs("qf.k1")

    def gradient(knobs):
        return gt.grad(lambda k: anp.sum(gt.track(ring.with_knobs(knobs, k), beam, 2).x ** 2))(knobs.values)

    assert np.sum(gradient(each)) == pytest.approx(gradient(family)[0], rel=1e-13)
