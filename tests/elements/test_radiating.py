"""Radiation in tracking: against the equations of motion, xtrack and pyAT; damping against radiation integrals."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.peers import at_optics, at_peer, xtrack_peer

import gputrack as gt
from gputrack.base.constants import ELEMENTARY_CHARGE, VACUUM_PERMITTIVITY
from gputrack.base.errors import InputError

#: fast electrons and protons; and a charge so light that it radiates when slow
SPECIES = {
    "electron": gt.ReferenceParticle.electron(total=20e9),
    "proton": gt.ReferenceParticle.from_energy("proton", total=3e14),
    "slow": gt.ReferenceParticle.from_energy(mass=1e-5, charge=-2.0, kinetic=7e-6),
}
BODY = gt.Model(gt.MatrixKick(6, 20), gt.Exact(), gt.LinearEdge())
START = np.array([[3e-3, -2e-3, 0.0], [1e-3, 2e-3, 0.0], [2e-3, 3e-3, 0.0], [1e-3, -2e-3, 0.0], [1e-3, -2e-3, 0.0],
                  [1e-3, -3e-3, 0.0]])  # fmt: skip

# element, curvature of its axis, and (Bx, By, Bs) over the reference rigidity
FIELDS = {
    "sector": (gt.SectorBend("b", length=1.5, angle=0.2, k0=0.13), 0.2 / 1.5, lambda x, y: (0.0, 0.13, 0.0)),
    "quadrupole": (
        gt.Quadrupole("q", length=0.5, k1=1.5, k1s=0.3), 0.0, lambda x, y: (1.5 * y + 0.3 * x, 1.5 * x - 0.3 * y, 0.0)
    ),
    "sextupole": (
        gt.Sextupole("s", length=0.3, k2=3e2), 0.0, lambda x, y: (3e2 * x * y, 1.5e2 * (x * x - y * y), 0.0)
    ),
    "octupole": (
        gt.Octupole("o", length=0.3, k3=1.8e5), 0.0,
        lambda x, y: (3e4 * (3 * x * x * y - y**3), 3e4 * (x**3 - 3 * x * y * y), 0.0),
    ),
    "solenoid": (gt.Solenoid("o", length=0.7, ks=2.0), 0.0, lambda x, y: (0.0, 0.0, 2.0)),
    "kicker": (gt.Kicker("k", length=0.4, hkick=0.02, vkick=0.01), 0.0, lambda x, y: (0.025, -0.05, 0.0)),
}  # fmt: skip


def moved(length, h, field, start, reference, loses):
    """Lorentz's equation in kinetic momenta along a curved axis, with Lienard's power along the direction of motion."""
    radius = reference.charge**2 * ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY * reference.mass)
    p0 = reference.p0c / reference.mass

    def rates(s, state):
        x, px, y, py, z, delta = state
        momentum, b = 1.0 + delta, np.array(field(x, y))
        pz = math.sqrt(momentum**2 - px**2 - py**2)
        path = (1.0 + h * x) * momentum / pz
        direction = np.array([px, py, pz]) / momentum
        force = path * np.cross(direction, b) + np.array([h * pz, 0.0, 0.0])
        gamma = math.hypot(1.0, p0 * momentum)
        beta = p0 * momentum / gamma
        curvature = np.cross(direction, b) / momentum
        energy_rate = -loses * 2.0 / 3.0 * radius * beta**3 * gamma**4 * curvature @ curvature * path  # in m c^2
        momentum_rate = energy_rate / (beta * p0)
        force += direction * momentum_rate
        spent = z * momentum_rate / (momentum * gamma**2)  # z keeps the time
        return [
            path * direction[0], force[0], path * direction[1], force[1], beta / reference.beta0 - path + spent,
            momentum_rate,
        ]  # fmt: skip

    return solve_ivp(rates, (0.0, length), start, method="DOP853", rtol=1e-13, atol=1e-17).y[:, -1]


def kinetic(coordinates, ks, sign=1.0):
    """To kinetic momenta in a solenoid, or back."""
    x, px, y, py, z, delta = coordinates
    return np.array([x, px + 0.5 * sign * ks * y, y, py - 0.5 * sign * ks * x, z, delta])


@pytest.mark.parametrize("particle", SPECIES)
@pytest.mark.parametrize("name", FIELDS)
def test_single_elements_against_the_equations_of_motion(name, particle):
    """Changes by radiation, relative to the largest change of each coordinate; on axes without field, nothing."""
    element, h, field = FIELDS[name]
    reference, ks = SPECIES[particle], getattr(element, "ks", 0.0)
    ring = gt.Lattice([element], reference, model=BODY)
    beam = gt.Beam(START, reference)
    on, off = (gt.track(line, beam).coordinates for line in (ring.with_radiation(6), ring))
    integrated = [
        [kinetic(moved(element.length, h, field, kinetic(c, ks), reference, loses), ks, -1.0) for c in START.T]
        for loses in (1.0, 0.0)
    ]
    ours, theirs = on - off, (np.array(integrated[0]) - np.array(integrated[1])).T
    loss = abs(theirs[5]).max()
    assert 1e-10 < loss < 1e-2
    # beyond the kicks' own order an error in the square of the loss, and the rounding of many slices
    for row in range(6):
        assert abs(ours[row] - theirs[row]).max() <= 1e-6 * abs(theirs[row]).max() + 1e-3 * loss**2 + 1e-15, row
    if name in ("quadrupole", "sextupole", "octupole", "solenoid"):
        assert not ours[:, 2].any()


@pytest.mark.filterwarnings("ignore")
def test_energy_loss_agrees_with_xtrack():
    """Its radiation in the mean, at every slice of a magnet."""
    pytest.importorskip("xsuite", reason="without xsuite's prebuilt kernels xtrack compiles for minutes")
    reference = gt.ReferenceParticle.electron(total=8e9)
    elements = [
        gt.SectorBend("b", length=1.5, angle=0.2), gt.SectorBend("c", length=1.5, angle=-0.2, k1=0.5, tilt=0.2),
        gt.Quadrupole("q", length=0.5, k1=1.5, k1s=0.3, dx=1e-3), gt.Sextupole("s", length=0.3, k2=3e2, k2s=50.0),
    ]  # fmt: skip
    line = xtrack_peer.line_of(elements, reference, order=2, slices=300)
    off = xtrack_peer.track_each(line, START, reference)
    line.configure_radiation(model="mean")
    on = xtrack_peer.track_each(line, START, reference)
    for element, theirs in zip(elements, on - off, strict=True):
        ring, beam = gt.Lattice([element], reference), gt.Beam(START, reference)
        ours = gt.track(ring.with_radiation(4), beam).coordinates - gt.track(ring, beam).coordinates
        np.testing.assert_allclose(ours[5], theirs[5], rtol=2e-5, atol=1e-15, err_msg=element.name)


@pytest.mark.parametrize("name", ["spear3", "esr"])
def test_losses_per_turn_agree_with_the_integral_and_pyat(lattice_path, name):
    """On the axis, where the loss is that of I2; pyAT's own formula for its lattice, of electrons."""
    ring = gt.load(lattice_path(f"{name}.madx"))
    found = gt.radiation(ring)
    reference = ring.reference
    losses, at_rest = {}, gt.Beam(np.zeros((6, 1)), reference)
    bends = [e.replaced(name="") for e in ring.with_radiation() if getattr(e, "angle", 0.0)]
    for bend in bends:
        if bend not in losses:
            line = gt.Lattice([bend], reference, model=ring.model)
            losses[bend] = -float(gt.track(line, at_rest).coordinates[5, 0])
    energy_loss = sum(losses[bend] for bend in bends) * reference.beta0**2 * reference.energy
    assert len(bends) > 10 and energy_loss > 0.0
    # while it passes a bend a particle loses momentum, and radiates less
    assert energy_loss == pytest.approx(found.energy_loss, rel=2.0 * max(losses.values()))
    theirs = at_optics.ring_of([e for e in ring if not isinstance(e, gt.RFCavity)], reference)
    assert energy_loss == pytest.approx(at_peer.module().get_energy_loss(theirs), rel=1e-5)


