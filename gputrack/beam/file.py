"""Beam files: HDF5 of the openPMD standard with its BeamPhysics extension.

A file contains the beam twice: in the form of the standard (`gputrack.beam.openpmd`) for other tools, and in a group
``gputrack`` with the arrays of `Beam`, which are restored bit for bit. Files of other tools are converted.
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
    """Write a beam to an HDF5 file; an existing file is replaced when the new one is complete.

    Parameters
    ----------
    beam : Beam
        Copied to the host if necessary.
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
    """Read a beam from a file written by `save_beam` or from any openPMD BeamPhysics particle file.

    Parameters
    ----------
    make : callable
        Constructor of the beam from coordinates and reference particle: `Beam`.
    path : path
    reference : ReferenceParticle, optional
        Required for files of other tools. gputrack's files contain it; a different one raises an error.
    reference_time : float, optional
        For files of other tools: arrival time [s] of the reference particle; default the charge-weighted mean of
        the surviving particles.
    xp : {"numpy", "cupy"}

    Raises
    ------
    LatticeFileError
        The file cannot be read, or `reference` is missing or contradicts it.
    InputError
        An argument has a wrong type or value.
    """
    module = module_named(xp)
    if reference is not None and not isinstance(reference, ReferenceParticle):
        raise InputError(f"load: reference must be a gputrack.ReferenceParticle, got {reference!r}")
    path = Path(path)
    if not path.is_file():
        raise LatticeFileError(f"{path}: there is no such file")
    with _file_errors(path), h5py.File(path, "r") as file:
        own = GROUP in file
        beam = _read_own(make, file[GROUP], reference) if own else from_standard(make, file, reference, reference_time)
    return beam if module is np else beam.to_device(xp)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Convert every exception raised for a damaged or malicious file to a one-line message with the path."""
    try:
        yield
    except InputError as error:
        raise LatticeFileError(f"{path}: {one_line(error)}") from error
    except LatticeFileError as error:
        raise LatticeFileError(f"{path}: {one_line(error)}") from error.__cause__
    except Exception as error:
        # h5py raises OSError, KeyError, RuntimeError, ... depending on which byte is wrong.
        message = f"{type(error).__name__}: {one_line(error)}"
        raise LatticeFileError(f"{path}: cannot be read as a beam ({message})") from error


def _read_own(make: Callable[..., Beam], group: Any, expected: ReferenceParticle | None) -> Beam:
    if not isinstance(group, h5py.Group):
        raise LatticeFileError(f"/{GROUP} is not a group")
    version = _attribute(group, "version", int)
    if version != VERSION:
        raise LatticeFileError(f"/{GROUP} has version {version}, this gputrack reads version {VERSION}")
    reference = ReferenceParticle(*(_attribute(group, name, float) for name in ("mass", "charge", "p0c")))
    if expected is not None and expected != reference:
        raise LatticeFileError(f"the file has reference {reference}, not {expected}; omit the argument reference")
    arrays = {name: _dataset(group, name, dtype) for name, dtype in _DATASETS.items()}
    return make(arrays.pop("coordinates"), reference, turn=_attribute(group, "turn", int), **arrays)


def _attribute(group: h5py.Group, name: str, kind: type) -> Any:
    """Scalar attribute of type int or float."""
    value = group.attrs.get(name)
    wanted = np.integer if kind is int else (np.floating, np.integer)
    if not isinstance(value, wanted):
        raise LatticeFileError(f"{group.name}: attribute {name!r} must be one {kind.__name__}, got {value!r}")
    return kind(value)


def _dataset(group: h5py.Group, name: str, dtype: str) -> np.ndarray:
    """Dataset of the group ``gputrack``, with exactly the type that `save_beam` writes."""
    # A soft or external link could refer to another file of the user.
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise LatticeFileError(f"{group.name} has no dataset {name!r}")
    data = group[name]
    if not isinstance(data, h5py.Dataset) or data.dtype != np.dtype(dtype):
        raise LatticeFileError(f"{group.name}/{name} must be a dataset of {dtype}")
    if data.is_virtual or data.external:
        raise LatticeFileError(f"{group.name}/{name} must lie in this file, not in another")
    return np.asarray(data[()])
