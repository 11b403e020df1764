"""What users give as `backend`."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.base.checks import require_integer


@dataclass(frozen=True)
class Streamed:
    """Tracking on a GPU of beams in host memory: ``gputrack.track(ring, beam, backend=gputrack.Streamed())``.

    Particles are sent through the device in chunks, each for all turns between two updates of the progress bar; one
    chunk is copied while another is tracked. Results are in host memory, and equal to the bit those of a beam in the
    device's memory. Derivatives with respect to parameters are sums over chunks in their order, the same to the bit
    for the same chunks. Maps of the whole beam (space charge, wakes) need all particles at once: the beam is then
    copied to the device as a whole; where it does not fit, an error with the missing memory is raised before tracking.

    Parameters
    ----------
    chunk : int, optional
        Particles at a time. Where not given, 2^20, or the power of two below that memory allows.
    device : int, optional
        Number of the GPU; CuPy's current one where not given.

    Raises
    ------
    InputError
        chunk is not >= 1, or device not >= 0.
    """

    chunk: int | None = None
    device: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("device", 0)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, require_integer("Streamed", name, value, at_least=least))


#: a backend's name, a way to stream, or None: chosen by where the arrays are and what the machine has
Choice = str | Streamed | None
NAMES = ("array", "host", "cuda")
