"""Knobs used on other lattices act on elements of the same names and occurrences, or are refused."""

import pickle

import autograd.numpy as anp
import numpy as np
import pytest
from support.rings import ELECTRON, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import InputError

Q1, Q2 = gt.Quadrupole("q1", length=0.2, k1=1.0), gt.Quadrupole("q2", length=0.2, k1=-2.0)
D, S1 = gt.Drift("d", length=1.0), gt.Sextupole("s1", length=0.2, k2=5.0)


def line(*elements):
    return gt.Lattice(elements, ELECTRON)


FIRST = line(Q1, D, Q2, D, S1)
MOVED = [line(Q2, D, Q1, D, S1), line(D, Q1, D, Q2, D, S1), line(S1, gt.Marker("m"), Q2, D, Q1)]
OTHERS = [line(Q2, D, Q2, D, S1), line(S1, D, S1), line(Q1, D, Q1, Q2, D, S1), line(gt.Sextupole("q1", length=0.2), D)]
#: every function that takes knobs
USES = {
    "with_knobs": lambda lattice, knobs: lattice.with_knobs(knobs, [7.0]),
    "transfer_map": lambda lattice, knobs: gt.transfer_map(lattice, 2, knobs=knobs),
    "transfer_map of a batch": lambda lattice, knobs: gt.transfer_map([lattice, lattice], 2, knobs=knobs),
    "one_turn_map": lambda lattice, knobs: gt.one_turn_map(lattice, 2, knobs=knobs),
    "orbit_response": lambda lattice, knobs: gt.orbit_response(lattice, knobs),
    "correct_orbit": lambda lattice, knobs: gt.correct_orbit(lattice, knobs, "*"),
    "match": lambda lattice, knobs: gt.match(
        lattice, knobs, [gt.Target("betx", 5.0, at="end")], start=gt.InitialTwiss(5.0, 0.0, 5.0, 0.0)
    ),
}


@pytest.mark.parametrize("lattice", MOVED)
def test_by_name_wherever_it_is(lattice):
    changed = lattice.with_knobs(FIRST.knobs("q1.k1"), [7.0])
    assert {e.name: e.k1 for e in changed if isinstance(e, gt.Quadrupole)} == {"q1": 7.0, "q2": -2.0}
    copied = pickle.loads(pickle.dumps(FIRST.knobs("q1.k1")))
    assert lattice.with_knobs(copied, [7.0]) == changed


def test_by_occurrence():
    first, other = line(Q1, D, Q1, Q1, D, Q2), line(Q2, Q1, Q1, D, Q1)
    changed = other.with_knobs(first.knobs("q1.k1", each=True), [2.0, 3.0, 4.0])
    assert [e.k1 for e in changed if e.name == "q1"] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("lattice", OTHERS)
def test_refused_where_elements_differ(lattice, use):
    with pytest.raises(InputError, match=r"knob 'q1\.k1' is one of another lattice: .*'q1'.*take it from this lattice"):
        USES[use](lattice, FIRST.knobs("q1.k1"))


@pytest.mark.parametrize("use", USES)
def test_not_knobs(use):
    for wrong in (None, ["q1.k1"], FIRST.knobs("q1.k1")[0]):
        if wrong is not None or "map" not in use:
            with pytest.raises(InputError, match="knobs"):
                USES[use](FIRST, wrong)


def test_knobs_made_by_hand_count_places():
    knobs = gt.Knobs((gt.Knob("third", (2,), "k1", -2.0),))
    assert FIRST.with_knobs(knobs, [7.0])[2].k1 == 7.0
    with pytest.raises(InputError, match="knob 'third': there is no element 2"):
        line(Q1, D).with_knobs(knobs, [7.0])


def test_gradients_of_moved_elements():
    """Gradients with knobs of another lattice are those with its own."""
    ring, beam = small_ring(), wide_beam(5)
    moved = gt.Lattice([gt.Marker("more"), *ring], ring.reference)

    def gradient(knobs):
        return gt.grad(lambda k: anp.sum(gt.track(moved.with_knobs(knobs, k), beam).coordinates ** 2))(knobs.values)

    foreign, own = ring.knobs("qf.k1", "qd.k1"), moved.knobs("qf.k1", "qd.k1")
    np.testing.assert_array_equal(gradient(foreign), gradient(own))
    maps = [gt.transfer_map(moved, 2, knobs=knobs).coefficients for knobs in (foreign, own)]
    np.testing.assert_array_equal(*maps)
