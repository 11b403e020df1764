"""Commands with an effect on the lattice: beam, resbeam, use, option."""

from __future__ import annotations

from gputrack.io.madx.attributes import require_flag, require_number, require_word
from gputrack.io.madx.beam import IGNORED, NUMBERS, Beam
from gputrack.io.madx.environment import Environment
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Attribute

Attributes = tuple[Attribute, ...]


def beam(attributes: Attributes, environment: Environment, report: Report, where: Where) -> None:
    """``beam, sequence = ..., particle = ..., energy = ...``; each sequence may have its own beam."""
    numbers: dict[str, float] = {}
    sequence, particle = "", None
    for attribute in attributes:
        name = attribute.name
        if name == "sequence":
            sequence = require_word(attribute, where)
        elif name == "particle":
            particle = require_word(attribute, where)
        elif name in NUMBERS:
            numbers[name] = environment.number(require_number(attribute, environment, where), where)
        elif name in IGNORED:
            report.note(f"beam: '{name}' does not enter the lattice", where)
        else:
            raise where.error(f"beam has no attribute '{name}'")
    before = environment.beams.get(sequence, Beam())
    environment.beams[sequence] = before.updated(particle, numbers, where)
    environment.changed()


def resbeam(attributes: Attributes, environment: Environment, report: Report, where: Where) -> None:
    """``resbeam, sequence = ...``: restore MAD-X's initial values."""
    sequence = ""
    for attribute in attributes:
        if attribute.name != "sequence":
            raise where.error(f"resbeam has no attribute '{attribute.name}'")
        sequence = require_word(attribute, where)
    environment.beams[sequence] = Beam()
    environment.changed()


def use(attributes: Attributes, environment: Environment, report: Report, where: Where) -> None:
    """``use, sequence = ...`` (or period): the sequence that is loaded by default."""
    name = None
    for attribute in attributes:
        if attribute.name in ("sequence", "period"):
            name = require_word(attribute, where)
        elif attribute.name == "range":
            if not isinstance(attribute.value, str) or attribute.value.lower() != "#s/#e":
                raise where.error("use with a range is not supported; load the sequence and slice the lattice")
        elif attribute.name == "survey":
            report.note("use: 'survey' does not enter the lattice", where)
        else:
            raise where.error(f"use has no attribute '{attribute.name}'")
    if name is None:
        raise where.error("use needs sequence = ...")
    if name not in environment.sequences and name not in environment.lines:
        raise where.error(f"there is no sequence or line '{name}'")
    environment.used, environment.used_rbarc = name, environment.rbarc


def option(attributes: Attributes, environment: Environment, report: Report, where: Where) -> None:
    """``option``: rbarc (the length of an rbend is its chord) and those of beambeam; others are ignored."""
    for attribute in attributes:
        if attribute.name == "rbarc":
            environment.rbarc = require_flag(attribute, environment, where)
            environment.changed()
        elif attribute.name in environment.collisions:
            environment.collisions[attribute.name] = require_flag(attribute, environment, where)
        else:
            report.note(f"option '{attribute.name}' does not enter the lattice", where)


ACTIONS = {"beam": beam, "resbeam": resbeam, "use": use, "option": option}
