"""`Lattice.with_changes` of numbers: the same lattice as by changing elements one by one, without making them."""

import pickle

import numpy as np
import pytest
from support.cases import CASES, SPECIES

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import map_program, recording_program
from gputrack.lattice.tracking_program import tracking_program

BEAM = 1e-3 * np.array([[1.0, -2.0], [0.2, 0.1], [-1.0, 0.5], [0.3, -0.2], [1.0, 2.0], [1.0, -1.0]])


def one_by_one(lattice, name, **changes):
    elements = [element.replaced(**changes) if element.name == name else element for element in lattice]
    return gt.Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)


def result(function, *args, **changes):
    """Result of a function, or the text of its error."""
    try:
        return function(*args, **changes)
    except InputError as error:
        return str(error)


def line_of(element):
    return gt.Lattice([gt.Drift("before", length=1.0), element, gt.Drift("after", length=0.5)], SPECIES["electron"])


def changes_of(element):
    """(parameter, value) of each: scaled a little and a lot, zero, and negative; whole series, longer and shorter."""
    for name in parameter_names(type(element)):
        value = getattr(element, name) or 0.0
        yield from ((name, new) for new in (1.001 * value + 1e-5, 3.0 * value, 0.0, -0.5 * value, 1, np.float64(0.1)))
    for name in series_names(type(element)):
        value = getattr(element, name)
        yield from ((name, new) for new in (tuple(2.0 * v for v in value), np.array(value), [*value, 1e-3], ()))


