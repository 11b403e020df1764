"""Calls of all public functions with valid arguments, and values that are wrong for every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gputrack as gt
from gputrack.elements.element import ELEMENT_TYPES

REFERENCE = gt.ReferenceParticle.electron(total=1e9)
START = gt.InitialTwiss(5.0, 0.0, 5.0, 0.0)
BEAM = gt.Beam(1e-6 * np.random.default_rng(1).normal(size=(6, 8)), REFERENCE)
SHAPE: dict[str, Any] = dict(emit=(1e-9, 1e-9), twiss=START, sigma_z=0.0, sigma_delta=0.0, seed=1)


def ring() -> gt.Lattice:
    """A ring of four FODO cells with correctors and a cavity that is off."""
    d, bend = gt.Drift("d", length=1.0), gt.SectorBend("b", length=1.0, angle=np.pi / 4)
    focusing, defocusing = gt.Quadrupole("qf", length=0.3, k1=1.0), gt.Quadrupole("qd", length=0.3, k1=-1.0)
    cell = [focusing, d, bend, gt.Kicker("c"), defocusing, d, bend]
    return gt.Lattice(4 * cell, REFERENCE)


RING = ring()
RADIATING = gt.Lattice([*RING, gt.RFCavity("rf", voltage=3e6, frequency=40 * 299792458.0 / RING.length, lag=0.45)],
                       REFERENCE).with_radiation()  # fmt: skip
COLLISION = gt.BeamBeam("ip", particles=1e9, charge=-1.0, emit_x=1e-9, emit_y=1e-9)
QUADRUPOLES = RING.knobs("qf.k1")

#: arguments of element classes without which they are not valid
ELEMENTS: dict[str, dict[str, Any]] = {
    "BeamBeam": dict(particles=1e9, emit_x=1e-9, emit_y=1e-9),
    "CrabCavity": dict(voltage=1.0, frequency=1e9), "Drift": dict(length=1.0), "HKicker": dict(kick=0.0),
    "Kicker": dict(hkick=0.0, vkick=0.0), "Marker": {}, "Multipole": dict(knl=(0.0,), angle=0.0),
    "Octupole": dict(length=1.0, k3=1.0), "Quadrupole": dict(length=1.0, k1=1.0, knl=(1.0,)),
    "RFCavity": dict(voltage=1.0, frequency=1e9, lag=0.0), "RectangularBend": dict(length=1.0, angle=0.1),
    "SectorBend": dict(length=1.0, angle=0.1, e1=0.0, hgap=0.0), "Sextupole": dict(length=1.0, k2=1.0),
    "Solenoid": dict(length=1.0, ks=1.0), "Translation": dict(x=0.0, y=0.0), "VKicker": dict(kick=0.0),
    "YRotation": dict(angle=0.0),
}

#: function, and valid arguments by name
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "closed_orbit": (gt.closed_orbit, dict(lattice=RING, delta=0.0, guess=None, backend=None)),
    "collide": (gt.collide, dict(
        first=(RING, BEAM), second=(RING, BEAM), collision=COLLISION, turns=1, threads=None)),
    "correct_orbit": (gt.correct_orbit, dict(
        lattice=RING, correctors=RING.knobs("c.hkick", "c.vkick", each=True), monitors="qf", singular_values=None,
        goal=None, bounds=None, steps=1, delta=0.0)),
    "damping": (gt.damping, dict(lattice=RADIATING, guess=None, backend=None)),
    "driving_terms": (gt.driving_terms, dict(lattice=RING, terms=None, delta=0.0, method=None, backend=None)),
    "dynamic_aperture": (gt.dynamic_aperture, dict(
        lattice=RING, shape=gt.Polar(radius=1e-3, steps=2, angles=2), turns=2, delta=0.0, file=None, progress=False,
        xp="numpy", backend=None, threads=None, limit=1.0)),
    "envelope": (gt.envelope, dict(lattice=RADIATING, guess=None)),
    "finite_difference_matrix": (gt.finite_difference_matrix, dict(lattice=RING, orbit=None)),
    "frequency_map": (gt.frequency_map, dict(
        lattice=RING, shape=gt.Grid(x=(1e-4, 1e-3, 2), y=(1e-4, 1e-3, 2)), turns=32, delta=0.0, file=None,
        progress=False, xp="numpy", backend=None, threads=None, limit=1.0)),
    "grad": (lambda **k: gt.grad(**k)(1.0), dict(function=lambda x: x**2, argnum=0)),
    "jacobian": (lambda **k: gt.jacobian(**k)(np.ones(2)), dict(function=lambda x: x**2, argnum=0, mode="reverse")),
    "jvp": (gt.jvp, dict(function=lambda x: x**2, primals=(1.0,), tangents=(1.0,))),
    "linear_optics": (gt.linear_optics, dict(lattice=RING, delta=0.0, backend=None)),
    "load": (gt.load, dict(path="none.json", sequence=None)),
    "luminosity": (gt.luminosity, dict(collision=COLLISION, beam=BEAM, name="*")),
    "match": (gt.match, dict(
        lattice=RING, knobs=QUADRUPOLES, targets=[gt.Target("qx", float(gt.twiss(RING).qx))], start=None, delta=0.0,
        bounds=None, tolerance=1e-6, steps=1, report=None)),
    "matched_beam": (gt.matched_beam, dict(
        ring=RING, n=8, emit=(1e-9, 1e-9), sigma_z=None, sigma_delta=1e-3, seed=1, longitudinal=None, delta=0.0,
        cut=None, exact_moments=False, weights=None, xp="numpy", backend=None)),
    "one_turn_map": (gt.one_turn_map, dict(lattice=RING, order=1, delta=0.0, knobs=None, backend=None, threads=1)),
    "orbit_response": (gt.orbit_response, dict(
        lattice=RING, correctors=RING.knobs("c.hkick"), monitors="*", delta=0.0, guess=None, backend=None)),
    "radiation": (gt.radiation, dict(lattice=RING)),
    "save": (gt.save, dict(lattice=RING, path="/none/none.json")),
    "survey": (gt.survey, dict(lattice=RING)),
    "track": (gt.track, dict(
        lattice=RING, beam=BEAM, turns=1, monitors=(), progress=False, backend=None, threads=None, limit=1.0,
        backwards=False)),
    "transfer_map": (gt.transfer_map, dict(lattice=RING, order=1, orbit=None, knobs=None, backend=None, threads=1)),
    "twiss": (gt.twiss, dict(lattice=RING, start=None, delta=0.0, orbit=None, form=None, at=None, backend=None)),
    "value_and_grad": (lambda **k: gt.value_and_grad(**k)(1.0), dict(function=lambda x: x**2, argnum=0)),
    "Lattice": (gt.Lattice, dict(elements=[gt.Drift("d", length=1.0)], reference=REFERENCE, name="", model=None)),
    "with_knobs": (RING.with_knobs, dict(knobs=QUADRUPOLES, values=[1.0])),
    "with_model": (RING.with_model, dict(model=gt.Model(), select=None)),
    "with_reference": (RING.with_reference, dict(reference=REFERENCE)),
    "with_changes": (RING.with_changes, dict(select="qf", k1=1.0)),
    "with_radiation": (RING.with_radiation, dict(kicks_per_element=2, select="*")),
    "with_space_charge": (RING.with_space_charge, dict(
        field=gt.PipeModes((0.1, 0.1)), current=1.0, kicks_per_element=1, select="*")),
    "knobs": (lambda **k: RING.knobs(k["handle"], each=k["each"]), dict(handle="qf.k1", each=False)),
    "indices": (RING.indices, dict(pattern="qf")),
    "Beam": (gt.Beam, dict(
        coordinates=np.zeros((6, 2)), reference=REFERENCE, weights=1.0, loss_code=None, loss_turn=None,
        loss_element=None, turn=0)),
    "gaussian": (gt.Beam.gaussian, dict(n=8, reference=REFERENCE, **SHAPE, centroid=None, cut=None, xp="numpy")),
    "from_sigma": (gt.Beam.from_sigma, dict(n=8, reference=REFERENCE, sigma=np.eye(6), seed=1, centroid=None)),
    "ReferenceParticle": (gt.ReferenceParticle, dict(mass=1e6, charge=1.0, p0c=1e9)),
    "electron": (gt.ReferenceParticle.electron, dict(total=3e9)),
    "proton": (gt.ReferenceParticle.proton, dict(kinetic=3e9)),
    "ion": (gt.ReferenceParticle.ion, dict(nucleons=12.0, charge=6.0, kinetic=3e9)),
    "from_energy": (gt.ReferenceParticle.from_energy, dict(mass=1e9, charge=1.0, total=3e9)),
    "species": (gt.ReferenceParticle.from_energy, dict(species="proton", kinetic=3e9)),
    "with_p0c": (REFERENCE.with_p0c, dict(p0c=1e9)),
    "InitialTwiss": (gt.InitialTwiss, dict(betx=1.0, alfx=0.0, bety=1.0, alfy=0.0, dx=0.0, dpx=0.0, dy=0.0, dpy=0.0)),
    "Aperture": (gt.Aperture, dict(rectangle=(1.0, 1.0), ellipse=None)),
    "Model": (gt.Model, dict(integrator=gt.DriftKick(), hamiltonian=gt.Exact(), edge=gt.FullEdge())),
    "DriftKick": (gt.DriftKick, dict(order=4, slices=10)),
    "MatrixKick": (gt.MatrixKick, dict(order=4, slices=10)),
    "BlanesMoan": (gt.BlanesMoan, dict(order=4)),
    "LaskarRobutel": (gt.LaskarRobutel, dict(stages=3)),
    "Monitor": (gt.Monitor, dict(select="*", every=1, moments=False, path=None)),
    "Target": (gt.Target, dict(figure="qx", value=0.1, at=None, minimum=None, maximum=None, weight=1.0)),
    "Slices": (gt.Slices, dict(number=2, longest=None)),
    "Positions": (gt.Positions, dict(s=[0.1])),
    "Range": (gt.Range, dict(first="qf", last="qd")),
    "Polar": (gt.Polar, dict(radius=1e-3, steps=2, angles=2, islands=False)),
    "Grid": (gt.Grid, dict(x=(0.0, 1.0, 2), y=(0.0, 1.0, 2))),
    "Above": (gt.Above, dict(fraction=0.1)),
    "Strongest": (gt.Strongest, dict(number=1)),
    "FromMap": (gt.FromMap, dict(order=3)),
    "EqualCharge": (gt.EqualCharge, dict(slices=1)),
    "EqualDistance": (gt.EqualDistance, dict(slices=1, reach=3.0)),
    "RadiationKicks": (gt.RadiationKicks, dict(number=2)),
    "SpaceChargeKicks": (gt.SpaceChargeKicks, dict(field=gt.PipeModes((0.1, 0.1)), number=1)),
    "PipeModes": (gt.PipeModes, dict(pipe=(0.1, 0.1), modes=(4, 4))),
    "PipeBunch": (gt.PipeBunch, dict(pipe=(0.1, 0.1), length=0.1, slices=4, modes=(4, 4))),
    "OpenField2D": (gt.OpenField2D, dict(size=(0.1, 0.1), grid=(8, 8))),
    "OpenField3D": (gt.OpenField3D, dict(size=(0.1, 0.1, 0.1), grid=(8, 8, 8))),
    "RFBucket": (gt.RFBucket, dict(fill=1.0)),
    "Streamed": (gt.Streamed, dict(chunk=None, device=None)),
    "Quantiles": (gt.Quantiles, dict(number=4)),
    "UniformBins": (gt.UniformBins, dict(number=4, span=(-1.0, 1.0))),
    "Knobs": (gt.Knobs, dict(items=())),
    "Knob": (gt.Knob, dict(handle="qf.k1", places=(0,), parameter="k1", value=1.0)),
    **{kind: (ELEMENT_TYPES[kind], dict(name="e", dx=0.0, tilt=0.0, aperture=None, model=None, **ELEMENTS[kind]))
       for kind in sorted(ELEMENTS)},
}  # fmt: skip
#: results of calculations, which users do not make, and classes without arguments
RESULTS = {
    "Collided", "Damping", "DrivingTerms", "DynamicAperture", "EdwardsTeng", "Envelope", "Exact", "Expanded",
    "FirstOrder", "FrequencyMap", "FullEdge", "LinearEdge", "LossCode", "Losses", "MaisRipken", "Match",
    "Element", "NormalModes", "OrbitCorrection", "OrbitResponse", "PTCEdge", "Radiation", "SecondOrder", "Survey",
    "Tracked", "Twiss", "demo_ring",
}  # fmt: skip


class Nothing:
    """An object that is valid nowhere."""


#: wrong for every argument
WRONG: dict[str, Any] = {
    "an object": Nothing(),
    "complex": 1.0 + 2.0j,
    "bytes": b"abc",
    "nan": float("nan"),
    "nested": [[1.0, "a"], {}],
    "a huge integer": 10**400,
    "masked": np.ma.array(np.ones((6, 6)), mask=np.eye(6)),
    "a type": int,
}
