"""Cost of truncated power series in 6 variables, for 1, 64 and 1024 maps, compared with GTPSA and DACE in the same run.

    python benchmarks/tpsa.py --orders 2,3,4,5

Times are the least processor times of a few rounds, per map, on one thread. `call` is a complete call from Python;
`kernel` and `GTPSA C` are called in a loop in C. `GTPSA py` and `DACE py` are calls from Python, of `madng-tpsa`
and `daceypy`. The last columns are ratios of GTPSA's C to our kernel for one map and for 64.
Kernels up to order 6 are built for their space (some seconds, once; 15 s for order 6).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from machine import heading, version
from tpsa_peers import dace_calls, gtpsa_calls, repeated

from gputrack.tpsa import Map, Space
from gputrack.tpsa.host import kernels, place

BATCHES = (1, 64, 1024)
ROUNDS = 9
OPERATIONS = ("multiply", "div", "exp", "sincos", "compose", "inverse")


def seconds(function: Callable[[], object], budget: float) -> float:
    """Least processor time of a call [s], in a few rounds of as many calls as the budget allows."""

    def loop(times: int) -> None:
        for _ in range(times):
            function()

    return loop_seconds(loop, budget)


def loop_seconds(loop: Callable[[int], object], budget: float) -> float:
    """Least processor time [s] of one call in a function that repeats it."""
    loop(1)  # builds kernels if necessary
    start = time.process_time()
    loop(1)
    once = time.process_time() - start
    if once > budget:
        return once
    times = max(1, int(budget / ROUNDS / max(once, 1e-6)))
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        loop(times)
        found.append((time.process_time() - start) / times)
    return min(found)


def coefficients(space: Space, batch: int, seed: int) -> np.ndarray:
    """Maps (batch, 6, size) near the identity, without constant part; coefficients decrease with the degree."""
    values = np.random.default_rng(seed).uniform(-0.3, 0.3, (batch, 6, space.size)) * 0.5**space.degrees
    values[..., 0] = 0.0
    values[..., 1:7] += np.eye(6)
    return values


def our_calls(space: Space, batch: int) -> tuple[dict[str, Callable[[], object]], dict[str, Callable[[int], object]]]:
    """Public calls; and the kernels alone."""
    a, b = (Map.of(space, coefficients(space, batch, seed)) for seed in (1, 2))
    x, y = a[0] + 1.3, b[0] + 1.3
    calls = {
        "multiply": lambda: x * y, "div": lambda: x / y, "exp": lambda: x.exp(), "sincos": lambda: x.sin_cos(),
        "compose": lambda: a @ b, "inverse": lambda: a.inverse(),
    }  # fmt: skip
    own, out = kernels(space), [x * y, x * y]
    tiles, _, lanes = x._data.shape
    first, second, result, other = (place(s._data) for s in (x, y, *out))
    kind, o = int(lanes > 1), space.order
    two, one = kind | o << 8 | o << 16 | o << 24, kind | o << 8 | o << 16
    held = (a, b, x, y, out)

    def loop(name: str, *arguments: int) -> Callable[[int], object]:
        return repeated(getattr(own.library, f"tpsa_{name}"), (own.tables, *arguments), held)

    loops = {
        "multiply": loop("product", two, tiles, first, second, result),
        "div": loop("quotient", two, tiles, first, second, result),
        "exp": loop("exponential", one, tiles, first, result),
        "sincos": loop("sine_cosine", one, tiles, first, result, other),
    }
    inverse, composition = np.empty((2, 6, tiles, space.size, lanes))
    series = [[v for c in m.components for v in (place(c._data), c.order)] for m in (a, b)]
    held = (*held, inverse, composition)
    given = np.array([6, o, 0, *series[0], *series[1], place(composition)])
    loops["compose"] = repeated(own.library.tpsa_compose, (own.tables, kind, tiles, given.ctypes.data), (held, given))
    backward = np.array([6, o, *series[0], place(inverse)])
    loops["inverse"] = repeated(
        own.library.tpsa_inverse, (own.tables, kind, tiles, backward.ctypes.data), (held, backward)
    )
    return calls, loops


def text(value: float | None) -> str:
    """Nanoseconds, or a dash."""
    if value is None:
        return f"{'-':>12}"
    return f"{1e9 * value:>12,.0f}" if value > 1e-8 else f"{1e9 * value:>12.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", default="2,3,4,5,6,7,8", help="comma-separated")
    parser.add_argument("--operations", default=",".join(OPERATIONS), help="comma-separated")
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each figure")
    parser.add_argument("--limit", type=float, default=3.0, help="figures expected to take more seconds are left out")
    arguments = parser.parse_args()
    print(heading())
    print(", ".join(f"{name} {version(name) or 'absent'}" for name in ("madng-tpsa", "daceypy")))
    columns = [f"{kind} {batch}" for batch in BATCHES for kind in ("call", "kernel")]
    print("ns per map; 6 variables, one thread")
    heads = "".join(f"{c:>12}" for c in [*columns, "GTPSA C", "GTPSA py", "DACE py"])
    print(f"{'':9}{'order':>5}{heads}{'at 1':>8}{'at 64':>8}")
    for order in map(int, arguments.orders.split(",")):
        space = Space(6, order)
        theirs = [coefficients(space, 1, seed)[0] for seed in (1, 2)]
        python, c = gtpsa_calls(space, *theirs)
        dace = dace_calls(space, *theirs)
        ours = {batch: our_calls(space, batch) for batch in BATCHES}
        for name in arguments.operations.split(","):
            row: list[float | None] = []
            last = 0.0  # per map at the batch before
            for batch in BATCHES:
                calls, loops = ours[batch]
                if last * batch > arguments.limit:
                    row += [None, None]
                    continue
                last = seconds(calls[name], arguments.budget) / batch
                row += [last, loop_seconds(loops[name], arguments.budget) / batch if name in loops else None]
            peer = loop_seconds(c[name], arguments.budget) if name in c else None
            row += [peer, *(seconds(d[name], arguments.budget) if name in d else None for d in (python, dace))]
            ratios = (ratio(peer, row[2 * i + 1]) for i in (0, 1))
            print(f"{name:9}{order:>5}{''.join(map(text, row))}{''.join(ratios)}", flush=True)


def ratio(theirs: float | None, ours: float | None) -> str:
    """Ratio of the times, as text."""
    return f"{theirs / ours:>8.1f}" if theirs and ours else f"{'-':>8}"


if __name__ == "__main__":
    main()
