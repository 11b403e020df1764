"""Launch of particles in host memory, chunk by chunk: arrays to copy, and their rows in the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gputrack.backends.cuda.chunks import Field, Layout, Task, Views, run_chunks
from gputrack.backends.launch import Launch, Particles, Records
from gputrack.base.arrays import module_named

PARTS = ("coordinates", "loss_turn", "loss_code", "loss_op")

#: ``(particles, launch, arrays on the device)``: queue the kernels on the current stream
Queue = Callable[[Particles, Launch, Views], Any]


class ChunkedLaunch:
    """Arrays of a launch on the host, and the processing of each chunk on the device.

    Nothing is recorded in a backward sweep.

    Parameters
    ----------
    particles : Particles
        On the host, changed in place.
    launch : Launch
    queue : callable
        See `Queue`.
    rates : float64 array (6, n), optional
        Tangents or cotangents, changed in place with the coordinates.
    rates_recorded : float64 array, optional
        Filled with the tangents of the records, laid out as ``launch.records.flat``.
    total : float64 array, optional
        Derivatives from the backward sweep, to which those of each chunk are added in order.
    seeds : float64 array, optional
        Derivatives with respect to the records, laid out as ``launch.records.flat``.
    weights : float64 array (n,), optional
        Weights of the particles, if the launch needs them.
    """

    def __init__(
        self, particles: Particles, launch: Launch, queue: Queue, *, rates: Any = None, rates_recorded: Any = None,
        total: Any = None, seeds: Any = None, weights: Any = None,
    ) -> None:  # fmt: skip
        self.particles, self.launch, self.queue, self.total, self.seeds = particles, launch, queue, total, seeds
        self.weights = weights
        self.n = particles.coordinates.shape[1]
        self.moved = {name: getattr(particles, name) for name in PARTS}
        if rates is not None:
            self.moved["rates"] = rates
        written = {"records": (launch.records.flat, np.nan), "rates_recorded": (rates_recorded, 0.0)}
        records = total is None and recorded_by(launch) > 0
        self.written = {name: pair for name, pair in written.items() if records and pair[0] is not None}
        self.starts: dict[int, Any] = {}

    def run(self, chunk: int, device: int) -> float:
        """Process all particles on a device, the current one; see `run_chunks`."""
        xp = module_named("cupy")
        self.nothing = xp.empty(0)
        each = self.launch.records.starts // self.n
        self.starts = {size: xp.asarray(each * size) for size in {chunk, self.n % chunk} if size}
        try:
            return run_chunks(Task(self._layout(), self._load, self._work, self._store), self.n, chunk, device)
        finally:
            self.starts = {}

    def _layout(self) -> Layout:
        fields = [Field(name, a.shape[:-1], up=True, down=True, dtype=a.dtype.name) for name, a in self.moved.items()]
        rows = (recorded_by(self.launch), 6)
        fields += [Field(name, rows, down=True) for name in self.written]
        if self.seeds is not None:
            fields.append(Field("seeds", rows, up=True))
        if self.weights is not None:
            fields.append(Field("weights", (), up=True))
        if self.total is not None:
            fields.append(Field("total", self.total.shape, down=True, per_particle=False))
        return Layout(fields)

    def _load(self, at: Views, part: slice) -> None:
        for name, whole in self.moved.items():
            at[name][...] = whole[..., part]
        if self.seeds is not None:
            for rows, whole in self._rows(self.seeds):
                at["seeds"][rows] = whole[..., part]
        if self.weights is not None:
            at["weights"][...] = self.weights[part]

    def _work(self, on: Views, size: int) -> Any:
        for name, (_, empty) in self.written.items():
            on[name].fill(empty)
        # the sweep reads positions in the records, not their values; the seeds have the same layout
        flat = on.get("records", on.get("seeds", self.nothing))
        launch = replace(self.launch, records=Records(flat, self.starts[size], []))
        return self.queue(Particles(**{name: on[name] for name in PARTS}), launch, on)

    def _store(self, at: Views, part: slice) -> None:
        for name, whole in self.moved.items():
            whole[..., part] = at[name]
        for name, (flat, _) in self.written.items():
            for rows, whole in self._rows(flat):
                whole[..., part] = at[name][rows]
        if self.total is not None:
            self.total += at["total"]

    def _rows(self, flat: Any) -> Iterator[tuple[slice, Any]]:
        """Rows of each monitor in a chunk, and its part (rows, 6, n) of an array laid out as the records."""
        first = 0
        for view, start in zip(self.launch.records.views, self.launch.records.starts.tolist(), strict=True):
            count = view.shape[0] * view.shape[1]
            yield slice(first, first + count), flat[start : start + view.size].reshape(count, 6, self.n)
            first += count


def recorded_by(launch: Launch) -> int:
    """Records of each particle in a launch."""
    return sum(view.shape[0] * view.shape[1] for view in launch.records.views)
