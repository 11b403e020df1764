"""Description of this machine, and tests of each kernel against the array maps, with its speed."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.app.example_elements import EXAMPLES, PROTON, Example, example_beam
from gputrack.autodiff.grad import grad
from gputrack.backends.cuda.backend import devices
from gputrack.backends.host.backend import available_threads
from gputrack.base.arrays import to_numpy
from gputrack.base.compiler import cache_folder, find_compiler
from gputrack.base.errors import BackendError
from gputrack.beam.beam import Beam
from gputrack.elements import Element
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.track import track

TOLERANCE = 1e-11  # relative to the largest number: rounding of the same operations in different order
FEW, MANY = 64, 20_000


@dataclass(frozen=True)
class Finding:
    """Test of one element on one backend.

    Attributes
    ----------
    backend, element : str
    forward, inverse, gradient : float
        Largest difference, relative to the largest number: to the array map; after tracking forwards and backwards; of
        derivatives to those of autograd.
    track_ns, gradient_ns : float
        Time per particle [ns] of one passage, without and with the backward sweep.
    """

    backend: str
    element: str
    forward: float
    inverse: float
    gradient: float
    track_ns: float
    gradient_ns: float

    @property
    def passed(self) -> bool:
        """Whether all differences are within `TOLERANCE`."""
        return bool(max(self.forward, self.inverse, self.gradient) <= TOLERANCE)


def surroundings() -> list[tuple[str, str]]:
    """Versions, processor, compiler, kernel cache and GPUs, as pairs of a name and a description."""
    compiler = find_compiler()
    rows = [("gputrack", _version("gputrack")), ("Python", platform.python_version()), ("NumPy", np.__version__)]
    rows.append(("processor", f"{_processor()}, {available_threads()} threads"))
    rows.append(("compiler", _compiler_version(compiler) if compiler else "none: install g++ or clang++, or set CXX"))
    folder = cache_folder()
    size = sum(file.stat().st_size for file in folder.glob("*.so"))
    rows.append(("kernel cache", f"{folder} ({size / 2**20:.0f} MB)"))
    return [*rows, *devices()]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _compiler_version(command: tuple[str, ...]) -> str:
    text = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout
    return text.splitlines()[0] if text else " ".join(command)


def backends_here() -> dict[str, str]:
    """Backends, each with the reason why it is not available on this machine, empty if it is."""
    reasons = {}
    for name in ("host", "cuda"):
        try:
            track(Lattice([], PROTON), _placed(example_beam(1), name), backend=name)
            reasons[name] = ""
        except BackendError as error:
            reasons[name] = str(error).splitlines()[0]
    return reasons


def examine(backend: str) -> Iterator[Finding]:
    """Test all example elements on a backend, one after the other."""
    for example in EXAMPLES.values():
        yield examined(example, backend)


def examined(example: Example, backend: str) -> Finding:
    """Test one element on one backend."""
    ring = Lattice([example.element], example.reference)
    beam = example_beam(FEW, example.reference)
    expected = track(ring, beam, backend="array").coordinates
    out = track(ring, _placed(beam, backend), backend=backend)
    back = track(ring, out, backend=backend, backwards=True)
    expected_gradient, gradient = _gradient(ring, beam, "array"), _gradient(ring, beam, backend)
    many = _placed(example_beam(MANY, example.reference), backend)
    return Finding(
        backend, example.element.name,
        _difference(to_numpy(out.coordinates), expected),
        _difference(to_numpy(back.coordinates), beam.coordinates),
        _difference(gradient, expected_gradient),
        _nanoseconds(lambda: track(ring, many, backend=backend)),
        _nanoseconds(lambda: _gradient(ring, many, backend)),
    )  # fmt: skip


def _placed(beam: Beam, backend: str) -> Beam:
    return beam.to_device("cupy") if backend == "cuda" else beam


def _gradient(ring: Lattice, beam: Beam, backend: str) -> np.ndarray:
    """Derivatives of moments times the coordinates and the parameters that are not 0."""
    knobs = ring.knobs(*(f"{ring[0].name}.{name}" for name in _nonzero_parameters(ring[0])))
    start = _placed(beam, backend)

    def moments(coordinates: Any, values: Any) -> Any:
        begin = Beam(coordinates, beam.reference, weights=start.weights)
        out = track(ring.with_knobs(knobs, values), begin, backend=backend)
        return anp.sum(out.sigma) + anp.sum(out.mean)

    by_coordinates, by_knobs = grad(moments, (0, 1))(start.coordinates, knobs.values)  # type: ignore[arg-type]
    along = np.sum(to_numpy(by_coordinates) * beam.coordinates, axis=1)
    return np.concatenate([along, np.asarray(by_knobs) * knobs.values])


def _nonzero_parameters(element: Element) -> list[str]:
    """Names of the parameters that are not 0."""
    kind = type(element)
    names = [name for name in parameter_names(kind) if getattr(element, name)]
    series = [(name, getattr(element, name)) for name in series_names(kind)]
    return names + [f"{name}[{i}]" for name, values in series for i, value in enumerate(values) if value]


def _difference(values: np.ndarray, expected: np.ndarray) -> float:
    scale = np.max(np.abs(expected), initial=1e-30)
    return float(np.max(np.abs(values - expected), initial=0.0) / scale)


def _nanoseconds(work: Callable[[], Any]) -> float:
    """Time per particle, the shortest of three; an additional first call may build kernels."""
    work()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / MANY

