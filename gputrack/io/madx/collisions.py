"""Beam-beam collisions of MAD-X as gputrack elements."""

from __future__ import annotations

from math import copysign

from gputrack.elements import BeamBeam, Element
from gputrack.io.madx.beam import Beam
from gputrack.io.madx.element_attributes import ElementAttributes
from gputrack.io.madx.ignored import Report

PARALLEL = 1e9  # m: beta function of a bunch of constant size


def beambeam(attributes: ElementAttributes, beam: Beam | None, report: Report) -> Element:
    """Collision with a Gaussian bunch (bbshape = 1) of the opposite beam (bbdir = -1).

    sigx, sigy [m] are its rms sizes, xma, yma [m] its offset, charge is that of its particles [e]; the number of
    particles is that of the beam command.
    """
    _require_options(attributes)
    sizes = {name: attributes.number(f"sig{name}") for name in "xy"}
    for name, size in sizes.items():
        if not size > 0.0:
            raise attributes.error(f"sig{name} must be > 0 m, got {size:g}; give the rms size of the opposite beam")
    offset, charge = attributes.numbers(dx="xma", dy="yma"), attributes.number("charge")
    if any(offset.values()) and not attributes.environment.collisions["bborbit"]:
        raise attributes.error(
            "by default MAD-X omits the closed-orbit kick of a beam with an offset (xma, yma), which gputrack "
            "includes; write 'option, bborbit;' to include it in both"
        )
    where = attributes.element.where
    report.note("beambeam: particles collide with the strong bunch at z/2, not at 0 as in MAD-X", where)
    sign = 1.0 if beam is None else copysign(1.0, beam.charge)
    particles = _particles(attributes, beam) if charge else 0.0
    return BeamBeam(
        **attributes.named(), particles=particles, charge=sign * charge or 1.0, **offset,
        emit_x=sizes["x"] ** 2 / PARALLEL, emit_y=sizes["y"] ** 2 / PARALLEL, beta_x=PARALLEL, beta_y=PARALLEL,
    )  # fmt: skip


def _require_options(attributes: ElementAttributes) -> None:
    """Require no length and no option that changes the collision."""
    if attributes.number("l"):
        raise attributes.error("a beambeam has no length")
    for name in ("bb_ultra_relati", "bb_sxy_update"):
        if attributes.environment.collisions[name]:
            raise attributes.error(f"option '{name}' is not supported; switch it off: 'option, -{name};'")


def _particles(attributes: ElementAttributes, beam: Beam | None) -> float:
    """Number of particles of the strong bunch, that of the beam command."""
    if beam is None or beam.bcurrent or not beam.npart > 1.0:
        got = "no beam command" if beam is None else f"npart = {beam.npart:g}, bcurrent = {beam.bcurrent:g}"
        raise attributes.error(f"beam must give npart and no bcurrent, got {got}; write 'beam, npart = ...;'")
    return beam.npart
