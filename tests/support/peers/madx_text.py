"""Lattices as MAD-X text: elements of the bundled ring, with positions."""

from __future__ import annotations

import gputrack as gt

CLASSES = {
    "Drift": "drift, l={e.length!r}",
    "Quadrupole": "quadrupole, l={e.length!r}, k1={e.k1!r}",
    "Sextupole": "sextupole, l={e.length!r}, k2={e.k2!r}",
    "SectorBend": "sbend, l={e.length!r}, angle={e.angle!r}",
    "Kicker": "kicker, l={e.length!r}, hkick={e.hkick!r}, vkick={e.vkick!r}",
    "RFCavity": "rfcavity, l={e.length!r}, volt={volt!r}, freq={freq!r}, lag={e.lag!r}",
    "Marker": "marker",
}


def madx_text(ring: gt.Lattice) -> str:
    """The ring as a MAD-X line `ring`; names are places, which MAD-X needs to be unique."""
    lines = []
    for place, e in enumerate(ring):
        volt, freq = getattr(e, "voltage", 0.0) * 1e-6, getattr(e, "frequency", 0.0) * 1e-6
        lines.append(f"e{place}: " + CLASSES[type(e).__name__].format(e=e, volt=volt, freq=freq) + ";")
    lines.append("ring: line=(" + ", ".join(f"e{i}" for i in range(len(ring))) + ");")
    lines.append(f"beam, particle=electron, energy={ring.require_reference().energy * 1e-9!r}; use, period=ring;")
    return "\n".join(lines)


def source(ring: gt.Lattice, path: object = None) -> str:
    """MAD-X commands that bring a ring into use: of its own file, or where there is none of its elements."""
    return f'call, file="{path.resolve()}"; use, sequence={ring.name};' if path else madx_text(ring)
