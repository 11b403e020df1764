"""MAD-NG through pymadng: generating functions of the normal form along a ring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import gputrack as gt


def generating_functions(ring: gt.Lattice, names: Sequence[str], order: int) -> dict[str, np.ndarray]:
    """Columns "fjklm" of MAD-NG's ``twiss`` at the entrances of elements, for a ring of drifts and thin multipoles.

    The beam is of positrons, so that strengths act as they are.
    """
    pymadng = pytest.importorskip("pymadng")
    places = ", ".join(_element(i, element) for i, element in enumerate(ring))
    asked = ", ".join(f"'{name}'" for name in names)
    text = f"""
        local drift, multipole in MAD.element
        local ring = MAD.sequence 'ring' {{ refer='entry', {places} }}
        ring.beam = MAD.beam {{ particle='positron', energy={ring.reference.energy * 1e-9!r} }}
        local names = {{ {asked} }}
        local start = MAD.damap {{ nv=6, mo={order} }}
        local found = MAD.twiss {{ sequence=ring, X0=start, trkrdt=names, saverdt=true, info=0, model='DKD' }}
        local columns = MAD.cmatrix(#found, #names)
        for j, name in ipairs(names) do
          for i = 1, #found do columns:set(i, j, found[name][i]) end
        end
        py:send(columns)
    """
    with pymadng.MAD() as mad:
        mad.send(text)
        columns = mad.recv()
    # MAD-NG's rows are ends of elements, after one for its marker at the start
    return {name: columns[: len(ring) + 1, j] for j, name in enumerate(names)}


def _element(number: int, element: gt.Element) -> str:
    match element:
        case gt.Drift():
            return f"drift 'e{number}' {{ l={element.length!r} }}"
        case gt.Multipole():
            normal, skew = ("{" + ", ".join(map(repr, values)) + "}" for values in (element.knl, element.ksl))
            return f"multipole 'e{number}' {{ knl={normal}, ksl={skew} }}"
    raise AssertionError(f"no MAD-NG element for {element!r}")