def same_maps(found, wanted):
    """Programs of equal maps: to the bit, or those of parameters that keep their places at zero."""
    if np.array_equal(found.ops, wanted.ops):
        np.testing.assert_allclose(found.constants, wanted.constants, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("name", CASES)
def test_each_parameter_of_each_element(name):
    """Equal lattices, maps, and tracked particles; invalid changes raise the same error."""
    element = CASES[name].element
    lattice = line_of(element)
    beam = gt.Beam(BEAM, lattice.reference)
    for parameter, value in changes_of(element):
        expected = result(one_by_one, lattice, element.name, **{parameter: value})
        if isinstance(expected, str):
            assert result(gt.Lattice.with_changes, lattice, element.name, **{parameter: value}) == expected
            continue
        changed = lattice.with_changes(element.name, **{parameter: value})
        same_maps(tracking_program(changed), tracking_program(expected))
        out, wanted = gt.track(changed, beam, threads=1), gt.track(expected, beam, threads=1)
        assert out.loss_code.tolist() == wanted.loss_code.tolist(), parameter
        np.testing.assert_allclose(out.coordinates, wanted.coordinates, rtol=1e-12, atol=2e-14)  # rounding, of 1e-2 m
        np.testing.assert_allclose(changed.s, expected.s, rtol=1e-15)
        assert changed == expected


def test_what_is_no_number_makes_elements():
    ring = gt.demo_ring()
    aperture = gt.Aperture(ellipse=(0.1, 0.1))
    for changes in (
        {"model": gt.Model(gt.DriftKick(4, 2))}, {"aperture": aperture}, {"name": "q"}, {"k1": 1.0, "name": "q"},
        {"knl": (0.0, 1e-3)},
    ):  # fmt: skip
        changed = ring.with_changes("qf.*", **changes)
        assert changed.setting is None
        places = ring.indices("qf.*")
        assert all(changed[i] == ring[i].replaced(**changes) for i in places)
    for changes, message in (({"k1": "1"}, "number"), ({"k1": True}, "number"), ({"k9": 1.0}, "no parameter")):
        with pytest.raises(InputError, match=message):
            ring.with_changes("qf.*", **changes)
    with pytest.raises(InputError, match="no element matches 'nothing'"):
        ring.with_changes("nothing", k1=1.0)


def test_chains_are_as_long_as_what_they_change():
    """One change after another, of overlapping families, many times over: the last one of each parameter counts."""
    ring = gt.demo_ring()
    changed = ring
    for turn in range(50):
        changed = changed.with_changes("qf.*", k1=2.12 + 1e-4 * turn).with_changes("qd.*", k1=-2.47)
        changed = changed.with_changes("qf.01*", k1=2.13).with_changes("qf.*", dx=1e-5 * turn)
    assert changed.origin is ring and len(changed.setting.knobs) <= 4
    expected = ring
    for select, values in (
        ("qf.*", {"k1": 2.12 + 49 * 1e-4}), ("qd.*", {"k1": -2.47}), ("qf.01*", {"k1": 2.13}),
        ("qf.*", {"dx": 49 * 1e-5}),
    ):  # fmt: skip
        chosen = set(ring.indices(select))
        elements = [e.replaced(**values) if i in chosen else e for i, e in enumerate(expected)]
        expected = gt.Lattice(elements, ring.reference, name=ring.name, model=ring.model)
    assert changed == expected
    assert gt.twiss(changed).qx == pytest.approx(gt.twiss(expected).qx, rel=1e-12)


def test_changes_knobs_and_references_follow_each_other():
    ring = gt.demo_ring()
    knobs = ring.knobs("sd.*.k2", "qf.*.k1")
    reference = gt.ReferenceParticle.electron(total=2.9e9)
    changed = ring.with_changes("qf.*", k1=2.0, dy=1e-4).with_knobs(knobs, [-110.0, 2.11]).with_reference(reference)
    assert changed.origin is ring and changed.reference == reference
    quadrupole = changed[ring.indices("qf.*")[3]]
    assert (quadrupole.k1, quadrupole.dy) == (2.11, 1e-4) and changed[ring.indices("sd.*")[0]].k2 == -110.0
    made = changed.with_changes("qf.*", aperture=None)  # elements, from which the next ones start
    again = made.with_changes("qf.*", k1=2.12)
    assert made.setting is None and again.origin is made and again[ring.indices("qf.*")[0]].dy == 1e-4

    def tune(k):
        return gt.twiss(ring.with_knobs(knobs, k)).qx

    assert np.isfinite(gt.grad(tune)(knobs.values)).all()
    with pytest.raises(InputError, match="call it before with_knobs"):
        gt.grad(lambda k: gt.twiss(ring.with_knobs(knobs, k).with_changes("qd.*", k1=-2.0)).qx)(knobs.values)


def test_lengths_and_positions_follow():
    ring = gt.demo_ring()
    bends = {"length": 1.36, "angle": 0.15}
    for select, changes in (("d1", {"length": 0.31}), ("bend.*", bends), ("qf.*", {"k1": 2.0})):
        changed = ring.with_changes(select, **changes)
        elements = list(changed.elements)
        expected = gt.Lattice(elements, ring.reference)
        assert changed.lengths.tolist() == expected.lengths.tolist() and changed.s.tolist() == expected.s.tolist()
        assert changed.length == expected.length
    rectangular = gt.Lattice([gt.RectangularBend("b", length=1.0, angle=0.1)])
    assert rectangular.with_changes("b", angle=0.5).length == gt.RectangularBend("b", length=1.0, angle=0.5).arc_length


def test_programs_are_those_of_the_origin_for_any_selection():
    """Values other than zero have their places in the maps: no selection needs a program of its own."""
    ring = gt.demo_ring()
    first = recording_program(ring.with_changes("qf.01a", k1=2.0))
    for select in ("qf.01b", "qd.*", "sd.03a"):
        program = recording_program(ring.with_changes(select, **{"k2" if select[0] == "s" else "k1": -1.0}))
        assert program.ops is first.ops
    aligned = recording_program(ring.with_changes("qf.01a", dx=1e-3))
    assert len(aligned) == len(first) + 2
    wanted = map_program(Lattice(ring.with_changes("qf.01a", dx=1e-3).elements, ring.reference), range(len(ring)))
    assert np.array_equal(aligned.ops, wanted.ops) and np.array_equal(aligned.constants, wanted.constants)


def test_lattices_are_pickled_without_what_was_derived():
    ring = gt.demo_ring().with_changes("qf.*", k1=2.0)
    gt.twiss(ring)
    copy = pickle.loads(pickle.dumps(ring))
    assert copy == ring and gt.twiss(copy).qx == gt.twiss(ring).qx
