"""HDF5 file with the state of a scan, from which the scan can be continued."""

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
    """Hash of all inputs that determine the results of a scan, numbers with all digits."""
    text = "\n".join([json_text(lattice), *map(repr, arguments)])
    return hashlib.sha256(text.encode()).hexdigest()


class ScanFile:
    """The file of one scan.

    Parameters
    ----------
    path : path or None
        None for no file.
    kind : str
        Name of the scan function, stored in the file and used in messages.
    mark : str
        `fingerprint` of the scan.
    """

    def __init__(self, path: str | os.PathLike[str] | None, kind: str, mark: str) -> None:
        self.path: Path | None = None if path is None else require_path(path, "file")
        self.kind, self.mark = kind, mark

    def write(self, turns: int, arrays: Mapping[str, Array]) -> None:
        """Write a new file and replace the existing one when it is complete.

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
        """Check before the scan that the file can be written; errors as for `write`."""
        if self.path is None:
            return
        try:
            with tempfile.TemporaryFile(dir=self.path.absolute().parent):
                pass
        except OSError as error:
            raise InputError(f"cannot write {self.kind} file {self.path}: {error.strerror or error}") from error

    def read(self) -> tuple[int, dict[str, np.ndarray]] | None:
        """Completed turns and arrays; None if the file does not exist.

        Raises
        ------
        LatticeFileError
            The file cannot be read, or belongs to another scan.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with h5py.File(self.path, "r") as file:
                attributes: dict[str, Any] = dict(file.attrs)
                if attributes.get("format") != FORMAT or attributes.get("kind") != self.kind:
                    raise LatticeFileError(f"{self.path}: is not a file of {self.kind}; choose another name")
                if attributes.get("fingerprint") != self.mark:
                    raise LatticeFileError(
                        f"{self.path}: contains a scan with another lattice, shape or setting; choose another name, or "
                        "delete the file to restart the scan"
                    )
                return int(attributes["turns"]), {name: file[name][()] for name in file}
        except LatticeFileError:
            raise
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise LatticeFileError(f"{self.path}: cannot be read: {' '.join(str(error).split())}") from error

    def too_far(self, done: int, turns: int) -> InputError:
        """Error for a file with more turns than requested."""
        return InputError(f"{self.kind}: {self.path} contains {done} turns; turns must be >= {done}, got {turns}")
