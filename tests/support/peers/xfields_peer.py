"""xfields' weak-strong collision with the parameters of ours.

It divides kicks by P0 where its momenta across are in units of P0 cos(phi): a crossing seen from the side shows that
the kick does not have the factor cos(phi) that follows, which is taken out here; so are the differing constants.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from support.peers.xtrack_peer import compiling, module

import gputrack as gt
from gputrack.elements.beam_beam import CHARGE_VOLTS

THEIR_CHARGE_VOLTS = 1.60217662e-19 / (4.0 * math.pi * 8.854187817620e-12)


def collided(element: gt.BeamBeam, coordinates: np.ndarray, reference: gt.ReferenceParticle) -> np.ndarray:
    """Coordinates (6, n) after their collision; near the speed of light, where zeta = z."""
    names = ("x", "px", "y", "py", "zeta", "delta")
    with compiling():
        collision = collision_of(element, reference)
        particles = module().Particles(
            p0c=reference.p0c, mass0=reference.mass, q0=reference.charge, **dict(zip(names, coordinates, strict=True))
        )
        collision.track(particles)
    return np.array([getattr(particles, name) for name in names])


def collision_of(element: gt.BeamBeam, reference: gt.ReferenceParticle) -> Any:
    """Their element."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xfields = pytest.importorskip("xfields")
    return xfields.BeamBeamBiGaussian3D(**_arguments(element, math.copysign(1.0, reference.charge)))


def _arguments(element: gt.BeamBeam, sign: float) -> dict[str, Any]:
    tx, ty = math.tan(0.5 * element.crossing_x), math.tan(0.5 * element.crossing_y)
    phi, alpha = math.atan(math.hypot(tx, ty)), math.atan2(ty, tx)
    cosine = math.cos(phi)
    shares, centres = np.array(element.slicing.parts()[::-1]).T
    z, one = element.sigma_z * centres, np.ones(len(centres))
    values = {
        "num_particles": element.particles * shares, "zeta_center_star": z / cosine, "pzeta_center_star": 0.0 * one,
        "x_center_star": element.crab_x * z + math.tan(phi) * math.cos(alpha) * z,
        "y_center_star": element.crab_y * z + math.tan(phi) * math.sin(alpha) * z,
        "px_center_star": element.slope_x / cosine * one, "py_center_star": element.slope_y / cosine * one,
    }  # fmt: skip
    for plane, first in (("x", 1), ("y", 3)):
        emit, beta, twiss = (getattr(element, f"{name}_{plane}") for name in ("emit", "beta", "alpha"))
        values[f"Sigma_{first}{first}_star"] = emit * beta * one
        values[f"Sigma_{first}{first + 1}_star"] = emit * twiss / cosine * one
        values[f"Sigma_{first + 1}{first + 1}_star"] = emit * (1.0 + twiss**2) / beta / cosine**2 * one
    return {
        "phi": phi, "alpha": alpha, "other_beam_q0": sign * element.charge,
        "scale_strength": CHARGE_VOLTS / THEIR_CHARGE_VOLTS / cosine,
        "other_beam_shift_x": element.dx, "other_beam_shift_y": element.dy,
        **{f"slices_other_beam_{name}": value for name, value in values.items()},
    }  # fmt: skip
