"""Elements defined outside of gputrack: a module with a class and its map, and a header with the kernel beside it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from support.rings import ELECTRON

import gputrack as gt
from gputrack.elements import ELEMENT_TYPES, MapKind
from gputrack.elements.map import MAPS
from gputrack.lattice.program import compile_program

MODULE = '''
"""A thin lens whose focusing grows with the cube of the distance from the axis."""
from dataclasses import dataclass
from pathlib import Path

from gputrack.elements import ANY, Element, MapCall, MapKind, holds_middle, parameter


def cubic(s, op, ref):
    square = s.x * s.x + s.y * s.y
    return s._replace(px=s.px - op.strength * square * s.x, py=s.py - op.strength * square * s.y)


def uncubic(s, op, ref):
    square = s.x * s.x + s.y * s.y
    return s._replace(px=s.px + op.strength * square * s.x, py=s.py + op.strength * square * s.y)


CUBIC = MapKind("cubic", Path(__file__).with_name("cubic.h"), cubic, uncubic, constants=("strength",))


@dataclass(frozen=True, kw_only=True)
class Cubic(Element):
    strength: float = parameter(unit="m^-3", free=ANY)

    @classmethod
    def lower_body(cls, p, body, begin=0.0, end=1.0):
        return [MapCall(CUBIC, constants={"strength": p["strength"]})] if holds_middle(begin, end) else []
'''
HEADER = """
#pragma once
#include "program/state.h"
#include "part.h"

