"""A small stable ring with every kind of element, cheap enough to be tracked by the array backend."""

import numpy as np

import gputrack as gt

ELECTRON = gt.ReferenceParticle.electron(total=3e9)


def small_ring(**options):
    """Two FODO cells with bends, a sextupole, an octupole, a corrector, a cavity, a solenoid and two monitors."""
    drift = gt.Drift("d", length=0.6)
    bend = gt.SectorBend("b", length=1.0, angle=0.1, e1=0.05, e2=0.05)
    qf, qd = gt.Quadrupole("qf", length=0.3, k1=1.2), gt.Quadrupole("qd", length=0.3, k1=-1.2)
    first = [
        qf, drift, bend, drift, gt.Marker("bpm1"), qd, gt.Sextupole("s", length=0.1, k2=8.0), drift,
        gt.RectangularBend("r", length=1.0, angle=0.1, k1=0.02), gt.HKicker("h", kick=1e-5), drift,
    ]  # fmt: skip
    second = [
        qf, gt.Octupole("o", length=0.1, k3=50.0), drift, bend, drift, gt.Marker("bpm2"), qd,
        gt.Solenoid("sol", length=0.2, ks=0.1), drift, gt.RFCavity("rf", voltage=1e5, frequency=1e8, lag=0.5), bend,
        gt.Multipole("m", knl=(0.0, 0.0, 0.5), tilt=0.2), drift,
    ]  # fmt: skip
    model = gt.Model(gt.MatrixKick(2, 1))
    return gt.Lattice([*first, *second], ELECTRON, name="small", model=model, **options)


def lens_ring(strength=1e-2, skew=0.0, kick=0.0, **options):
    """Drifts and thin multipoles: sextupoles and octupoles of random strength; skew multipoles and correctors if asked.

    In linear drifts, if not with another model.
    """
    rng = np.random.default_rng(3)
    lens, drift, elements = gt.Multipole, gt.Drift("d", length=1.1), []
    for first, second, octupole in rng.normal(size=(5, 3)) * np.array([strength, strength, strength**2]):
        elements += [lens("qf", knl=(0.0, 0.31)), lens("s1", knl=(0.0, 0.0, first, octupole)), drift]
        elements += [lens("qd", knl=(0.0, -0.3)), lens("s2", knl=(0.0, 0.0, second)), drift]
    if skew:
        elements += [lens("skew", ksl=(0.0, 0.05 * skew, strength * skew, strength**2 * skew))]
    if kick:
        elements += [drift, gt.HKicker("h", kick=kick), drift, gt.VKicker("v", kick=kick)]
    model = options.pop("model", gt.Model(hamiltonian=gt.Expanded()))
    return gt.Lattice(elements, ELECTRON, name="lenses", model=model, **options)


def wide_beam(n, seed=3, **options):
    """Particles of which some leave the ring's apertures, if it has any."""
    rng = np.random.default_rng(seed)
    scale = np.array([3e-3, 5e-4, 3e-3, 5e-4, 1e-2, 3e-3])[:, None]
    return gt.Beam(scale * rng.normal(size=(6, n)), ELECTRON, **options)


def scraping_ring():
    """The small ring with apertures that some particles of `wide_beam` meet, early or late."""
    return small_ring().with_changes("q*", aperture=gt.Aperture((0.009, 0.008), (0.01, 0.009)))
