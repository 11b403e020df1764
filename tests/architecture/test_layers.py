"""Imports point one way, libraries are known where they should be, and twins have their twins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gputrack
from gputrack.backends.generated import kernel_folder
from gputrack.backends.host.matrix_derivatives import RatesRun
from gputrack.backends.pipe_tables import PipeRun
from gputrack.backends.structs import Run, Sweep, TangentRun
from gputrack.backends.taylor.host import SeriesRun
from gputrack.backends.taylor.host_adjoint import SeriesSweep
from gputrack.base.losses import LossCode
from gputrack.elements.map import MAPS, ReferenceValues, State
from gputrack.lattice.program import OP_INTEGERS
from gputrack.tpsa.host import Tables

ROOT = Path(gputrack.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

#: Lowest first. A module imports from its own layer and from those before it; names stand for all below them too.
LAYERS = (
    ("constants", "errors", "device_array"),
    ("arrays", "checks", "frames", "losses", "schemes", "models"),
    ("reference", "numbers", "faddeeva", "device_box", "moments", "moment_primitives", "tpsa.space", "tpsa.tables",
     "slicing"),
    ("gaussian_field",),
    ("beam", "beam_arrays", "beam_moments", "beam_sources", "distributions", "grids", "initial_twiss"),
    ("elements",),
    ("lattice_setting", "lattice"),
    ("io", "rings", "collective"),
    ("program",),
    ("backends",),
    ("tpsa",),  # of the backends, it knows only how kernels are found and built
    ("keeping", "lost_places", "monitor_file", "monitor", "room", "tracker"),
    ("sweep", "parameter_adjoint", "parameter_tangent", "forward_rules", "forward_trace", "tangent_run",
     "forward_mode", "gradient"),
    ("program_retuned", "parameter_trace", "map_program", "map_request", "map_gradient", "passage_gradient",
     "passage_rates", "transfer_map"),
    ("optics", "analysis", "interop"),
    ("luminosity",),
    ("strong_strong",),
    ("",),  # the package itself: its public names
    ("specimens", "doctor"),
    ("plot", "plot_scans", "report", "commands", "match_command", "demo", "cli", "__main__"),
)

#: upwards on purpose, inside functions: methods of a beam that write and read files, and a method that draws
UPWARDS = {("beam", "io.beam_file"), ("optics.twiss", "plot"), ("optics.driving_result", "plot"),
           ("analysis.apertures", "plot_scans"), ("analysis.frequencies", "plot_scans")}

#: who may know a library
KNOWN_TO = {
    "array_api_compat": {"arrays"},
    "cupy": {"arrays", "backends.cuda"},
    "autograd": {
        "backends.array_adjoint", "backends.array_tangent", "backends.collective", "collective", "device_box", "doctor",
        "forward_rules", "forward_trace", "gradient", "interop.passes", "lost_places", "map_gradient",
        "moment_primitives", "optics", "parameter_adjoint", "parameter_trace", "passage_gradient", "passage_rates",
        "strong_strong", "tangent_run", "tpsa",
    },
    "torch": {"interop.torch"},
    "jax": {"interop.jax"},
}


def name_of(path: Path) -> str:
    """Dotted name below the package, as ``backends.cuda``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def below(name: str, top: str) -> bool:
    return name == top or name.startswith(f"{top}.")


def layer_of(name: str) -> int:
    for number, tops in enumerate(LAYERS):
        if any(below(name, top) if top else name == "" for top in tops):
            return number
    pytest.fail(f"gputrack.{name} is in no layer: add it to LAYERS in {Path(__file__).name}")


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from (_target(node.module or "", alias.name) for alias in node.names)


def _target(module: str, name: str) -> str:
    """What ``from module import name`` reads: a module of ours of that name, or the module that defines it."""
    place = ROOT.parent.joinpath(*module.split("."), name)
    return f"{module}.{name}" if place.is_dir() or place.with_suffix(".py").is_file() else module


def ours(path: Path) -> Iterator[str]:
    """Names below the package of our own modules that a file imports."""
    for module in imports(path):
        if below(module, "gputrack"):
            yield module.removeprefix("gputrack").removeprefix(".")


