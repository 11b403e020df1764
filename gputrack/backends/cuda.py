"""Backend `cuda`: the kernels, built by NVRTC through CuPy, on the particles' device and its current stream."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gputrack.backends.base import Launch, Particles
from gputrack.backends.run import make_run
from gputrack.backends.sources import flattened
from gputrack.errors import BackendError
from gputrack.program import Program

THREADS = 128
OPTIONS = ("-std=c++17", f"-DGT_THREADS={THREADS}")


@cache
def module(kinds: frozenset[str]) -> Any:
    """Kernels whose switch holds only the given kinds of maps; CuPy builds them per device and caches on disk.

    The source is one flattened text: CuPy's cache does not see included files.
    """
    import cupy

    return cupy.RawModule(code=flattened("track_cuda.h", kinds), options=OPTIONS)


class CudaBackend:
    """One particle per thread, in registers for all turns of a launch."""

    name = "cuda"

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise BackendError(
                "backend 'cuda' needs CuPy: install gputrack[cuda12] or gputrack[cuda13]"
            ) from error
        self._cupy = cupy
        if not cupy.cuda.is_available():
            raise BackendError("backend 'cuda' found no NVIDIA GPU that CuPy can use; try backend='host'")

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place; the call returns when it is done."""
        if not len(launch.program) or not launch.turns:
            return
        name = "gputrack_untrack" if launch.backwards else "gputrack_track"
        n = particles.coordinates.shape[1]
        device = particles.coordinates.device
        with device:
            ops, constants = _on_device(launch.program, device.id, self._cupy)
            run = make_run(particles, launch, ops, constants, _address)
            kernel = module(launch.program.kinds).get_function(name)
            kernel((-(-n // THREADS),), (THREADS,), _arguments(run))
            self._cupy.cuda.get_current_stream().synchronize()


def _address(array: Any) -> int:
    assert array.flags.c_contiguous
    address: int = array.data.ptr
    return address


_programs: WeakKeyDictionary[Program, dict[int, tuple[Any, Any]]] = WeakKeyDictionary()


def _on_device(program: Program, device: int, cupy: Any) -> tuple[Any, Any]:
    """The program's tables on the current device, copied once."""
    copies = _programs.setdefault(program, {})
    if device not in copies:
        copies[device] = cupy.asarray(program.ops), cupy.asarray(program.constants)
    return copies[device]


def _arguments(run: Any) -> tuple[Any, ...]:
    """Members of the struct one by one, each with its C type."""
    values: list[Any] = []
    for name, kind in run._fields_:
        value = getattr(run, name)
        if name == "reference":
            values += [np.float64(getattr(value, field)) for field, _ in value._fields_]
        elif name == "n_ops":
            values.append(np.int32(value))
        elif kind is run._pointer_type:
            values.append(np.uint64(value or 0))
        else:
            values.append(np.float64(value) if name == "limit" else np.int64(value))
    return tuple(values)