def test_damping_is_that_of_the_radiation_integrals():
    """Partition numbers from eigenvalues; they add up to 4 to the square of the loss, with any number of kicks."""
    ring = gt.demo_ring()
    expected = gt.radiation(ring)
    found = gt.damping(ring.with_radiation(3))
    np.testing.assert_allclose(found.partition, expected.partition, rtol=2e-6)
    np.testing.assert_allclose(found.damping_times, expected.damping_times, rtol=2e-6)
    assert found.energy_loss == pytest.approx(expected.energy_loss, rel=1e-6)
    tw = gt.twiss(ring)
    np.testing.assert_allclose(found.tunes[:2], np.mod([tw.qx, tw.qy], 1.0), atol=1e-5)
    assert 1.0 - found.tunes[2] == pytest.approx(expected.synchrotron_tune, rel=1e-3)
    for kicks in (None, 1):
        assert sum(gt.damping(ring.with_radiation(kicks)).partition) == pytest.approx(4.0, abs=1e-6)
    default = gt.damping(ring.with_radiation()).partition
    np.testing.assert_allclose(default, found.partition, rtol=3e-7)


def test_equilibrium_is_that_of_the_radiation_integrals():
    """A flat ring has no vertical emittance; the integrals are of first order in the loss per turn, 2.8e-4."""
    ring = gt.demo_ring()
    expected, found = gt.radiation(ring), gt.envelope(ring.with_radiation())
    assert found.emittance[0] == pytest.approx(expected.emittance[0], rel=1e-4)
    assert found.emittance[1] < 1e-25
    assert found.sigma_delta == pytest.approx(expected.energy_spread, rel=3e-4)
    assert found.emittance[2] == pytest.approx(found.sigma_z * found.sigma_delta, rel=1e-2)
    np.testing.assert_allclose(found.damping.matrix @ found.sigma @ found.damping.matrix.T, found.sigma, atol=2e-9)


