"""Rings of pyAT for its optics: elements of its own classes, which its integrals and driving terms look for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from support.peers import at_peer

from gputrack import elements as gt
from gputrack.base.reference import ReferenceParticle


def element_of(element: gt.Element, slices: int = 20) -> Any:
    """The AT element; cavities and correctors are drifts."""
    at, name, length = at_peer.module(), element.name or "e", element.length
    match element:
        case gt.SectorBend():
            faces = {"EntranceAngle": element.e1, "ExitAngle": element.e2}
            return at.Dipole(name, length, element.angle, element.k1, NumIntSteps=slices, **faces)
        case gt.Quadrupole() | gt.Sextupole() | gt.Octupole():
            strengths = {n: (getattr(element, p), 0.0) for p, (n, skew) in element.STRENGTHS.items() if not skew}
            skew = {n: getattr(element, p) for p, (n, skew) in element.STRENGTHS.items() if skew}
            fields = at_peer.polynomials({n: (v[0], skew.get(n, 0.0)) for n, v in strengths.items()}, length, element)
            return at.Multipole(name, length, fields["PolynomA"], fields["PolynomB"], NumIntSteps=slices)
        case gt.Marker():
            return at.Marker(name)
        case gt.HKicker() | gt.VKicker() | gt.Kicker() | gt.RFCavity() | gt.CrabCavity():
            return at.Drift(name, length) if length else at.Marker(name)
    return at_peer.element_of(element)


def ring_of(elements: Iterable[gt.Element], reference: ReferenceParticle) -> Any:
    """A lattice without cavities."""
    return at_peer.module().Lattice([element_of(e) for e in elements], energy=reference.energy, periodicity=1)
