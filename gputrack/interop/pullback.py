"""A tracking run as a function of plain arrays, and its pull-back, for the modules of all frameworks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autograd import make_vjp
from autograd.builtins import tuple as traced_tuple

from gputrack.backends import Choice
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.beam.beam import Beam
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.arguments import check_arguments
from gputrack.tracking.monitor import Monitor, Recorder
from gputrack.tracking.run import Tracked
from gputrack.tracking.track import LIMIT, track

PullBack = Callable[[Any, Sequence[Any]], tuple[Any, Any]]


@dataclass(frozen=True)
class Pass:
    """A call of `track` without its arrays.

    Parameters
    ----------
    lattice : Lattice
    knobs : Knobs
        May include "reference.p0c"; the beam has the reference particle of the changed lattice.
    turns, monitors, weights, backend, threads, limit
        See `gputrack.track` and `gputrack.Beam`.

    Raises
    ------
    InputError
        An argument is invalid, or a monitor records moments or writes to a file.
    """

    lattice: Lattice
    knobs: Knobs
    turns: int = 1
    monitors: Sequence[Monitor] = ()
    weights: Any = None
    backend: Choice = None
    threads: int | None = None
    limit: float = LIMIT

    def __post_init__(self) -> None:
        if not isinstance(self.lattice, Lattice):
            raise InputError(f"track: lattice must be a Lattice, got {short(self.lattice)}")
        if not isinstance(self.knobs, Knobs):
            raise InputError(f"track: knobs must be those of lattice.knobs(...), got {short(self.knobs)}")
        one = Beam.single(self.lattice.require_reference())
        check_arguments(self.lattice, one, self.turns, self.monitors, False, self.limit)
        for monitor in self.monitors:
            if monitor.moments or monitor.path is not None:
                raise InputError(
                    f"Monitor {monitor.select!r}: only coordinates in memory are supported here; omit moments and "
                    "path, and compute moments from the recorded coordinates"
                )

    def require_shapes(self, values: Sequence[int], coordinates: Sequence[int]) -> None:
        """Check the shapes of the arrays."""
        if tuple(values) != (len(self.knobs),):
            raise InputError(f"track: {len(self.knobs)} knobs need values of shape ({len(self.knobs)},), got {values}")
        if len(coordinates) != 2 or coordinates[0] != 6 or coordinates[1] == 0:
            raise InputError(f"track: coordinates must have shape (6, n) with n >= 1, got {tuple(coordinates)}")

    def record_shapes(self, n: int) -> list[tuple[int, int, int, int]]:
        """Shapes of the records: (recorded turns, places, 6, n)."""
        recorders = [Recorder(monitor, self.lattice) for monitor in self.monitors]
        return [(len(r.rows(0, self.turns)), len(r.places), 6, n) for r in recorders]

    def run(self, values: Any, coordinates: Any) -> Tracked:
        """Track coordinates (6, n) for knob values (n_knobs,); both may be traced."""
        changed = self.lattice.with_knobs(self.knobs, values)
        beam = Beam(coordinates, changed.require_reference(), weights=self.weights)
        return track(
            changed, beam, self.turns, monitors=self.monitors, backend=self.backend, threads=self.threads,
            limit=self.limit,
        )  # fmt: skip

    def run_with_pullback(self, values: Any, coordinates: Any) -> tuple[Any, Any, tuple[Any, ...], PullBack]:
        """Track and prepare the backward sweep.

        Returns
        -------
        (6, n) array, (n,) array, tuple of arrays, function
            Coordinates, loss codes, records, and the pull-back: a function of the cotangents of coordinates and
            records that returns those of knob values and initial coordinates. It may be called repeatedly.
        """
        codes: list[Any] = []

        def outputs(knob_values: Any, start: Any) -> Any:
            out = self.run(knob_values, start)
            codes.append(out.loss_code)
            return traced_tuple((out.coordinates, *(record.coordinates for record in out.records)))

        pull, (after, *records) = make_vjp(outputs, (0, 1))(values, coordinates)

        def pull_back(bar: Any, record_bars: Sequence[Any]) -> tuple[Any, Any]:
            values_bar, coordinates_bar = pull((bar, *record_bars))
            return values_bar, coordinates_bar

        return after, codes[-1], tuple(records), pull_back
