"""Transfer of chunks of a beam to a device and back, overlapped with computation: one block of memory on each side.

Blocks on the host are page-locked, so that copies are asynchronous; a chunk's part of a strided array is made
contiguous there. Each slot has one block on the device for all of its chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from gputrack.backends.cuda.memory import SLOTS, in_words
from gputrack.base.arrays import module_named
from gputrack.base.errors import BackendError

ALIGNMENT = 16

Views = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """Array of a chunk, of shape ``(*lead, particles)``, or ``lead`` if it is not per particle.

    Attributes
    ----------
    name, dtype : str
    lead : tuple of int
    up, down : bool
        Whether it is copied to the device before the work, and back after it.
    per_particle : bool
    """

    name: str
    lead: tuple[int, ...]
    up: bool = False
    down: bool = False
    dtype: str = "float64"
    per_particle: bool = True

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of the array in a chunk of `size` particles."""
        return (*self.lead, size) if self.per_particle else self.lead

    def nbytes(self, size: int) -> int:
        """Bytes, rounded up so that the next array is aligned."""
        count = int(np.prod(self.shape(size))) * np.dtype(self.dtype).itemsize
        return -(-count // ALIGNMENT) * ALIGNMENT


class Layout:
    """Positions of a chunk's arrays in a block: arrays copied up first, down last, both ways in the middle."""

    def __init__(self, fields: list[Field]) -> None:
        self.fields = sorted(fields, key=lambda field: field.down - field.up)

    def nbytes(self, size: int) -> int:
        """Bytes of a block for `size` particles."""
        return sum(field.nbytes(size) for field in self.fields)

    def span(self, size: int, direction: str) -> tuple[int, int]:
        """First byte and end of the arrays copied ``"up"`` or ``"down"``."""
        ends = np.cumsum([field.nbytes(size) for field in self.fields]).tolist()
        own = [i for i, field in enumerate(self.fields) if getattr(field, direction)]
        return ends[own[0]] - self.fields[own[0]].nbytes(size), ends[own[-1]]

    def views(self, block: Any, size: int) -> Views:
        """Views of the arrays in a block of bytes of NumPy or CuPy."""
        found, start = {}, 0
        for field in self.fields:
            shape = field.shape(size)
            count = int(np.prod(shape)) * np.dtype(field.dtype).itemsize
            found[field.name] = block[start : start + count].view(field.dtype).reshape(shape)
            start += field.nbytes(size)
        return found


@cache
def streams(device: int) -> tuple[Any, ...]:
    """Stream of each slot of a device, made once, since CuPy pools memory by stream."""
    cupy = module_named("cupy")
    with cupy.cuda.Device(device):
        return tuple(cupy.cuda.Stream(non_blocking=True) for _ in range(SLOTS))


@dataclass(frozen=True)
class Task:
    """Processing of each chunk.

    Attributes
    ----------
    layout : Layout
    load : callable
        ``(arrays on the host, slice of particles)``: fill the arrays to be copied up.
    work : callable
        ``(arrays on the device, size)``: queue the work on the current stream; its result is held until that is done.
    store : callable
        ``(arrays on the host, slice of particles)``: store the arrays copied down; called in the order of the chunks.
    """

    layout: Layout
    load: Callable[[Views, slice], None]
    work: Callable[[Views, int], Any]
    store: Callable[[Views, slice], None]


def run_chunks(task: Task, n: int, chunk: int, device: int) -> float:
    """Process `n` particles on a device, the current one, `chunk` at a time; return when all are done.

    Returns
    -------
    float
        Time of copies on the host [s].

    Raises
    ------
    BackendError
        There is not enough page-locked memory.
    """
    cupy = module_named("cupy")
    pairs = zip(streams(device), range(-(-n // chunk)), strict=False)
    slots = [_Slot(task, chunk, stream, cupy) for stream, _ in pairs]
    # blocks, tables and constants belong to the caller's stream, whose pending work must finish first
    ready = cupy.cuda.get_current_stream().record(cupy.cuda.Event(disable_timing=True))
    try:
        for slot in slots:
            slot.stream.wait_event(ready)
        for number, first in enumerate(range(0, n, chunk)):
            slot = slots[number % len(slots)]
            slot.finish()
            slot.begin(slice(first, min(first + chunk, n)))
        behind = -(-n // chunk)
        for number in range(behind, behind + len(slots)):
            slots[number % len(slots)].finish()
    finally:  # before the blocks are freed, also after an error
        for slot in slots:
            slot.stream.synchronize()
    return sum(slot.seconds for slot in slots)


class _Slot:
    """Block of memory on each side, with the stream for copies and kernels."""

    def __init__(self, task: Task, chunk: int, stream: Any, cupy: Any) -> None:
        self.task, self.stream, self.seconds = task, stream, 0.0
        self.part: slice | None = None
        self.held: Any = None
        size = task.layout.nbytes(chunk)
        self.device = cupy.empty(size, dtype=cupy.uint8)
        self.host = np.frombuffer(_page_locked(size, chunk, cupy), np.uint8, size)

    def begin(self, part: slice) -> None:
        """Queue everything for a chunk."""
        start, layout, size = perf_counter(), self.task.layout, part.stop - part.start
        self.task.load(layout.views(self.host, size), part)
        self.seconds += perf_counter() - start
        first, end = layout.span(size, "up")
        self.device[first:end].data.copy_from_host_async(self.host.ctypes.data + first, end - first, self.stream)
        with self.stream:
            self.held = self.task.work(layout.views(self.device, size), size)
        first, end = layout.span(size, "down")
        self.device[first:end].data.copy_to_host_async(self.host.ctypes.data + first, end - first, self.stream)
        self.part = part

    def finish(self) -> None:
        """Wait for the pending chunk, if any, and store it."""
        if self.part is None:
            return
        self.stream.synchronize()
        start, part = perf_counter(), self.part
        self.part = self.held = None
        self.task.store(self.task.layout.views(self.host, part.stop - part.start), part)
        self.seconds += perf_counter() - start


def _page_locked(size: int, chunk: int, cupy: Any) -> Any:
    """Page-locked memory, of sizes that are powers of two, so that CuPy's pool reuses it."""
    try:
        return cupy.cuda.alloc_pinned_memory(1 << (size - 1).bit_length())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"cannot allocate {in_words(size)} of page-locked memory for chunks of {chunk} particles ({error}); "
            "use smaller ones: backend=gputrack.Streamed(chunk=...)"
        ) from error
