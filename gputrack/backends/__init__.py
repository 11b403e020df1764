"""How programs run: `array` (array-API maps), `host` (kernels on CPU threads), `cuda` (kernels on a GPU)."""

from __future__ import annotations

import warnings
from functools import cache

from gputrack.backends.array.backend import ArrayBackend
from gputrack.backends.choice import NAMES, Choice, Streamed
from gputrack.backends.cuda.backend import CudaBackend
from gputrack.backends.cuda.streamed import StreamedBackend
from gputrack.backends.host.backend import HostBackend
from gputrack.backends.protocol import Backend
from gputrack.base.arrays import Array, is_cupy
from gputrack.base.checks import require_integer, short
from gputrack.base.compiler import NO_COMPILER, find_compiler
from gputrack.base.errors import BackendError, InputError

__all__ = ["NAMES", "Backend", "Choice", "Streamed", "choose_backend", "choose_map_backend"]


def choose_backend(name: Choice, coordinates: Array, threads: int | None) -> Backend:
    """Backend by name, or by the array library of the coordinates: `host` for NumPy, `cuda` for CuPy.

    With `cuda`, NumPy coordinates are streamed through the current device, as by ``Streamed()``. Without a compiler
    NumPy coordinates run on `array`, with one warning.

    Raises
    ------
    InputError
        Unknown name, threads < 1, or coordinates on the wrong device for the backend.
    BackendError
        The backend cannot run on this machine.
    """
    if not (name is None or isinstance(name, Streamed) or (isinstance(name, str) and name in NAMES)):
        text = f"one of {', '.join(NAMES)}, gputrack.Streamed(...) or None"
        raise InputError(f"backend must be {text}, got {short(name)}")
    if threads is not None:
        require_integer("backend", "threads", threads, at_least=1)
    on_gpu = is_cupy(coordinates)
    if isinstance(name, Streamed):
        if on_gpu:
            raise InputError("Streamed is for beams in host memory; move the beam with beam.to_device('numpy')")
        return StreamedBackend(name)
    if name == "cuda" or (name is None and on_gpu):
        return CudaBackend() if on_gpu else StreamedBackend(Streamed())
    if name == "host" and on_gpu:
        raise InputError("backend='host' needs NumPy coordinates; move the beam with beam.to_device('numpy')")
    return _cpu(name, threads)


def choose_map_backend(name: str | None, orbits: Array) -> str:
    """Backend of maps as power series, by name, or by where the orbits are; its name.

    Raises
    ------
    InputError
        Unknown name, or orbits in the wrong memory for the backend.
    BackendError
        There is no GPU, or no CuPy.
    """
    if name not in (None, *NAMES):
        raise InputError(f"transfer map: backend must be one of {', '.join(NAMES)} or None, got {short(name)}")
    on_gpu = is_cupy(orbits)
    if on_gpu and name in ("array", "host"):
        raise InputError(f"transfer map: backend={name!r} needs a NumPy orbit; move it with orbit.get()")
    if on_gpu or name == "cuda":
        CudaBackend()  # raises where CuPy or the GPU is missing
        return "cuda"
    if name is None and find_compiler() is None:
        _warn_once(NO_COMPILER)
        return "array"
    return name or "host"


def _cpu(name: str | None, threads: int | None) -> Backend:
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
        f"{reason.splitlines()[0]}; running on the array backend, which is 10 to 50 times slower",
        RuntimeWarning,
        stacklevel=4,
    )
