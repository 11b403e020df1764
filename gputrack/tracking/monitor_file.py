"""HDF5 files of monitors, which grow by one stretch of turns at a time and are complete after each.

If the disk becomes full while HDF5 writes, the file cannot be closed any more, and the process may crash at its end.
Hence the space for a stretch is reserved before it is written.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gputrack.base.arrays import to_numpy
from gputrack.base.errors import InputError

SPARE = 2**20  # bytes for metadata written by HDF5

#: exceptions of h5py, depending on the failing part of HDF5
FAILURES = (OSError, RuntimeError, ValueError)


class MonitorFile:
    """New file, which replaces an existing one.

    Parameters
    ----------
    owner : str
        Name of the monitor, for messages.
    path : Path
    heading : mapping
        ``select``, ``place``, ``name`` and ``s`` of the monitor.

    Attributes
    ----------
    turns : list of int
        Turns in the file.
    """

    def __init__(self, owner: str, path: Path, heading: Mapping[str, Any]) -> None:
        import h5py

        self.owner, self.path, self.turns = owner, path, list[int]()
        self.broken = False
        try:
            self.file = h5py.File(path, "w")
        except OSError as error:
            raise InputError(f"{owner}: cannot write {path}: {error}") from error
        self.file.attrs["format"] = "gputrack monitor 1"
        self.file.attrs["select"] = heading["select"]
        self.file["place"] = heading["place"]
        self.file["name"] = np.array(heading["name"], dtype=h5py.string_dtype())
        self.file["s"] = heading["s"]
        self.file.create_dataset("turn", shape=(0,), maxshape=(None,), dtype="i8")

    def append(self, turns: Sequence[int], part: Mapping[str, Any]) -> None:
        """Append the arrays of further turns, (turns, ...) each.

        Raises
        ------
        InputError
            They cannot be written; the file holds the preceding turns.
        """
        arrays = {name: to_numpy(values) for name, values in part.items()} | {"turn": np.array(turns)}
        try:
            for name, values in arrays.items():
                if name not in self.file:
                    rest = values.shape[1:]
                    self.file.create_dataset(name, shape=(0, *rest), maxshape=(None, *rest), dtype=values.dtype)
            require_space(self.path.absolute().parent, sum(self._bytes(name, len(turns)) for name in arrays))
        except FAILURES as error:
            raise self._failure(error) from error
        self._guarded(lambda: self._write(arrays))
        self.turns += turns

    def _write(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, values in arrays.items():
            data = self.file[name]
            data.resize(len(self.turns) + len(values), axis=0)
            data[-len(values) :] = values
        self.file.flush()

    def _bytes(self, name: str, rows: int) -> int:
        """Bytes by which `rows` further rows enlarge the file, in whole chunks."""
        data = self.file[name]
        held, layer = len(self.turns), data.chunks[0]
        shape = ((-(-(held + rows) // layer) + held // -layer) * layer, *data.shape[1:])
        size: int = math.prod(-(-n // c) * c for n, c in zip(shape, data.chunks, strict=True)) * data.dtype.itemsize
        return size

    def close(self) -> None:
        """Complete and close the file.

        Raises
        ------
        InputError
            The file cannot be completed.
        """
        if not self.broken:
            self._guarded(self.file.close)

    def abandon(self) -> None:
        """Close the file as far as possible, after another error has been raised."""
        with suppress(*FAILURES):
            self.file.close()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except FAILURES as error:
            self.broken = True
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> InputError:
        held = f"holds {len(self.turns)} recorded turns" if self.turns else "holds no turns yet"
        return InputError(
            f"{self.owner}: cannot continue {self.path}, which {held}: {' '.join(str(error).split())}; give a path "
            "with more space, record less often (every=) or moments only (moments=True)"
        )


def require_space(folder: Path, size: int) -> None:
    """Raise `OSError` if a folder lacks space for `size` bytes plus a reserve.

    Space is allocated and freed again, so that quotas are respected.
    """
    size += SPARE
    if not hasattr(os, "posix_fallocate"):
        free = shutil.disk_usage(folder).free
        if free < size:
            raise OSError(f"{size} bytes are needed, {free} are free in {folder}")
        return
    with tempfile.TemporaryFile(dir=folder) as ballast:
        os.posix_fallocate(ballast.fileno(), 0, size)