def test_a_ring_of_combined_magnets_has_no_equilibrium():
    """Alternating gradients in the bends alone: horizontal motion grows, Jx is about -1 (M. Sands, SLAC-121)."""
    reference = gt.ReferenceParticle.electron(total=1.5e9)
    bends = [gt.SectorBend(f"b{sign}", length=1.0, angle=math.pi / 16, k1=sign * 0.8) for sign in (1, -1)]
    cells = [bends[0], gt.Drift("d", length=0.5), bends[1], gt.Drift("d", length=0.5)] * 16
    wave = {"voltage": 1e6, "frequency": 80 * reference.beta0 * 299792458.0 / 48.0, "lag": 0.5}
    ring = gt.Lattice([*cells, gt.RFCavity("rf", **wave)], reference)
    found = gt.damping(ring.with_radiation())
    np.testing.assert_allclose(found.partition, gt.radiation(ring).partition, rtol=1e-3)
    assert found.partition[0] < -0.5 and found.damping_times[0] < 0.0
    with pytest.raises(InputError, match="there is no equilibrium, partition numbers are"):
        gt.envelope(ring.with_radiation())


def test_equilibrium_of_a_coupled_ring_is_that_of_pyat():
    """Emittances of the modes with skew quadrupoles, from pyAT's envelope of the radiating map."""
    at = at_peer.module()
    ring = gt.demo_ring().with_changes("qf.03*", k1s=0.05).with_changes("qd.11a", k1s=0.1)
    elements = []
    for element in ring:
        own = at_optics.element_of(element)
        if isinstance(element, gt.RFCavity):
            own = at.RFCavity("rf", element.length, element.voltage, element.frequency, 400, ring.reference.energy)
        elements.append(own)
    theirs = at.Lattice(elements, energy=ring.reference.energy, periodicity=1)
    theirs.enable_6d()
    theirs.set_cavity_phase()
    _, beam, _ = at.ohmi_envelope(theirs)
    found = gt.envelope(ring.with_radiation(5))
    assert found.emittance[1] > 1e-3 * found.emittance[0]
    np.testing.assert_allclose(found.emittance, beam["mode_emittances"], rtol=1e-3)
    np.testing.assert_allclose(found.damping.rates, beam["damping_rates"], rtol=1e-3)


def strong():
    """The same ring at 7 GeV: it loses 0.35 % of its energy per turn."""
    ring = gt.demo_ring().with_reference(gt.ReferenceParticle.electron(total=7e9))
    return ring.with_changes("rf", voltage=60e6).with_radiation()


