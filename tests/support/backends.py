"""Running the same test on every backend: which of them run here, and beams on their devices."""

import gputrack as gt

BACKENDS = ("array", "host", "cuda")
#: backend `cuda` on a stand-in for CuPy that runs the kernels on the host
EMULATED = "emulated-cuda"


def why_not(backend):
    """Why a backend cannot run on this machine; empty where it can."""
    if backend != "cuda":
        return ""
    try:
        import cupy
    except ImportError:
        return "backend cuda: CuPy is not installed"
    return "" if cupy.cuda.is_available() else "backend cuda: there is no NVIDIA GPU"


def here():
    """Backends that run on this machine."""
    return [name for name in BACKENDS if not why_not(name)]


def placed(beam, backend):
    """The beam on the device of a backend."""
    return beam.to_device("cupy") if backend == "cuda" else beam


def track(backend, lattice, beam, turns=1, **options):
    """`gputrack.track` on a named backend; the beam is moved to its device first."""
    return gt.track(lattice, placed(beam, backend), turns, backend=backend, **options)


def host_copy(value):
    """A NumPy copy of an array of any backend."""
    return value.get() if hasattr(value, "get") else value


def plain(beam):
    """Results of tracking a beam, as NumPy arrays."""
    arrays = beam.coordinates, beam.loss_code, beam.loss_turn, beam.loss_element
    return [host_copy(a) for a in arrays]
