"""Programs: lattices as tables; packing, knobs, models, monitors."""

import numpy as np
import pytest
from support.battery import MODELS
from support.cases import CASES
from support.rings import small_ring

import gputrack as gt
from gputrack.elements.map import built_in_maps
from gputrack.lattice.program import compile_program

KINDS = {kind.code: kind.name for kind in built_in_maps()}


def rows(program):
    """Ops as (kind, integers, constants) without their place in the table."""
    starts = [*program.ops[:, 1].tolist(), len(program.constants)]
    return [
        (KINDS[op[0]], op[2:].tolist(), program.constants[a:b].tolist())
        for op, a, b in zip(program.ops, starts, starts[1:], strict=False)
    ]


def all_cases(seed):
    """Every case, in random order, some of them twice."""
    names = [*CASES, *list(CASES)[::3]]
    return [CASES[name].element for name in np.random.default_rng(seed).permutation(names)]


@pytest.mark.parametrize("model", ["MatrixKick-exact-full", "DriftKick-2-exact-linear", "MatrixKick-4-expanded-full"])
@pytest.mark.parametrize("seed", [0, 1])
def test_grouped_lowering_is_lowering_one_by_one(model, seed):
    """Elements of one class and equal statics are lowered together, as arrays: the same numbers to the bit."""
    elements = all_cases(seed)
    together = compile_program(gt.Lattice(elements, model=MODELS[model]))
    single = [compile_program(gt.Lattice([element], model=MODELS[model])) for element in elements]
    assert rows(together) == [row for program in single for row in rows(program)]
    places = [place for place, program in enumerate(single) for _ in range(len(program))]
    assert together.elements.tolist() == places
    assert together.kinds == frozenset().union(*(program.kinds for program in single))


def test_elements_that_differ_in_numbers_are_grouped_right():
    """Many of one class with numbers, lengths of series and statics all mixed."""
    rng = np.random.default_rng(5)
    elements = [
        gt.Quadrupole(f"q{i}", length=rng.uniform(0.1, 2), k1=rng.choice([0.0, 0.5, -9.0]), tilt=rng.choice([0.0, 0.1]),
                      knl=tuple(rng.normal(size=rng.integers(0, 5))))
        for i in range(60)
    ]  # fmt: skip
    together = compile_program(gt.Lattice(elements))
    assert rows(together) == [row for e in elements for row in rows(compile_program(gt.Lattice([e])))]


def test_constants_are_read_back_by_name():
    program = compile_program(gt.Lattice([gt.Drift("d", length=1.5, dx=0.1), gt.Multipole("m", knl=(0.1, 0.2, 0.6))]))
    kinds = [kind.name for kind, _ in program.calls]
    assert kinds == ["align", "drift", "unalign", "multipole"]
    assert program.calls[1][1].length == 1.5 and program.calls[0][1].dx == 0.1
    assert program.calls[3][1].bn == [0.1, 0.2, 0.3]  # factorials folded in
    assert program.calls[3][1].an == [0.0, 0.0, 0.0]


def test_op_without_effect_costs_nothing():
    program = compile_program(gt.Lattice([gt.Marker("m"), gt.Drift("d"), gt.Quadrupole("q"), gt.Solenoid("s")]))
    assert len(program) == 0 and program.kinds == frozenset()


def test_empty_lattice():
    program = compile_program(gt.Lattice([]))
    assert len(program) == 0 and len(program.constants) == 0


# -- knobs -------------------------------------------------------------------------------------------------

HANDLES = ["qf.k1", "qd.length", "s.k2", "o.k3", "r.k1", "h.kick", "rf.voltage", "sol.ks", "m.knl[2]", "b.angle"]


@pytest.mark.parametrize("handle", HANDLES)
def test_knobs_change_their_elements_only(handle):
    ring = small_ring()
    knobs = ring.knobs(handle)
    before = compile_program(ring)
    after = compile_program(ring.with_knobs(knobs, knobs.values * 1.001))
    np.testing.assert_array_equal(before.ops, after.ops)
    np.testing.assert_array_equal(before.elements, after.elements)
    changed = {
        int(place) for place, one, other in zip(before.elements, rows(before), rows(after), strict=True) if one != other
    }
    assert changed == set(knobs[0].places)
    assert compile_program(ring).constants.tolist() == before.constants.tolist()  # the ring itself is as it was


def test_knob_lands_where_it_belongs():
    ring = small_ring()
    program = compile_program(ring.with_knobs(ring.knobs("qf.k1", "s.k2"), [1.5, 9.0]))
    for place, (kind, op) in zip(program.elements, program.calls, strict=True):
        if ring[int(place)].name == "qf":
            assert kind.name == "quadrupole" and op.bn == [0.0, 1.5]
        if ring[int(place)].name == "s":
            assert kind.name == "straight" and op.bn == [0.0, 0.0, 4.5]


# -- models ------------------------------------------------------------------------------------------------


def test_model_of_an_element_overrides_the_lattices():
    fine, coarse = gt.Model(gt.DriftKick(6, 7)), gt.Model(gt.MatrixKick(2, 1), gt.Expanded())
    lattice = gt.Lattice(
        [gt.Quadrupole("a", length=1.0, k1=1.0), gt.Quadrupole("b", length=1.0, k1=1.0, model=fine)], model=coarse
    )
    (one, op_one), (two, op_two) = compile_program(lattice).calls
    assert (one.name, op_one.scheme, op_one.slices, op_one.exact) == ("quadrupole", 0, 1, 0)
    assert (two.name, op_two.scheme, op_two.slices, op_two.exact) == ("straight", 2, 7, 1)


def test_model_for_a_selection():
    ring = small_ring()
    chosen = ring.with_model(gt.Model(gt.DriftKick(4, 3)), "q*")
    assert {op.slices for kind, op in compile_program(chosen).calls if kind.name == "straight"} == {3, 1}
    changed = [
        ring[int(place)].name
        for place, one in zip(compile_program(chosen).elements, rows(compile_program(chosen)), strict=True)
        if one not in rows(compile_program(ring))
    ]
    assert set(changed) == {"qf", "qd"}


# -- active parameters, monitors ---------------------------------------------------------------------------


def test_active_parameters_keep_their_place():
    zeros = gt.Quadrupole("q", length=1.0, knl=(0.0,) * 4)
    lattice = gt.Lattice([zeros, zeros])
    program = compile_program(lattice, active={1: frozenset({"k1", "knl[3]", "dx"})})
    assert [kind.name for kind, _ in program.calls] == ["drift", "align", "quadrupole", "unalign"]
    assert program.calls[2][1].bn == [0.0] * 4
    assert program.elements.tolist() == [0, 1, 1, 1]


def test_monitors_record_after_their_element():
    lattice = gt.Lattice([gt.Drift("d", length=1.0), gt.Marker("m"), gt.Drift("d", length=1.0)])
    program = compile_program(lattice, monitors=[(2, [0, 1]), (5, [1])])
    assert [kind.name for kind, _ in program.calls] == ["drift", "record", "record", "record", "drift"]
    assert program.elements.tolist() == [0, 0, 1, 1, 2]
    records = [vars(op) for kind, op in program.calls if kind.name == "record"]
    assert [(r["monitor"], r["every"], r["places"], r["place"]) for r in records] == [
        (0, 2, 2, 0), (0, 2, 2, 1), (1, 5, 1, 0),
    ]  # fmt: skip
