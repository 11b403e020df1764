"""MAD-NG through pymadng: generating functions of the normal form along a ring.

The beam is of positrons, so that strengths act as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from support.peers import processes

import gputrack as gt

_FIELDS = {gt.Drift: (), gt.Quadrupole: ("k1",), gt.Sextupole: ("k2",), gt.Octupole: ("k3",)}


def start(ring: gt.Lattice) -> Any:
    """A process that knows the ring; the test is skipped where pymadng is not installed."""
    mad = processes.madng()
    mad.send(f"""
        local drift, marker, multipole, octupole, quadrupole, sbend, sextupole in MAD.element
        ring = MAD.sequence 'ring' {{ refer='entry', {", ".join(_element(i, e) for i, e in enumerate(ring))} }}
        ring.beam = MAD.beam {{ particle='positron', energy={ring.reference.energy * 1e-9!r} }}
    """)
    return mad


def generating_functions(mad: Any, names: Sequence[str], order: int) -> np.ndarray:
    """(rows, names) Columns "fjklm" of ``twiss``: one row for the start, then the ends of all elements."""
    mad.send(f"""
        local names = {{ {", ".join(f"'{name}'" for name in names)} }}
        local start = MAD.damap {{ nv=6, mo={order} }}
        local found = MAD.twiss {{ sequence=ring, X0=start, trkrdt=names, saverdt=true, info=0 }}
        local columns = MAD.cmatrix(#found, #names)
        for j, name in ipairs(names) do
          for i = 1, #found do columns:set(i, j, found[name][i]) end
        end
        py:send(columns)
    """)
    return np.asarray(mad.recv())


def _element(number: int, element: gt.Element) -> str:
    match element:
        case gt.Marker():
            return f"marker 'e{number}' {{}}"
        case gt.Multipole():
            normal, skew = ("{" + ", ".join(map(repr, values)) + "}" for values in (element.knl, element.ksl))
            return f"multipole 'e{number}' {{ knl={normal}, ksl={skew} }}"
        case gt.SectorBend():
            values = "".join(f", {name}={getattr(element, name)!r}" for name in ("angle", "k1", "e1", "e2"))
            return f"sbend 'e{number}' {{ l={element.length!r}{values} }}"
    values = "".join(f", {name}={getattr(element, name)!r}" for name in _FIELDS[type(element)])
    return f"{type(element).__name__.lower()} 'e{number}' {{ l={element.length!r}{values} }}"
