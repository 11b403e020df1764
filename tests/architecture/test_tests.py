"""The tests themselves: shared helpers stand in tests/support; no test imports another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.source_tree import PACKAGE_FOLDERS

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("*.py"))
NAMES = [path.stem for path in FILES if path.name.startswith("test_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_test_is_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not {name.split(".")[-1] for name in names} & {*NAMES}, f"{path}: imports {names}"


def test_one_folder_for_each_package():
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*PACKAGE_FOLDERS, "support", "architecture"}


def test_names_of_test_files_differ():
    assert len(NAMES) == len(set(NAMES)), "pytest distinguishes test files by their names"
