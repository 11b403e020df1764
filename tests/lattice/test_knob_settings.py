"""Knobs set on all elements at once: the same lattice, and the same maps, as by changing elements one by one."""

import autograd
import numpy as np
import pytest
from support.cases import CASES, SPECIES

import gputrack as gt
from gputrack.backends.taylor.host import run_series
from gputrack.base.cache import Entry
from gputrack.base.errors import InputError
from gputrack.elements.map import ReferenceValues
from gputrack.elements.parameters import parameter_names
from gputrack.lattice.knobs import get_parameter, intervals, set_parameter
from gputrack.lattice.optics_program import (
    compile_recording,
    identity_map,
    map_program,
    recording_program,
)
from gputrack.lattice.program import Program
from gputrack.lattice.retune import retuned_program
from gputrack.tpsa.space import Space

SPACE = Space(6, 2)
FORMS = Entry[Program]("forms of these tests")
REFERENCE = np.array(ReferenceValues.of(SPECIES["electron"]))[:, None]


def one_by_one(lattice, knobs, values):
    elements = list(lattice.elements)
    for knob, value in zip(knobs, values, strict=True):
        for i in knob.places:
            elements[i] = set_parameter(elements[i], knob.parameter, float(value))
    return gt.Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)


def line_of(element):
    return gt.Lattice([gt.Drift("before", length=1.0), element, gt.Drift("after", length=0.5)], SPECIES["electron"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("factor", [1.001, 3.0])
def test_free_parameters_are_set_without_elements(name, factor):
    """Of every kind; where values need maps of another form, these are made."""
    element = CASES[name].element.replaced(aperture=None)
    lattice = line_of(element)
    handles = [f"{element.name}.{p}" for p in intervals(element)]
    if not handles:
        return
    knobs = lattice.knobs(*handles)
    # a fringe without extent stays so: with one it is another map
    shift = [0.0 if h.endswith(("hgap", "fint", "fintx")) else 1e-4 * (factor - 1.0) for h in handles]
    values = np.array([v * factor if v else d for v, d in zip(knobs.values, shift, strict=True)])
    expected = one_by_one(lattice, knobs, values)
    for _ in range(2):  # the second time from the cached program
        changed = lattice.with_knobs(knobs, values)
        cached = retuned_program(changed, FORMS, compile_recording)
        assert changed.setting is not None and (cached is not None or factor == 3.0)
        assert len(changed) == 3 and changed.names == expected.names and changed._elements is None
        found, wanted = recording_program(changed), map_program(expected, range(3), knobs if cached else None)
        np.testing.assert_allclose(found.constants, wanted.constants, rtol=1e-13, atol=1e-300)
        coordinates = np.array([1e-3, 2e-4, -1e-3, 3e-4, 1e-3, 1e-3])
        start = identity_map(SPACE, coordinates)[None]
        passed = [run_series(SPACE, [program], REFERENCE, start, 3)[0] for program in (found, wanted)]
        np.testing.assert_allclose(*passed, rtol=1e-11, atol=1e-13)
        assert changed == expected


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("quadrupole", "k1", 100.0), ("quadrupole_skew", "length", 8.0), ("quadrupole_errors", "knl[1]", 40.0),
        ("sector", "angle", 3.0), ("sector_mismatch", "k0", 2.0), ("sector_faces", "e1", 1.5),
        ("rectangular_faces", "angle", 2.5), ("solenoid", "ks", 20.0),
    ],
)  # fmt: skip
def test_values_that_need_maps_of_another_form_have_them(name, parameter, value):
    """More halvings of angles."""
    lattice = line_of(CASES[name].element.replaced(aperture=None))
    knobs = lattice.knobs(f"{lattice[1].name}.{parameter}")
    changed = lattice.with_knobs(knobs, [value])
    assert changed.setting is not None and retuned_program(changed, FORMS, compile_recording) is None
    found, wanted = recording_program(changed), map_program(one_by_one(lattice, knobs, [value]), range(3))
    assert np.array_equal(found.ops, wanted.ops) and np.array_equal(found.constants, wanted.constants)


