"""Structs and numbers that kernels and Python share have the same members and values on both sides."""

from __future__ import annotations

import re

import pytest

from gputrack.backends.host.matrix_derivatives import RatesRun
from gputrack.backends.pipe_tables import PipeRun
from gputrack.backends.structs import Run, Sweep, TangentRun
from gputrack.backends.taylor.host import SeriesRun
from gputrack.backends.taylor.host_adjoint import SeriesSweep
from gputrack.base.kernel_files import kernel_folder
from gputrack.base.losses import LossCode
from gputrack.elements.map import ReferenceValues, State
from gputrack.lattice.program import OP_INTEGERS
from gputrack.tpsa.host import Tables


def members(header: str, struct: str) -> list[str]:
    """Names of the members of a struct in a kernel header, in order."""
    text = re.sub(r"//.*", "", (kernel_folder() / header).read_text(encoding="utf-8"))
    body = re.search(rf"struct {struct} {{(.*?)}};", text, re.DOTALL)[1]
    return re.findall(r"(\w+)\s*(?=[;,])", body)


@pytest.mark.parametrize(
    ("header", "struct", "names"),
    [
        ("program/run.h", "Run", [name for name, _ in Run._fields_]),
        ("program/state.h", "ReferenceConstants", list(ReferenceValues._fields)),
        ("program/state.h", "State", list(State._fields)),
        ("program/state.h", "Costate : State<Cotangent<T>>", list(ReferenceValues._fields)),
        ("program/tangent.h", "TangentRun", [name for name, _ in TangentRun._fields_]),
        ("tpsa/sums.h", "Tables", [name for name, _ in Tables._fields_]),
        ("host/adjoint.h", "Sweep", [name for name, _ in Sweep._fields_]),
        ("host/matrix_derivatives.h", "RatesRun", [name for name, _ in RatesRun._fields_]),
        ("taylor/run.h", "SeriesRun", [name for name, _ in SeriesRun._fields_]),
        ("host/taylor_adjoint.h", "SeriesSweep", [name for name, _ in SeriesSweep._fields_]),
        ("collective/pipe_modes.h", "PipeRun", [name for name, _ in PipeRun._fields_]),
    ],
)
def test_structs_have_the_same_members(header, struct, names):
    assert members(header, struct) == names


def test_numbers_that_both_sides_know():
    """Loss codes that kernels set, and integers per op."""
    losses = (kernel_folder() / "program/losses.h").read_text(encoding="utf-8")
    codes = {name.removeprefix("LOST_"): int(code) for name, code in re.findall(r"([A-Z_]+) = (\d+)", losses)}
    assert codes == {code.name: code.value for code in LossCode if code is not LossCode.IMPORTED}
    width = re.search(r"OP_INTEGERS = (\d+)", (kernel_folder() / "program/run.h").read_text(encoding="utf-8"))
    assert int(width[1]) == OP_INTEGERS
