"""What a run takes of a GPU's memory: bytes per particle for each kind of run, what is free, the error with both."""

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
SLOTS = 2  # chunks under way at a time: one is copied while the other is worked on
CHUNK = 2**20  # particles that keep any GPU busy
ALWAYS = 64 * 2**20  # bytes that are not asked about: asking takes as long as tracking a small beam
SLOT_BYTES = 256 * 2**20  # of page-locked memory on the host for one chunk, at most


class Kind(Enum):
    """What a run does with the particles."""

    TRACK = "track"
    TANGENT = "forward mode"
    SWEEP = "gradient"


@dataclass(frozen=True)
class Work:
    """A run, as far as its memory depends on it.

    Attributes
    ----------
    kind : Kind
    recorded : int
        Passages of a particle through places of monitors that one launch writes down.
    resident : bool
        The beam lives on the device, and so does what the run keeps; else launches alone do.
    again : bool
        The particles are there once more while a stretch of turns is run, as they were before it.
    kept : int
        Passages that are kept on the device until the end of a run.
    merged : int
        How many of them are there twice while the parts of a record are put together.
    checkpoints : int
        Copies of the coordinates with which a backward sweep compares.
    coupled : int
        Bytes per particle that maps of the whole beam take.
    """

    kind: Kind = Kind.TRACK
    recorded: int = 0
    resident: bool = False
    again: bool = False
    kept: int = 0
    merged: int = 0
    checkpoints: int = 0
    coupled: int = 0


def bytes_per_particle(work: Work) -> int:
    """Bytes on the device for each particle: what cannot be done without, besides a beam that is there already.

    A launch has coordinates, losses and records; with tangents both once more; in the backward sweep cotangents, and
    those of the records in place of the records. A run of a beam on the device keeps records and checkpoints; its
    sweep holds cotangents that came in, the beam before and after, and those of all records.
    """
    own = SIX + LOSS + SIX * work.recorded + work.coupled
    again = SIX + LOSS if work.again else 0
    if work.kind is Kind.TRACK:
        return own + SIX * work.kept + max(SIX * work.merged, again)
    if work.kind is Kind.TANGENT:
        return own + SIX * (1 + work.recorded + 2 * work.kept) + max(SIX * max(work.kept, work.merged), again)
    if not work.resident:
        return own + SIX
    held = SIX + LOSS + SIX * (work.checkpoints + work.kept)
    forwards = held + max(SIX * work.merged, again) + work.coupled
    backwards = held + own + SIX * work.recorded + SIX * (3 + work.kept)
    return max(forwards, backwards)


def fixed_bytes(program: Program, kind: Kind, n: int, launches: int = 1) -> int:
    """Bytes that are not of particles: the program, and for each launch of `n` particles at a time what it adds up."""
    size = len(program.constants) + len(ReferenceValues._fields)
    tables = program.ops.nbytes + program.constants.nbytes
    if kind is Kind.TANGENT:
        return tables + 2 * program.constants.nbytes
    return tables + (8 * size * (sweep_blocks(n, size) + 1) * launches if kind is Kind.SWEEP else 0)


def free_bytes(device: int) -> tuple[int, int]:
    """Free and total bytes of a device: what the driver has, and what CuPy's pool holds for later, up to its limit."""
    cupy = module_named("cupy")
    with cupy.cuda.Device(device) as own:
        free, total = own.mem_info
        pool = cupy.get_default_memory_pool()
        usable, limit = free + pool.free_bytes(), pool.get_limit()
        if limit:
            usable, total = min(usable, max(0, limit - pool.used_bytes())), min(total, limit)
    return int(usable), int(total)


def chunk_size(work: Work, program: Program, n: int, device: int, wanted: int | None = None) -> int:
    """Particles at a time that a device is sent: as many as are wanted, or else `CHUNK`, or what memory allows.

    Powers of two where memory is short, so that sums over chunks seldom depend on what else is on the device.

    Raises
    ------
    DeviceMemoryError
        So many do not fit, or not even one.
    """
    each, free = bytes_per_particle(work), free_bytes(device)[0]
    if wanted is not None:
        size = min(wanted, n)
        slots = SLOTS if size < n else 1
        fixed = fixed_bytes(program, work.kind, size, slots)
        if slots * size * each + fixed > free:
            raise too_large(slots * size, each, fixed, device, "take smaller chunks, or leave chunk= out")
        return size
    fixed = fixed_bytes(program, work.kind, min(n, CHUNK), SLOTS)
    fit = min((free - fixed) // 2 // (SLOTS * each), SLOT_BYTES // each, CHUNK)  # half of it is left to others
    if fit < 1:
        raise too_large(SLOTS, each, fixed, device, "free some of it, or record at fewer places")
    return n if n <= fit else 1 << (int(fit).bit_length() - 1)


def too_large(n: int, each: int, fixed: int, device: int, mend: str) -> DeviceMemoryError:
    """The error with the numbers, for so many particles at a time, bytes for each of them and besides."""
    free, total = free_bytes(device)
    return DeviceMemoryError(
        f"track: {n} particles at a time need {in_words(n * each + fixed)} on GPU {device} ({each} bytes each and "
        f"{in_words(fixed)} besides), of whose {in_words(total)} {in_words(free)} are free; {mend}"
    )


def in_words(count: int) -> str:
    """A number of bytes with three digits."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.4g} GB"
