"""Transfer matrices by finite differences of tracked particles: the independent way, for checks."""

from __future__ import annotations

import numpy as np

from gputrack.backends import choose_backend
from gputrack.backends.protocol import Launch, Particles, make_records
from gputrack.base.errors import InputError
from gputrack.elements import Element
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_single_particles
from gputrack.lattice.program import Program, compile_program

#: steps in x, px, y, py, z, delta: where truncation (step^4) and rounding (1/step) are both far below 1e-8
STEPS = np.array([3e-6, 3e-7, 3e-6, 3e-7, 1e-5, 1e-5])
_OFFSETS = (-2.0, -1.0, 1.0, 2.0)
_WEIGHTS = (1.0 / 12.0, -2.0 / 3.0, 2.0 / 3.0, -1.0 / 12.0)


def _bunch_around(orbit: np.ndarray) -> np.ndarray:
    """The orbit, and four particles displaced from it along each coordinate, shape (6, 25)."""
    bunch = np.repeat(np.asarray(orbit, dtype=float)[:, None], 25, axis=1)
    for j in range(6):
        bunch[j, 1 + 4 * j : 5 + 4 * j] += np.array(_OFFSETS) * STEPS[j]
    return bunch


def finite_difference_matrix(lattice: Lattice, orbit: np.ndarray | None = None) -> np.ndarray:
    """Transfer matrix by central differences (fourth order) of tracked particles.

    Parameters
    ----------
    lattice : Lattice
    orbit : (6,) array, optional
        Where to differentiate; the reference orbit where not given.

    Returns
    -------
    (6, 6) array
        d(final)/d(initial) of (x, px, y, py, z, delta), good to about 1e-9 of its entries.

    Raises
    ------
    InputError
        The particles do not reach the end.
    """
    bunch = passage(lattice, _bunch_around(np.zeros(6) if orbit is None else orbit))[-1]
    matrix: np.ndarray = (bunch[:, 1:].reshape(6, 6, 4) @ np.array(_WEIGHTS)) / STEPS
    if not np.isfinite(matrix).all():
        raise InputError(f"Lattice {lattice.name!r}: particles near the orbit {orbit} do not reach the end")
    return matrix


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
