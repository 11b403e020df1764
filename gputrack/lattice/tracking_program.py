"""Programs for tracking, with the records of monitors."""

from __future__ import annotations

from collections.abc import Sequence

from gputrack.base.cache import Entry
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program, compile_program
from gputrack.lattice.retune import Active, program_for

#: sets of monitors for which programs are cached
_MOST = 4
_TRACKING: Entry[Program] = Entry("program for tracking", _MOST)
_TRACKING_FORMS: Entry[Program] = Entry("programs for tracking of the origin of settings", _MOST)


def tracking_program(lattice: Lattice, monitors: Sequence[tuple[int, str]] = ()) -> Program:
    """Program of a lattice, with traced knobs included in the maps.

    Parameters
    ----------
    lattice : Lattice
    monitors : sequence of (every, select)
        For each monitor: its interval in turns, and the glob of the elements at whose exits it records.
    """

    def make(own: Lattice, active: Active) -> Program:
        return compile_program(own, [(every, own.places(select)) for every, select in monitors], active)

    return lattice.cache.get(_TRACKING, lambda: program_for(lattice, _TRACKING_FORMS, make, *monitors), *monitors)
