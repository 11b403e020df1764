"""Expansion of a sequence or line into elements in order, with drifts in the gaps."""

from __future__ import annotations

from gputrack.elements import Drift, Element
from gputrack.io.madx.convert import Converter
from gputrack.io.madx.environment import Environment, MadxSequence
from gputrack.io.madx.lines import expand_line
from gputrack.io.madx.positions import TOLERANCE, place_sequence
from gputrack.io.madx.source import Where
from gputrack.lattice.lattice import orbit_length


def expand(name: str, environment: Environment, converter: Converter) -> list[Element]:
    """Elements of the sequence or line `name`.

    Raises
    ------
    LatticeFileError
        Elements overlap or extend beyond the sequence; the message names both.
    """
    if name in environment.sequences:
        sequence = environment.sequences[name]
        elements = _with_drifts(sequence, environment, converter)
        length = environment.number(sequence.length, sequence.where)
    else:
        elements = [converter.element(one) for one in expand_line(environment.lines[name], environment)]
        length = sum(map(orbit_length, elements))
    return [converter.with_frequency(element, length) for element in elements]


def _with_drifts(sequence: MadxSequence, environment: Environment, converter: Converter) -> list[Element]:
    elements: list[Element] = []
    end, before, drifts = 0.0, "the start", 0
    for placed in place_sequence(sequence, environment, lambda one: orbit_length(converter.element(one))):
        gap = placed.start - end
        if _is_gap(gap, before, f"'{placed.name}'", placed.where):
            elements.append(Drift(f"drift_{drifts}", length=gap))
            drifts += 1
            end = placed.start
        elements.append(converter.element(placed.name))
        end, before = end + placed.length, f"'{placed.name}'"
    gap = environment.number(sequence.length, sequence.where) - end
    if _is_gap(gap, before, f"the end of sequence '{sequence.name}'", sequence.where):
        elements.append(Drift(f"drift_{drifts}", length=gap))
    return elements


def _is_gap(gap: float, before: str, after: str, where: Where) -> bool:
    if gap < -TOLERANCE:
        raise where.error(f"{before} and {after} overlap by {-gap:.9g} m (elements must be in order of position)")
    return gap > TOLERANCE
