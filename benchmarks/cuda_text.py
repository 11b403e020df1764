"""Analysis of the CUDA kernels' machine code without a GPU: registers, spills, occupancy, instructions, speed limits.

    pip install nvidia-cuda-nvrtc-cu12 nvidia-cuda-nvdisasm
    python benchmarks/cuda_text.py [--lattice esr.madx] [--slices 10] [--architectures sm_80,sm_90]

NVRTC compiles the kernels as in the library. Occupancy follows from registers and shared memory. If NVIDIA's
disassembler is installed (on the PATH, or its package), loops are listed with their instructions: all, and those of the
double-precision pipe, of all branches whether taken or not. Speed limits follow from operations counted by
benchmarks/counting.py for the whole lattice and from the devices' published rates, with estimated costs of divisions,
roots and functions. No device is measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from counting import Counts, in_child, table
from machine import heading

import gputrack as gt
from gputrack.backends.cuda import backend as cuda
from gputrack.backends.cuda import pipe_modes as collective_cuda
from gputrack.backends.generated import flattened, flattened_alone
from gputrack.elements.map import MapKind
from gputrack.lattice.program import compile_program
from gputrack.tpsa import Space
from gputrack.tpsa import cuda as tpsa_cuda
from gputrack.tpsa.kernel_source import kernel_text

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from support.nvrtc import CompilerError, compile_cuda

REGISTERS, WARPS, WARP = 65536, 64, 32  # of a multiprocessor of all these architectures; threads of a warp
SHARED = {"sm_80": 164, "sm_90": 228, "sm_100": 228}  # KiB of a multiprocessor; each block takes 1 more
RATES = {"A100": 9.7e12, "H100 SXM, H200": 34e12}  # [1/s] of double precision, without tensor cores, by NVIDIA
LAUNCH_BOUNDS = re.compile(r"__launch_bounds__\(GT_THREADS, [^)]*\)")
PARTICLES = ("gputrack_track", "gputrack_sweep", "gputrack_tangent")
BLOCKS = (3, 4, 5, 6)  # for which launch bounds are tried
BODIES = ("straight", "dipole")  # maps with loops over slices to be listed
LEAST = 24  # double-precision instructions of a loop to be listed: loops over terms of fields have fewer
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)([^;]*);")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_DOUBLE = re.compile(r"D(ADD|MUL|FMA|SETP|MNMX)\b")


@dataclass(frozen=True)
class Loop:
    """Instructions between a backward branch and its target: all, of double precision, loads; loops inside."""

    instructions: int
    double: int
    loads: int
    inner: int


def occupancy(registers: int, shared: int, threads: int, arch: str) -> tuple[int, float]:
    """Blocks on a multiprocessor and the share of its warps; registers come in portions of 256 a warp."""
    warps = -(-threads // WARP)
    each = -(-registers * WARP // 256) * 256
    blocks = min(REGISTERS // each // warps, WARPS // warps, 32)
    blocks = min(blocks, int(SHARED[arch] * 1024 // (shared + 1024)))
    return blocks, blocks * warps / WARPS


def sources(kinds: frozenset[MapKind], constants: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, text and options of each set of kernels."""
    yield "tracking", flattened("cuda/track.h", kinds), cuda.OPTIONS
    options = (*cuda.OPTIONS, f"-DGT_CONSTANTS={constants}")
    yield "backward sweep", flattened("cuda/adjoint.h", kinds), options
    yield "dual numbers", flattened("cuda/tangent.h", kinds), cuda.OPTIONS
    for modes in (12, 32):
        text = flattened_alone(collective_cuda.ENTRY)
        yield f"space charge {modes} x {modes}", text, collective_cuda.options(modes, modes)
    yield "power series, order 3", kernel_text("cuda/tpsa.h", Space(6, 3)), tpsa_cuda.OPTIONS


def resources(arch: str, kinds: frozenset[MapKind], constants: int) -> Iterator[str]:
    """A line for each kernel."""
    for name, text, options in sources(kinds, constants):
        for kernel, usage in sorted(compile_cuda(text, arch, *options).kernels.items()):
            blocks, share = occupancy(usage.registers, usage.shared, cuda.THREADS, arch)
            yield f"{arch:<7} {name:<22} {kernel:<22} {usage}  {blocks:>2} blocks {100.0 * share:>4.0f} %"


def bounded(arch: str, kinds: frozenset[MapKind], constants: int) -> Iterator[str]:
    """The three kernels of particles, compiled with register limits for more blocks on a multiprocessor."""
    for (name, text, options), kernel in zip(sources(kinds, constants), PARTICLES, strict=False):
        for blocks in BLOCKS:
            tried = LAUNCH_BOUNDS.sub(f"__launch_bounds__(GT_THREADS, {blocks})", text)
            yield f"{arch:<7} {name:<22} {blocks} blocks {compile_cuda(tried, arch, *options).kernels[kernel]}"


