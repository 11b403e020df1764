"""Gradients of ring maps with respect to every sextupole: against knobs as parameters, and against differences."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.helpers import richardson, shared_lattice

import gputrack as gt

ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
TERM = (1, 1, 0, 0, 0, 1)


@pytest.fixture(scope="module", params=["demo", "spear3"])
def ring(request):
    """Cavities off; in one quadrupole off its place and one rolled: orbit and coupling are not zero."""
    if request.param == "spear3":
        return gt.load(shared_lattice("spear3.madx"))
    ring = gt.demo_ring().with_changes("rf*", voltage=0.0)
    return ring.with_changes("qf.02a", dx=2e-4).with_changes("qd.01a", tilt=3e-3)


def figures(lattice):
    """A coefficient about some orbit; the tunes' dependence on amplitude and on momentum, about the closed one."""
    form = gt.one_turn_map(lattice, 3).normal_form()
    coefficient = gt.transfer_map(lattice, 3, ORBIT)[0].coefficient(TERM)
    return anp.stack([coefficient, form.tune(0, (1,)), form.tune(1, (1,)), 2.0 * form.tune(0, delta=2)])


def expected(lattice, knobs):
    """Derivatives of these figures along one knob, which is a parameter of the space."""
    form = gt.one_turn_map(lattice, 4, knobs=knobs).normal_form()
    coefficient = gt.transfer_map(lattice, 4, ORBIT, knobs=knobs)[0].coefficient((*TERM, 1))
    tunes = [form.tunes[i].coefficient(e) for i, e in ((0, (1, 1, 0, 0, 0, 0, 1)), (1, (1, 1, 0, 0, 0, 0, 1)))]
    return np.array([coefficient, *tunes, 2.0 * form.tunes[0].coefficient((0, 0, 0, 0, 0, 2, 1))])


def test_gradients_with_respect_to_every_sextupole(ring):
    knobs = ring.knobs("sf*.k2", "sd*.k2", each=True)
    assert len(knobs) >= 60
    found = gt.jacobian(lambda k: figures(ring.with_knobs(knobs, k)))(knobs.values)
    scale = np.abs(found).max(axis=1)
    assert (scale > 0.0).all()
    for i in (0, 7, len(knobs) - 1):
        error = np.abs(found[:, i] - expected(ring, knobs[i : i + 1]))
        assert (error <= 1e-10 * scale).all(), (knobs[i].handle, error / scale)
    way = np.random.default_rng(1).normal(size=len(knobs))
    differences = richardson(lambda t: figures(ring.with_knobs(knobs, knobs.values + t * way)), 0.1)
    errors = np.abs(differences - found @ way) / np.abs(found * way).sum(axis=1)
    assert (errors <= 1e-7).all(), errors


def test_second_order_chromaticity_of_twiss(ring):
    """The same figure by another way: the dispersive orbit as a power series."""
    knobs = ring.knobs("sf*.k2", "sd*.k2", each=True)

    def by_form(values):
        return 2.0 * gt.one_turn_map(ring.with_knobs(knobs, values), 3).normal_form().tune(0, delta=2)

    def by_twiss(values):
        return gt.twiss(ring.with_knobs(knobs, values)).chromaticity(2)[0]

    one, other = gt.grad(by_form)(knobs.values), gt.grad(by_twiss)(knobs.values)
    assert np.abs(one - other).max() <= 1e-10 * np.abs(one).max()
