"""pyAT with its exact passes, in our coordinates.

Rows there are (x, px, y, py, delta, ct), ct the path length beyond the reference's: exact for beta = 1 alone.
As with PTC's time=false, z = -ct + s (beta/beta0 - 1) after a distance s, where no cavity acts. Elements are built
from ours: with the equivalents of our parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from support.peers.ptc import speed

from gputrack import elements as gt
from gputrack.base.reference import ReferenceParticle


def module() -> Any:
    """The at module; the test is skipped where it is not installed."""
    return pytest.importorskip("at")


def polynomials(strengths: dict[int, tuple[float, float]], length: float, element: Any) -> dict[str, Any]:
    """PolynomB and PolynomA: strengths per order, with errors and with factorials folded in."""
    size = 1 + max([1, *strengths, len(element.knl) - 1, len(element.ksl) - 1])
    b, a = np.zeros(size), np.zeros(size)
    for n, (normal, skew) in strengths.items():
        b[n] += normal / math.factorial(n)
        a[n] += skew / math.factorial(n)
    for target, series in ((b, element.knl), (a, element.ksl)):
        for n, value in enumerate(series):
            target[n] += value / (length * math.factorial(n))
    return {"PolynomB": b, "PolynomA": a, "MaxOrder": size - 1}


def element_of(element: gt.Element, slices: int = 10) -> Any:
    """The AT element with the parameters of ours; exact passes, fourth order.

    Solenoids are linear there, cavities without voltage drifts; a cavity with voltage is not translated.
    """
    at = module()
    name, length = element.name or "e", element.length
    if element.dx or element.dy or element.tilt:
        raise NotImplementedError(f"{type(element).__name__} {name!r}: offset and tilt are not translated to pyAT")
    drift = at.Drift(name, length, PassMethod="ExactDriftPass")
    match element:
        case gt.Marker():
            return at.Marker(name)
        case gt.Drift():
            return drift
        case gt.Quadrupole() | gt.Sextupole() | gt.Octupole():
            orders: dict[int, list[float]] = {}
            for parameter, (n, skew) in element.STRENGTHS.items():
                orders.setdefault(n, [0.0, 0.0])[skew] = getattr(element, parameter)
            fields = polynomials({n: (v[0], v[1]) for n, v in orders.items()}, length, element)
            return multipole(name, length, fields, slices)
        case gt.Multipole() if not element.angle:
            fields = polynomials({}, 1.0, element)
            return at.ThinMultipole(name, fields["PolynomA"], fields["PolynomB"])
        case gt.SectorBend() | gt.RectangularBend():
            return bend(name, element, slices)
        case gt.HKicker() | gt.VKicker() | gt.Kicker():
            kicks = {plane: getattr(element, parameter) for plane, parameter in element.KICKS.items()}
            b, a = [-kicks.get("x", 0.0), 0.0], [kicks.get("y", 0.0), 0.0]
            if not length:
                return at.ThinMultipole(name, a, b)
            if not any(kicks.values()):
                return drift
            fields = {"PolynomB": np.array(b) / length, "PolynomA": np.array(a) / length, "MaxOrder": 1}
            return multipole(name, length, fields, slices)
        case gt.Solenoid():
            return at.Element(name, PassMethod="SolenoidLinearPass", Length=length, K=element.ks)
        case gt.RFCavity() | gt.CrabCavity() if not element.voltage:
            return drift
    raise NotImplementedError(f"{type(element).__name__} {name!r} has no counterpart in pyAT here")


def multipole(name: str, length: float, fields: dict[str, Any], slices: int) -> Any:
    """Straight magnet."""
    at = module()
    more = {"Length": length, "NumIntSteps": slices, "PassMethod": "ExactMultipolePass"}
    return at.Element(name, **more, **fields)


def bend(name: str, element: Any, slices: int) -> Any:
    """Sector bend; a rectangular one becomes the sector bend with the same faces."""
    at = module()
    p = {"length": element.length, "angle": element.angle, "e1": element.e1, "e2": element.e2}
    e1, e2 = type(element).face_angles(p)
    length = element.arc_length
    fields = polynomials({1: (element.k1, 0.0), 2: (element.k2, 0.0)}, length, element)
    if element.k0 is not None:
        fields["PolynomB"][0] += element.k0 - element.angle / length
    fintx = element.fint if element.fintx is None else element.fintx
    return at.Element(
        name, Length=length, BendingAngle=element.angle, EntranceAngle=e1, ExitAngle=e2, FringeInt1=element.fint,
        FringeInt2=fintx, FullGap=2.0 * element.hgap, NumIntSteps=slices, PassMethod="ExactSectorBendPass", **fields,
    )  # fmt: skip


def lattice_of(elements: Iterable[gt.Element], reference: ReferenceParticle, slices: int = 10) -> Any:
    """A lattice ready to track."""
    return module().Lattice([element_of(e, slices) for e in elements], energy=reference.energy, periodicity=1)


def rows_of(coordinates: np.ndarray) -> np.ndarray:
    """AT's rows of our coordinates, for s = 0."""
    x, px, y, py, z, delta = coordinates
    return np.asfortranarray([x, px, y, py, delta, -z])


def coordinates_of(rows: np.ndarray, reference: ReferenceParticle, s: float) -> np.ndarray:
    """Our coordinates (6, n) after a distance s [m]."""
    x, px, y, py, delta, ct = rows
    return np.array([x, px, y, py, s * (speed(delta, reference) - 1.0) - ct, delta])


def track(
    elements: Iterable[gt.Element], coordinates: np.ndarray, reference: ReferenceParticle, slices: int = 10,
    turns: int = 1,
) -> np.ndarray:  # fmt: skip
    """Coordinates (6, n) after some elements of ours, tracked by pyAT."""
    at = module()
    lattice = lattice_of(elements, reference, slices)
    rows = rows_of(np.asarray(coordinates, dtype=float))
    at.lattice_track(lattice, rows, nturns=turns, refpts=None, in_place=True)
    return coordinates_of(rows, reference, turns * lattice.circumference)
