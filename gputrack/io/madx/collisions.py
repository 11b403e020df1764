"""Beam-beam collisions of MAD-X as gputrack elements."""

from __future__ import annotations

from math import copysign

from gputrack.elements import BeamBeam, Element
from gputrack.io.madx.beam import Beam
from gputrack.io.madx.element_attributes import Given
from gputrack.io.madx.ignored import Report

PARALLEL = 1e9  # m: beta of a bunch that is as wide everywhere


def beambeam(given: Given, beam: Beam | None, report: Report) -> Element:
    """A Gaussian bunch (bbshape = 1) that comes the other way (bbdir = -1), with the number of particles of the beam.

    sigx, sigy [m] are its sizes, xma, yma [m] its offset, charge that of its particles [e].
    """
    _require_options(given)
    sizes = {name: given.number(f"sig{name}") for name in "xy"}
    for name, size in sizes.items():
        if not size > 0.0:
            raise given.error(f"sig{name} must be > 0 m, got {size:g}; give the size of the other beam")
    offset, charge = given.numbers(dx="xma", dy="yma"), given.number("charge")
    if any(offset.values()) and not given.environment.collisions["bborbit"]:
        raise given.error(
            "MAD-X leaves out the kick of the closed orbit by a beam with an offset (xma, yma), tracking here does "
            "not; write 'option, bborbit;' where it should act"
        )
    report.note("beambeam: particles meet the strong bunch at z/2, not at 0 as in MAD-X", given.element.where)
    sign = 1.0 if beam is None else copysign(1.0, beam.charge)
    return BeamBeam(
        **given.named(), particles=_particles(given, beam) if charge else 0.0, charge=sign * charge or 1.0, **offset,
        emit_x=sizes["x"] ** 2 / PARALLEL, emit_y=sizes["y"] ** 2 / PARALLEL, beta_x=PARALLEL, beta_y=PARALLEL,
    )  # fmt: skip


def _require_options(given: Given) -> None:
    """Refuse what makes another collision of it."""
    if given.number("l"):
        raise given.error("a beambeam has no length")
    for name in ("bb_ultra_relati", "bb_sxy_update"):
        if given.environment.collisions[name]:
            raise given.error(f"option '{name}' has no counterpart in gputrack; switch it off: 'option, -{name};'")


def _particles(given: Given, beam: Beam | None) -> float:
    """Of the strong bunch: as many as in the beam's own."""
    if beam is None or beam.bcurrent or not beam.npart > 1.0:
        got = "no beam command" if beam is None else f"npart = {beam.npart:g}, bcurrent = {beam.bcurrent:g}"
        raise given.error(f"the beam command must give npart, and no bcurrent, got {got}; write 'beam, npart = ...;'")
    return beam.npart
