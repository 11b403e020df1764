"""Processes of other codes, each in a temporary folder: some write files to the directory where they run."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from typing import Any

import pytest


def madx(text: str = "") -> Any:
    """A silent MAD-X process (cpymad's `Madx`) that has read `text`; the test is skipped without cpymad."""
    module = pytest.importorskip("cpymad.madx")
    folder = tempfile.mkdtemp(prefix="madx-")
    process = _removed_with(module.Madx(stdout=False, cwd=folder), folder)
    process.input("option, -echo, -info, -warn;\n" + text)
    return process


def madng() -> Any:
    """A MAD-NG process (pymadng's `MAD`); the test is skipped without pymadng."""
    module = pytest.importorskip("pymadng")
    folder = tempfile.mkdtemp(prefix="madng-")
    with contextlib.chdir(folder):
        return _removed_with(module.MAD(), folder)


def _removed_with(process: Any, folder: str) -> Any:
    weakref.finalize(process, shutil.rmtree, folder, ignore_errors=True)
    return process
