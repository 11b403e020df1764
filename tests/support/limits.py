"""Elements where textbook formulas are 0/0."""

from __future__ import annotations

import gputrack as gt

# Element, the parameters that are 0 in a formula's denominator, and the element that it must equal.
LIMITS = {
    "quadrupole": (gt.Quadrupole("q", length=0.7), ["k1"], gt.Drift("d", length=0.7)),
    "quadrupole_skew": (gt.Quadrupole("q", length=0.7), ["k1s"], gt.Drift("d", length=0.7)),
    "sextupole": (gt.Sextupole("s", length=0.7), ["k2", "k2s"], gt.Drift("d", length=0.7)),
    "octupole": (gt.Octupole("o", length=0.7), ["k3", "k3s"], gt.Drift("d", length=0.7)),
    "solenoid": (gt.Solenoid("s", length=0.7), ["ks"], gt.Drift("d", length=0.7)),
    "sector": (gt.SectorBend("b", length=0.7), ["angle", "e1", "e2", "k1"], gt.Drift("d", length=0.7)),
    "sector_field": (gt.SectorBend("b", length=0.7, k0=0.0), ["angle", "k0", "k2"], gt.Drift("d", length=0.7)),
    "rectangular": (gt.RectangularBend("r", length=0.7), ["angle", "k1"], gt.Drift("d", length=0.7)),
    "cavity": (gt.RFCavity("c", length=0.7, lag=0.1), ["voltage", "frequency"], gt.Drift("d", length=0.7)),
    "crab": (gt.CrabCavity("c", length=0.7), ["voltage", "frequency"], gt.Drift("d", length=0.7)),
    "kicker": (gt.Kicker("k", length=0.7), ["hkick", "vkick"], gt.Drift("d", length=0.7)),
    "thin_kicker": (gt.Kicker("k"), ["hkick", "vkick"], gt.Marker("m")),
    "multipole": (gt.Multipole("m", knl=(0.0,) * 4), ["angle", "knl[3]"], gt.Marker("m")),
    "short_quadrupole": (gt.Quadrupole("q"), ["length", "k1"], gt.Marker("m")),
    "short_kicker": (gt.Kicker("k"), ["length", "hkick", "vkick"], gt.Marker("m")),
    "unknown_length": (gt.Multipole("m", knl=(0.0, 0.0)), ["lrad", "knl[1]"], gt.Marker("m")),
    "short_drift": (gt.Drift("d"), ["length", "dx", "tilt"], gt.Marker("m")),
    "short_solenoid": (gt.Solenoid("s"), ["length", "ks"], gt.Marker("m")),
    "rotation": (gt.YRotation("r"), ["angle"], gt.Marker("m")),
    "translation": (gt.Translation("t"), ["x", "y", "s"], gt.Marker("m")),
}
