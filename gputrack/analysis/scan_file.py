"""What a scan has done so far, in an HDF5 file, so that it can go on from there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gputrack.base.arrays import Array, is_cupy, to_numpy
from gputrack.base.errors import InputError, LatticeFileError
from gputrack.base.files import replacing, require_path
from gputrack.io.json_lattice import json_text
from gputrack.lattice.lattice import Lattice

FORMAT = "gputrack scan 1"


def fingerprint(lattice: Lattice, *arguments: object) -> str:
    """A hash of everything that decides what a scan finds; numbers in full."""
    text = "\n".join([json_text(lattice), *map(repr, arguments)])
    return hashlib.sha256(text.encode()).hexdigest()


class ScanFile:
    """The file of one scan.

    Parameters
    ----------
    path : path or None
        None: nothing is kept.
    kind : str
        Which scan, for the reader and for messages.
    mark : str
        `fingerprint` of the scan.
    """

    def __init__(self, path: str | os.PathLike[str] | None, kind: str, mark: str) -> None:
        self.path: Path | None = None if path is None else require_path(path)
        self.kind, self.mark = kind, mark

    def write(self, turns: int, arrays: Mapping[str, Array]) -> None:
        """Replace what is there, once the new file is complete.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        if self.path is None:
            return
        with replacing(self.path, f"{self.kind} file") as file:
            file.attrs.update({"format": FORMAT, "kind": self.kind, "fingerprint": self.mark, "turns": turns})
            for name, values in arrays.items():
                file[name] = to_numpy(values) if is_cupy(values) else values

    def require_writable(self) -> None:
        """Refuse before the work what cannot be written after it; as `write` does."""
        if self.path is None:
            return
        try:
            with tempfile.TemporaryFile(dir=self.path.absolute().parent):
                pass
        except OSError as error:
            raise InputError(f"cannot write {self.kind} file {self.path}: {error.strerror or error}") from error

    def read(self) -> tuple[int, dict[str, np.ndarray]] | None:
        """Turns done and arrays; None where there is no file yet.

        Raises
        ------
        LatticeFileError
            The file cannot be read, or is of another scan.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with h5py.File(self.path, "r") as file:
                attributes: dict[str, Any] = dict(file.attrs)
                if attributes.get("format") != FORMAT or attributes.get("kind") != self.kind:
                    raise LatticeFileError(f"{self.path}: is not a file of {self.kind}; give another name")
                if attributes.get("fingerprint") != self.mark:
                    raise LatticeFileError(
                        f"{self.path}: holds the scan of another lattice, shape or setting; give another name, or "
                        "remove the file to begin anew"
                    )
                return int(attributes["turns"]), {name: file[name][()] for name in file}
        except LatticeFileError:
            raise
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise LatticeFileError(f"{self.path}: cannot be read: {' '.join(str(error).split())}") from error

    def too_far(self, done: int, turns: int) -> InputError:
        """The error where a file is ahead of what is asked for."""
        return InputError(f"{self.kind}: {self.path} has done {done} turns; ask for turns >= {done}, got {turns}")