def handles_of(element):
    series = [f"{s}[{n}]" for s in ("knl", "ksl") for n in range(len(getattr(element, s, ())))]
    names = [n for n in parameter_names(type(element)) if getattr(element, n) is not None]
    return [f"{element.name}.{p}" for p in (*names, *series)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("factor", [1.01, 3.0])
def test_maps_of_set_knobs_are_those_of_changed_elements(name, factor):
    """All parameters of every kind together: some of them need a look at elements one by one."""
    element = CASES[name].element.replaced(aperture=None)
    lattice = line_of(element)
    knobs = lattice.knobs(*handles_of(element))
    values = np.array([value * factor if value else 1e-3 * (factor - 1.0) for value in knobs.values])
    try:
        expected = one_by_one(lattice, knobs, values)
    except InputError as error:
        with pytest.raises(InputError, match=str(error)[:20]):
            lattice.with_knobs(knobs, values)
        return
    changed = lattice.with_knobs(knobs, values)
    found, wanted = recording_program(changed), map_program(expected, range(3))
    assert np.array_equal(found.ops, wanted.ops) and np.array_equal(found.constants, wanted.constants)
    assert changed == expected


def test_wrong_values_are_refused_at_once():
    ring = gt.demo_ring()
    for handle, value, message in (
        ("qf.*.length", -1.0, "length must be >= 0"), ("qf.*.k1", np.nan, "k1 must be finite"),
        ("bend.*.e1", 2.0, "must be < pi/2"), ("bend.*.angle", 4.0, "must be <= pi"), ("qf.*.length", 0.0, "> 0 m"),
        ("rf*.frequency", -1.0, "frequency must be >= 0"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            ring.with_knobs(ring.knobs(handle), [value])


def test_optics_of_set_knobs_do_not_make_elements():
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1", "sd*.k2", "bend.*.angle", "d1.length", "qd.*.dx")
    values = knobs.values * 1.001 + np.array([0, 0, 0, 0, 1e-4])
    changed, expected = ring.with_knobs(knobs, values), gt.twiss(one_by_one(ring, knobs, values))
    found = gt.twiss(changed)
    for name in ("s", "betx", "dx", "x", "delta"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.chromaticity(), expected.chromaticity(), rtol=1e-10)
    assert found.name == expected.name and found.qs == pytest.approx(expected.qs, rel=1e-12)
    assert changed._elements is None
    assert changed[7] == one_by_one(ring, knobs, values)[7] and changed._elements is None
    assert changed[4] == one_by_one(ring, knobs, values)[4] and changed._elements is not None


def test_settings_of_settings_and_of_other_references():
    ring = gt.demo_ring()
    first, second = ring.knobs("qf.*.k1"), ring.knobs("qf.*.k1", "qd.*.k1", "reference.p0c")
    once = ring.with_knobs(first, first.values * 1.002)
    twice = once.with_knobs(second, [2.13, -2.47, 2e9])
    assert twice.reference.p0c == 2e9 and get_parameter(twice[4], "k1") == 2.13
    expected = one_by_one(ring, second[:2], [2.13, -2.47]).with_reference(twice.reference)
    assert gt.twiss(twice).qx == pytest.approx(gt.twiss(expected).qx, rel=1e-13)
    assert once.with_reference(twice.reference).with_model(gt.Model(gt.DriftKick(4, 2)))[4].k1 == 1.002 * first[0].value

    def nested(k):
        changed = ring.with_knobs(first, k[:1]).with_knobs(second[1:2], k[1:])
        return gt.twiss(changed).qx

    def together(k):
        return gt.twiss(ring.with_knobs(second[:2], k)).qx

    point = np.array([2.13, -2.47])
    np.testing.assert_allclose(autograd.grad(nested)(point), autograd.grad(together)(point), rtol=1e-9)


def test_a_cavity_may_be_switched_by_its_knob():
    ring = gt.demo_ring()
    knobs = ring.knobs("rf*.voltage")
    assert gt.twiss(ring.with_knobs(knobs, [0.0])).qs == 0.0 < gt.twiss(ring.with_knobs(knobs, [1e6])).qs


def test_programs_are_reused_for_the_next_values():
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1")
    programs = [recording_program(ring.with_knobs(knobs, [value])) for value in (2.1, 2.2)]
    assert programs[0].ops is programs[1].ops and not np.array_equal(programs[0].constants, programs[1].constants)
