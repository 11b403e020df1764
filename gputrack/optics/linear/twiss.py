"""Twiss parameters of rings and beam lines."""

from __future__ import annotations

from typing import Any

from gputrack.backends import Choice
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import NUMBER, arguments, numbers, optional
from gputrack.base.arrays import untraced
from gputrack.base.errors import InputError
from gputrack.beam.initial_twiss import InitialTwiss
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_undamped
from gputrack.optics.linear.coupled_functions import EdwardsTeng, MaisRipken
from gputrack.optics.linear.motion import line_motion, ring_motion
from gputrack.optics.linear.places import Positions, Slices, require_places
from gputrack.optics.linear.stability import require_length
from gputrack.optics.linear.trajectory import positions
from gputrack.optics.linear.twiss_columns import Twiss, twiss_of_motion


@arguments(lattice=LATTICE, delta=NUMBER, orbit=optional(numbers(6)), backend=BACKEND)
def twiss(
    lattice: Lattice,
    *,
    start: Any = None,
    delta: Any = 0.0,
    orbit: Any = None,
    form: MaisRipken | EdwardsTeng | None = None,
    at: Slices | Positions | None = None,
    backend: Choice = None,
) -> Twiss:
    """Twiss parameters: the periodic ones of a ring, or those of a beam line from given initial values.

    Matrices are exact derivatives of the tracking maps about the (closed) orbit. For a part of a ring use
    ``gt.twiss(ring).between("q1", "q9")``, or a slice of the lattice as a beam line with initial values:
    ``gt.twiss(ring[10:90], start=tw.at(10))``.

    Parameters
    ----------
    lattice : Lattice
    start : InitialTwiss, optional
        Initial values of a beam line, or any object with these attributes; by default periodic optics of a ring.
    delta : float
        Relative momentum deviation; with cavities on, the start of the search for the closed orbit.
    orbit : (6,) array, optional
        Orbit at the start of a beam line, by default (0, 0, 0, 0, 0, delta); for a ring, the start of the search.
    form : MaisRipken or EdwardsTeng
        Form of the beta functions of coupled motion; by default `MaisRipken`.
    at : Slices or Positions, optional
        Places of the rows: by default the ends of all elements; ``gt.Slices(10)`` adds rows inside elements,
        ``gt.Positions([1.5, 20.0])`` gives rows only there. Inside an element the optics are those after its entrance
        face and a part of its body. Momenta in solenoids are canonical. A cavity acts in its middle.
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the maps, also for gradients and quantities computed later; by default `host`, or without a
        compiler `array`.

    Returns
    -------
    Twiss

    Raises
    ------
    InputError
        There is no closed orbit, or the motion about it is unstable (the message gives the plane and its trace); a
        particle on the orbit of a line is lost; or particles radiate, see `damping`.
    BackendError
        The backend cannot run on this machine.
    """
    require_undamped(lattice, "Twiss parameters")
    form = MaisRipken() if form is None else form
    if not isinstance(form, (MaisRipken, EdwardsTeng)):
        raise InputError(f"twiss: form must be MaisRipken() or EdwardsTeng(), got {form!r}")
    if at is not None:
        require_places(at)
    if start is not None:
        motion = line_motion(lattice, InitialTwiss.of(start, "twiss: start"), delta, orbit, backend)
    else:
        require_length(lattice, float(untraced(positions(lattice)[-1])))
        motion = ring_motion(lattice, delta, orbit, backend)
    ends = twiss_of_motion(lattice, motion, form, backend)
    return ends if at is None else ends.refined(at)


@arguments(lattice=LATTICE, delta=NUMBER, backend=BACKEND)
def linear_optics(lattice: Lattice, delta: Any = 0.0, backend: Choice = None) -> Twiss:
    """Periodic Twiss parameters of a ring: ``twiss(lattice, delta=delta, backend=backend)``."""
    return twiss(lattice, delta=delta, backend=backend)
