"""Coefficients of the splittings: twins, sums, symmetry; and the defaults."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

import gputrack as gt
from gputrack.elements.models import Steps
from gputrack.elements.splitting import SPLITTINGS, compose, outer_fractions, stages
from gputrack.lattice.program import compile_program

KERNELS = Path(__file__).resolve().parents[2] / "kernels" / "elements" / "splitting.h"


def table(name):
    text = re.search(rf"{name}\[[^]]*\] = {{([^}}]*)}}", KERNELS.read_text(encoding="utf-8")).group(1)
    return [float(number) for number in re.sub(r"//[^\n]*", "", text).replace("\n", "").split(",") if number.strip()]


def test_both_twins_have_the_same_coefficients():
    firsts = [int(number) for number in table("FIRST_STAGE")]
    inner, outer = table("INNER"), table("OUTER")
    for i, ((first, last), known) in enumerate(zip(pairwise(firsts), SPLITTINGS.values(), strict=True)):
        assert tuple(inner[first:last]) == known.inner
        assert tuple(outer[first + i : last + i + 1]) == known.outer
    assert len(inner) == firsts[-1] and len(outer) == firsts[-1] + len(SPLITTINGS)


@pytest.mark.parametrize("scheme", SPLITTINGS)
def test_consistent_and_symmetric(scheme):
    outer, inner = SPLITTINGS[scheme]
    assert sum(outer) == pytest.approx(1.0, abs=1e-15) and sum(inner) == pytest.approx(1.0, abs=1e-15)
    assert outer == outer[::-1] and inner == inner[::-1] and len(outer) == len(inner) + 1


@pytest.mark.parametrize("number", range(len(SPLITTINGS)))
@pytest.mark.parametrize("slices", [1, 3])
def test_distinct_steps_are_all_that_occur(number, slices):
    """And they are the very same numbers, as bends find their geometry by them."""
    seen = {a for a, _ in stages(number, slices)}
    assert seen <= set(outer_fractions(number, slices))
    travelled = compose(0.0, number, slices, lambda s, part: s + part, lambda s, part: s)
    assert travelled == pytest.approx(1.0, abs=1e-14)


NEEDED = Steps(gt.BlanesMoan(4), 1, 4)


@pytest.mark.parametrize(
    ("integrator", "chosen"),
    [
        (gt.MatrixKick(), (gt.BlanesMoan(4), 1)), (gt.MatrixKick(order=4), (4, 4)),
        (gt.MatrixKick(slices=3), (gt.BlanesMoan(4), 3)), (gt.MatrixKick(gt.BlanesMoan(6)), (gt.BlanesMoan(6), 1)),
        (gt.DriftKick(), (4, 10)), (gt.DriftKick(gt.BlanesMoan(6), 2), (gt.BlanesMoan(6), 2)),
    ],
)  # fmt: skip
def test_options_left_open(integrator, chosen):
    assert integrator.steps(NEEDED) == chosen


def test_defaults_by_kind():
    """One slice where the kick is small or the scheme good; an expanded bend without kicks is solved by a matrix."""
    parts = dict(length=1.0)
    ring = gt.Lattice([
        gt.Quadrupole("q", k1=0.2, **parts), gt.Quadrupole("e", k1=0.2, knl=(0.0, 0.0, 1.0), **parts),
        gt.Sextupole("s", k2=3.0, **parts), gt.SectorBend("b", angle=0.1, k1=0.1, **parts),
        gt.SectorBend("x", angle=0.1, k1=0.1, model=gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge()), **parts),
        gt.SectorBend("y", angle=0.1, k2=1.0, model=gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge()), **parts),
    ])  # fmt: skip
    schemes = list(SPLITTINGS)
    calls = [(schemes[op.scheme], op.slices) for _, op in compile_program(ring).calls if hasattr(op, "scheme")]
    assert calls == [
        (gt.LaskarRobutel(3), 1), (gt.BlanesMoan(6), 1), (gt.BlanesMoan(4), 1), (gt.BlanesMoan(6), 2), (2, 1),
        (gt.BlanesMoan(6), 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gt.BlanesMoan(5), "BlanesMoan: order must be 4 or 6, got 5"),
        (lambda: gt.LaskarRobutel(True), "LaskarRobutel: stages must be 2 or 3, got True"),
        (lambda: gt.DriftKick(order=3), "DriftKick: order must be 2, 4, 6, gputrack.BlanesMoan"),
        (lambda: gt.MatrixKick(order="4"), "MatrixKick: order must be"),
        (lambda: gt.MatrixKick(order=True), "MatrixKick: order must be"),
    ],
)
def test_wrong_schemes_are_named(make, words):
    with pytest.raises(gt.errors.InputError, match=re.escape(words)):
        make()


def test_schemes_survive_a_file(tmp_path):
    ring = gt.demo_ring().with_model(gt.Model(gt.DriftKick(gt.BlanesMoan(6), 3)))
    ring = ring.with_model(gt.Model(gt.MatrixKick(gt.LaskarRobutel(2))), "qf*")
    ring = ring.with_model(gt.Model(gt.DriftKick(2, 5)), "qd*")
    gt.save(ring, tmp_path / "ring.json")
    assert gt.load(tmp_path / "ring.json") == ring
