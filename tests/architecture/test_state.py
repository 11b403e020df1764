"""State stands where it belongs: no module stores into another's objects, or changes behaviour by being imported."""

from __future__ import annotations

import ast

import pytest
from support.source_tree import modules, tree_of

OWN = {"self", "cls"}
CHANGING = {"setdefault", "update", "pop", "popitem", "clear", "__setitem__", "__delitem__"}
RULES = {"defvjp", "defjvp", "defvjp_argnums", "defjvp_argnums"}


def is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in OWN


def is_namespace(node: ast.AST) -> bool:
    """Whether an expression is ``x.__dict__`` or ``vars(x)``."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "vars"
    return isinstance(node, ast.Attribute) and node.attr == "__dict__"


def stores(tree: ast.AST) -> list[int]:
    """Lines that store into the namespace of an object, or into a private attribute of another object."""
    return [node.lineno for node in ast.walk(tree) if any(rule(node) for rule in (_namespace, _private, _call))]


def _namespace(node: ast.AST) -> bool:
    """``x.__dict__``, or a store into ``vars(x)``."""
    if isinstance(node, ast.Attribute):
        return node.attr == "__dict__" and not is_own(node.value)
    return isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and is_namespace(node.value)


def _private(node: ast.AST) -> bool:
    """``x._a = 1``."""
    stored = isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    return stored and node.attr.startswith("_") and not is_own(node.value)


def _call(node: ast.AST) -> bool:
    """``setattr(x, ...)``, ``vars(x).update(...)``, ``object.__setattr__(x, ...)``; not ``super().__setattr__``."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in ("setattr", "delattr")
    if not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in ("__setattr__", "__delattr__"):
        return not (node.args and is_own(node.args[0])) and not isinstance(node.func.value, ast.Call)
    return node.func.attr in CHANGING and is_namespace(node.func.value)


@pytest.mark.parametrize("name", modules())
def test_nothing_is_stored_into_another_object(name):
    assert not stores(tree_of(name)), f"{name}, lines {stores(tree_of(name))}"


def test_stores_are_seen():
    """Each way that the rule is about."""
    bad = [
        "x.__dict__['a'] = 1", "x.__dict__.setdefault('a', 1)", "y = x.__dict__", "vars(x)['a'] = 1",
        "vars(x).update(a=1)", "setattr(x, 'a', 1)", "object.__setattr__(x, 'a', 1)", "x._a = 1", "x._a += 1",
        "self.__dict__['a'] = 1", "del x._a",
    ]  # fmt: skip
    good = ["self.a = 1", "x = dict(vars(y))", "object.__setattr__(self, 'a', 1)", "super().__setattr__(n, v)"]
    assert [line for line in bad if not stores(ast.parse(line))] == []
    assert [line for line in good if stores(ast.parse(line))] == []


def imported(tree: ast.Module) -> set[str]:
    """Names that a module takes from others, at its top level."""
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {(alias.asname or alias.name).partition(".")[0] for node in nodes for alias in node.names}


def registrations(tree: ast.Module) -> list[int]:
    """Lines at top level that store into objects of another module, or give rules to functions of others."""
    others, found = imported(tree), []
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            continue
        for node in ast.walk(statement):
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                found += [node.lineno] if root_of(node) in others else []
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RULES:
                found += [node.lineno] if root_of(node.args[0]) in others else []
    return found


def root_of(node: ast.AST) -> str:
    """``x`` of ``x.y[0].z``."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("name", modules())
def test_nothing_is_registered_by_an_import(name):
    """Derivative rules belong to functions of the same module; tables of other modules are not filled from outside."""
    assert not registrations(tree_of(name)), f"{name}, lines {registrations(tree_of(name))}"


def test_registrations_are_seen():
    start = "from autograd import numpy as anp\nfrom a import TABLE, defvjp\n"
    bad = ["TABLE['x'] = f", "TABLE.x = f", "defvjp(anp.linalg.inv, f)", "for f in fs:\n    TABLE[f] = 1"]
    good = ["OWN['x'] = f", "def f():\n    TABLE['x'] = 1", "defvjp(own, f)"]
    assert [line for line in bad if not registrations(ast.parse(start + line))] == []
    assert [line for line in good if registrations(ast.parse(start + line))] == []


@pytest.mark.parametrize("name", modules())
def test_no_import_is_for_its_side_effect(name):
    """Each imported name is used, or exported: ruff sees to that where nothing silences it."""
    assert "F401" not in modules()[name].read_text(encoding="utf-8")
