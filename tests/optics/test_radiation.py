"""Radiation integrals and derived quantities against pyAT and MAD-X, in closed form, and by slices."""

import math

import numpy as np
import pytest
from support.peers import at_optics, at_peer, madx_twiss

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics.linear.inside_magnets import inside
from gputrack.optics.linear.magnets import magnets_of


def no_rf():
    return gt.demo_ring().with_changes("rf", voltage=0.0)


def test_integrals_of_the_bundled_ring_are_those_of_pyat():
    """Its bends are plain sectors; tunes of pyAT's default passes differ in the sixth digit."""
    at = at_peer.module()
    ring = no_rf()
    theirs = at_optics.ring_of(ring, ring.reference)
    _, _, optics = at.get_optics(theirs, np.arange(len(theirs) + 1))
    found = gt.radiation(ring)
    expected = at.get_radiation_integrals(theirs, twiss=optics)
    np.testing.assert_allclose([found.i1, found.i2, found.i3, found.i4, found.i5], expected, rtol=2e-5)
    assert found.energy_loss == pytest.approx(theirs.energy_loss, rel=1e-6)
    assert sum(found.partition) == pytest.approx(4.0)


@pytest.mark.parametrize("name", ["spear3", "esr"])
def test_integrals_of_rings_with_gradients_and_faces(lattice_path, name):
    """I2, I3 of MAD-X's twiss; I1 is the momentum compaction; I4 and I5 of pyAT, whose tunes differ by 1e-6 to 1e-5."""
    path = lattice_path(f"{name}.madx")
    ring, at = gt.load(path), at_peer.module()
    _, summary = madx_twiss.table(path, name, chrom=True)
    found = gt.radiation(ring)
    assert found.i2 == pytest.approx(summary["synch_2"], rel=1e-9)
    assert found.i3 == pytest.approx(summary["synch_3"], rel=1e-9)
    assert found.i1 == pytest.approx(gt.twiss(ring).momentum_compaction * ring.length, rel=2e-6)
    theirs = at_optics.ring_of(ring, ring.reference)
    _, _, optics = at.get_optics(theirs, np.arange(len(theirs) + 1))
    expected = at.get_radiation_integrals(theirs, twiss=optics)
    np.testing.assert_allclose([found.i4, found.i5], expected[3:], rtol=5e-6)


def test_damping_and_equilibrium_are_those_of_the_radiating_map():
    """pyAT's damping times, emittance and energy spread come from tracking with radiation (K. Ohmi's envelope)."""
    at = at_peer.module()
    ring = gt.demo_ring()
    cavity = ring["rf"][0]
    elements = []
    for element in ring:
        own = at_optics.element_of(element)
        if element is cavity:
            energy = ring.reference.energy
            own = at.RFCavity("rf", element.length, cavity.voltage, cavity.frequency, 400, energy)
        elements.append(own)
    theirs = at.Lattice(elements, energy=ring.reference.energy, periodicity=1)
    theirs.enable_6d()
    theirs.set_cavity_phase()
    _, beam, _ = at.ohmi_envelope(theirs)
    found = gt.radiation(ring)
    np.testing.assert_allclose(found.emittance[0], beam["mode_emittances"][0], rtol=5e-3)
    turn = ring.length / 299792458.0
    np.testing.assert_allclose(turn / beam["damping_rates"], found.damping_times, rtol=5e-3)
    assert found.synchrotron_tune == pytest.approx(beam["tunes"][2], rel=5e-3)


def test_inside_of_a_magnet_leads_to_its_exit():
    """Carried on to the exit, positions and their dispersion are those behind it: bends, quadrupoles of all tilts."""
    ring = no_rf()
    extra = [
        gt.SectorBend("b", length=0.8, angle=0.1, e1=0.07, e2=0.03, k1=0.4, hgap=0.02, fint=0.5, tilt=0.3),
        gt.Quadrupole("q", length=0.4, k1=0.6, k1s=-0.5, tilt=0.2), gt.Sextupole("s", length=0.3, k2=4.0),
        gt.RectangularBend("r", length=0.7, angle=-0.08, k1=-0.3),
    ]  # fmt: skip
    line = gt.Lattice(extra, ring.reference, model=gt.Model(gt.MatrixKick(6, 20)))
    tw = gt.twiss(line, start=gt.InitialTwiss(5.0, 1.0, 3.0, -0.5, 0.3, 0.02, -0.1, 0.01))
    magnets = magnets_of(line)
    dispersion = np.stack([tw.dx, tw.dpx, tw.dy, tw.dpy], axis=1)
    found = inside(magnets, tw.bases[:-1], dispersion[:-1], tw.delta[:-1], nodes=30)
    # the last node lies 1e-3 of the length before the end: a polynomial through the last ones leads there
    nodes = 0.5 * (np.polynomial.legendre.leggauss(30)[0] + 1.0)
    weights = [np.prod([(1.0 - u) / (v - u) for u in nodes[-12:] if u != v]) for v in nodes[-12:]]
    columns = np.concatenate([found.bases, found.dispersion[..., None]], axis=3)
    at_end = np.einsum("k,nkij->nij", weights, columns[:, -12:])
    after = np.concatenate([tw.bases[1:], dispersion[1:, :, None]], axis=2)
    for i, row in enumerate(magnets.places):
        # positions do not feel the exit face, and straight magnets have none
        rows = [0, 2] if magnets.curvature[i] else [0, 1, 2, 3]
        np.testing.assert_allclose(at_end[i][rows], after[row][rows], atol=3e-9, err_msg=line[row].name)


def test_isomagnetic_ring():
    """h = 1/rho throughout: U0 = C_gamma E^4/rho, I2 = 2 pi/rho, I3 = 2 pi/rho^2."""
    ring = no_rf()
    rho = 1.35 / (math.pi / 20.0)
    found = gt.radiation(ring)
    assert found.i2 == pytest.approx(2.0 * math.pi / rho) and found.i3 == pytest.approx(2.0 * math.pi / rho**2)
    assert found.energy_loss == pytest.approx(8.84627e-5 * 3.0**4 / rho * 1e9, rel=1e-5)  # C_gamma in m/GeV^3
    assert found.i5y == pytest.approx(0.0, abs=1e-20) and found.partition[1] == 1.0


def test_radiation_refuses():
    ring = no_rf()
    drifts = gt.Lattice(
        [gt.Quadrupole("q", length=0.1, k1=k) if k else gt.Drift("d", length=1.0) for k in (2.0, 0.0, -2.0, 0.0)],
        ring.reference,
    )
    with pytest.raises(InputError, match="synchrotron_tune needs cavities"):
        _ = gt.radiation(ring).synchrotron_tune
    with pytest.raises(InputError, match="are lost"):
        _ = gt.radiation(gt.demo_ring().with_changes("rf", voltage=1e5)).synchrotron_tune
    with pytest.raises(InputError, match="no bends"):
        gt.radiation(drifts)
