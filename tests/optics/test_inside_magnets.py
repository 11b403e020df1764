"""The closed formulas of linear motion inside magnets are the maps over parts of their lengths."""

import numpy as np
import pytest

import gputrack as gt
from gputrack.optics.linear.inside_magnets import inside
from gputrack.optics.linear.magnets import magnets_of
from gputrack.optics.maps.taylor_map import pass_maps

REFERENCE = gt.ReferenceParticle.proton(kinetic=200e6)
#: whose body matrices are exact: the linear motion has no error of a splitting
MODEL = gt.Model(gt.MatrixKick(2, 1), gt.Expanded(), gt.LinearEdge())
MAGNETS = {
    "quadrupole": gt.Quadrupole("q", length=0.7, k1=1.7),
    "defocusing": gt.Quadrupole("q", length=0.7, k1=-2.3, tilt=0.2),
    "skew": gt.Quadrupole("q", length=0.7, k1=0.6, k1s=-0.9, tilt=-0.3),
    "long": gt.Quadrupole("q", length=3.0, k1=1.1),
    "sextupole": gt.Sextupole("s", length=0.3, k2=12.0),
    "sector": gt.SectorBend("b", length=1.5, angle=0.3),
    "gradient": gt.SectorBend("b", length=1.5, angle=-0.3, k1=0.4, e1=0.1, tilt=0.5),
    "gap": gt.SectorBend("b", length=0.8, angle=0.1, e1=0.07, k1=-0.9, hgap=0.02, fint=0.5, fintx=0.0),
}


def part_of(magnet, fraction):
    """The magnet from its entrance on; the exit face stands at a right angle, and has no linear kick."""
    changes = {"length": magnet.length * fraction}
    if isinstance(magnet, gt.SectorBend):
        changes |= {"angle": magnet.angle * fraction, "e2": 0.0}
    return magnet.replaced(**changes)


@pytest.mark.parametrize("name", MAGNETS)
def test_matrix_and_dispersion_at_each_node(name):
    magnet = MAGNETS[name]
    magnets = magnets_of(gt.Lattice([magnet], REFERENCE, model=MODEL))
    found = inside(magnets, np.eye(4)[None], np.zeros((1, 4)), np.zeros(1))
    fractions = 0.5 * (np.polynomial.legendre.leggauss(found.bases.shape[1])[0] + 1.0)
    for i, fraction in enumerate(fractions):
        line = gt.Lattice([part_of(magnet, fraction)], REFERENCE, model=MODEL)
        matrix = pass_maps(line, 1, np.zeros(6)).final[:, 1:7]
        np.testing.assert_allclose(found.bases[0, i], matrix[:4, :4], rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.dispersion[0, i], matrix[:4, 5], rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.weights.sum(), magnet.length, rtol=1e-14)
