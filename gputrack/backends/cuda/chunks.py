"""Chunks of a beam on their way to a device and back: one block of memory on each side, copied while others compute.

Blocks on the host are page-locked, so that copies do not wait for each other; there a chunk's part of a strided array
is put in order. A block on the device is a slot's own for all chunks that pass through it.
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
    """One array of a chunk: of a shape ``(*lead, particles)``, or ``lead`` where it is not one of particles.

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
        """The array's shape in a chunk of `size` particles."""
        return (*self.lead, size) if self.per_particle else self.lead

    def nbytes(self, size: int) -> int:
        """Bytes, rounded up so that the next array is aligned."""
        count = int(np.prod(self.shape(size))) * np.dtype(self.dtype).itemsize
        return -(-count // ALIGNMENT) * ALIGNMENT


class Layout:
    """Where the arrays of a chunk lie in a block: what goes up first, what comes down last, both in the middle."""

    def __init__(self, fields: list[Field]) -> None:
        self.fields = sorted(fields, key=lambda field: field.down - field.up)

    def nbytes(self, size: int) -> int:
        """Bytes of a block for `size` particles."""
        return sum(field.nbytes(size) for field in self.fields)

    def span(self, size: int, direction: str) -> tuple[int, int]:
        """First byte and end of what goes ``"up"`` or comes ``"down"``."""
        ends = np.cumsum([field.nbytes(size) for field in self.fields]).tolist()
        own = [i for i, field in enumerate(self.fields) if getattr(field, direction)]
        return ends[own[0]] - self.fields[own[0]].nbytes(size), ends[own[-1]]

    def views(self, block: Any, size: int) -> Views:
        """The arrays in a block of bytes, NumPy's or CuPy's."""
        found, start = {}, 0
        for field in self.fields:
            shape = field.shape(size)
            count = int(np.prod(shape)) * np.dtype(field.dtype).itemsize
            found[field.name] = block[start : start + count].view(field.dtype).reshape(shape)
            start += field.nbytes(size)
        return found


@cache
def streams(device: int) -> tuple[Any, ...]:
    """A stream for each slot of a device, made once: CuPy keeps freed memory apart for each stream."""
    cupy = module_named("cupy")
    with cupy.cuda.Device(device):
        return tuple(cupy.cuda.Stream(non_blocking=True) for _ in range(SLOTS))


@dataclass(frozen=True)
class Task:
    """What is done with each chunk.

    Attributes
    ----------
    layout : Layout
    load : callable
        ``(arrays on the host, slice of particles)``: fill what goes up.
    work : callable
        ``(arrays on the device, size)``: queue the work on the current stream; what it returns lives until it is done.
    store : callable
        ``(arrays on the host, slice of particles)``: take what came down; in the order of the chunks.
    """

    layout: Layout
    load: Callable[[Views, slice], None]
    work: Callable[[Views, int], Any]
    store: Callable[[Views, slice], None]


def run_chunks(task: Task, n: int, chunk: int, device: int) -> float:
    """Send `n` particles through a device, the current one, `chunk` at a time; return when all is done.

    Returns
    -------
    float
        Seconds that copies took on the host.

    Raises
    ------
    BackendError
        There is not enough page-locked memory.
    """
    cupy = module_named("cupy")
    pairs = zip(streams(device), range(-(-n // chunk)), strict=False)
    slots = [_Slot(task, chunk, stream, cupy) for stream, _ in pairs]
    # blocks, tables and constants belong to the stream of the caller: what is still going on there comes first
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
    finally:  # before the blocks are given back, whatever happened
        for slot in slots:
            slot.stream.synchronize()
    return sum(slot.seconds for slot in slots)


class _Slot:
    """A block on each side, and the stream on which it is copied and worked on."""

    def __init__(self, task: Task, chunk: int, stream: Any, cupy: Any) -> None:
        self.task, self.stream, self.seconds = task, stream, 0.0
        self.part: slice | None = None
        self.kept: Any = None
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
            self.kept = self.task.work(layout.views(self.device, size), size)
        first, end = layout.span(size, "down")
        self.device[first:end].data.copy_to_host_async(self.host.ctypes.data + first, end - first, self.stream)
        self.part = part

    def finish(self) -> None:
        """Wait for the chunk that is on its way, if there is one, and take it."""
        if self.part is None:
            return
        self.stream.synchronize()
        start, part = perf_counter(), self.part
        self.part = self.kept = None
        self.task.store(self.task.layout.views(self.host, part.stop - part.start), part)
        self.seconds += perf_counter() - start


def _page_locked(size: int, chunk: int, cupy: Any) -> Any:
    """Memory that the device reads and writes by itself; few sizes, so that CuPy's pool finds them again."""
    try:
        return cupy.cuda.alloc_pinned_memory(1 << (size - 1).bit_length())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"{in_words(size)} of page-locked memory for chunks of {chunk} particles cannot be had ({error}); "
            "take smaller ones: backend=gputrack.Streamed(chunk=...)"
        ) from error
