"""Reader of MAD-X files."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from gputrack.base.errors import InputError, LatticeFileError
from gputrack.base.files import require_path
from gputrack.base.reference import ReferenceParticle
from gputrack.io.madx.beam import Beam
from gputrack.io.madx.convert import Converter
from gputrack.io.madx.environment import Environment
from gputrack.io.madx.expansion import expand
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.interpreter import Interpreter
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Item
from gputrack.lattice.lattice import Lattice


@dataclass(frozen=True, eq=False)
class MadxFile:
    """Result of `read_madx`.

    Parameters
    ----------
    lattice : Lattice
    sequence : str
        Name of the sequence or line that was expanded.
    sequences : tuple of str
        Names of all sequences and lines in the file.
    ignored : tuple of str
        Statements and attributes without effect on the lattice, one line each: file, line, text.
    """

    lattice: Lattice
    sequence: str
    sequences: tuple[str, ...]
    ignored: tuple[str, ...]


def read_madx(path: str | PathLike[str], sequence: str | None = None) -> MadxFile:
    """Read a MAD-X file.

    Variables and deferred expressions are evaluated at the end of the file.

    Parameters
    ----------
    path : path
    sequence : str, optional
        Name of a sequence or line; default that of the last ``use``, or the only one in the file.

    Raises
    ------
    LatticeFileError
        A statement is invalid or not supported; the message gives file, line and word.
    InputError
        The file has no sequence or line of that name, or it has several and no name is given.
    """
    path = require_path(path)
    if sequence is not None and not isinstance(sequence, str):
        raise InputError(f"sequence must be a name, got {sequence!r}")
    interpreter = Interpreter()
    interpreter.run_main(path)
    environment, report = interpreter.environment, interpreter.report
    name = _selected(sequence, environment, path)
    beam = environment.beams.get(name) or environment.beams.get("")
    reference = _reference(beam, report, path)
    elements = expand(name, environment, Converter(environment, report, reference, beam))
    lattice = Lattice(elements, reference, name=name)
    return MadxFile(lattice, name, (*environment.sequences, *environment.lines), tuple(report.lines()))


def _selected(name: str | None, environment: Environment, path: Path) -> str:
    known = [*environment.sequences, *environment.lines]
    if name is not None:
        if name.lower() not in known:
            raise InputError(f"{path.name} has no sequence or line {name!r}; it has {_list(known)}")
        return name.lower()
    if environment.used is not None:
        return environment.used
    inner = _placed_in_others(environment)
    candidates = [one for one in known if one not in inner]
    if not known:
        raise LatticeFileError(f"{path.name}: contains neither a sequence nor a line")
    if len(candidates) != 1:
        raise InputError(f"{path.name}: select one of its sequences and lines with sequence=...: {_list(known)}")
    return candidates[0]


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "") if names else "none"


def _placed_in_others(environment: Environment) -> set[str]:
    names = {entry.name for one in environment.sequences.values() for entry in one.entries}
    waiting: list[Item] = [item for line in environment.lines.values() for item in line.items]
    while waiting:
        item = waiting.pop()
        if item.name is not None:
            names.add(item.name)
        waiting += item.inside
    return names


def _reference(beam: Beam | None, report: Report, path: Path) -> ReferenceParticle | None:
    where = Where(path.name, 1)
    if beam is None:
        report.note("no beam command: the lattice has no reference particle", where)
        return None
    for quantity in beam.assumed:
        report.note(f"beam without {quantity}: MAD-X's default is assumed (positron, 1 GeV)", where)
    return beam.reference(where)
