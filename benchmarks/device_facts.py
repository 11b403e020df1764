"""Properties of a GPU and of compiled kernels according to CuPy and the driver; None if unknown.

On the stand-in for CuPy used by tests, most of them are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

MISSING = "not available here"
#: double-precision lanes of a multiprocessor by compute capability, from NVIDIA's tables of arithmetic throughput
LANES = {"60": 32, "70": 32, "75": 2, "80": 32, "86": 2, "89": 2, "90": 64, "100": 64, "103": 2, "120": 2}
#: eight chains of fused multiply-adds in each thread, limited only by the double-precision pipe
PEAK_TEXT = """
extern "C" __global__ void __launch_bounds__(256) gputrack_peak(double* out, int rounds) {
  double a[8];
  const double x = 1.0 - 1e-9 * threadIdx.x, y = 1e-9;
  for (int i = 0; i < 8; ++i) a[i] = i;
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < 8; ++i) a[i] = a[i] * x + y;
  double sum = 0.0;
  for (int i = 0; i < 8; ++i) sum += a[i];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""


def known(question: Callable[[], Any]) -> Any:
    """Result of a query, or None if CuPy or its stand-in does not support it."""
    try:
        return question()
    except (AttributeError, KeyError, NotImplementedError):
        return None


def shown(value: Any, form: str = "") -> str:
    """Value as text, or `MISSING`."""
    return MISSING if value is None else format(value, form)


class Facts:
    """Name, versions and peaks of the current device."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        properties = known(lambda: cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)) or {}
        attributes = known(lambda: cupy.cuda.Device().attributes) or {}
        self.name: str | None = properties["name"].decode() if "name" in properties else None
        self.capability: str | None = known(lambda: cupy.cuda.Device().compute_capability)
        self.memory: int | None = properties.get("totalGlobalMem")
        self.multiprocessors: int | None = attributes.get("MultiProcessorCount")
        self.threads: int | None = attributes.get("MaxThreadsPerMultiProcessor")
        self.driver = known(lambda: cupy.cuda.runtime.driverGetVersion())
        self.runtime = known(lambda: cupy.cuda.runtime.runtimeGetVersion())
        clock, wires, beat = (attributes.get(n) for n in ("ClockRate", "GlobalMemoryBusWidth", "MemoryClockRate"))
        lanes = LANES.get(self.capability or "")
        #: of double precision [1/s], two operations for each fused multiply-add; clocks are in kHz
        self.peak: float | None = None
        if clock and lanes and self.multiprocessors:
            self.peak = 2e3 * clock * lanes * self.multiprocessors
        #: of memory [bytes/s]
        self.bandwidth: float | None = 2e3 * beat * wires / 8 if beat and wires else None

    @property
    def short_name(self) -> str:
        """For the name of a file."""
        text = (self.name or "stand-in").lower().removeprefix("nvidia ")
        return "".join(c if c.isalnum() else "-" for c in text)

    def lines(self) -> list[str]:
        """The head of a record."""
        memory = None if self.memory is None else self.memory / 2**30
        return [
            f"device: {shown(self.name)}; compute capability {shown(self.capability)}, "
            f"memory {shown(memory, '.1f')} GiB, multiprocessors {shown(self.multiprocessors)}",
            f"CUDA: driver {shown(self.driver)}, runtime {shown(self.runtime)}; CuPy {version_of_cupy()}",
            f"by its clocks: {shown(tera(self.peak), '.2f')} TFLOP/s of double precision, "
            f"{shown(tera(self.bandwidth), '.2f')} TB/s of memory",
        ]

    def synchronize(self) -> None:
        """Wait for all that was launched."""
        self.cupy.cuda.get_current_stream().synchronize()


def version_of_cupy() -> str:
    """Version of the installed CuPy package, whatever its name."""
    owners = metadata.packages_distributions().get("cupy", [])
    return ", ".join(f"{owner} {metadata.version(owner)}" for owner in owners) or MISSING


def tera(value: float | None) -> float | None:
    """In units of 1e12."""
    return None if value is None else value / 1e12


def kernel_line(facts: Facts, kernel: Any, threads: int) -> str:
    """Registers, memory of each thread and of a block, and the resulting occupancy."""
    registers, local, shared = (
        known(lambda n=n: getattr(kernel, n)) for n in ("num_regs", "local_size_bytes", "shared_size_bytes")
    )
    blocks = known(
        lambda: facts.cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.kernel.ptr, threads, 0)
    )
    if registers is None and blocks is None:
        return f"registers, memory and occupancy are {MISSING}"
    share = None if blocks is None or not facts.threads else 100.0 * blocks * threads / facts.threads
    return (
        f"registers {shown(registers)}, stack and spills {shown(local)} bytes, shared memory {shown(shared)} bytes, "
        f"blocks of {threads} on a multiprocessor {shown(blocks)}, occupancy {shown(share, '.0f')} %"
    )


@contextmanager
def used_memory(cupy: Any) -> Iterator[Callable[[], int | None]]:
    """Bytes that CuPy's pool has taken from the device in this context: its largest use, if nothing is freed."""
    pool = known(lambda: cupy.get_default_memory_pool())
    if pool is not None:
        pool.free_all_blocks()
    before = None if pool is None else pool.total_bytes()
    yield lambda: None if pool is None else pool.total_bytes() - before


def measured_peak(facts: Facts, fastest: Callable[[Callable[[], None]], float], rounds: int = 20_000) -> float:
    """Operations of double precision per second by `PEAK_TEXT`."""
    blocks = 16 * (facts.multiprocessors or 1)
    out = facts.cupy.empty(256 * blocks)
    kernel = facts.cupy.RawModule(code=PEAK_TEXT, options=("-std=c++17",)).get_function("gputrack_peak")

    def run() -> None:
        kernel((blocks,), (256,), (np.uint64(out.data.ptr), np.int32(rounds)))
        facts.synchronize()

    return 16.0 * rounds * 256 * blocks / fastest(run)


def measured_bandwidth(facts: Facts, fastest: Callable[[Callable[[], None]], float], numbers: int) -> float:
    """Bytes read and written per second by a copy of so many numbers."""
    source = facts.cupy.zeros(numbers)
    target = facts.cupy.zeros(numbers)

    def run() -> None:
        target[...] = source
        facts.synchronize()

    return 16.0 * numbers / fastest(run)