@pytest.mark.parametrize("path", MODULES, ids=[name_of(path) or "gputrack" for path in MODULES])
def test_imports_point_one_way(path):
    name = name_of(path)
    own = layer_of(name)
    wrong = [other for other in ours(path) if layer_of(other) > own and (name, other) not in UPWARDS]
    assert not wrong, f"gputrack.{name} imports {', '.join(wrong)} from layers above its own"


def test_upward_imports_are_lazy():
    """The exceptions stand inside functions, so that importing a module never goes upwards."""
    for name, other in UPWARDS:
        tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
        top = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert f"gputrack.{other}" not in top
        assert other in set(ours(ROOT / f"{name.replace('.', '/')}.py")), "an exception that nobody needs"


def test_tracker_never_imports_gradient():
    """Both stand on the backends; not through others either."""
    reached, todo = set(), ["tracker"]
    while todo:
        name = todo.pop()
        path = ROOT.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for other in set(ours(file)) - reached - {""}:
            reached.add(other)
            todo.append(other)
    assert "backends.base" in reached
    assert "gradient" not in reached


def test_series_know_only_how_kernels_are_built():
    users = {(name_of(path), other) for path in MODULES if below(name_of(path), "tpsa") for other in ours(path)}
    above_arrays = {other for _, other in users if layer_of(other) > layer_of("arrays") and not below(other, "tpsa")}
    assert above_arrays == {"backends.compiler", "backends.sources"}


@pytest.mark.parametrize("library", KNOWN_TO)
def test_library_is_known_where_it_should_be(library):
    users = {name_of(path) for path in MODULES if any(below(module, library) for module in imports(path))}
    wrong = {user for user in users if not any(below(user, top) for top in KNOWN_TO[library])}
    assert users and not wrong, f"{library} is imported by {', '.join(sorted(wrong))}"


# -- kernels -----------------------------------------------------------------------------------------------------------

KERNELS = sorted(kernel_folder().rglob("*.h"))
#: start a run for one kind of compiler
ENTRIES = {path for path in KERNELS if path.stem.endswith(("_cuda", "_host"))}


def test_each_map_has_its_twin():
    """kernels/elements/x.h is there for each gputrack/elements/x.py that declares maps, and for nothing else."""
    declared = {kind.stem for kind in MAPS.values() if kind.name != "record"}
    assert declared == {path.stem for path in KERNELS if path.parent.name == "elements"}


@pytest.mark.parametrize("kind", [kind for kind in MAPS.values() if kind.name != "record"], ids=lambda kind: kind.name)
def test_twins_have_the_same_functions(kind):
    """Map, inverse, adjoint in this order under the names of the Python functions, which live in the same stem."""
    assert kind.forward.__module__ == f"gputrack.elements.{kind.stem}"
    text = (kernel_folder() / "elements" / f"{kind.stem}.h").read_text(encoding="utf-8")
    names = [kind.forward.__name__, kind.inverse.__name__, f"{kind.name}_adjoint"]
    if kind.name == "aperture":  # undone and pulled back by the loop over ops, which knows who was lost
        names = names[:1]
    places = {name: re.search(rf"\b{name}\(State<T>& s, ", text) for name in names}
    missing = [name for name, place in places.items() if place is None]
    assert not missing, f"kernels/elements/{kind.stem}.h has no {', '.join(missing)}"
    starts = [place.start() for place in places.values()]
    # unalign and unboost are inverses of align and boost, and their twins
    assert kind.name in ("unalign", "unboost") or starts == sorted(starts)


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.relative_to(kernel_folder()).as_posix())
def test_only_target_knows_the_compiler(path):
    if path.name == "target.h":
        return
    text = path.read_text(encoding="utf-8")
    conditions = [line for line in text.splitlines() if re.match(r"\s*#\s*(el)?if", line)]
    assert all(re.fullmatch(r"#ifndef GT_[A-Z]+", line) for line in conditions), conditions
    assert "GT_EMULATED_GPU" not in text
    words = set(re.findall(r"\b__\w+", text))
    assert path in ENTRIES or not words, f"{path.name} speaks to one compiler: {', '.join(sorted(words))}"
    assert not re.search(r"#\s*include\s*<", text), f"{path.name} includes a system header"


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
