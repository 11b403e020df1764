"""Tracking of beams in host memory on a GPU in chunks, limited only by the host's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from gputrack.backends.choice import Streamed
from gputrack.backends.cuda.backend import CudaBackend
from gputrack.backends.cuda.chunked_launch import PARTS, ChunkedLaunch, recorded_by
from gputrack.backends.cuda.memory import WEIGHT, Kind, Work, chunk_size
from gputrack.backends.derivatives import (
    Cotangents,
    MatrixRates,
    MomentCotangents,
    RateCotangents,
    TangentCotangents,
    Tangents,
)
from gputrack.backends.launch import Launch, Particles, make_records, shapes_of
from gputrack.backends.protocol import CollectiveKernel, Stream
from gputrack.base.arrays import Array, module_named
from gputrack.base.errors import BackendError, InputError
from gputrack.elements.collective_map import CollectiveKind
from gputrack.elements.map import ReferenceValues

_HOST = {"constants", "reference"}  # of tangents, read from host memory
_READ = {"records", "record_tangents"}  # of cotangents, not changed by backends


class StreamedBackend:
    """Programs on a GPU for particles in host memory.

    Attributes
    ----------
    stream : Stream
    copying : float
        Time [s] of the last launch spent on copies by the host, independent of the number of turns.
    """

    name = "cuda"
    threads = None

    def __init__(self, choice: Streamed) -> None:
        self._inner = CudaBackend()
        cupy = self._cupy = module_named("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
        self._device: int = cupy.cuda.Device().id if choice.device is None else choice.device
        if self._device >= count:
            raise InputError(f"Streamed: device must be < {count}, the number of GPUs here, got {self._device}")
        self.stream = Stream(self._device, choice.chunk)
        self.copying = 0.0

    def collective_kernel(self, kind: CollectiveKind) -> CollectiveKernel | None:
        """See `gputrack.backends.protocol.Backend`."""
        return self._inner.collective_kernel(kind)

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run a launch, in place: forwards, or backwards with each map inverted."""
        if launch.program.cuts:
            self._whole(particles, launch, lambda p, own: self._inner.step(p, own))
            return
        self._chunked(
            Kind.TRACK, launch, ChunkedLaunch(particles, launch, lambda p, own, on: self._inner.queue(p, own))
        )

    def step_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """Run a launch forwards, in place, with tangents; return the tangents of the records."""
        if launch.program.cuts:
            raise BackendError("forward mode through collective effects needs the host; omit backend=, or use grad")
        recorded = np.zeros_like(launch.records.flat)
        with self._cupy.cuda.Device(self._device):
            constants = self._inner.dual_constants(launch.program, tangents)

        def queue(p: Particles, own: Launch, on: dict[str, Any]) -> None:
            rates = replace(tangents, coordinates=on["rates"])
            self._inner.queue_tangent(p, rates, own, constants, on.get("rates_recorded", own.records.flat))

        self._chunked(
            Kind.TANGENT, launch,
            ChunkedLaunch(particles, launch, queue, rates=tangents.coordinates, rates_recorded=recorded),
        )  # fmt: skip
        return recorded

    def step_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """Undo a launch, in place, and pull cotangents back through it."""
        if launch.program.cuts:
            whole: np.ndarray = self._whole(particles, launch, lambda p, own: self._pulled(p, cotangents, own))
            return whole
        total = np.zeros(len(launch.program.constants) + len(ReferenceValues._fields))

        def queue(p: Particles, own: Launch, on: dict[str, Any]) -> Any:
            own = replace(own, weights=on.get("weights"))
            return self._inner.queue_sweep(p, Cotangents(on["rates"], on.get("seeds"), moments), own, on["total"])

        with self._cupy.cuda.Device(self._device):
            moments = self._on_device(cotangents.moments)
        task = ChunkedLaunch(
            particles, launch, queue, rates=cotangents.coordinates, total=total, seeds=cotangents.records,
            weights=None if moments is None else launch.weights,
        )  # fmt: skip
        self._chunked(Kind.SWEEP, launch, task)
        return total

    def _on_device(self, moments: MomentCotangents | None) -> MomentCotangents | None:
        """Cotangents of moments on the current device."""
        if moments is None:
            return None
        return replace(moments, seeds=self._cupy.asarray(moments.seeds), starts=self._cupy.asarray(moments.starts))

    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back."""
        with self._copied(particles, tangents, cotangents) as (p, t, c):
            return self._inner.step_tangent_adjoint(p, t, c, self._own(launch, particles.coordinates))

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Propagate rates of transfer matrices through one turn, in place; return the rates at the records."""
        with self._copied(rates) as (own,):
            return self._inner.step_rates(own, self._own(launch, rates.rates)).get()

    def step_rates_adjoint(self, rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
        """Undo one turn, in place, and pull cotangents of the rates back."""
        with self._copied(rates, cotangents) as (own, c):
            return self._inner.step_rates_adjoint(own, c, self._own(launch, rates.rates))

    @contextmanager
    def _copied(self, *given: Any) -> Iterator[list[Any]]:
        """Copies of dataclasses with their arrays (6, n) or (n,) on the device, copied back at the end.

        Records are only read; constants of tangents stay in host memory.
        """
        xp = self._cupy
        with xp.cuda.Device(self._device):
            arrays = [{n: a for n, a in vars(one).items() if a is not None and n not in _HOST} for one in given]
            pairs = zip(given, arrays, strict=True)
            own = [replace(one, **{n: xp.asarray(a) for n, a in each.items()}) for one, each in pairs]
            yield own
            for copy, each in zip(own, arrays, strict=True):
                for name in each.keys() - _READ:
                    each[name][...] = getattr(copy, name).get()

    def _own(self, launch: Launch, coordinates: np.ndarray) -> Launch:
        """Launch with records on the device."""
        return replace(launch, records=make_records(shapes_of(launch.records), coordinates.shape[1], self._cupy))

    def _chunked(self, kind: Kind, launch: Launch, task: ChunkedLaunch) -> None:
        if not len(launch.program) or not launch.turns:
            return
        work = Work(kind, recorded=recorded_by(launch), coupled=0 if task.weights is None else WEIGHT)
        size = chunk_size(work, launch.program, task.n, self._device, self.stream.chunk)
        with self._cupy.cuda.Device(self._device):
            self._inner.tables(launch.program)
            self.copying = task.run(size, self._device)

    def _pulled(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        xp, seeds = self._cupy, cotangents.records
        own = Cotangents(
            xp.asarray(cotangents.coordinates), None if seeds is None else xp.asarray(seeds),
            self._on_device(cotangents.moments),
        )  # fmt: skip
        total = self._inner.step_adjoint(particles, own, launch)
        cotangents.coordinates[...] = own.coordinates.get()
        return total

    def _whole(self, particles: Particles, launch: Launch, work: Callable[[Particles, Launch], Any]) -> Any:
        """Copy all particles to the device, process them, and copy them back."""
        xp, shapes = self._cupy, shapes_of(launch.records)
        with xp.cuda.Device(self._device):
            own = Particles(**{name: xp.asarray(getattr(particles, name)) for name in PARTS})
            records = make_records(shapes, particles.coordinates.shape[1], xp)
            result = work(own, replace(launch, records=records, weights=xp.asarray(launch.weights)))
            for name in PARTS:
                getattr(particles, name)[...] = getattr(own, name).get()
            if launch.records.flat.size:
                launch.records.flat[...] = records.flat.get()
        return result
