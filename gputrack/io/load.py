"""Reading and writing of lattice files; the suffix of the file name selects the format."""

from __future__ import annotations

import logging
from os import PathLike

from gputrack.base.arguments import TEXT, arguments, optional
from gputrack.base.errors import InputError
from gputrack.base.files import require_path
from gputrack.io.json_lattice import read_json, write_json
from gputrack.io.madx import read_madx
from gputrack.lattice.lattice import Lattice

MADX_SUFFIXES = (".madx", ".seq", ".mad")
_LOG = logging.getLogger("gputrack.io")


@arguments(sequence=optional(TEXT))
def load(path: str | PathLike[str], sequence: str | None = None) -> Lattice:
    """Read a lattice.

    Statements of a MAD-X file without effect on the lattice (commands that print, attributes that do not enter
    tracking, ...) are logged at level INFO; `gputrack.io.madx.read_madx` returns them as a list.

    Parameters
    ----------
    path : path
        MAD-X file (.madx, .seq, .mad) or gputrack's JSON (.json).
    sequence : str, optional
        Sequence or line of a MAD-X file; default that of the last ``use``.

    Raises
    ------
    LatticeFileError
        The file cannot be read or interpreted; the message gives file, line and word.
    InputError
        The suffix is not supported, or the file does not contain the sequence.
    """
    suffix = require_path(path).suffix.lower()
    if suffix in MADX_SUFFIXES:
        result = read_madx(path, sequence)
        for line in result.ignored:
            _LOG.info("%s", line)
        return result.lattice
    if suffix != ".json":
        raise InputError(f"{path}: the file name must end in .json or one of {', '.join(MADX_SUFFIXES)}")
    lattice = read_json(path)
    if sequence is not None and sequence != lattice.name:
        raise InputError(f"{path}: contains the lattice {lattice.name!r}, not {sequence!r}")
    return lattice


def save(lattice: Lattice, path: str | PathLike[str]) -> None:
    """Write a lattice as JSON, with all digits; `load` returns an equal one.

    Raises
    ------
    InputError
        `lattice` is not a `Lattice`, or the file name does not end in .json.
    LatticeFileError
        The file cannot be written.
    """
    if not isinstance(lattice, Lattice):
        raise InputError(f"save: lattice must be a gputrack.Lattice, got {lattice!r}")
    if require_path(path).suffix.lower() != ".json":
        raise InputError(f"{path}: the file name must end in .json; other formats can be read but not written")
    write_json(lattice, path)
