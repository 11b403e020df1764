"""Check that a run fits in GPU memory."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from gputrack.backends.cuda import memory
from gputrack.backends.cuda.memory import (
    SIX,
    WEIGHT,
    Kind,
    Work,
    bytes_per_particle,
    chunk_size,
    fixed_bytes,
    free_bytes,
    too_large,
)
from gputrack.backends.protocol import Backend
from gputrack.base.arrays import is_cupy, out_of_memory
from gputrack.base.errors import DeviceMemoryError
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program
from gputrack.tracking.monitor import Recorder


def require_memory(
    backend: Backend, lattice: Lattice, beam: Beam, program: Program, recorders: Sequence[Recorder], turns: int,
    kind: Kind = Kind.TRACK, backwards: bool = False, checkpoints: int = 0,
) -> None:  # fmt: skip
    """Check, before anything is tracked, that a run fits in the memory of its GPU; runs on the host are not checked.

    The least that the run needs is counted: for streamed beams in host memory, that of a chunk. A reverse sweep has
    `checkpoints` copies of the coordinates at most.

    Raises
    ------
    DeviceMemoryError
        It does not fit; the message gives particles, bytes, and the remedy.
    """
    stream = backend.stream
    if not turns or not (stream or is_cupy(beam.coordinates)):
        return
    first = beam.turn - turns if backwards else beam.turn
    work = _work(backend, program, recorders, range(first, first + turns), kind, checkpoints)
    if stream and not program.cuts:
        chunk_size(work, program, beam.n, stream.device, stream.chunk)
        return
    device = stream.device if stream else beam.coordinates.device.id
    each, fixed = bytes_per_particle(work), fixed_bytes(program, kind, beam.n)
    needed = beam.n * each + fixed
    if needed > memory.ALWAYS and needed > (free := free_bytes(device)[0]):
        remedy = _remedy(lattice, program, work, max(0, (free - fixed) // each))
        raise too_large(beam.n, each, fixed, device, remedy)


def _work(
    backend: Backend, program: Program, recorders: Sequence[Recorder], turns: range, kind: Kind, checkpoints: int
) -> Work:
    """What a run needs for each particle."""
    longest = turns[: -(-len(turns) // checkpoints) if checkpoints else 1]  # what one launch has at least
    coupled = _coupled_bytes(backend, program) if program.cuts else 0
    if backend.stream:
        return Work(kind, sum(_recorded(r, longest) for r in recorders), coupled=coupled + WEIGHT if coupled else 0)
    stays = [not (r.monitor.moments or r.monitor.path) for r in recorders]
    kept = [_recorded(r, turns) for r, stay in zip(recorders, stays, strict=True) if stay]
    # the sweep between two checkpoints has all cotangents of coordinates; those of moments are few
    passing = [_recorded(r, longest if stay else turns[:1]) for r, stay in zip(recorders, stays, strict=True)
               if checkpoints or not stay]  # fmt: skip
    several = len(turns) > 1
    merged = max(kept, default=0) if several else 0
    return Work(kind, sum(passing), True, several, sum(kept), merged, min(len(turns), checkpoints), coupled)


def _recorded(recorder: Recorder, turns: range) -> int:
    """Passages through a monitor's places in some turns."""
    every = recorder.monitor.every
    return len(recorder.places) * ((turns.stop - 1) // every - (turns.start - 1) // every)


def _coupled_bytes(backend: Backend, program: Program) -> int:
    """Bytes of maps of the whole beam at least: a mask of lost particles, and coordinates before and after."""
    kinds = {program.collective(number)[0].name: program.collective(number)[0] for number in program.cuts}
    return 2 if all(backend.collective_kernel(kind) is not None for kind in kinds.values()) else 2 + 2 * SIX


def _remedy(lattice: Lattice, program: Program, work: Work, fit: int) -> str:
    """How to run all the same, as text."""
    if program.cuts:
        name = lattice.names[int(program.elements[program.cuts[0]])]
        return (
            f"{name!r} acts on the whole beam, which must be there at once: take {fit} particles or fewer, record "
            "less, or track on the host (a beam of NumPy arrays)"
        )
    chunks = "leave the beam in host memory, beam.to_device('numpy'), and stream it: backend='cuda'"
    if work.kept:
        return f"record less (Monitor(every=...), moments=True, path=...), or {chunks}"
    return chunks


def record_bytes(coordinates: Any, wanted: float, most: int) -> int:
    """Bytes that a stretch may record: less than `most` where little memory is free, as moments take more."""
    if wanted <= memory.ALWAYS or not is_cupy(coordinates):
        return most
    return min(most, free_bytes(coordinates.device.id)[0] // 8)


class DeviceMemoryErrors:
    """Context in which CuPy's out-of-memory errors become `DeviceMemoryError`, with the remedy."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None and isinstance(error, out_of_memory()):
            raise DeviceMemoryError(
                f"track: memory of the GPU ran out ({error}); free some (cupy.get_default_memory_pool()."
                "free_all_blocks()), record less, or, where nothing acts on the whole beam, leave it in host memory "
                "and stream it: backend='cuda'"
            ) from error
