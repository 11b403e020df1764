"""The package as a tree of source files: modules, their imports, and their packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import gputrack

#: the checkout that these tests belong to; the package under test may be installed elsewhere
CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(gputrack.__file__).parent
#: packages directly below gputrack that have tests of their own
PACKAGE_FOLDERS = sorted(
    path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in ("errors",)
)


@cache
def modules() -> dict[str, Path]:
    """Files of the package by dotted name."""
    return {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def name_of(path: Path) -> str:
    """Dotted name, as ``gputrack.backends.cuda``."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(name: str) -> str:
    """The package directly below gputrack in which a module lies; "" for gputrack itself."""
    return (*name.split("."), "")[1]


@cache
def tree_of(name: str) -> ast.Module:
    """Syntax tree of a module."""
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imports(name: str, *, annotations: bool = True) -> Iterator[str]:
    """Full names of all modules that a module imports, wherever the import stands.

    Parameters
    ----------
    name : str
    annotations : bool
        Whether imports for annotations alone (under ``TYPE_CHECKING``) count.
    """
    skipped: set[int] = set()
    for node in ast.walk(tree_of(name)):
        if not annotations and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            skipped |= {id(inner) for inner in ast.walk(node)}
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative import"
            yield from (_target(node.module or "", alias.name) for alias in node.names)


def _target(module: str, name: str) -> str:
    """Module read by ``from module import name``: a module of ours of that name, or the module that defines it."""
    return f"{module}.{name}" if f"{module}.{name}" in modules() else module


def ours(name: str, *, annotations: bool = True) -> set[str]:
    """Modules of gputrack that a module imports."""
    return {other for other in imports(name, annotations=annotations) if below(other, "gputrack")}


def below(name: str, top: str) -> bool:
    """Whether a module is `top` or lies in it."""
    return name == top or name.startswith(f"{top}.")
