"""Memory, streams and page-locked memory of the stand-in for CuPy: late where a GPU may be late, full where it is full.

Work on a stream other than the default one starts when it is waited for: code that reads before, or writes to memory
that is still to be copied, gets it wrong, as on a GPU by bad luck. Kernels and copies look whether the memory that
they are given is still there, and copies that do not wait whether it is page-locked.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

DEVICES = 2


class OutOfMemoryError(MemoryError):
    """Twin of `cupy.cuda.memory.OutOfMemoryError`."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class CUDARuntimeError(RuntimeError):
    """Twin of `cupy.cuda.runtime.CUDARuntimeError`."""


class Memory:
    """Memory and streams of one device."""

    def __init__(self) -> None:
        self.total, self.used, self.peak = 2**34, 0, 0
        self.blocks: dict[int, tuple[int, int]] = {}  # number: address, bytes

    def take(self, root: np.ndarray) -> None:
        """Count memory until it is freed, once."""
        key = id(root)
        if key in self.blocks:
            return
        if self.used + root.nbytes > self.total:
            raise OutOfMemoryError(root.nbytes, self.used)
        self.blocks[key] = root.ctypes.data, root.nbytes
        self.used += root.nbytes
        self.peak = max(self.peak, self.used)
        weakref.finalize(root, self._free, key).atexit = False

    def _free(self, key: int) -> None:
        self.used -= self.blocks.pop(key)[1]

    def holds(self, address: int) -> bool:
        """Whether an address is in memory that lives."""
        return any(start <= address <= start + size for start, size in self.blocks.values())


MEMORY = [Memory() for _ in range(DEVICES)]


class Device:
    """Twin of `cupy.cuda.Device`: a number that new arrays carry."""

    current = 0

    def __init__(self, device: int | Device | None = None) -> None:
        self.id = Device.current if device is None else getattr(device, "id", device)
        self._outside: list[int] = []

    mem_info = property(lambda self: (MEMORY[self.id].total - MEMORY[self.id].used, MEMORY[self.id].total))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Device:
        self._outside.append(Device.current)
        Device.current = self.id
        return self

    def __exit__(self, *args: object) -> None:
        Device.current = self._outside.pop()


class Pool:
    """Twin of `cupy.cuda.MemoryPool`: nothing is pooled, but its peak use is recorded."""

    limit = 0

    def free_bytes(self) -> int:
        return 0

    def free_all_blocks(self) -> None:
        MEMORY[Device.current].peak = MEMORY[Device.current].used

    def total_bytes(self) -> int:
        return MEMORY[Device.current].peak

    def used_bytes(self) -> int:
        return MEMORY[Device.current].used

    def get_limit(self) -> int:
        return self.limit


class Event:
    """Twin of `cupy.cuda.Event`."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream: Stream | None = None
        self.place = 0

    def synchronize(self) -> None:
        if self.stream is not None:
            self.stream.run(self.place)


class Stream:
    """Twin of `cupy.cuda.Stream`; the default stream, which is always done, is ``null``."""

    null: Stream
    current: ClassVar[list[Stream]] = []

    def __init__(self, null: bool = False, ptds: bool = False, non_blocking: bool = False) -> None:
        self.is_null, self.device_id = null, -1 if null else Device.current
        self._waiting: list[Callable[[], Any]] = []
        self._done = 0

    def __enter__(self) -> Stream:
        if self.device_id not in (-1, Device.current):
            raise RuntimeError(f"The device that the stream is created on ({self.device_id}) does not match")
        Stream.current.append(self)
        return self

    def __exit__(self, *args: object) -> None:
        Stream.current.pop()

    def queue(self, work: Callable[[], Any]) -> None:
        self._waiting.append(work)
        if self.is_null:
            self.run()

    def run(self, place: int | None = None) -> None:
        """Do what waits, up to a place."""
        while self._waiting and (place is None or self._done < place):
            self._done += 1
            self._waiting.pop(0)()

    def synchronize(self) -> None:
        self.run()

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.stream, event.place = self, self._done + len(self._waiting)
        return event

    def wait_event(self, event: Event) -> None:
        self.queue(event.synchronize)


Stream.null = Stream(null=True)


def get_current_stream(device_id: int = -1) -> Stream:
    """Twin of `cupy.cuda.get_current_stream`."""
    return Stream.current[-1] if Stream.current else Stream.null


#: page-locked memory, and how much of it there is
PINNED: list[weakref.ref[Any]] = []
PINNED_LIMIT = [2**34]


def alloc_pinned_memory(size: int) -> Any:
    """Twin of `cupy.cuda.alloc_pinned_memory`."""
    PINNED[:] = [block for block in PINNED if block() is not None]
    if sum(len(block()) for block in PINNED) + size > PINNED_LIMIT[0]:
        raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
    memory = (ctypes.c_ubyte * size)()
    PINNED.append(weakref.ref(memory))
    return memory


def _is_pinned(address: int, size: int) -> bool:
    blocks = [block() for block in PINNED]
    spans = [(ctypes.addressof(block), len(block)) for block in blocks if block is not None]
    return any(start <= address and address + size <= start + length for start, length in spans)


class MemoryPointer:
    """Twin of `cupy.cuda.MemoryPointer`, of one array."""

    def __init__(self, host: np.ndarray) -> None:
        self.ptr, self._bytes = host.ctypes.data, host.nbytes

    def copy_from_host_async(self, mem: int, size: int, stream: Stream | None = None) -> None:
        self._copy(self.ptr, mem, mem, size, stream)

    def copy_to_host_async(self, mem: int, size: int, stream: Stream | None = None) -> None:
        self._copy(mem, self.ptr, mem, size, stream)

    def _copy(self, to: int, source: int, host: int, size: int, stream: Stream | None) -> None:
        assert size <= self._bytes and _is_pinned(host, size)

        def work() -> None:
            assert _is_pinned(host, size) and require_allocated([self.ptr])
            ctypes.memmove(to, source, size)

        (stream or get_current_stream()).queue(work)


def require_allocated(addresses: list[int]) -> bool:
    """Memory that kernels and copies are given lives when they come to it."""
    for address in addresses:
        assert not address or any(memory.holds(address) for memory in MEMORY), "memory was freed before its use"
    return True


def counted(host: np.ndarray) -> None:
    """Count the memory of an array on the current device."""
    root = host
    while isinstance(root.base, np.ndarray):
        root = root.base
    MEMORY[Device.current].take(root)
