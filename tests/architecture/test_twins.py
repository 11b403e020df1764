"""Each map stands twice, in Python and as a kernel: same file stem, same functions in the same order."""

from __future__ import annotations

import re

import pytest
from support.source_tree import modules

from gputrack.base.kernel_files import kernel_folder
from gputrack.elements.map import built_in_maps

KERNELS = sorted(kernel_folder().rglob("*.h"))
#: folders whose files start runs for one kind of compiler
ENTRIES = ("cuda", "host")
#: coefficients and steps that several elements share; no map of their own
SHARED = {"splitting"}
COMPARED = [kind for kind in built_in_maps() if kind.name != "record"]


def test_each_map_has_its_twin():
    """kernels/elements/x.h is there for each gputrack/elements/x.py that declares maps, and for nothing else."""
    declared = {kind.header for kind in COMPARED}
    assert declared | SHARED == {path.stem for path in (kernel_folder() / "elements").glob("*.h")}


@pytest.mark.parametrize("kind", COMPARED, ids=lambda kind: kind.name)
def test_twins_have_the_same_functions(kind):
    """Map, inverse, adjoint in this order under the names of the Python functions, which live in the same stem."""
    assert kind.forward.__module__ == f"gputrack.elements.{kind.header}"
    text = (kernel_folder() / "elements" / f"{kind.header}.h").read_text(encoding="utf-8")
    names = [kind.forward.__name__, kind.inverse.__name__, f"{kind.name}_adjoint"]
    if kind.name == "aperture":  # undone and pulled back by the loop over ops, which knows which particles are lost
        names = names[:1]
    places = {name: re.search(rf"\b{name}\(State<T>& s, ", text) for name in names}
    missing = [name for name, place in places.items() if place is None]
    assert not missing, f"kernels/elements/{kind.header}.h has no {', '.join(missing)}"
    starts = [place.start() for place in places.values()]
    # unalign and unboost are inverses of align and boost, and their twins
    assert kind.name in ("unalign", "unboost") or starts == sorted(starts)


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.relative_to(kernel_folder()).as_posix())
def test_only_target_knows_the_compiler(path):
    """target.h with its parts: the folder of that name."""
    if path.relative_to(kernel_folder()).parts[0] in ("target.h", "target"):
        return
    text = path.read_text(encoding="utf-8")
    conditions = [line for line in text.splitlines() if re.match(r"\s*#\s*(el)?if", line)]
    assert all(re.fullmatch(r"#ifndef GT_[A-Z]+", line) for line in conditions), conditions
    assert "GT_EMULATED_GPU" not in text
    words = set(re.findall(r"\b__\w+", text))
    entry = path.relative_to(kernel_folder()).parts[0] in ENTRIES
    assert entry or not words, f"{path.name} names a compiler's own words: {', '.join(sorted(words))}"
    assert not re.search(r"#\s*include\s*<", text), f"{path.name} includes a system header"


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.relative_to(kernel_folder()).as_posix())
def test_one_switch_over_op_codes(path):
    """Kernel files name no op code: ``at_op``, which is generated with the structs of constants, has the one switch."""
    text = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
    assert not re.findall(r"\bCODE_\w+|\bswitch \(integers", text)


#: macros of target.h for where code goes: each is defined once for GPUs and once for hosts, and differs from the others
PLACES = {"GT_INLINE", "GT_FUNCTION", "GT_APART", "GT_OUT_OF_LINE", "GT_COMPACT"}


def test_macros_are_defined_in_one_place():
    """Words for functions in target.h alone; no macro stands for one kind of map."""
    defined = {path: set(re.findall(r"#define (GT_\w+)", path.read_text(encoding="utf-8"))) for path in KERNELS}
    for path, names in defined.items():
        assert path.name == "target.h" or not names & PLACES, path
        assert "GT_KIND" not in names, path
    assert defined[kernel_folder() / "target.h"] >= PLACES


def test_both_engines_of_power_series_have_one_generator():
    """Sums of products are written by gputrack.tpsa.sums_source alone, and monomials have one order."""
    for name in ("gputrack.tpsa.kernel_source", "gputrack.backends.taylor.products_source"):
        source = modules()[name].read_text(encoding="utf-8")
        assert "gputrack.tpsa.sums_source import Sums" in source, name
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    assert [name for name, text in texts.items() if "def straight(self" in text] == ["gputrack.tpsa.sums_source"]
    assert [name for name, text in texts.items() if "def exponents(" in text] == ["gputrack.tpsa.space"]
