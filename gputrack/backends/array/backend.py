"""Backend `array`: array-API maps, on any array library; the reference implementation of the kernels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gputrack.backends.array.adjoint import sweep_arrays
from gputrack.backends.array.loop import run_block
from gputrack.backends.array.matrices import rates_adjoint, rates_forward, tangent_adjoint
from gputrack.backends.array.tangent import tangents_by_arrays
from gputrack.backends.derivatives import Cotangents, MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.segments import Segmented
from gputrack.base.arrays import Array, is_cupy
from gputrack.base.errors import BackendError
from gputrack.elements.collective_map import CollectiveKind

BLOCK = 8192  # particles: a balance between the overhead of calls and cache misses


class ArrayBackend(Segmented):
    """Array maps on blocks of particles, on a pool of threads; NumPy releases the interpreter lock."""

    name = "array"
    stream = None

    def __init__(self, threads: int | None = None) -> None:
        # Measured: two threads take twice as long as one, since they compete for the interpreter between short calls.
        self.threads = threads or 1

    def collective_kernel(self, kind: CollectiveKind) -> None:
        """None: collective maps run by array mathematics as well."""

    def segment(self, particles: Particles, launch: Launch) -> None:
        """`step` of a launch without collective maps."""
        n = particles.coordinates.shape[1]
        if is_cupy(particles.coordinates):
            run_block(particles, launch, slice(0, n))
            return
        size = max(1, min(BLOCK, -(-n // self.threads)))
        blocks = [slice(i, min(i + size, n)) for i in range(0, n, size)]
        if len(blocks) == 1:
            run_block(particles, launch, blocks[0])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda block: run_block(particles, launch, block), blocks))

    def segment_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """`step_tangent` of such a launch, by autograd of each map."""
        _require_numpy(particles.coordinates)
        return tangents_by_arrays(particles, tangents, launch)

    def segment_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """`step_adjoint` of such a launch, by autograd of each map."""
        _require_numpy(particles.coordinates)
        return sweep_arrays(particles, cotangents, launch)

    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back."""
        return tangent_adjoint(particles, tangents, cotangents, launch)

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Propagate rates of transfer matrices through one turn, in place; return the rates at the records."""
        return rates_forward(rates, launch)

    def step_rates_adjoint(self, rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
        """Undo one turn, in place, and pull cotangents of the rates back."""
        return rates_adjoint(rates, cotangents, launch)


def _require_numpy(coordinates: Array) -> None:
    if is_cupy(coordinates):
        raise BackendError("derivatives on backend 'array' need NumPy arrays; use beam.to_device('numpy')")
