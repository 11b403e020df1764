"""Driving terms at one and at all places, compared with pyAT's `get_rdts` and MAD-NG's `trkrdt`, in one run.

    python benchmarks/driving_terms.py --peers at,madng [--lattice ../shared/lattices/spear3.madx]

The ring consists of 100 FODO cells of 10 elements, 700 of them thick magnets; with --lattice, a file is used, for
gputrack only. Times are minima over repeated calls including optics; cases that take minutes are omitted. Common
results are printed for comparison: |h21000| at the start, |f21000|, and the detuning d Qx/d Jx.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import numpy as np
from machine import heading
from optics_codes import fodo

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import at_optics, at_peer, madng

SEXTUPOLE = ("h21000", "h30000", "h10110", "h10020", "h10200")
Row = tuple[str, float, float, float, float, float]


def milliseconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    found, times = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), found


def ours(ring: gt.Lattice, method: Any, repeats: int) -> Row:
    def terms() -> Any:
        return gt.driving_terms(ring, method=method)

    def one() -> Any:
        found = terms()
        return found, [found[name] for name in found]

    def along() -> Any:
        found = terms()
        return [found.along(name) for name in found]

    first, (found, _) = milliseconds(one, repeats)
    whole, _ = milliseconds(along, repeats)
    detuning = found.detuning.dqx_djx if method != gt.FromMap(2) else math.nan
    return repr(method), first, whole, abs(found["h21000"]), abs(found["f21000"]), detuning


def gradient(ring: gt.Lattice, method: Any, repeats: int) -> str:
    """Gradient of the sum of |f21000| over all places, with respect to gradients and sextupoles of all magnets."""
    kinds = {gt.Quadrupole: "k1", gt.Sextupole: "k2"}
    names = {f"{e.name}.{kinds[type(e)]}" for e in ring if type(e) in kinds}
    knobs = ring.knobs(*sorted(names), each=True)
    values = np.array(knobs.values)

    def total(strengths: Any) -> Any:
        found = gt.driving_terms(ring.with_knobs(knobs, strengths), ("h21000",), method=method)
        return anp.sum(anp.abs(found.along("f21000")))

    forward, _ = milliseconds(lambda: total(values), repeats)
    both, _ = milliseconds(lambda: gt.value_and_grad(total)(values), repeats)
    return f"{method!r:<22} {forward:>15.4g} {both:>16.4g}   {len(knobs)} derivatives"


def at(ring: gt.Lattice, second: bool, repeats: int) -> Row:
    module, own = at_peer.module(), at_optics.ring_of(ring, ring.reference)

    def terms(places: Any) -> Any:
        return module.get_rdts(own, places, [module.RDTType.ALL], second_order=second)[2]

    first, found = milliseconds(lambda: terms([0]), 1 if second else repeats)
    whole = math.nan if second else milliseconds(lambda: terms(np.arange(len(own) + 1)), 1)[0]
    name = f"pyAT, {'second' if second else 'first'} order"
    return name, first, whole, abs(found["h21000"][0]), math.nan, float(found["dnux_dJx"][0].real)


def mad_ng(ring: gt.Lattice, order: int, repeats: int) -> Row:
    """Terms up to j + k + l + m = order + 1, which need maps of one order more; with its default slices."""
    mad, names = madng.start(ring), ["f2100", "f3000", "f1011", "f1002", "f1020"]
    if order > 2:
        names += ["f3100", "f4000", "f2011", "f1120", "f2002", "f2020", "f0031", "f0040"]
    whole, columns = milliseconds(lambda: madng.generating_functions(mad, names, order + 1), repeats)
    mad.close()
    return f"MAD-NG, to order {order + 1}", math.nan, whole, math.nan, abs(columns[0, 0]), math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help="some of at,madng")
    parser.add_argument("--lattice", type=Path, help="MAD-X file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="also write the record to this file")
    options = parser.parse_args()
    ring = gt.load(options.lattice) if options.lattice else fodo()
    methods = (gt.FirstOrder(), gt.SecondOrder(), gt.FromMap(2), gt.FromMap(3), gt.FromMap(4))
    rows = [ours(ring, method, options.repeats) for method in methods]
    peers = set(filter(None, options.peers.split(","))) if not options.lattice else set()
    if "at" in peers:
        rows += [at(ring, second, options.repeats) for second in (False, True)]
    if "madng" in peers:
        rows += [mad_ng(ring, order, 2) for order in (2, 3)]
    lines = [heading(), f"{ring.name}: {len(ring)} elements, {len(ring) + 1} places; minima"]
    titles = f"{'':<22} {'one place [ms]':>15} {'all places [ms]':>16}"
    lines.append(f"{titles} {'|h21000|':>13} {'|f21000|':>13} {'dQx/dJx':>10}")
    for name, one, whole, h, f, detuning in rows:
        lines.append(f"{name:<22} {one:>15.4g} {whole:>16.4g} {h:>13.6g} {f:>13.6g} {detuning:>10.6g}")
    lines.append(f"{'sum of |f21000|':<22} {'value [ms]':>15} {'and grad. [ms]':>16}")
    lines += [gradient(ring, method, options.repeats) for method in methods[:3]]
    print("\n".join(lines))
    if options.output:
        with options.output.open("a") as file:
            file.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
