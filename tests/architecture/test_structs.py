"""Structs and numbers that kernels and Python share are written once, and are the same on both sides."""

from __future__ import annotations

import ast
import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

import gputrack
from gputrack.backends.structs import REFERENCE, RUN, STRUCTS, TANGENT_RUN
from gputrack.base.c_struct import DOUBLE, INT, INTEGER, Member, Struct, pointer, struct_texts
from gputrack.base.compiler import build
from gputrack.base.errors import BackendError
from gputrack.base.kernel_files import flatten, kernel_folder
from gputrack.base.losses import LossCode
from gputrack.elements.map import ReferenceValues, State
from gputrack.lattice.program import OP_INTEGERS
from gputrack.tpsa.structs import STRUCTS as SERIES_STRUCTS

SHARED = (*STRUCTS, *SERIES_STRUCTS)
KERNELS = sorted(kernel_folder().rglob("*.h"))
MODULES = sorted(Path(gputrack.__file__).parent.rglob("*.py"))


def _code(path: Path) -> str:
    """Text of a kernel file without its comments."""
    return re.sub(r"//.*", "", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.relative_to(kernel_folder()).as_posix())
def test_no_shared_struct_is_written_by_hand(path):
    """Kernel files define none of them, neither under its name nor as a list of parameters."""
    text, names = _code(path), "|".join(name for s in SHARED for name in (s.name, s.template) if name)
    assert not re.findall(rf"\bstruct ({names})\b\s*(?:final\s*)?[:{{]", text)
    for parameters in re.findall(r'extern "C" __global__ void[^;{]*?\w+\((GT_PARAMETERS\(\w+\)|[^()]*)\)\s*{', text):
        table = re.fullmatch(r"GT_PARAMETERS\((\w+)\)", parameters)
        assert table and table[1] in {s.name for s in SHARED}, f"{path.name}: a kernel takes a struct of the tables"


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.relative_to(kernel_folder()).as_posix())
def test_functions_called_from_python_take_structs_of_the_tables(path):
    known = {"double", "int", "long", "Integer", "void", *(s.name for s in SHARED)}
    for name, parameters in re.findall(r'extern "C" (?!__global__)[\w ]+?\b(\w+)\(([^)]*)\)', _code(path)):
        types = {re.sub(r"\bconst\b|[&*]|\w+\s*$", " ", part).strip() for part in parameters.split(",")} - {""}
        assert types <= known, f"{path.name}: {name} takes {', '.join(sorted(types - known))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_struct_but_from_a_table(path):
    """ctypes structures are made in gputrack/base/c_struct.py alone."""
    if path.name == "c_struct.py":
        return
    classes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    assert not [node.name for node in classes if any("Structure" in ast.unparse(base) for base in node.bases)]


def test_sizes_are_asserted_where_kernels_are_compiled():
    """All structs compile together; the compiler refuses one that Python takes for longer than it is."""
    head = flatten(kernel_folder() / "target.h", set())
    everything = " ".join(struct.name for struct in SHARED)
    build(f"{head}{struct_texts(SHARED, everything)}")
    text = struct_texts(SHARED, everything)
    for struct in SHARED:
        size = ctypes.sizeof(struct.memory)
        assertion = f"static_assert(sizeof({struct.name}) == {size}, "
        assert assertion in text
        wrong = text.replace(assertion, f"static_assert(sizeof({struct.name}) == {size + 8}, ")
        if struct is RUN:
            with pytest.raises(BackendError, match="as in Python"):
                build(head + wrong)


def test_members_are_read_where_python_writes_them():
    """Values of each type, and those of a struct within another, arrive in their members."""
    inner = Struct("InnerSample", "", Member("a", INT), Member("b", DOUBLE))
    outer = Struct(
        "OuterSample", "", Member("first", INT), Member("inner", inner), Member("last", INTEGER),
        Member("at", pointer("const double")),
    )  # fmt: skip
    text = struct_texts([inner, outer], "OuterSample") + (
        'extern "C" double weighted(const OuterSample* s) {\n'
        "  return s->first + 10.0 * s->inner.a + 100.0 * s->inner.b + 1000.0 * s->last + 10000.0 * s->at[1];\n}\n"
        'extern "C" double passed(GT_PARAMETERS(OuterSample)) {\n'
        "  const OuterSample s = GT_FROM_PARAMETERS(OuterSample);\n  return weighted(&s);\n}\n"
    )
    library, numbers = build(flatten(kernel_folder() / "target.h", set()) + text), np.array([0.0, 5.0])
    value = outer.memory(1, inner.memory(2, 3.0), 4, numbers.ctypes.data)
    library.weighted.restype = library.passed.restype = ctypes.c_double
    assert library.weighted(ctypes.byref(value)) == 54321.0
    types = {"int32": ctypes.c_int32, "int64": ctypes.c_int64, "float64": ctypes.c_double, "uint64": ctypes.c_uint64}
    assert library.passed(*(types[part.dtype.name](part.item()) for part in outer.arguments(value))) == 54321.0


def test_arguments_follow_the_members():
    """Kernel arguments are the members one by one, those of a struct within another in its place."""
    names = [name for name, _ in RUN.parameters()]
    fields = [member.name for member in RUN.members]
    place = fields.index("reference")
    reference = [f"reference_{name}" for name in ReferenceValues._fields]
    assert names == [f"given_{name}" for name in (*fields[:place], *reference, *fields[place + 1 :])]
    values = TANGENT_RUN.arguments(TANGENT_RUN.memory())
    assert [type(value) for value in values] == [kind.argument for _, kind in TANGENT_RUN.parameters()]
    assert [value.dtype.name for value in values[:4]] == ["uint64", "int64", "uint64", "int32"]


def test_states_have_the_same_members():
    """The state of the maps in kernels is that of Python; the reference particle's members are its values."""
    text = _code(kernel_folder() / "program/state.h")
    body = re.search(r"struct State {(.*?)};", text, re.DOTALL)[1]
    assert re.findall(r"(\w+)\s*(?=[;,])", body) == list(State._fields)
    assert [member.name for member in REFERENCE.members] == list(ReferenceValues._fields)


def test_numbers_that_both_sides_know():
    """Loss codes that kernels set, and integers per op."""
    losses = (kernel_folder() / "program/losses.h").read_text(encoding="utf-8")
    codes = {name.removeprefix("LOST_"): int(code) for name, code in re.findall(r"([A-Z_]+) = (\d+)", losses)}
    assert codes == {code.name: code.value for code in LossCode if code is not LossCode.IMPORTED}
    width = re.search(r"OP_INTEGERS = (\d+)", (kernel_folder() / "program/run.h").read_text(encoding="utf-8"))
    assert int(width[1]) == OP_INTEGERS
