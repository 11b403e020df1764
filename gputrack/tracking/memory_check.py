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
    """Check before tracking that a run fits in GPU memory; runs on the host are not checked.

    The estimate is a lower bound; for streamed beams in host memory it is that of a chunk. A reverse sweep holds at
    most `checkpoints` copies of the coordinates.

    Raises
    ------
    DeviceMemoryError
        The run does not fit; the message gives particles, bytes and a remedy.
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
    """Properties of a run that determine its memory."""
    longest = turns[: -(-len(turns) // checkpoints) if checkpoints else 1]  # turns of one launch, at least
    coupled = _coupled_bytes(backend, program) if program.cuts else 0
    reduced = [kind is Kind.SWEEP and r.monitor.moments for r in recorders]
    moments = sum(_recorded(r, turns[:1]) for r, own in zip(recorders, reduced, strict=True) if own)
    recorders = [r for r, own in zip(recorders, reduced, strict=True) if not own]
    if backend.stream:
        recorded = sum(_recorded(r, longest) for r in recorders)
        return Work(kind, recorded, coupled=coupled + WEIGHT if coupled else 0, moments=moments)
    stays = [not (r.monitor.moments or r.monitor.path) for r in recorders]
    stored = [_recorded(r, turns) for r, stay in zip(recorders, stays, strict=True) if stay]
    # the sweep between two checkpoints holds cotangents of all recorded coordinates
    passing = [_recorded(r, longest) for r, stay in zip(recorders, stays, strict=True) if checkpoints or not stay]
    several = len(turns) > 1
    merged = max(stored, default=0) if several else 0
    return Work(
        kind, sum(passing), True, several, sum(stored), merged, min(len(turns), checkpoints), coupled, moments
    )


def _recorded(recorder: Recorder, turns: range) -> int:
    """Number of records of each particle in a range of turns."""
    every = recorder.monitor.every
    return len(recorder.places) * ((turns.stop - 1) // every - (turns.start - 1) // every)


def _coupled_bytes(backend: Backend, program: Program) -> int:
    """Lower bound of the bytes per particle for collective maps: a mask of losses, coordinates before and after."""
    kinds = {program.collective(number)[0].name: program.collective(number)[0] for number in program.cuts}
    return 2 if all(backend.collective_kernel(kind) is not None for kind in kinds.values()) else 2 + 2 * SIX


def _remedy(lattice: Lattice, program: Program, work: Work, fit: int) -> str:
    """Remedy for a run that does not fit, as text."""
    if program.cuts:
        name = lattice.names[int(program.elements[program.cuts[0]])]
        return (
            f"{name!r} acts on the whole beam, which must fit at once: use at most {fit} particles, record less, or "
            "track on the host (a beam of NumPy arrays)"
        )
    chunks = "leave the beam in host memory, beam.to_device('numpy'), and stream it: backend='cuda'"
    if work.stored:
        return f"record less (Monitor(every=...), moments=True, path=...), or {chunks}"
    return chunks


def record_bytes(coordinates: Any, wanted: float, most: int) -> int:
    """Bytes that a stretch may record: at most `most`, and less if memory is short, since moments take more."""
    if wanted <= memory.ALWAYS or not is_cupy(coordinates):
        return most
    return min(most, free_bytes(coordinates.device.id)[0] // 8)


class DeviceMemoryErrors:
    """Context that turns CuPy's out-of-memory errors into `DeviceMemoryError`, with a remedy."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None and isinstance(error, out_of_memory()):
            raise DeviceMemoryError(
                f"track: GPU memory ran out ({error}); free some (cupy.get_default_memory_pool().free_all_blocks()), "
                "record less, or, without collective effects, leave the beam in host memory and stream it: "
                "backend='cuda'"
            ) from error
