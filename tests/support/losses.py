"""One particle for each reason to be lost."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from support.rings import ELECTRON

import gputrack as gt
from gputrack.base.losses import LossCode

APERTURE, UNPHYSICAL, NOT_FINITE, LIMIT = LossCode.APERTURE, LossCode.UNPHYSICAL, LossCode.NOT_FINITE, LossCode.LIMIT
NAMES = ("x", "px", "y", "py", "z", "delta")


class Loss(NamedTuple):
    """Elements, where a particle starts, and when, where, why and with which coordinates it is lost."""

    elements: list
    start: dict
    code: int
    turn: int
    place: int
    last: dict
    limit: float = 1.0


def mask(**shape):
    return gt.Marker("mask", aperture=gt.Aperture(**shape))


METRE = gt.Drift("d", length=1.0)


SLOPE = 1e-3


STEP = SLOPE / math.sqrt(1.0 - SLOPE**2)  # further out per metre and turn


LATE = 1.0 - 1.0 / math.sqrt(1.0 - SLOPE**2)


BOTH = dict(rectangle=(0.010, 0.003), ellipse=(0.012, 0.005))


WIDE = dict(aperture=gt.Aperture(rectangle=(0.010, 0.002)))


LOSSES = {
    "rectangle_at_once": Loss([METRE, mask(rectangle=(0.01, 0.01))], dict(x=0.02), APERTURE, 0, 1, dict(x=0.02)),
    "rectangle_below": Loss([METRE, mask(rectangle=(0.01, 0.01))], dict(y=-0.02), APERTURE, 0, 1, dict(y=-0.02)),
    "rectangle_later": Loss(
        [METRE, mask(rectangle=(0.0045, 0.01))], dict(px=SLOPE), APERTURE, 4, 1,
        dict(x=5 * STEP, px=SLOPE, z=5 * LATE),
    ),
    "ellipse": Loss([mask(ellipse=(0.01, 0.005))], dict(x=0.008, y=0.0035), APERTURE, 0, 0, dict(x=0.008, y=0.0035)),
    "ellipse_later": Loss(
        [mask(ellipse=(0.01, 0.0035)), METRE], dict(py=-SLOPE), APERTURE, 4, 0, dict(y=-4 * STEP, py=-SLOPE, z=4 * LATE)
    ),
    "both_by_rectangle": Loss([mask(**BOTH)], dict(y=0.004), APERTURE, 0, 0, dict(y=0.004)),
    "both_by_ellipse": Loss([mask(**BOTH)], dict(x=0.0099, y=0.00299), APERTURE, 0, 0, dict(x=0.0099, y=0.00299)),
    "offset": Loss([gt.Drift("d", dx=0.015, **WIDE)], dict(x=0.003), APERTURE, 0, 0, dict(x=0.003)),
    "tilted": Loss([gt.Drift("d", tilt=math.pi / 2, **WIDE)], dict(x=0.005), APERTURE, 0, 0, dict(x=0.005)),
    "at_the_exit": Loss(
        [METRE, gt.Drift("d", length=2.0, aperture=gt.Aperture(rectangle=(0.0025, 1.0)))], dict(px=SLOPE), APERTURE,
        0, 1, dict(x=3 * STEP, px=SLOPE, z=3 * LATE),
    ),
    "more_than_the_whole_energy": Loss(
        [METRE, gt.RFCavity("c", voltage=-4e9, lag=0.25)], {}, NOT_FINITE, 0, 1, {}
    ),
    "limit_at_the_start": Loss([METRE], dict(x=1.5), LIMIT, 0, 0, dict(x=1.5)),
    "limit_in_y": Loss([METRE, gt.Drift("far", length=20.0)], dict(py=-0.1), LIMIT, 0, 1, dict(
        y=-0.1 / math.sqrt(0.99), py=-0.1, z=1.0 - 1.0 / math.sqrt(0.99))),
    "limit_later": Loss([METRE], dict(px=SLOPE), LIMIT, 3, 0, dict(x=3 * STEP, px=SLOPE, z=3 * LATE), limit=3.5e-3),
    "momentum_at_the_start": Loss([METRE], dict(px=0.8, py=0.7), UNPHYSICAL, 0, 0, dict(px=0.8, py=0.7)),
    "momentum_at_once": Loss([gt.Kicker("k", vkick=1.2)], {}, UNPHYSICAL, 0, 0, {}),
    "momentum_later": Loss([gt.HKicker("k", kick=0.4)], {}, UNPHYSICAL, 2, 0, dict(px=0.8)),
    "momentum_of_slow_particles": Loss([METRE, gt.HKicker("k", kick=0.4)], dict(x=-0.5, delta=-0.7), UNPHYSICAL, 0, 1,
        dict(x=-0.5, delta=-0.7, z=None)),
    "stopped": Loss([METRE, gt.RFCavity("c", voltage=-3e9, lag=0.25)], {}, NOT_FINITE, 0, 1, {}),
    "overflow": Loss([gt.Marker("m"), gt.Multipole("k", knl=(0.0,) * 20 + (1.0,))], dict(y=1e20), NOT_FINITE, 0, 1,
        dict(y=1e20), limit=math.inf),
}  # fmt: skip


KEPT = dict(x=1e-4, py=1e-5, delta=1e-4)  # a particle that survives everything


def beam_of(*particles, **options):
    return gt.Beam(np.array([[p.get(name, 0.0) for name in NAMES] for p in particles]).T, ELECTRON, **options)
