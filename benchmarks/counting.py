"""Floating-point operations of the CUDA kernels, counted by running their source on a host with a counting number type.

    python benchmarks/counting.py [--lattice esr.madx] [--slices 10]

The source is that of NVRTC, with ``double`` replaced by a class whose operators count. A product that is added within
one expression counts as a fused multiply-add, as compiled for GPUs; products stored in a variable do not. Operations
that do not depend on the particle are counted if every thread computes them.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import autograd.numpy as anp
import numpy as np
from contenders import Work
from gradient import SPREAD, all_knobs

import gputrack as gt
from gputrack.backends.cuda.backend import THREADS
from gputrack.base.compiler import build

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from support.emulation import fake_cupy
from support.emulation.emulated_cuda import RawModule, host_source

KINDS = ("sums", "products", "fused", "quotients", "roots", "functions", "comparisons")
#: instructions of the double-precision pipe for each kind: quotients and roots as in listings for sm_90 (start of
#: the reciprocal, Newton's steps, rounding), other functions approximately
INSTRUCTIONS = dict(sums=1, products=1, fused=1, quotients=9, roots=9, functions=25, comparisons=1)

NUMBER = """
#include <string.h>
namespace counting {
static long long counts[7];
// The last two products that nothing has taken up yet.
static double fresh[2];
static bool is_fresh[2];
inline double multiplied(double v) {
  ++counts[1];
  fresh[1] = fresh[0], is_fresh[1] = is_fresh[0];
  fresh[0] = v, is_fresh[0] = true;
  return v;
}
// Whether a temporary is one of these; it is taken up. They are found by their value, so that numbers keep their size.
inline bool takes(double v) {
  for (int i = 0; i < 2; ++i)
    if (is_fresh[i] && memcmp(&fresh[i], &v, sizeof v) == 0) {
      is_fresh[i] = false;
      --counts[1];
      ++counts[2];
      return true;
    }
  return false;
}
struct Counted {
  double value;
  Counted() = default;
  constexpr Counted(double v) : value(v) {}
  constexpr Counted(int v) : value(v) {}
  constexpr Counted(long long v) : value((double)v) {}
  constexpr Counted(unsigned v) : value(v) {}
  explicit operator int() const { return (int)value; }
  explicit operator long long() const { return (long long)value; }
  explicit operator bool() const { return value != 0.0; }
  inline Counted& operator+=(const Counted& b) { ++counts[0]; value += b.value; return *this; }
  inline Counted& operator-=(const Counted& b) { ++counts[0]; value -= b.value; return *this; }
  inline Counted& operator+=(Counted&& b) { counts[0] += !takes(b.value); value += b.value; return *this; }
  inline Counted& operator-=(Counted&& b) { counts[0] += !takes(b.value); value -= b.value; return *this; }
  Counted& operator*=(const Counted& b) { ++counts[1]; value *= b.value; return *this; }
  Counted& operator/=(const Counted& b) { ++counts[3]; value /= b.value; return *this; }
};
#define GT_SUM(op)                                                                                                \
  inline Counted operator op(const Counted& a, const Counted& b) { ++counts[0]; return a.value op b.value; }      \
  inline Counted operator op(Counted&& a, const Counted& b) {                                                     \
    counts[0] += !takes(a.value);                                                                                 \
    return a.value op b.value;                                                                                    \
  }                                                                                                               \
  inline Counted operator op(const Counted& a, Counted&& b) {                                                     \
    counts[0] += !takes(b.value);                                                                                 \
    return a.value op b.value;                                                                                    \
  }                                                                                                               \
  inline Counted operator op(Counted&& a, Counted&& b) {                                                          \
    counts[0] += !(takes(b.value) || takes(a.value));                                                             \
    return a.value op b.value;                                                                                    \
  }
GT_SUM(+)
GT_SUM(-)
inline Counted operator*(const Counted& a, const Counted& b) { return multiplied(a.value * b.value); }
inline Counted operator/(const Counted& a, const Counted& b) { ++counts[3]; return a.value / b.value; }
// Signs cost nothing.
inline Counted operator-(const Counted& a) { return -a.value; }
inline Counted operator-(Counted&& a) {
  for (int i = 0; i < 2; ++i)
    if (is_fresh[i] && memcmp(&fresh[i], &a.value, sizeof a.value) == 0) fresh[i] = -a.value;
  return -a.value;
}
#define GT_COMPARED(op) \\
  inline bool operator op(const Counted& a, const Counted& b) { ++counts[6]; return a.value op b.value; }
GT_COMPARED(<) GT_COMPARED(>) GT_COMPARED(<=) GT_COMPARED(>=) GT_COMPARED(==) GT_COMPARED(!=)
inline Counted sqrt(const Counted& a) { ++counts[4]; return ::sqrt(a.value); }
#define GT_FUNCTION_OF(name) inline Counted name(const Counted& a) { ++counts[5]; return ::name(a.value); }
GT_FUNCTION_OF(exp) GT_FUNCTION_OF(sin) GT_FUNCTION_OF(cos) GT_FUNCTION_OF(tan) GT_FUNCTION_OF(log)
inline Counted fabs(const Counted& a) { return ::fabs(a.value); }
}
namespace emulation {
using counting::Counted;
[[maybe_unused]] static Counted shuffle_down(Counted v, unsigned delta, unsigned width, int line) {
  return shuffle_down(v.value, delta, width, line);
}
[[maybe_unused]] static Counted shuffle(Counted v, unsigned from, int line) { return shuffle(v.value, from, line); }
}
extern "C" void take_counts(long long* out) {
  for (int i = 0; i < 7; ++i) out[i] = counting::counts[i], counting::counts[i] = 0;
}
using counting::Counted;
#define double Counted
"""


@dataclass(frozen=True)
class Counts:
    """Number of operations of each of `KINDS` per particle and turn."""

    numbers: dict[str, float]

    @property
    def operations(self) -> float:
        """Floating-point operations as in quoted peaks: two for a fused one, one for any other."""
        return sum(n * (2 if kind == "fused" else 1) for kind, n in self.numbers.items() if kind != "comparisons")

    @property
    def instructions(self) -> float:
        """Instructions of the double-precision pipe, by `INSTRUCTIONS`."""
        return sum(n * INSTRUCTIONS[kind] for kind, n in self.numbers.items())


class CountingModule(RawModule):
    """`RawModule` of the stand-in for CuPy, with the counting number type."""

    built: ClassVar[list[ctypes.CDLL]] = []

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        self._library = build(host_source(code, options).replace(code, NUMBER + code))
        self.built.append(self._library)


def taken() -> dict[str, int]:
    """Counts of all kernels since the last call."""
    totals = dict.fromkeys(KINDS, 0)
    for library in CountingModule.built:
        numbers = (ctypes.c_longlong * len(KINDS))()
        library.take_counts(numbers)
        for kind, number in zip(KINDS, numbers, strict=True):
            totals[kind] += number
    return totals


def measured(ring: gt.Lattice, particles: int) -> dict[str, Counts]:
    """Counts of one turn at small amplitudes: tracking, and the backward sweep with derivatives of all constants."""
    start = np.random.default_rng(1).normal(size=(6, particles)) * SPREAD[:, None]
    beam = gt.Beam(start, ring.require_reference()).to_device("cupy")
    knobs = all_knobs(ring)
    gt.track(ring, beam)
    forward = taken()
    gt.grad(lambda k: anp.sum(gt.track(ring.with_knobs(knobs, k), beam).sigma))(knobs.values)
    both = taken()
    per = 1.0 / particles
    names = {"forward": forward, "sweep": {kind: both[kind] - forward[kind] for kind in KINDS}}
    return {name: Counts({kind: n * per for kind, n in numbers.items()}) for name, numbers in names.items()}


def in_child(lattice: Path | None, slices: int) -> dict[str, Counts]:
    """`measured` in a separate process with the stand-in for CuPy."""
    path = ["--lattice", str(lattice)] if lattice else []
    command = [sys.executable, __file__, *path, "--slices", str(slices), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"counting failed: {done.stderr[-2000:]}")
    return {name: Counts(numbers) for name, numbers in json.loads(done.stdout.splitlines()[-1]).items()}


def table(counts: dict[str, Counts]) -> str:
    """Lines of a record."""
    columns = (*KINDS, "operations", "instructions")
    lines = [f"{'per particle and turn':<22}" + "".join(f"{kind:>13}" for kind in columns)]
    for name, own in counts.items():
        numbers = [*own.numbers.values(), own.operations, own.instructions]
        lines.append(f"{name:<22}" + "".join(f"{number:>13.0f}" for number in numbers))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--slices", type=int, default=10, help="of order 4 in every magnet")
    parser.add_argument("--particles", type=int, default=THREADS, help="full blocks, whose sums are part of a sweep")
    parser.add_argument("--json", action="store_true", help="print numbers for another program")
    arguments = parser.parse_args()
    modules = fake_cupy.make_cupy()
    modules["cupy"].RawModule = CountingModule  # type: ignore[attr-defined]
    sys.modules.update(modules)
    plain = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring()
    counts = measured(Work(None, plain, np.zeros((6, 1)), arguments.slices).tracked(arcs=False), arguments.particles)
    if arguments.json:
        print(json.dumps({name: own.numbers for name, own in counts.items()}))
        return
    print(f"{plain.name}: {len(plain)} elements, {arguments.slices} slices of order 4")
    print(table(counts))


if __name__ == "__main__":
    main()
