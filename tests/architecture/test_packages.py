"""Packages: a module imports only from packages before its own; no cycles; a library is known where it should be."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from support.source_tree import ROOT, below, imports, modules, ours, package_of, tree_of

#: lowest first; a module imports from its own package and from those before it. "" is gputrack itself: public names
PACKAGES = (
    "base", "errors", "autodiff", "tpsa", "elements", "beam", "collective", "lattice", "io", "backends", "tracking",
    "interop", "optics", "analysis", "", "app", "__main__",
)  # fmt: skip

#: which packages and modules may know a library
KNOWN_TO = {
    "array_api_compat": {"base.arrays"},
    "cupy": {"base.arrays", "backends.cuda"},
    "torch": {"interop.torch"},
    "jax": {"interop.jax"},
    "h5py": {"base.files", "beam", "tracking.monitor_file", "analysis.scan_file"},
    "lark": {"io.madx"},
    "matplotlib": {"optics.plotting", "analysis.plotting", "app.plot"},
    "typer": {"app"},
}


def test_only_packages_lie_in_gputrack():
    files = {path.name for path in ROOT.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"kernels"} == set(PACKAGES) - {"", "__main__"}


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules().values()}), ids=lambda f: f.name)
def test_each_package_has_a_description(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text and text.splitlines()[0].endswith((".", ";"))


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name):
    own = PACKAGES.index(package_of(name))
    wrong = {other for other in ours(name) if PACKAGES.index(package_of(other)) > own}
    assert not wrong, f"{name} imports {', '.join(sorted(wrong))} from packages after its own"


def test_no_module_imports_itself_through_others():
    graph = {name: ours(name, annotations=False) - {name} for name in modules()}
    while leaves := {name for name, others in graph.items() if not others & graph.keys()}:
        graph = {name: others for name, others in graph.items() if name not in leaves}
    onward = {name: sorted(others & graph.keys()) for name, others in graph.items()}
    assert not graph, f"cycles of imports among {onward}"


@pytest.mark.parametrize("library", KNOWN_TO)
def test_library_is_known_where_it_should_be(library):
    users = {name.removeprefix("gputrack.") for name in modules() if any(below(o, library) for o in imports(name))}
    wrong = {user for user in users if not any(below(user, top) for top in KNOWN_TO[library])}
    assert users and not wrong, f"{library} is imported by {', '.join(sorted(wrong))}"


def test_series_do_not_import_tracking():
    """Power series are mathematics: they know how kernels are found and built, and nothing of accelerators."""
    used = {package_of(other) for name in modules() if package_of(name) == "tpsa" for other in ours(name)}
    assert used <= {"base", "tpsa"}


@pytest.mark.parametrize("name", ["gputrack", "gputrack.tpsa"])
def test_heavy_libraries_are_not_imported_unasked(name):
    heavy = ("matplotlib", "typer", "rich", "pandas", "torch", "jax", "cupy")
    code = f"import sys, {name}; print(*(lib for lib in {heavy!r} if lib in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert not done.stdout.split(), done.stdout


def test_public_names_are_exported_and_there():
    import gputrack

    for name in gputrack.__all__:
        assert getattr(gputrack, name) is not None
    imported = {
        alias.asname or alias.name
        for node in tree_of("gputrack").body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= {*gputrack.__all__}
