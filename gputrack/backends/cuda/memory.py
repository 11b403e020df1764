"""GPU memory: bytes per particle of each kind of run, free memory, and the error if a run does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gputrack.backends.cuda.backend import sweep_blocks
from gputrack.base.arrays import module_named
from gputrack.base.errors import DeviceMemoryError
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.program import Program

SIX = 48  # bytes of the coordinates of a particle, or of their derivatives
LOSS = 4 + 8 + 4  # code, turn, op
WEIGHT = 8
SLOTS = 2  # chunks on the device: one is copied while the other is processed
CHUNK = 2**20  # particles that keep any GPU busy
ALWAYS = 64 * 2**20  # bytes assumed to be free: the query takes as long as tracking a small beam
SLOT_BYTES = 256 * 2**20  # of page-locked memory on the host for one chunk, at most


class Kind(Enum):
    """Kind of run."""

    TRACK = "track"
    TANGENT = "forward mode"
    SWEEP = "gradient"


@dataclass(frozen=True)
class Work:
    """Properties of a run on which its memory depends.

    Attributes
    ----------
    kind : Kind
    recorded : int
        Records of each particle in one launch.
    resident : bool
        Whether the beam, its records and checkpoints are in device memory, not only the arrays of a launch.
    again : bool
        Whether a copy of the particles is held while a stretch of turns is run.
    stored : int
        Records of each particle stored on the device until the end of the run.
    merged : int
        Number of those held twice while the parts of a record are concatenated.
    checkpoints : int
        Copies of the coordinates as checkpoints of the backward sweep.
    coupled : int
        Bytes per particle for collective maps.
    moments : int
        In a gradient, records of each particle in a launch forwards that are reduced to moments; its sweep has none.
    """

    kind: Kind = Kind.TRACK
    recorded: int = 0
    resident: bool = False
    again: bool = False
    stored: int = 0
    merged: int = 0
    checkpoints: int = 0
    coupled: int = 0
    moments: int = 0


def bytes_per_particle(work: Work) -> int:
    """Bytes required on the device for each particle, besides a beam that is already there.

    A launch holds coordinates, losses and records; with tangents, also those of coordinates and records; in the
    backward sweep, cotangents of coordinates and records, without the records. A run of a resident beam stores
    records and checkpoints; its sweep holds the incoming cotangents, the beam before and after, and the cotangents of
    all records.
    """
    own = SIX + LOSS + SIX * work.recorded + work.coupled
    again = SIX + LOSS if work.again else 0
    if work.kind is Kind.TRACK:
        return own + SIX * work.stored + max(SIX * work.merged, again)
    if work.kind is Kind.TANGENT:
        return own + SIX * (1 + work.recorded + 2 * work.stored) + max(SIX * max(work.stored, work.merged), again)
    if not work.resident:
        return max(own + SIX * work.moments, own + SIX + (WEIGHT if work.moments else 0))
    held = SIX + LOSS + SIX * (work.checkpoints + work.stored)
    forwards = held + max(SIX * work.merged, again + SIX * work.moments) + work.coupled
    backwards = held + own + SIX * work.recorded + SIX * (3 + work.stored)
    return max(forwards, backwards)


def fixed_bytes(program: Program, kind: Kind, n: int, launches: int = 1) -> int:
    """Bytes independent of the particles: the program, and the sums of each launch of `n` particles."""
    size = len(program.constants) + len(ReferenceValues._fields)
    tables = program.ops.nbytes + program.constants.nbytes
    if kind is Kind.TANGENT:
        return tables + 2 * program.constants.nbytes
    return tables + (8 * size * (sweep_blocks(n, size) + 1) * launches if kind is Kind.SWEEP else 0)


def free_bytes(device: int) -> tuple[int, int]:
    """Free and total bytes of a device: the driver's, and free blocks of CuPy's pool, up to the pool's limit."""
    cupy = module_named("cupy")
    with cupy.cuda.Device(device) as own:
        free, total = own.mem_info
        pool = cupy.get_default_memory_pool()
        usable, limit = free + pool.free_bytes(), pool.get_limit()
        if limit:
            usable, total = min(usable, max(0, limit - pool.used_bytes())), min(total, limit)
    return int(usable), int(total)


def chunk_size(work: Work, program: Program, n: int, device: int, wanted: int | None = None) -> int:
    """Particles per chunk: the number wanted, or else `CHUNK`, or as many as fit in memory.

    If memory is short it is a power of two, so that sums over chunks seldom depend on other data on the device.

    Raises
    ------
    DeviceMemoryError
        The number wanted does not fit, or not even one particle.
    """
    each, free = bytes_per_particle(work), free_bytes(device)[0]
    if wanted is not None:
        size = min(wanted, n)
        slots = SLOTS if size < n else 1
        fixed = fixed_bytes(program, work.kind, size, slots)
        if slots * size * each + fixed > free:
            raise too_large(slots * size, each, fixed, device, "use smaller chunks, or omit chunk=")
        return size
    fixed = fixed_bytes(program, work.kind, min(n, CHUNK), SLOTS)
    fit = min((free - fixed) // 2 // (SLOTS * each), SLOT_BYTES // each, CHUNK)  # at most half of the free memory
    if fit < 1:
        raise too_large(SLOTS, each, fixed, device, "free some memory, or record at fewer places")
    return n if n <= fit else 1 << (int(fit).bit_length() - 1)


def too_large(n: int, each: int, fixed: int, device: int, remedy: str) -> DeviceMemoryError:
    """Error for `n` particles at a time, with `each` bytes per particle and `fixed` bytes for all."""
    free, total = free_bytes(device)
    return DeviceMemoryError(
        f"track: {n} particles at a time need {in_words(n * each + fixed)} on GPU {device} ({each} bytes each plus "
        f"{in_words(fixed)}); {in_words(free)} of {in_words(total)} are free; {remedy}"
    )


def in_words(count: int) -> str:
    """Number of bytes as text with three digits."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.4g} GB"
