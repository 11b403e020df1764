"""Beams in host memory on a GPU, sent through it in chunks: as many particles as the host holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gputrack.backends.cuda.backend import CudaBackend
from gputrack.backends.cuda.chunked_launch import PARTS, ChunkedLaunch, recorded_by
from gputrack.backends.cuda.memory import Kind, Work, chunk_size
from gputrack.backends.protocol import Launch, Particles, Tangents, make_records
from gputrack.base.arrays import module_named
from gputrack.base.checks import require_integer
from gputrack.base.errors import BackendError, InputError
from gputrack.elements.map import ReferenceValues


@dataclass(frozen=True)
class Streamed:
    """A GPU for beams in host memory: ``gputrack.track(ring, beam, backend=gputrack.Streamed())``.

    Particles are sent through the device in chunks, each for all turns between two looks at progress and Ctrl-C; two
    are under way at a time, so that one is copied while the other is tracked. Results come to lie in host memory, and
    are those of a beam that lives on the device, to the bit; derivatives with respect to parameters are added up
    chunk by chunk, in their order, and are the same to the bit for the same chunks. Maps of the whole beam (space
    charge, wakes) need all particles at once: the beam is then put on the device as a whole, or an error says before
    anything is tracked how much it lacks.

    Parameters
    ----------
    chunk : int, optional
        Particles at a time. Where not given, 2^20, or the power of two below that memory allows.
    device : int, optional
        Number of the GPU; CuPy's current one where not given.

    Raises
    ------
    InputError
        chunk is not >= 1, or device not >= 0.
    """

    chunk: int | None = None
    device: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("device", 0)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, require_integer("Streamed", name, value, at_least=least))


class StreamedBackend:
    """Runs programs for particles in host memory on a GPU.

    Attributes
    ----------
    device : int
    chunk : int, or None
        That of `Streamed`.
    copying : float
        Seconds of the last launch that the host spent on copies, whatever the number of turns.
    """

    name = "cuda"

    def __init__(self, choice: Streamed) -> None:
        self.inner, self.chunk = CudaBackend(), choice.chunk
        cupy = self._cupy = module_named("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
        self.device: int = cupy.cuda.Device().id if choice.device is None else choice.device
        if self.device >= count:
            raise InputError(f"Streamed: device must be < {count}, the number of GPUs here, got {self.device}")
        self.copying = 0.0

    def run(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place."""
        if launch.program.cuts:
            self._whole(particles, launch, lambda p, own: self.inner.run(p, own))
            return
        self._chunked(
            Kind.TRACK, launch, ChunkedLaunch(particles, launch, lambda p, own, on: self.inner.queue(p, own))
        )

    def run_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Any:
        """Run one stretch of turns forwards, in place, with tangents; see `HostBackend.step_tangent`."""
        if launch.program.cuts:
            raise BackendError("forward mode through collective effects runs on the host; drop backend=, or use grad")
        recorded = np.zeros_like(launch.records.flat)
        with self._cupy.cuda.Device(self.device):
            constants = self.inner.dual_constants(launch.program, tangents)

        def queue(p: Particles, own: Launch, on: dict[str, Any]) -> None:
            rates = replace(tangents, coordinates=on["rates"])
            self.inner.queue_tangent(p, rates, own, constants, on.get("rates_recorded", own.records.flat))

        self._chunked(
            Kind.TANGENT, launch,
            ChunkedLaunch(particles, launch, queue, rates=tangents.coordinates, rates_recorded=recorded),
        )  # fmt: skip
        return recorded

    def run_adjoint(self, particles: Particles, cotangents: Any, launch: Launch, seeds: Any) -> Any:
        """Undo one stretch of turns, in place, pulling cotangents back; see `HostBackend.step_adjoint`."""
        if launch.program.cuts:
            return self._whole(particles, launch, lambda p, own: self._pulled(p, cotangents, own, seeds))
        total = np.zeros(len(launch.program.constants) + len(ReferenceValues._fields))

        def queue(p: Particles, own: Launch, on: dict[str, Any]) -> Any:
            return self.inner.queue_sweep(p, on["rates"], own, on.get("seeds"), on["total"])

        self._chunked(
            Kind.SWEEP, launch, ChunkedLaunch(particles, launch, queue, rates=cotangents, total=total, seeds=seeds)
        )
        return total

    def _chunked(self, kind: Kind, launch: Launch, task: ChunkedLaunch) -> None:
        if not len(launch.program) or not launch.turns:
            return
        work = Work(kind, recorded=recorded_by(launch))
        size = chunk_size(work, launch.program, task.n, self.device, self.chunk)
        with self._cupy.cuda.Device(self.device):
            self.inner.tables(launch.program)
            self.copying = task.run(size, self.device)

    def _pulled(self, particles: Particles, cotangents: Any, launch: Launch, seeds: Any) -> Any:
        bar = self._cupy.asarray(cotangents)
        total = self.inner.run_adjoint(
            particles, bar, launch, None if seeds is None else self._cupy.asarray(seeds)
        )
        cotangents[...] = bar.get()
        return total

    def _whole(self, particles: Particles, launch: Launch, work: Callable[[Particles, Launch], Any]) -> Any:
        """Put all particles on the device, work on them, and take them back."""
        xp, shapes = self._cupy, [view.shape[:2] for view in launch.records.views]
        with xp.cuda.Device(self.device):
            own = Particles(**{name: xp.asarray(getattr(particles, name)) for name in PARTS})
            records = make_records(shapes, particles.coordinates.shape[1], xp)
            result = work(own, replace(launch, records=records, weights=xp.asarray(launch.weights)))
            for name in PARTS:
                getattr(particles, name)[...] = getattr(own, name).get()
            if shapes:
                launch.records.flat[...] = records.flat.get()
        return result