def test_particles_fall_onto_the_closed_orbit():
    """Amplitudes shrink by the damping rates, by as many damping times as fit into 400 turns."""
    ring = strong()
    found = gt.damping(ring)
    values, vectors = np.linalg.eig(found.matrix)
    for mode in range(3):
        index = int(np.argmin(abs(np.angle(values) / (2.0 * np.pi) % 1.0 - found.tunes[mode])))
        kick = 1e-6 * np.real(vectors[:, index])
        out = gt.track(ring, gt.Beam((found.orbit + kick)[:, None], ring.reference), 400)
        left = np.linalg.inv(vectors)[index] @ (out.coordinates[:, 0] - found.orbit)
        start = np.linalg.inv(vectors)[index] @ kick
        assert math.log(abs(left / start)) == pytest.approx(-400 * found.rates[mode], rel=2e-3)
    assert found.rates[2] * 400 > 1.0
    assert sum(found.rates) == pytest.approx(-0.5 * math.log(np.linalg.det(found.matrix)), rel=1e-9)


def test_gradients_undo_the_damping():
    """Of a beam after 100 turns, a third of a damping time, with respect to magnets, cavity and reference."""
    ring = strong()
    knobs = ring.knobs("qf.*.k1", "sd.*.k2", "bend.*.angle", "rf.voltage")
    beam = gt.Beam(np.random.default_rng(3).normal(size=(6, 4)) * 1e-5, ring.reference)

    def mean_delta(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, 100)
        return np.array([1e2, 30.0, 20.0, 10.0, 1.0, 1e2]) @ out.coordinates @ np.arange(1.0, 5.0)

    gradient = gt.grad(mean_delta)(knobs.values)
    for i, step in enumerate((1e-6, 1e-3, 1e-7, 1e3)):
        d = [
            (mean_delta(knobs.values + w * step * np.eye(4)[i]) - mean_delta(knobs.values - w * step * np.eye(4)[i]))
            / (2.0 * w * step)
            for w in (1.0, 2.0)
        ]
        assert gradient[i] == pytest.approx((4.0 * d[0] - d[1]) / 3.0, rel=2e-6)


def test_damping_has_derivatives():
    """Of a partition number with respect to the gradient of the bends, and to the momentum."""
    ring = strong()
    knobs = ring.knobs("bend.*.k1", "reference.p0c")

    def horizontal(values):
        return gt.damping(ring.with_knobs(knobs, values)).partition[0]

    def rate(values):
        return gt.damping(ring.with_knobs(knobs, values)).rates[2]

    for function in (horizontal, rate):
        gradient = gt.grad(function)(knobs.values)
        for i, step in enumerate((1e-4, 1e5)):
            shift = step * np.eye(2)[i]
            slope = (function(knobs.values + shift) - function(knobs.values - shift)) / (2.0 * step)
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-16)


def test_results_that_damped_motion_lacks_are_refused(tmp_path):
    ring = gt.demo_ring().with_radiation()
    for refused in (gt.twiss, gt.radiation, gt.driving_terms, lambda r: gt.twiss(r, start=gt.InitialTwiss(1, 0, 1, 0))):
        with pytest.raises(InputError, match=r"particles radiate in Quadrupole 'qf.01a'.*without_radiation"):
            refused(ring)
    with pytest.raises(InputError, match="no closed orbit unless a cavity restores"):
        gt.closed_orbit(ring.with_changes("rf", voltage=0.0))
    with pytest.raises(InputError, match="no cavity is on"):
        gt.damping(ring.with_changes("rf", voltage=0.0))
    with pytest.raises(InputError, match=r"no element radiates; use lattice.with_radiation"):
        gt.damping(gt.demo_ring())
    protons = gt.ReferenceParticle.proton(kinetic=10e9)
    frequency = 400 * protons.beta0 * 299792458.0 / ring.length
    slow = ring.with_reference(protons).with_changes("rf", voltage=3e5, frequency=frequency, lag=0.0)
    with pytest.raises(InputError, match="too small to resolve the damping within rounding"):
        gt.damping(slow)
    with pytest.raises(InputError, match="damped by radiation"):
        gt.one_turn_map(ring, 2).normal_form()
    with pytest.raises(InputError, match=r"no closed orbit|unstable"):
        gt.damping(ring.with_changes("rf", voltage=0.5e6))  # less than the energy loss


