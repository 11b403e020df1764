"""A line that loses particles for every reason, and particles to send through it."""

from __future__ import annotations

import numpy as np

import gputrack as gt

LIMIT = 0.1


def start_of(n: int, seed: int = 3) -> np.ndarray:
    """Particles of which some hit the chamber within a few turns."""
    scale = np.array([5e-3, 3e-4, 3e-3, 2e-4, 1e-2, 2e-3])[:, None]
    return scale * np.random.default_rng(seed).normal(size=(6, n))


def lossy() -> tuple[gt.Lattice, np.ndarray]:
    """A line and particles that it loses for every reason: two by aperture, one by each of the others."""
    reference = gt.ReferenceParticle.electron(total=3e9)
    line = gt.Lattice(
        [
            gt.Drift("d1", length=1.0),
            gt.Marker("scraper", aperture=gt.Aperture(rectangle=(0.02, 0.05), ellipse=(0.03, 0.03))),
            gt.Multipole("wall", knl=(0.0,) * 10 + (1e24,)),  # nothing near the axis, 2.8 rad at 20 mm
            gt.Drift("d2", length=10.0),
        ],
        reference,
    )
    start = np.zeros((6, 9))
    start[0, 1] = 0.021  # beyond the rectangle in the first turn
    start[1, 2] = 0.004  # and in the second
    start[0, 3] = 2 * LIMIT  # at the entrance
    start[1, 4] = 1.5  # at the entrance: more than the total momentum
    start[5, 5] = 1e200  # its square is infinite
    start[0, 6] = 0.0199  # kicked beyond all momentum
    start[1, 7] = -0.014  # kicked beyond the limit
    return line, start
