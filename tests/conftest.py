"""Fixtures that many tests share: backends, species, reference lattices."""

import os

import pytest
from support.backends import BACKENDS, EMULATED, why_not
from support.cases import SPECIES
from support.emulation import fake_cupy
from support.helpers import shared_lattice

# larger spaces by tables, which all share, unless asked for: kernels of a space's own take up to 15 s to build
os.environ.setdefault("GPUTRACK_TPSA_PRODUCTS", "100")


if os.environ.get("GPUTRACK_TEST_ALLOCATOR") == "plain" and not why_not("cuda"):
    import cupy

    cupy.cuda.set_allocator(None)  # no pool: compute-sanitizer sees the ends of each array


@pytest.fixture(params=[*BACKENDS, EMULATED])
def backend(request, monkeypatch):
    """Name of each backend in turn; skipped, with the reason, where this machine cannot run it.

    Without CuPy, `cuda` comes once more, on a stand-in that runs the kernels on the host.
    """
    if request.param == EMULATED:
        fake_cupy.install(monkeypatch)
        return "cuda"
    reason = why_not(request.param)
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture(params=SPECIES)
def species(request):
    """Reference particle of each species in turn."""
    return SPECIES[request.param]


@pytest.fixture(scope="session")
def lattice_path():
    """Path of a shared reference lattice by file name; skips by name where it is not at hand."""
    return shared_lattice


@pytest.fixture
def series_by_tables(monkeypatch):
    """Power series by the kernels that all spaces share: none is built for a space of the test's own."""
    monkeypatch.setenv("GPUTRACK_TPSA_PRODUCTS", "0")