def test_which_elements_radiate():
    ring = gt.demo_ring()
    radiating = ring.with_radiation({"bend.*": 3, "q*": 1}, select="*.0*")
    assert ring.first_radiating is None and ring.with_radiation().without_radiation() == ring
    kicks = {e.name: e.radiation for e in radiating if e.radiation is not None}
    assert set(kicks.values()) == {gt.RadiationKicks(3), gt.RadiationKicks(1)}
    assert all(name.startswith(("bend.0", "qf.0", "qd.0", "qfc.0")) for name in kicks)
    with pytest.raises(InputError, match="number of kicks must be"):
        ring.with_radiation(0)
    with pytest.raises(InputError, match="Drift 'd': has no field in which particles radiate"):
        gt.Drift("d", length=1.0, radiation=gt.RadiationKicks())
    with pytest.raises(InputError, match=r"radiation must be gputrack.RadiationKicks, got 2"):
        gt.Quadrupole("q", length=1.0, radiation=2)
    with pytest.raises(InputError, match=r"Multipole 'm': angle 0.1 rad without a length.*lrad > 0"):
        gt.Lattice([gt.Multipole("m", knl=(0.1,), angle=0.1)]).with_radiation()


def test_a_file_keeps_radiation(tmp_path):
    ring = gt.demo_ring()[:40].with_radiation({"bend*": 2})
    gt.save(ring, tmp_path / "ring.json")
    assert gt.load(tmp_path / "ring.json") == ring


def test_with_space_charge_in_the_same_magnet():
    """Both kinds of kicks, in the order of their places; a field without charge changes nothing."""
    reference = SPECIES["electron"]
    line = gt.Lattice([gt.SectorBend("b", length=1.5, angle=0.2, dx=1e-3, tilt=0.1)], reference)
    beam = gt.Beam(START, reference, weights=np.ones(3))
    pipe = gt.PipeModes((0.05, 0.05), (4, 4))
    both = line.with_radiation(3).with_space_charge(pipe, current=0.0, kicks_per_element=3)
    found, expected = (gt.track(r, beam).coordinates for r in (both, line.with_radiation(3)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_lost_particles_come_back_to_life():
    """Electrons of 50 GeV lose a tenth per cell, until the chamber stops them; gradients of those on any backend."""
    reference = gt.ReferenceParticle.electron(total=50e9)
    cell = gt.Lattice(gt.demo_ring()[:32], reference).with_radiation()
    start = np.random.default_rng(8).normal(size=(6, 12)) * 1e-3
    knobs = cell.knobs("qf.01a.k1", "bend.01a.angle", "sd.01a.k2")

    def total(values, coordinates, backend):
        out = gt.track(cell.with_knobs(knobs, values), gt.Beam(coordinates, reference), 3, backend=backend)
        return (out.coordinates**2).sum()

    lost = [gt.track(cell, gt.Beam(start, reference), 3, backend=name).loss_turn for name in ("host", "array")]
    np.testing.assert_array_equal(*lost)
    assert 0 < sum(lost[0] >= 0) < 12
    for argument in (0, 1):
        found, by_arrays = (gt.grad(total, argnum=argument)(knobs.values, start, name) for name in ("host", "array"))
        np.testing.assert_allclose(found, by_arrays, rtol=0, atol=1e-11 * abs(by_arrays).max())


def test_gradients_at_any_speed():
    """Kernels' adjoints against autograd where 1/(beta gamma)^2 is of the order of 1, the reference's momentum among
    the parameters."""
    reference = gt.ReferenceParticle.from_energy(mass=3e-8, charge=-1.0, kinetic=2e-8)
    names = ("sector", "quadrupole", "solenoid", "kicker")
    line = gt.Lattice([FIELDS[name][0].replaced(name=name) for name in names], reference).with_radiation()
    knobs = line.knobs("reference.p0c", "sector.k0", "quadrupole.k1", "solenoid.ks", "kicker.hkick", "sector.angle")

    def total(values, coordinates, backend):
        changed = line.with_knobs(knobs, values)
        out = gt.track(changed, gt.Beam(coordinates, changed.reference), backend=backend)
        return (out.coordinates * np.arange(1.0, 7.0)[:, None]).sum()

    for argument in (0, 1):
        found, by_arrays = (gt.grad(total, argument)(knobs.values, START, name) for name in ("host", "array"))
        np.testing.assert_allclose(found, by_arrays, rtol=1e-11)
    lost = gt.track(line.without_radiation(), gt.Beam(START, reference)).coordinates - gt.track(
        line, gt.Beam(START, reference)).coordinates
    assert lost[5].min() > 1e-3


def test_result_as_text():
    ring = gt.demo_ring().with_radiation()
    found = gt.envelope(ring)
    assert "energy_loss    833741.8" in repr(found.damping) and "partition" in repr(found.damping)
    assert repr(found).startswith("<Envelope in 'storage_ring': emittances 1.81")
