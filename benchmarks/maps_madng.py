"""MAD-NG for benchmarks/maps.py: one map through the FODO ring of thick elements with one slice each (method 4)."""

from __future__ import annotations

import contextlib
import tempfile


def madng_milliseconds(cells: int, orders: list[int], repeats: int) -> list[float] | None:
    """Least processor time for one map through `fodo_ring` of maps.py at each order; None if it is not installed."""
    try:
        from pymadng import MAD
    except ImportError:
        return None
    with tempfile.TemporaryDirectory(prefix="madng-") as folder, contextlib.chdir(folder):
        mad = MAD()
    mad.send(f"""
        local drift, quadrupole, sbend, sextupole in MAD.element
        local parts = {{ refer='entry' }}
        for i = 1, {cells} do
          for _, e in ipairs {{
            quadrupole {{l=0.5, k1=0.6}}, drift {{l=0.3}}, sextupole {{l=0.1, k2=5}},
            sbend {{l=1, angle=math.pi/{cells}}}, drift {{l=0.3}},
            quadrupole {{l=0.5, k1=-0.6}}, drift {{l=0.3}}, sextupole {{l=0.1, k2=-5}},
            sbend {{l=1, angle=math.pi/{cells}}}, drift {{l=0.3}} }} do parts[#parts+1] = e end
        end
        local ring = MAD.sequence 'ring' (parts)
        ring.beam = MAD.beam {{ particle='positron', energy=3 }}
        for _, order in ipairs {{ {", ".join(map(str, orders))} }} do
          local best = math.huge
          for i = 0, {repeats} do
            local start = MAD.damap {{ nv=6, mo=order }}
            local begin = os.clock()
            MAD.track {{ sequence=ring, X0=start, nslice=1, method=4, save=false, info=0 }}
            best = math.min(best, os.clock() - begin)
          end
          py:send(1e3 * best)
        end
    """)
    return [float(mad.recv()) for _ in orders]