def disassembler() -> str | None:
    """Path of nvdisasm."""
    if found := shutil.which("nvdisasm"):
        return found
    package = importlib.util.find_spec("nvidia")
    folders = [] if package is None else package.submodule_search_locations or []
    return next((str(path) for folder in folders for path in Path(folder).glob("*/bin/nvdisasm")), None)


def listing(program: str, cubin: bytes, kernel: str) -> tuple[list[str], dict[str, int]]:
    """Instructions of a kernel, and the positions of its labels among them."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([program, "-c", file.name], capture_output=True, text=True, check=True).stdout
    body = text.split(f"\n.text.{kernel}:", 1)[1].split("//-----", 1)[0]
    rows: list[str] = []
    labels: dict[str, int] = {}
    for line in body.splitlines():
        if match := _LABEL.match(line):
            labels[match[1]] = len(rows)
        elif match := _INSTRUCTION.search(line):
            rows.append(match[1] + match[2])
    return rows, labels


def loops(rows: list[str], labels: dict[str, int]) -> list[Loop]:
    """Loops with double-precision instructions, in order."""
    ends: dict[int, int] = {}
    for place, row in enumerate(rows):
        target = re.search(r"\.L_x_\d+", row) if row.startswith("BRA") else None
        if target and labels.get(target[0], place + 1) <= place:
            start = labels[target[0]]
            ends[start] = max(place, ends.get(start, 0))
    found = []
    for start, end in sorted(ends.items()):
        body = rows[start : end + 1]
        double = sum(bool(_DOUBLE.match(row)) for row in body)
        inner = sum(start <= a and b <= end for a, b in ends.items()) - 1
        if double:
            found.append(Loop(len(body), double, sum(row.startswith("LDG") for row in body), inner))
    return found


def listed(program: str, arch: str) -> Iterator[str]:
    """Innermost loops of bodies of magnets, in the order of their code."""
    yield f"{'':<7} {'map':<10} {'kernel':<16} {'instructions':>12} {'double':>7} {'loads':>6}"
    for kind in BODIES:
        for entry, kernel, more in (("track", "gputrack_track", ()), ("adjoint", "gputrack_sweep", (8,))):
            options = (*cuda.OPTIONS, *(f"-DGT_CONSTANTS={n}" for n in more))
            cubin = compile_cuda(flattened(f"cuda/{entry}.h", [kind]), arch, *options).cubin
            for loop in loops(*listing(program, cubin, kernel)):
                if loop.inner == 0 and loop.double >= LEAST:
                    numbers = f"{loop.instructions:>12} {loop.double:>7} {loop.loads:>6}"
                    yield f"{arch:<7} {kind:<10} {kernel:<16} {numbers}"


def bounds(counts: dict[str, Counts]) -> Iterator[str]:
    """Particle-turns per second at the devices' full rates."""
    for device, rate in RATES.items():
        for name, own in counts.items():
            pipe = 0.5 * rate / own.instructions  # the rate counts two operations for each instruction
            flat = rate / own.operations
            yield f"{device:<16} {name:<8} by instructions {pipe:>10.3g}, were all fused {flat:>10.3g} particle-turns/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--slices", type=int, default=10, help="of order 4 in every magnet")
    parser.add_argument("--architectures", default=",".join(SHARED), help="comma-separated")
    arguments = parser.parse_args()
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring()
    program = compile_program(ring.with_model(gt.Model(integrator=gt.DriftKick(order=4, slices=arguments.slices))))
    print(heading())
    print("Machine code of NVRTC without a GPU: counts and bounds, no measurement of any device.")
    print(
        f"{ring.name}: {len(ring)} elements, {arguments.slices} slices of order 4; "
        + ", ".join(sorted(kind.name for kind in program.kinds))
    )
    print(f"\nregisters, stack and spills [bytes], blocks of {cuda.THREADS} threads on a multiprocessor, its occupancy")
    tool = disassembler()
    known = []
    for arch in arguments.architectures.split(","):
        try:
            for line in resources(arch, program.kinds, cuda.most_constants(program)):
                print(line, flush=True)
            known.append(arch)
        except (CompilerError, pytest.skip.Exception) as error:
            print(f"{arch}: {str(error).splitlines()[0]}")
    print("\nbounds on registers; the library asks for four blocks in tracking, else for one")
    for arch in known:
        for line in bounded(arch, program.kinds, cuda.most_constants(program)):
            print(line, flush=True)
    print("\nloops over stages, and over slices of three stages where these are written out; both branches of each if")
    if tool is None:
        print("nvdisasm is not at hand: pip install nvidia-cuda-nvdisasm")
    for arch in known if tool else ():
        for line in listed(tool, arch):
            print(line, flush=True)
    print("\noperations counted by running the text with numbers that count")
    counts = in_child(arguments.lattice, arguments.slices)
    print(table(counts))
    print("\n".join(bounds(counts)))


if __name__ == "__main__":
    main()
