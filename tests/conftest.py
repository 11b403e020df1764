"""Fixtures that many tests share: backends, species, reference lattices."""

import pytest
from backends import BACKENDS, why_not
from cases import SPECIES
from helpers import shared_lattice


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Name of each backend in turn; skipped, with the reason, where this machine cannot run it."""
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
