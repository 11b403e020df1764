"""All measurements on an NVIDIA GPU in one run; the record gives the device, the driver and the versions.

    python benchmarks/device.py [--lattice esr.madx] [--parts tracking,gradient] [--output record.txt]

Without arguments: the bundled ring, all parts, and a record benchmarks/results/device_NAME_DATE.txt. If a part fails,
the reason is recorded and the others are run; results are written immediately. Parts:

peaks         operations and bytes per second by simple kernels, and according to the clocks
kernels       registers, memory, occupancy of the kernels of the lattice
tracking      1e3 ... 1e7 particles, drift-kick of order 4, exact: particle-turns/s, share of the peaks
launch        threads per block and bounds on registers
streamed      tracking of a beam in host memory in chunks of several sizes, and of a beam on the device
gradient      of all strengths and lengths, for several turns: ratio to forward, memory, reproducibility
space_charge  kick and its adjoint; beam_beam: a collision, and with gradient
tpsa          power series and maps of many
xtrack        on the same GPU and lattice (ContextCupy); cheetah: the same line, forward and backward (PyTorch)

Operations are counted by running the kernels' source with a counting number type (benchmarks/counting.py): needs g++.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from contenders import Work
from counting import in_child
from device_facts import Facts, measured_bandwidth, measured_peak, shown, tera
from device_setup import Part, Setup
from machine import heading

import gputrack as gt
from gputrack.base.errors import BackendError

RESULTS = Path(__file__).resolve().parent / "results"


def peaks(setup: Setup) -> Iterator[str]:
    """Peaks reached by simple kernels, to which the shares below refer."""
    facts, small = setup.facts, setup.options.small
    setup.peak = measured_peak(facts, setup.seconds, 2 if small else 20_000)
    setup.bandwidth = measured_bandwidth(facts, setup.seconds, 1000 if small else 2**27)
    reached = (
        (setup.peak, facts.peak, "fused multiply-adds", "TFLOP/s"),
        (setup.bandwidth, facts.bandwidth, "copy", "TB/s"),
    )
    for found, clocks, name, unit in reached:
        yield f"{name}: {shown(tera(found), '.4g')} {unit}, by the clocks {shown(tera(clocks), '.4g')}"


def tracking(setup: Setup) -> Iterator[str]:
    """The ring by numbers of particles."""
    elements, counts = len(setup.ring), setup.counts.get("forward")
    if counts:
        yield (
            f"counted: {counts.operations:.4g} operations per particle and turn, about {counts.instructions:.4g} "
            "instructions of the double-precision pipe"
        )
    yield (
        f"{'particles':>10} {'turns':>6} {'us/turn':>10} {'particle-turns/s':>17} {'ns/particle/element':>20} "
        f"{'of FP64 peak':>13} {'of pipe':>8} {'of bandwidth':>13} {'call besides ms':>16}"
    )
    for n in setup.options.particles:
        each, besides, turns = setup.turn_seconds(setup.ring, setup.beam(n))
        rate = n / each
        flops = share(counts and rate * counts.operations, setup.peak)
        pipe = share(counts and 2.0 * rate * counts.instructions, setup.peak)
        moved = share(n * 2 * (6 * 8 + 4) / (turns * each), setup.bandwidth)  # coordinates and codes, in and out
        yield (
            f"{n:>10} {turns:>6} {1e6 * each:>10.1f} {rate:>17.4g} {1e9 / rate / elements:>20.4g} "
            f"{flops:>13} {pipe:>8} {moved:>13} {1e3 * besides:>16.2f}"
        )
    yield "all turns are one launch: a graph of launches could only reduce the overhead of a call"


def share(part: float | None, whole: float | None) -> str:
    """In per cent."""
    return "-" if not part or not whole else f"{100.0 * part / whole:.3g} %"


def everything() -> dict[str, Part]:
    """All parts in order; those in separate files are imported here."""
    import device_effects
    import device_kernels
    import device_peers

    return {
        "peaks": peaks,
        "kernels": device_kernels.kernels,
        "tracking": tracking,
        "launch": device_kernels.launch,
        "streamed": device_kernels.streamed,
        "gradient": device_kernels.gradient,
        "space_charge": device_effects.space_charge,
        "beam_beam": device_effects.beam_beam,
        "tpsa": device_effects.tpsa,
        "xtrack": device_peers.xtrack,
        "cheetah": device_peers.cheetah,
    }


def run(parts: dict[str, Part], setup: Setup, say: Callable[[str], None]) -> list[str]:
    """Run each part in turn; return the names of those that failed, with the reason in the record."""
    failed = []
    for name, part in parts.items():
        say(f"\n== {name}: {(part.__doc__ or '').strip().splitlines()[0]}")
        try:
            for line in part(setup):
                say(line)
        except Exception as error:  # any error: results of the other parts must not be lost
            failed.append(name)
            say(f"{name} failed: {type(error).__name__}: {error}")
            traceback.print_exc(limit=-3)
    return failed


def prepared(options: argparse.Namespace, facts: Facts, say: Callable[[str], None]) -> Setup:
    """Setup with the lattice, and its operations if they can be counted."""
    plain = gt.load(options.lattice) if options.lattice else gt.demo_ring()
    ring = Work(options.lattice, plain, np.zeros((6, 1)), options.slices).tracked(arcs=False)
    setup = Setup(options, facts, plain, ring, facts.peak, facts.bandwidth)
    say(f"{plain.name}: {len(plain)} elements, {options.slices} slices of order 4 in every magnet, exact")
    try:
        setup.counts = in_child(options.lattice, options.slices) if options.count else {}
    except (RuntimeError, OSError) as error:
        say(f"operations were not counted: {str(error).strip().splitlines()[-1]}")
    return setup


def numbers(text: str) -> list[int]:
    """1000,1e6 as integers."""
    return [int(float(word)) for word in text.split(",")]


def parse(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--particles", type=numbers, default=[10**k for k in range(3, 8)], help="for tracking")
    parser.add_argument("--gradient-particles", type=int, default=100_000)
    parser.add_argument("--turns", type=numbers, default=[1, 10, 100], help="for the gradient")
    parser.add_argument("--charges", type=numbers, default=[10**k for k in range(5, 8)], help="for collective effects")
    parser.add_argument("--maps", type=int, default=10_000)
    parser.add_argument("--orders", type=numbers, default=[2, 3, 4], help="of power series")
    parser.add_argument("--seconds", type=float, default=1.0, help="spent on each figure")
    parser.add_argument("--parts", default=",".join(known), help="comma-separated")
    parser.add_argument("--no-count", dest="count", action="store_false", help="do not count operations")
    parser.add_argument("--small", action="store_true", help="kernels of the peaks are short: to try the script")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/device_NAME_DATE.txt")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(known):
        parser.error(f"--parts knows {', '.join(known)}; not {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    parts = everything()
    options = parse(list(parts))
    try:
        gt.Beam(np.zeros((6, 1)), gt.ReferenceParticle.electron(total=1e9)).to_device("cupy")
        import cupy

        if not cupy.cuda.is_available():
            raise BackendError("CuPy finds no NVIDIA GPU that it can use")
    except (BackendError, ImportError) as error:
        print(f"no device, nothing measured: {error}")
        return 1
    facts = Facts(cupy)
    output = options.output or RESULTS / f"device_{facts.short_name}_{datetime.now(UTC):%Y-%m-%d}.txt"
    with output.open("w") as file:

        def say(line: str) -> None:
            print(line, flush=True)
            print(line, file=file, flush=True)

        say("\n".join([heading(), *facts.lines()]))
        failed = run({name: parts[name] for name in options.parts}, prepared(options, facts, say), say)
        say("\nall parts are done" if not failed else f"\nfailed: {', '.join(failed)}")
    print(f"record: {output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
