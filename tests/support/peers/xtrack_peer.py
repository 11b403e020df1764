"""xtrack, in our coordinates.

zeta is -beta0 c tau, with beta0 of the reference; ours is z = -beta c tau, hence z = zeta beta/beta0. The other
five coordinates are the same. Elements are built from ours: with the equivalents of our parameters.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from support.peers.ptc import speed

from gputrack import elements as gt
from gputrack.base.reference import ReferenceParticle

#: kicks of one slice, by order
KICKS = {2: 1, 4: 3, 6: 7}
INTEGRATORS = {2: "uniform", 4: "yoshida-4", 6: "yoshida-6"}


def module() -> Any:
    """The xtrack module; the test is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("xtrack")


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Around whatever may compile kernels, which happens again at the first track.

    The compiler's front end reads the pyproject.toml of the working directory: keep ours out of its way.
    """
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        warnings.simplefilter("ignore")
        yield


def integration(order: int, slices: int, model: str) -> dict[str, Any]:
    """Arguments of a thick magnet: drift-kick with so many slices of an order."""
    return {
        "model": model,
        "integrator": INTEGRATORS[order],
        "num_multipole_kicks": slices * KICKS[order],
    }


def element_of(element: gt.Element, order: int = 4, slices: int = 10) -> Any:
    """The xtrack element with the parameters of ours; exact Hamiltonian, drift-kick.

    Bend edges are "dipole-only": rotation, fringe of the dipole and wedge; the fringe of the quadrupole is left
    out, as PTC leaves it out by default, and with it goes the gradient in the wedge.
    """
    xt = module()
    frame = {k: v for k, v in (("shift_x", element.dx), ("shift_y", element.dy), ("rot_s_rad", element.tilt)) if v}
    straight = integration(order, slices, "drift-kick-drift-exact")
    match element:
        case gt.Marker():
            return xt.Marker()
        case gt.Drift():
            return xt.Drift(length=element.length, model="exact")
        case gt.Quadrupole() | gt.Sextupole() | gt.Octupole():
            kind = getattr(xt, type(element).__name__)
            strengths = {name: getattr(element, name) for name in element.STRENGTHS}
            errors = {"knl": list(element.knl), "ksl": list(element.ksl)}
            return kind(length=element.length, **strengths, **errors, **straight, **frame)
        case gt.Multipole():
            curved = {"hxl": element.angle, "length": element.lrad} if element.angle else {}
            return xt.Multipole(knl=list(element.knl) or [0.0], ksl=list(element.ksl) or [0.0], **curved, **frame)
        case gt.SectorBend() | gt.RectangularBend():
            return bend_of(element, integration(order, slices, "rot-kick-rot"), frame)
        case gt.HKicker() | gt.VKicker() | gt.Kicker():
            return kicker_of(element, straight, frame)
        case gt.Solenoid():
            return xt.UniformSolenoid(length=element.length, ks=element.ks, **frame)
        case gt.RFCavity() | gt.CrabCavity():
            return cavity_of(element, frame)
        case gt.YRotation():
            return xt.Rotation(rot_y_rad=element.angle)
        case gt.Translation() if not element.s:
            return xt.Translation(shift_x=element.x, shift_y=element.y)
    raise NotImplementedError(f"{type(element).__name__} has no counterpart in xtrack")


def bend_of(element: Any, steps: dict[str, Any], frame: dict[str, float]) -> Any:
    """Sector bend; a rectangular one becomes the sector bend with the same faces."""
    xt = module()
    p = {"length": element.length, "angle": element.angle, "e1": element.e1, "e2": element.e2}
    e1, e2 = type(element).face_angles(p)
    fintx = element.fint if element.fintx is None else element.fintx
    length = element.arc_length
    return xt.Bend(
        length=length, angle=element.angle, k0=element.angle / length if element.k0 is None else element.k0,
        k0_from_h=False, k1=element.k1, k2=element.k2, knl=list(element.knl), ksl=list(element.ksl),
        edge_entry_angle=e1, edge_exit_angle=e2, edge_entry_fint=element.fint, edge_exit_fint=fintx,
        edge_entry_hgap=element.hgap, edge_exit_hgap=element.hgap,
        edge_entry_model="dipole-only", edge_exit_model="dipole-only", **steps, **frame,
    )  # fmt: skip


def kicker_of(element: Any, steps: dict[str, Any], frame: dict[str, float]) -> Any:
    """Thin multipole, or a quadrupole of no strength with dipole errors; a drift without kicks."""
    xt = module()
    kicks = {plane: getattr(element, name) for plane, name in element.KICKS.items()}
    knl, ksl = [-kicks.get("x", 0.0)], [kicks.get("y", 0.0)]
    if not element.length:
        return xt.Multipole(knl=knl, ksl=ksl, **frame)
    if not any(kicks.values()):
        return xt.Drift(length=element.length, model="exact")
    return xt.Quadrupole(length=element.length, knl=knl, ksl=ksl, **steps, **frame)


def cavity_of(element: Any, frame: dict[str, float]) -> Any:
    """Cavity with one kick in the middle."""
    xt = module()
    if not element.voltage:
        return xt.Drift(length=element.length, model="exact")
    wave = {"frequency": element.frequency, "phase": 2.0 * math.pi * element.lag, "length": element.length}
    steps = {"model": "drift-kick-drift-exact", "integrator": "uniform", "num_kicks": 1}
    if isinstance(element, gt.RFCavity):
        return xt.Cavity(voltage=element.voltage, **wave, **steps, **frame)
    return xt.CrabCavity(crab_voltage=element.voltage, **wave, **steps, **frame)


def line_of(
    elements: Iterable[gt.Element], reference: ReferenceParticle, order: int = 4, slices: int = 10, threads: int = 0
) -> Any:
    """A line ready to track; `threads` > 1 for OpenMP."""
    xt = module()
    import xobjects as xo

    with compiling():
        line = xt.Line(elements=[element_of(e, order, slices) for e in elements])
        line.particle_ref = xt.Particles(mass0=reference.mass, q0=reference.charge, p0c=reference.p0c)
        # xsuite brings kernels for one thread; without it they are compiled here, which takes minutes
        prebuilt = importlib.util.find_spec("xsuite") is not None and not threads
        line.build_tracker(_context=xo.ContextCpu(omp_num_threads=threads), use_prebuilt_kernels=prebuilt)
    return line


def particles_of(coordinates: np.ndarray, reference: ReferenceParticle) -> Any:
    """Particles at our coordinates."""
    x, px, y, py, z, delta = coordinates
    known = {"mass0": reference.mass, "q0": reference.charge, "p0c": reference.p0c}
    return module().Particles(x=x, px=px, y=y, py=py, zeta=z / speed(delta, reference), delta=delta, **known)


def coordinates_of(particles: Any) -> np.ndarray:
    """Our coordinates (6, n), in the order in which particles were given; lost ones raise."""
    lost = np.asarray(particles.state) <= 0
    if lost.any():
        raise AssertionError(f"xtrack lost particles: codes {np.asarray(particles.state)[lost]}")
    order = np.argsort(particles.particle_id)
    rows = [particles.x, particles.px, particles.y, particles.py, particles.zeta * particles.rvv, particles.delta]
    return np.array([np.asarray(row)[order] for row in rows])


def track_each(line: Any, coordinates: np.ndarray, reference: ReferenceParticle) -> np.ndarray:
    """Coordinates (elements, 6, n) after each element of a line alone, each from the same start.

    One line with many elements is compiled once; `reference` may differ from the line's own.
    """
    results = []
    for place in range(len(line.element_names)):
        particles = particles_of(np.asarray(coordinates, dtype=float), reference)
        with compiling():
            line.track(particles, ele_start=place, num_elements=1)
        results.append(coordinates_of(particles))
    return np.array(results)
