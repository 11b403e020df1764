"""Values of the argument `backend`."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError


@dataclass(frozen=True)
class Streamed:
    """Tracking of beams in host memory on a GPU: ``gputrack.track(ring, beam, backend=gputrack.Streamed())``.

    Particles pass through the device in chunks, each for all turns between two updates of the progress bar; one
    chunk is copied while another is tracked. Results are in host memory and bit-identical to those of a beam in
    device memory. Derivatives with respect to parameters are summed over chunks in order, and are bit-identical for
    the same chunks. Collective effects (space charge, wakes) need all particles at once: the whole beam is then
    copied to the device; if it does not fit, an error is raised before tracking.

    Parameters
    ----------
    chunk : int, optional
        Particles per chunk; by default 2^20, or the largest power of two that fits in memory.
    device : int, optional
        Number of the GPU; by default CuPy's current device.

    Raises
    ------
    InputError
        chunk < 1 or device < 0.
    """

    chunk: int | None = None
    device: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("device", 0)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, require_integer("Streamed", name, value, at_least=least))


#: name of a backend, a `Streamed`, or None for the default: by the array library and the available compiler
Choice = str | Streamed | None
NAMES = ("array", "host", "cuda")


def BACKEND(owner: str, name: str, value: object) -> None:
    """Raise `InputError` if a value is not a `Choice`; see `gputrack.base.arguments`."""
    if not (value is None or isinstance(value, Streamed) or (isinstance(value, str) and value in NAMES)):
        text = f"one of {', '.join(NAMES)}, gputrack.Streamed(...) or None"
        raise InputError(f"{owner}: {name} must be {text}, got {short(value)}")


def NAMED_BACKEND(owner: str, name: str, value: object) -> None:
    """Likewise for functions that do not stream: a name or None."""
    if not (value is None or (isinstance(value, str) and value in NAMES)):
        raise InputError(f"{owner}: {name} must be one of {', '.join(NAMES)} or None, got {short(value)}")
