"""A few particles once through a lattice, seen at every element; no apertures."""

from __future__ import annotations

import numpy as np

from gputrack.backends import choose_backend
from gputrack.backends.base import Launch, Particles, make_records
from gputrack.elements import Element
from gputrack.errors import InputError
from gputrack.lattice import Lattice
from gputrack.map_program import require_single_particles
from gputrack.program import Program, compile_program

#: finite, so that its square is a number
_LIMIT = 1e100


def passage_program(lattice: Lattice) -> Program:
    """The lattice without apertures, with a record after every element."""
    if lattice.traced:
        raise InputError("closed orbit and optics of a lattice that is being differentiated are not available yet")
    require_single_particles(lattice)
    bare: dict[int, Element] = {}
    for element in lattice:
        if id(element) not in bare:
            bare[id(element)] = element.replaced(aperture=None) if element.aperture else element
    elements = [bare[id(element)] for element in lattice]
    whole = Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)
    return compile_program(whole, [(1, range(len(lattice)))])


def passage(lattice: Lattice, coordinates: np.ndarray, program: Program | None = None) -> np.ndarray:
    """Coordinates at the entrance of every element and at the end, shape (len(lattice) + 1, 6, n).

    Parameters
    ----------
    lattice : Lattice
    coordinates : (6, n) array
        At the entrance of the lattice; a particle that no map can carry on becomes NaN.
    program : Program, optional
        That of `passage_program`, for whoever passes through a lattice many times.
    """
    n = coordinates.shape[1]
    records = make_records([(1, len(lattice))], n, np)
    particles = Particles(
        np.array(coordinates, dtype=float, order="C"),
        np.zeros(n, np.int32),
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int32),
    )
    program = program or passage_program(lattice)
    launch = Launch(program, lattice.require_reference(), 0, 1, _LIMIT, records)
    if len(lattice):
        choose_backend(None, particles.coordinates, 1).run(particles, launch)
    return np.concatenate([np.asarray(coordinates, dtype=float)[None], records.views[0][0]])
