"""Beams in HDF5 files of the openPMD standard with its BeamPhysics extension.

A file holds the beam twice: as the standard asks (`gputrack.beam.openpmd`), for other tools, and in a group
``gputrack`` with our own arrays, which load bit for bit. Files of others lack that group and are converted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from gputrack.base.arrays import module_named
from gputrack.base.errors import InputError, LatticeFileError
from gputrack.base.files import one_line, replacing
from gputrack.base.reference import ReferenceParticle
from gputrack.beam.openpmd import from_standard, write_standard

if TYPE_CHECKING:
    from gputrack.beam.beam import Beam

GROUP = "gputrack"
VERSION = 1
_DATASETS = {
    "coordinates": "float64", "weights": "float64",
    "loss_code": "int32", "loss_turn": "int64", "loss_element": "int32",
}  # fmt: skip


def save_beam(beam: Beam, path: str | os.PathLike[str]) -> None:
    """Write a beam to an HDF5 file; a file that was there is replaced once the new one is complete.

    Parameters
    ----------
    beam : Beam
        Brought to the host if need be.
    path : path

    Raises
    ------
    InputError
        The file cannot be written.
    """
    host = beam.to_device("numpy")
    with replacing(Path(path), "beam file") as file:
        write_standard(file, host)
        group = file.create_group(GROUP)
        group.attrs["version"] = VERSION
        group.attrs["turn"] = host.turn
        for name in ("mass", "charge", "p0c"):
            group.attrs[name] = getattr(host.reference, name)
        for name in _DATASETS:
            group[name] = getattr(host, name)


def load_beam(
    make: Callable[..., Beam],
    path: str | os.PathLike[str],
    *,
    reference: ReferenceParticle | None = None,
    reference_time: float | None = None,
    xp: str = "numpy",
) -> Beam:
    """Read a beam from a file of `save_beam`, exactly, or from any openPMD BeamPhysics particle file.

    Parameters
    ----------
    make : callable
        Makes the beam from its coordinates and reference particle: `Beam`.
    path : path
    reference : ReferenceParticle, optional
        Needed for files of other tools. Files of ours have their own; a different one is an error.
    reference_time : float, optional
        For files of other tools: arrival time [s] of the reference particle. The charge-weighted mean of the
        living particles where not given.
    xp : {"numpy", "cupy"}

    Raises
    ------
    LatticeFileError
        The file cannot be read, or needs a (or another) reference; the message names it and what is wrong.
    InputError
        An argument is not what it should be.
    """
    module = module_named(xp)
    if reference is not None and not isinstance(reference, ReferenceParticle):
        raise InputError(f"load: reference must be a gputrack.ReferenceParticle, got {reference!r}")
    path = Path(path)
    if not path.is_file():
        raise LatticeFileError(f"{path}: there is no such file")
    with _telling(path), h5py.File(path, "r") as file:
        own = GROUP in file
        beam = _read_own(make, file[GROUP], reference) if own else from_standard(make, file, reference, reference_time)
    return beam if module is np else beam.to_device(xp)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Whatever a damaged or hostile file makes the libraries raise becomes one line that names the file."""
    try:
        yield
    except InputError as error:
        raise LatticeFileError(f"{path}: {one_line(error)}") from error
    except LatticeFileError as error:
        raise LatticeFileError(f"{path}: {one_line(error)}") from error.__cause__
    except Exception as error:
        # h5py answers with OSError, KeyError, RuntimeError, ... according to which byte is wrong.
        what = f"{type(error).__name__}: {one_line(error)}"
        raise LatticeFileError(f"{path}: cannot be read as a beam ({what})") from error


def _read_own(make: Callable[..., Beam], group: Any, given: ReferenceParticle | None) -> Beam:
    if not isinstance(group, h5py.Group):
        raise LatticeFileError(f"/{GROUP} is not a group")
    version = _attribute(group, "version", int)
    if version != VERSION:
        raise LatticeFileError(f"/{GROUP} has version {version}, this gputrack reads version {VERSION}")
    reference = ReferenceParticle(*(_attribute(group, name, float) for name in ("mass", "charge", "p0c")))
    if given is not None and given != reference:
        raise LatticeFileError(f"its reference is {reference}, not the given {given}; load without one")
    arrays = {name: _dataset(group, name, dtype) for name, dtype in _DATASETS.items()}
    return make(arrays.pop("coordinates"), reference, turn=_attribute(group, "turn", int), **arrays)


def _attribute(group: h5py.Group, name: str, kind: type) -> Any:
    """A scalar attribute of the kind int or float."""
    value = group.attrs.get(name)
    wanted = np.integer if kind is int else (np.floating, np.integer)
    if not isinstance(value, wanted):
        raise LatticeFileError(f"{group.name}: attribute {name!r} must be one {kind.__name__}, got {value!r}")
    return kind(value)


def _dataset(group: h5py.Group, name: str, dtype: str) -> np.ndarray:
    """A dataset of ours, of exactly the type that we write."""
    # A link could point into another file of the reader's.
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise LatticeFileError(f"{group.name} has no dataset {name!r}")
    data = group[name]
    if not isinstance(data, h5py.Dataset) or data.dtype != np.dtype(dtype):
        raise LatticeFileError(f"{group.name}/{name} must be a dataset of {dtype}")
    if data.is_virtual or data.external:
        raise LatticeFileError(f"{group.name}/{name} must lie in this file, not in another")
    return np.asarray(data[()])
