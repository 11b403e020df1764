"""Backend `cuda`: the kernels, built by NVRTC through CuPy, on the particles' device and its current stream."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gputrack.backends.cuda import matrices
from gputrack.backends.cuda.address import address
from gputrack.backends.cuda.pipe_modes import PipeKick
from gputrack.backends.cuda.row_sums import sum_rows
from gputrack.backends.derivatives import Cotangents, MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.generated import flattened
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.segments import Segmented
from gputrack.backends.structs import BLOCK_SWEEP, REFERENCE, RUN, TANGENT_RUN, make_run, moment_members
from gputrack.base.arrays import Array
from gputrack.base.errors import BackendError
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements.collective_map import CollectiveKind
from gputrack.elements.map import MapKind, ReferenceValues
from gputrack.lattice.program import Program

THREADS = 128
OPTIONS = ("-std=c++17", f"-DGT_THREADS={THREADS}")
SWEEP_BLOCKS = 1024  # four for each of 256 multiprocessors
ROW_BYTES = 256 * 2**20  # for all blocks' derivatives with respect to the program's constants


@cache
def module(kinds: frozenset[MapKind]) -> Any:
    """Kernels for the given kinds of maps; CuPy builds them for each device and caches them on disk.

    The source is one flattened text, since CuPy's cache ignores included files.
    """
    import cupy

    return cupy.RawModule(code=flattened("cuda/track.h", kinds), options=OPTIONS)


@cache
def adjoint_module(kinds: frozenset[MapKind], constants: int) -> Any:
    """Kernels of the backward sweep, built separately because few runs need them.

    `constants` is the largest number of constants of an op with series, for which each thread has local memory.
    """
    import cupy

    options = (*OPTIONS, f"-DGT_CONSTANTS={constants}")
    return cupy.RawModule(code=flattened("cuda/adjoint.h", kinds), options=options)


@cache
def tangent_module(kinds: frozenset[MapKind]) -> Any:
    """Kernels on dual numbers, built separately as well."""
    import cupy

    return cupy.RawModule(code=flattened("cuda/tangent.h", kinds), options=OPTIONS)


class CudaBackend(Segmented):
    """One particle per thread, in registers for all turns of a launch."""

    name = "cuda"
    threads = None
    stream = None

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise BackendError("backend 'cuda' needs CuPy: install gputrack[cuda12] or gputrack[cuda13]") from error
        self._cupy = cupy
        if not cupy.cuda.is_available():
            raise BackendError("backend 'cuda' found no NVIDIA GPU that CuPy can use; try backend='host'")

    def collective_kernel(self, kind: CollectiveKind) -> PipeKick | None:
        """See `gputrack.backends.protocol.Backend`."""
        return PipeKick() if kind is PIPE_KICK else None

    def segment(self, particles: Particles, launch: Launch) -> None:
        """`step` of a launch without collective maps."""
        with particles.coordinates.device:
            self.queue(particles, launch)
            self._cupy.cuda.get_current_stream().synchronize()

    def queue(self, particles: Particles, launch: Launch) -> None:
        """Queue one stretch of turns, in place, on the current device and stream."""
        n = particles.coordinates.shape[1]
        run = make_run(particles, launch, *self.tables(launch.program), address)
        kernel = module(launch.program.kinds).get_function("gputrack_untrack" if launch.backwards else "gputrack_track")
        kernel((-(-n // THREADS),), (THREADS,), RUN.arguments(run))

    def segment_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """`step_tangent` of such a launch."""
        with particles.coordinates.device:
            records = self._cupy.zeros(launch.records.flat.shape)
            self.queue_tangent(particles, tangents, launch, self.dual_constants(launch.program, tangents), records)
            self._cupy.cuda.get_current_stream().synchronize()
        return records

    def queue_tangent(
        self, particles: Particles, tangents: Tangents, launch: Launch, constants: Any, records: Any
    ) -> None:
        """Queue one stretch of turns with tangents, given `dual_constants`; fills the tangents of the records."""
        program, n = launch.program, particles.coordinates.shape[1]
        run = make_run(particles, launch, *self.tables(program), address)
        reference = REFERENCE.memory(*tangents.reference)
        dual = TANGENT_RUN.memory(
            run, address(tangents.coordinates), address(constants), reference, address(records)
        )
        kernel = tangent_module(program.kinds).get_function("gputrack_tangent")
        kernel((-(-n // THREADS),), (THREADS,), TANGENT_RUN.arguments(dual))

    def dual_constants(self, program: Program, tangents: Tangents) -> Any:
        """Constants of a program with their tangents, on the current device."""
        return self._cupy.asarray(np.stack([program.constants, tangents.constants], axis=-1))

    def tables(self, program: Program) -> tuple[Any, Any]:
        """Ops and constants of a program on the current device, copied once."""
        return _on_device(program, self._cupy.cuda.Device().id, self._cupy)

    def segment_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """`step_adjoint` of such a launch; only the result is copied to the host."""
        program = launch.program
        with particles.coordinates.device:
            total = self._cupy.zeros(len(program.constants) + len(ReferenceValues._fields))
            self.queue_sweep(particles, cotangents, launch, total)
            result: np.ndarray = total.get()
        first, end = launch.constants_range
        return np.concatenate([result[first:end], result[len(program.constants) :]])

    def queue_sweep(self, particles: Particles, cotangents: Cotangents, launch: Launch, total: Array) -> Array:
        """Queue the backward sweep of one stretch of turns; it writes derivatives to `total` (n_constants + 5,).

        Derivatives with respect to the constants are summed within blocks, then over blocks, always in the same
        order. Each block has a row of ``n_constants + 5`` numbers. There are at most `SWEEP_BLOCKS` blocks, at least
        one, such that all rows fit in `ROW_BYTES`: the order depends only on the numbers of particles and constants.

        Returns
        -------
        array
            The rows, to be held until the stream is done.
        """
        program = launch.program
        n, size = particles.coordinates.shape[1], total.shape[0]
        blocks = sweep_blocks(n, size)
        rows = self._cupy.zeros((blocks, size))
        run = make_run(particles, launch, *self.tables(program), address)
        kernels = adjoint_module(program.kinds, most_constants(program))
        seed = None if cotangents.records is None else address(cotangents.records)
        sweep = BLOCK_SWEEP.memory(
            run, address(cotangents.coordinates), seed, address(rows), len(program.constants),
            **moment_members(cotangents.moments, launch, address),
        )  # fmt: skip
        kernels.get_function("gputrack_sweep")((blocks,), (THREADS,), BLOCK_SWEEP.arguments(sweep))
        sum_rows(kernels, rows, total, THREADS)
        return rows


    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back."""
        with particles.coordinates.device:
            return matrices.sweep_matrices(particles, tangents, cotangents, launch, *self._program(launch.program))

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Propagate rates of transfer matrices through one turn, in place; return the rates at the records."""
        with rates.rates.device:
            records = matrices.pass_rates(rates, launch, *self._program(launch.program))
            self._cupy.cuda.get_current_stream().synchronize()
        return records

    def step_rates_adjoint(self, rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
        """Undo one turn, in place, and pull cotangents of the rates back."""
        with rates.rates.device:
            return matrices.sweep_rates(rates, cotangents, launch, *self._program(launch.program))

    def _program(self, program: Program) -> tuple[tuple[Array, Array], int]:
        """Tables of a program on the current device, and `most_constants`."""
        return self.tables(program), most_constants(program)


def sweep_blocks(n: int, size: int) -> int:
    """Blocks of the backward sweep for `n` particles and rows of `size` numbers."""
    fit = max(1, ROW_BYTES // (8 * size))
    return min(-(-n // THREADS), SWEEP_BLOCKS, fit)


def most_constants(program: Program) -> int:
    """Largest number of constants of an op, rounded up to a power of two, so that few variants are compiled."""
    ends = np.append(program.ops[1:, 1], len(program.constants))
    most = int(np.max(ends - program.ops[:, 1], initial=0))
    return max(8, 1 << (most - 1).bit_length())


_programs: WeakKeyDictionary[Program, dict[int, tuple[Any, Any]]] = WeakKeyDictionary()


def _on_device(program: Program, device: int, cupy: Any) -> tuple[Any, Any]:
    """Tables of a program on the current device, copied once."""
    copies = _programs.setdefault(program, {})
    if device not in copies:
        copies[device] = cupy.asarray(program.ops), cupy.asarray(program.constants)
    return copies[device]


def devices() -> list[tuple[str, str]]:
    """Versions of CuPy and CUDA and the GPUs of this machine, as pairs of a name and a description."""
    try:
        import cupy
    except ImportError:
        return [("CuPy", "not installed: pip install 'gputrack[cuda12]' or 'gputrack[cuda13]' for NVIDIA GPUs")]
    rows = [("CuPy", cupy.__version__)]
    if not cupy.cuda.is_available():
        return [*rows, ("GPU", "none that CuPy can use; is the NVIDIA driver installed?")]
    runtime = cupy.cuda.runtime
    rows.append(("CUDA", f"driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}"))
    for number in range(runtime.getDeviceCount()):
        found = runtime.getDeviceProperties(number)
        name, memory = found["name"].decode(), found["totalGlobalMem"] / 2**30
        rows.append((f"GPU {number}", f"{name}, {memory:.0f} GiB, sm_{found['major']}{found['minor']}"))
    return rows