template <class T, class C>
GT_INLINE void cubic(State<T>& s, const CubicConstants<C>& op, const ReferenceConstants<C>& ref) {
  cubic_by(s, op, 1.0);
}
template <class T, class C>
GT_INLINE void uncubic(State<T>& s, const CubicConstants<C>& op, const ReferenceConstants<C>& ref) {
  cubic_by(s, op, -1.0);
}
template <class T>
GT_INLINE void cubic_adjoint(State<T>& s, Costate<T>& g, const CubicOp& op, const CubicBar<Cotangent<T>>& bar,
                             const Reference& ref) {
  cubic_by(s, op, -1.0);
  const T square = s.x * s.x + s.y * s.y;
  const Cotangent<T> along = g.px * s.x + g.py * s.y;
  *bar.strength -= square * along;
  g.x -= op.strength * (square * g.px + 2.0 * s.x * along);
  g.y -= op.strength * (square * g.py + 2.0 * s.y * along);
}
"""
PART = """
#pragma once
template <class T, class C>
GT_INLINE void cubic_by(State<T>& s, const CubicConstants<C>& op, double sign) {
  const T square = s.x * s.x + s.y * s.y;
  s.px -= sign * (op.strength * (square * s.x));
  s.py -= sign * (op.strength * (square * s.y));
}
"""


def imported(path):
    spec = importlib.util.spec_from_file_location("own_lens", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_lens"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own(tmp_path):
    """The module, imported; what it registers is taken back in the end."""
    (tmp_path / "own_lens.py").write_text(MODULE)
    (tmp_path / "cubic.h").write_text(HEADER)
    (tmp_path / "part.h").write_text(PART)
    try:
        yield imported(tmp_path / "own_lens.py")
    finally:
        MAPS.pop("cubic", None), ELEMENT_TYPES.pop("Cubic", None), sys.modules.pop("own_lens", None)


def ring_of(own, strength=40.0):
    """Two kinds of maps: their libraries build in seconds."""
    return gt.Lattice([own.Cubic("c", strength=strength), gt.Drift("d", length=0.7)], ELECTRON)


def beam():
    return gt.Beam(np.random.default_rng(3).normal(size=(6, 9)) * 0.02, ELECTRON)


def test_tracked_and_undone(own):
    ring = ring_of(own)
    expected = gt.track(ring, beam(), 3, backend="array")
    out = gt.track(ring, beam(), 3, backend="host")
    np.testing.assert_allclose(out.coordinates, expected.coordinates, rtol=0, atol=1e-15)
    back = gt.track(ring, out, 3, backend="host", backwards=True)
    np.testing.assert_allclose(back.coordinates, beam().coordinates, rtol=0, atol=1e-15)


def test_derivatives(own):
    """Backward sweep, forward mode, transfer matrices and their derivatives, against the array maps."""
    ring = ring_of(own)
    knobs, orbit = ring.knobs("c.strength", "d.length"), np.array([4e-3, 1e-3, -3e-3, 0.0, 0.0, 1e-3])

    def size(values, backend):
        return gt.track(ring.with_knobs(knobs, values), beam(), 2, backend=backend).sigma[0, 0]

    def matrix(values, backend):
        line = ring.with_knobs(knobs, values)
        start = gt.InitialTwiss(betx=3.0, alfx=0.1, bety=2.0, alfy=0.0)
        return gt.twiss(line, start=start, orbit=orbit, backend=backend).betx[-1]

    for function in (size, matrix):
        slopes = {name: gt.grad(lambda v, n=name, f=function: f(v, n))(knobs.values) for name in ("array", "host")}
        np.testing.assert_allclose(slopes["host"], slopes["array"], rtol=1e-11)
        assert np.all(slopes["array"] != 0.0)
    along = np.array([1.0, 0.1])
    slope = gt.jvp(lambda v: size(v, "host"), (knobs.values,), (along,))[1]
    assert slope == pytest.approx(gt.grad(lambda v: size(v, "host"))(knobs.values) @ along, rel=1e-12)


def test_power_series_and_their_sweep(own):
    """The map to third order reproduces the cubic kick; its coefficients are differentiated as array maths says."""
    ring = gt.Lattice([own.Cubic("c", strength=40.0)], ELECTRON)
    px = gt.transfer_map(ring, order=3)[1]
    assert px.coefficient((3, 0, 0, 0, 0, 0)) == pytest.approx(-40.0, rel=1e-15)
    assert px.coefficient((1, 0, 2, 0, 0, 0)) == pytest.approx(-40.0, rel=1e-15)
    knobs = ring.knobs("c.strength")

    def third(values):
        return gt.transfer_map(ring.with_knobs(knobs, values), order=3)[1].coefficient((3, 0, 0, 0, 0, 0))

    assert gt.grad(third)(knobs.values) == pytest.approx([-1.0], rel=1e-14)


def test_files(own, tmp_path):
    """Written and read by its name; a file of a class that is not defined names the class."""
    gt.save(ring_of(own), tmp_path / "ring.json")
    assert gt.load(tmp_path / "ring.json").elements == ring_of(own).elements
    ELEMENT_TYPES.pop("Cubic")
    with pytest.raises(gt.errors.GputrackError, match="Cubic"):
        gt.load(tmp_path / "ring.json")


def test_declared_again(own, tmp_path):
    """As in a notebook: new elements have the new map, with other constants even; lattices made before keep theirs."""
    before = ring_of(own)
    expected = gt.track(before, beam(), backend="host").coordinates
    (tmp_path / "own_lens.py").write_text(MODULE.replace("- op.strength * square", "- 2.0 * op.strength * square"))
    (tmp_path / "part.h").write_text(PART.replace("sign * (op.", "sign * (2.0 * op."))
    again = imported(tmp_path / "own_lens.py")
    after = gt.track(ring_of(again, 20.0), beam(), backend="host").coordinates
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(gt.track(before, beam(), backend="host").coordinates, expected)


def test_only_programs_with_it_have_libraries_of_their_own(own):
    assert compile_program(ring_of(own)).build_kinds == compile_program(ring_of(own)).kinds
    assert not compile_program(gt.demo_ring()).build_kinds


def test_errors_of_a_kernel_name_its_file(own, tmp_path):
    (tmp_path / "part.h").write_text(PART.replace("square * s.y", "square * s.w"))
    with pytest.raises(gt.errors.BackendError, match=r"part\.h:7"):
        gt.track(ring_of(own), beam(), backend="host")
    gt.track(ring_of(own), beam(), backend="array")


def kind(name="own", header=Path(__file__), **given):
    return MapKind(name, header, np.add, np.subtract, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(name="drift"), "gputrack has a map named 'drift'"),
        (dict(name="my lens"), "names must be identifiers of Python and C\\+\\+, got 'my lens'"),
        (dict(constants=("k-1",)), "names must be identifiers of Python and C\\+\\+, got 'k-1'"),
        (dict(integers=tuple("abcdefghi")), "may have 8 integers, got 9"),
        (dict(header="lens.h"), "header must be a pathlib.Path, got 'lens.h'"),
        (dict(header=Path("nowhere") / "lens.h"), "no file 'nowhere/lens.h'; give the header with the kernel twin"),
    ],
)
def test_wrong_declarations(given, message):
    with pytest.raises(gt.errors.InputError, match=message):
        kind(**given)
    assert "own" not in MAPS


def test_names_of_classes_are_not_taken_over():
    with pytest.raises(gt.errors.InputError, match=r"class Quadrupole: gputrack\.elements\.quadrupole defines one"):
        type("Quadrupole", (gt.Quadrupole,), {"__module__": "elsewhere"})
    assert ELEMENT_TYPES["Quadrupole"] is gt.Quadrupole
