"""Programs for tracking, with records where monitors stand."""

from __future__ import annotations

from collections.abc import Sequence

from gputrack.base.cache import Entry
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program, compile_program
from gputrack.lattice.retune import Active, program_for

#: for so many sets of monitors in turn
_MOST = 4
_TRACKING: Entry[Program] = Entry("program for tracking", _MOST)
_TRACKING_FORMS: Entry[Program] = Entry("programs for tracking of the origin of settings", _MOST)


def tracking_program(lattice: Lattice, monitors: Sequence[tuple[int, str]] = ()) -> Program:
    """Program of a lattice, in whose maps the knobs that are being differentiated have places.

    Parameters
    ----------
    lattice : Lattice
    monitors : sequence of (every, select)
        For each monitor: it records every so many turns, at the exits of the elements whose names match a glob.
    """

    def make(own: Lattice, active: Active) -> Program:
        return compile_program(own, [(every, own.places(select)) for every, select in monitors], active)

    return lattice.cache.get(_TRACKING, lambda: program_for(lattice, _TRACKING_FORMS, make, *monitors), *monitors)
