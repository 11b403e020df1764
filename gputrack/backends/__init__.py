"""How programs run: `array` (array-API maps), `host` (kernels on CPU threads), `cuda` (kernels on a GPU)."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from gputrack.arrays import is_cupy
from gputrack.backends.base import Backend
from gputrack.errors import BackendError, InputError

NAMES = ("array", "host", "cuda")


def choose_backend(name: str | None, coordinates: Any, threads: int | None) -> Backend:
    """Backend by name, or by where the coordinates are: NumPy on `host`, CuPy on `cuda`.

    Raises
    ------
    InputError
        Unknown name, threads not >= 1, or arrays on the wrong side for the backend.
    BackendError
        The backend cannot run on this machine.
    """
    if name is not None and name not in NAMES:
        raise InputError(f"backend must be one of {', '.join(NAMES)} or None, got {name!r}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads must be an integer >= 1, got {threads!r}")
    on_gpu = is_cupy(coordinates)
    if name == "cuda" or (name is None and on_gpu):
        return _cuda(on_gpu)
    if name == "host" and on_gpu:
        raise InputError("backend='host' needs NumPy coordinates; move the beam with beam.to_device('numpy')")
    return _cpu(name, threads)


def _cuda(on_gpu: bool) -> Backend:
    if not on_gpu:
        raise InputError("backend='cuda' needs CuPy coordinates; move the beam with beam.to_device('cupy')")
    from gputrack.backends.cuda import CudaBackend

    return CudaBackend()


def _cpu(name: str | None, threads: int | None) -> Backend:
    from gputrack.backends.array import ArrayBackend
    from gputrack.backends.host import HostBackend

    if name == "array":
        return ArrayBackend(threads)
    try:
        return HostBackend(threads)
    except BackendError as error:
        if name == "host":
            raise
        _warn_once(str(error))
        return ArrayBackend(threads)


@cache
def _warn_once(reason: str) -> None:
    warnings.warn(
        f"{reason.splitlines()[0]}; tracking with the array backend, which is 10 to 50 times slower",
        RuntimeWarning,
        stacklevel=4,
    )
