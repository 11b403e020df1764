"""Optics compared with MAD-X, MAD-NG, xtrack and pyAT in one run: Twiss parameters, driving terms, gradients, response.

    python benchmarks/optics.py --peers madx,madng,xtrack,at
    python benchmarks/optics.py --peers madx,xtrack,at --lattice ../shared/lattices/esr.madx

The ring consists of 100 FODO cells of 10 elements, 700 of them thick magnets; with --lattice, a file is used. Each code
has the ring loaded; times are minima over repeated calls, with the results of each code for comparison. Gradients are
those of qx + qy + betx in the middle + dqx with respect to every strength and length of every magnet: here by one
backward sweep; for other codes the time of differences, two calls per knob, is printed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gradient import all_knobs
from machine import heading
from optics_codes import Calls, at, fodo, mad_ng, madx, ours, xtrack

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import at_optics, at_peer, madng

Call = Callable[[], Any]
TERMS = ("h21000", "h10110")
SEXTUPOLE = ["f2100", "f3000", "f1011", "f1002", "f1020"]


def milliseconds(call: Call, repeats: int) -> tuple[float, Any]:
    """Minimum, after one call to warm up; calls of more than five seconds are made once."""
    start = time.perf_counter()
    found, times = call(), []
    first = 1e3 * (time.perf_counter() - start)
    if first > 5e3:
        return first, found
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), found


# -- parts ---------------------------------------------------------------------------------------------------------


def twiss_rows(codes: dict[str, Calls], repeats: int) -> tuple[list[str], dict[str, float]]:
    """Times and results of all codes, and the times with chromaticities."""
    lines = [f"{'twiss':<22} {'linear [ms]':>12} {'with dq [ms]':>13} {'qx':>12} {'qy':>12} {'dqx':>10} {'dqy':>10}"]
    chromatic_times = {}
    for name, (linear, chromatic) in codes.items():
        first, _ = milliseconds(linear, repeats)
        second, (qx, qy, dqx, dqy) = milliseconds(chromatic, repeats)
        chromatic_times[name] = second
        lines.append(f"{name:<22} {first:>12.3g} {second:>13.3g} {qx:>12.6f} {qy:>12.6f} {dqx:>10.4f} {dqy:>10.4f}")
    return lines, chromatic_times


def driving_rows(ring: gt.Lattice, peers: set[str], repeats: int) -> list[str]:
    """All terms of first order, at the start and at all places."""

    def terms() -> list[Any]:
        found = gt.driving_terms(ring)
        return [found[name] for name in found]

    def along() -> list[Any]:
        found = gt.driving_terms(ring)
        return [found.along(name) for name in found]

    one, _ = milliseconds(terms, repeats)
    everywhere, _ = milliseconds(along, repeats)
    first = abs(gt.driving_terms(ring)["h21000"])
    lines = [f"{'driving terms':<22} {'one place [ms]':>15} {'all places [ms]':>16} {'|h21000|':>12}"]
    lines.append(f"{'gputrack, all 23':<22} {one:>15.3g} {everywhere:>16.3g} {first:>12.6g}")
    if "at" in peers:
        module, own = at_peer.module(), at_optics.ring_of(ring, ring.reference)

        def rdts(places: Any) -> Any:
            return module.get_rdts(own, places, [module.RDTType.ALL])[2]

        one, found = milliseconds(lambda: rdts([0]), repeats)
        everywhere, _ = milliseconds(lambda: rdts(np.arange(len(own) + 1)), 1)
        lines.append(f"{'pyAT, all':<22} {one:>15.3g} {everywhere:>16.3g} {abs(found['h21000'][0]):>12.6g}")
    if "madng" in peers:
        mad = madng.start(ring)
        everywhere, _ = milliseconds(lambda: madng.generating_functions(mad, SEXTUPOLE, 3), repeats)
        mad.close()
        lines.append(f"{'MAD-NG, 5 sextupole':<22} {math.nan:>15} {everywhere:>16.3g} {math.nan:>12}")
    return lines


def gradient_rows(ring: gt.Lattice, times: dict[str, float], repeats: int) -> list[str]:
    """Gradients by one sweep, and the cost of differences of the codes' Twiss parameters."""
    knobs = all_knobs(ring)
    middle = len(ring) // 2
    figures: dict[str, Callable[[gt.Twiss], Any]] = {
        "qx + qy + betx": lambda tw: tw.qx + tw.qy + tw.betx[middle],
        "qx + qy + betx + dqx": lambda tw: tw.qx + tw.qy + tw.betx[middle] + tw.dqx,
        "|h21000| + |h10110|": lambda tw: sum(abs(term) for term in gt.driving_terms(tw.lattice, terms=TERMS).values()),
    }
    lines = [f"gradients by {len(knobs)} knobs       value [ms]   with gradient [ms]"]
    for name, figure in figures.items():

        def objective(values: Any, figure: Callable[[gt.Twiss], Any] = figure) -> Any:
            return figure(gt.twiss(ring.with_knobs(knobs, values)))

        plain, _ = milliseconds(lambda f=objective: f(knobs.values), repeats)
        both, _ = milliseconds(lambda f=objective: gt.value_and_grad(f)(knobs.values), repeats)
        lines.append(f"{name:<22} {plain:>16.4g} {both:>20.4g}   ({both / plain:.1f} x)")
    for name, one in times.items():
        if name != "gputrack":
            lines.append(f"{name:<22} {one:>16.4g} {2.0 * len(knobs) * one:>20.3g}   (differences, not run)")
    return lines


def response_rows(ring: gt.Lattice, repeats: int) -> list[str]:
    """The orbit's response everywhere to a kick in every quadrupole; the optics inside all elements."""
    kicks = ring.knobs("q*.knl[0]", each=True)
    response, found = milliseconds(lambda: gt.orbit_response(ring, kicks, "*"), repeats)
    inside, fine = milliseconds(lambda: gt.twiss(ring, at=gt.Slices(10)), repeats)
    return [
        f"orbit response of {len(found.x)} places to {len(kicks)} kicks: {response:.4g} ms",
        f"twiss at {len(fine.s)} places, in ten slices of all elements: {inside:.4g} ms",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help="some of madx,madng,xtrack,at; madng not with a file")
    parser.add_argument("--lattice", type=Path, help="MAD-X file")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, help="also append the record to this file")
    options = parser.parse_args()
    ring = gt.load(options.lattice) if options.lattice else fodo()
    peers = set(filter(None, options.peers.split(",")))
    codes = {"gputrack": ours(ring)}
    if "madx" in peers:
        codes["MAD-X"] = madx(ring, options.lattice)
    if "madng" in peers and not options.lattice:
        codes["MAD-NG"] = mad_ng(ring)
    for name, label, make in (("xtrack", "xtrack", xtrack), ("at", "pyAT", at)):
        if name in peers:
            codes[label] = make(ring)
    lines = [heading(), f"{ring.name}: {len(ring)} elements; minima of {options.repeats} calls"]
    rows, times = twiss_rows(codes, options.repeats)
    others = set() if options.lattice else peers
    few = max(3, options.repeats // 3)
    lines += [*rows, *driving_rows(ring, others, few), *gradient_rows(ring, times, few), *response_rows(ring, few)]
    print("\n".join(lines))
    if options.output:
        with options.output.open("a") as file:
            file.write("\n".join([*lines, "", ""]))


if __name__ == "__main__":
    main()
