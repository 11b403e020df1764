"""Matched beams: moments repeat every turn; against theory of normal modes, xpart's bucket and pyAT's beams."""

from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics.linear.rf_bucket import Distribution, bucket_of

RING = gt.demo_ring()
SKEW = gt.Multipole("skew", ksl=(0.0, 0.05))
COUPLED = gt.Lattice([SKEW, *RING], RING.reference, model=RING.model)
FLAT = COUPLED.with_changes("rf*", voltage=0.0)
LINEAR = {"longitudinal": gt.NormalModes(), "exact_moments": True, "seed": 1}


def fodo(reference, voltage, lag, second=0.0):
    """A ring of 8 cells, transition at gamma = 1.66, with a cavity of harmonic 4 and one of harmonic 8 against it."""
    speed, around = reference.beta0 * 299792458.0, 8 * 5.8
    half = [gt.Drift("d", length=0.5), gt.SectorBend("b", length=1.5, angle=np.pi / 8), gt.Drift("d", length=0.5)]
    cell = [gt.Quadrupole("qf", length=0.4, k1=0.8), *half, gt.Quadrupole("qd", length=0.4, k1=-1.0), *half]
    cavities = [
        gt.RFCavity(f"rf{h}", length=0.0, voltage=v, frequency=h * speed / around, lag=phase)
        for h, v, phase in ((4, voltage, lag), (8, second, lag + 0.5)) if v
    ]  # fmt: skip
    return gt.Lattice([*cell * 3, *cavities, *cell * 5], reference)


def test_moments_are_invariant_under_the_one_turn_matrix_in_all_six_dimensions():
    """To rounding times the condition of the moments (1e-9 of each pair of sizes)."""
    for ring in (RING, COUPLED):
        beam = gt.matched_beam(ring, 500, emit=(1e-9, 1e-10, 2e-6), **LINEAR)
        matrix, sigma = gt.twiss(ring).matrix, beam.sigma
        sizes = np.sqrt(np.diag(sigma))
        assert np.abs((matrix @ sigma @ matrix.T - sigma) / np.outer(sizes, sizes)).max() < 1e-9
        assert beam.eigen_emittances() == pytest.approx([2e-6, 1e-9, 1e-10], rel=1e-9)
        assert beam.mean == pytest.approx(gt.closed_orbit(ring), abs=1e-15)


@pytest.mark.parametrize("ring", [COUPLED, FLAT], ids=["rf", "coasting"])
def test_sizes_of_a_coupled_beam_repeat_when_it_is_tracked(ring):
    """A beam of 1e-4 m in a ring whose nonlinear detuning acts at 1e-2 m: to 1e-3; uncoupled Twiss: tens of percent."""
    more = {"sigma_z": 1e-4} if ring is FLAT else {"longitudinal": gt.NormalModes()}
    beam = gt.matched_beam(ring, 2000, emit=(1e-10, 1e-11), sigma_delta=1e-6, seed=1, exact_moments=True, **more)
    first = [beam.size(name) for name in ("x", "px", "y", "py", "delta")]
    for _ in range(5):
        beam = gt.track(ring, beam, turns=1)
        assert [beam.size(name) for name in ("x", "px", "y", "py", "delta")] == pytest.approx(first, rel=1e-3)


def test_gaussian_takes_the_coupling_of_the_start():
    """x, px, y, py as those of the matched beam; without a basis, as Courant and Snyder."""
    optics = gt.twiss(FLAT)
    beam = gt.Beam.gaussian(
        500, RING.reference, emit=(1e-9, 1e-10), twiss=optics.start, sigma_z=1e-3, sigma_delta=0.0, seed=1,
        exact_moments=True,
    )  # fmt: skip
    basis = optics.bases[0]
    sigma = basis @ np.diag([1e-9, 1e-9, 1e-10, 1e-10]) @ basis.T
    assert np.abs(beam.sigma[:4, :4] - sigma).max() < 1e-12 * sigma.max()
    with pytest.raises(InputError, match="basis=None"):
        gt.InitialTwiss(5.0, 0.0, 5.0, 0.0, basis=basis)
    with pytest.raises(InputError, match="symplectic"):
        gt.InitialTwiss(5.0, 0.0, 5.0, 0.0, basis=np.ones((4, 4)))
    for form in (gt.MaisRipken(), gt.EdwardsTeng()):
        assert gt.twiss(FLAT, form=form).start.basis.shape == (4, 4)


@pytest.mark.parametrize("ring", [COUPLED, FLAT], ids=["rf", "coasting"])
def test_a_line_from_a_coupled_start_has_the_optics_of_the_ring(ring):
    whole = gt.twiss(ring)
    line = gt.twiss(ring[:60], start=whole.start, orbit=whole.orbit)
    for name in ("betx", "alfx", "mux", "bety", "alfy", "muy", "dx", "dpx", "dy", "dpy"):
        assert line.columns[name] == pytest.approx(whole.columns[name][:61], rel=1e-9, abs=1e-9), name


def test_moments_of_pyat():
    """pyAT's beam for given moments and ours have equal moments to the statistics of 1e5 particles (4 / sqrt(n))."""
    at = pytest.importorskip("at")
    basis = gt.twiss(FLAT).bases[0]
    sigma = np.zeros((6, 6))
    sigma[:4, :4] = basis @ np.diag([1e-9, 1e-9, 1e-10, 1e-10]) @ basis.T
    theirs = np.cov(at.beam(100_000, sigma + np.diag([0, 0, 0, 0, 1e-12, 1e-12])))[:4, :4]
    ours = gt.matched_beam(FLAT, 100_000, emit=(1e-9, 1e-10), sigma_delta=0.0, seed=1).sigma[:4, :4]
    sizes = np.sqrt(np.diag(sigma)[:4])
    assert np.abs((theirs - ours) / np.outer(sizes, sizes)).max() < 4 * np.sqrt(2 / 1e5)


# -- RF bucket ---------------------------------------------------------------------------------------------------------

PROTON = gt.ReferenceParticle.proton(kinetic=2e8)
RINGS = {
    "electrons": RING,
    "protons below transition": fodo(PROTON, 2e4, 0.0),
    "above": fodo(gt.ReferenceParticle.proton(kinetic=3e9), 2e5, 0.5),
    "antiprotons": fodo(gt.ReferenceParticle.from_energy("antiproton", kinetic=2e8), 2e4, 0.0),
    "ions": fodo(gt.ReferenceParticle.ion(nucleons=238, charge=73, kinetic=238 * 1e7), 2e4, 0.0),
    "two harmonics": fodo(PROTON, 2e4, 0.0, second=8e3),
}


@pytest.mark.parametrize("name", RINGS)
def test_bucket_agrees_with_the_exact_linear_tune(name):
    """The averaged Hamiltonian is right to the order of (pi qs)^2."""
    ring = RINGS[name]
    optics = gt.twiss(ring)
    bucket = bucket_of(ring, optics, 1.0)
    assert bucket.tune == pytest.approx(float(optics.qs), rel=(np.pi * bucket.tune) ** 2)
    assert bucket.slip[0] == pytest.approx(-float(optics.slip * optics.s[-1]), rel=1e-9)


@pytest.mark.parametrize("name", RINGS)
def test_a_bunch_in_a_bucket_stays_as_it_is_and_inside(name):
    """Full to 80 per cent of the separatrix, where linear motion would beat by 10 % and more; statistics of 5000: 4 %.

    z exceeds the extent of the bucket at the start by the inclination of the mode there, below 1 %.
    """
    ring, form = RINGS[name], gt.RFBucket(fill=0.8)
    bucket = bucket_of(ring, gt.twiss(ring), form.fill)
    wanted = 0.8 * float(np.sqrt(Distribution(bucket, np.inf).covariance[0]))
    beam = gt.matched_beam(ring, 5000, emit=(1e-9, 1e-9), sigma_z=wanted, seed=1, longitudinal=form)
    first = beam.size("z"), beam.size("delta")
    assert first[0] == pytest.approx(wanted, rel=0.04)
    low, high = bucket.unstable
    for _ in range(4):
        beam = gt.track(ring, beam, turns=max(int(0.12 / bucket.tune), 1))
        assert (beam.size("z"), beam.size("delta")) == pytest.approx(first, rel=0.04)
        z = beam.z[beam.alive]
        assert low * 1.01 < z.min() and z.max() < high * 1.01


def test_requests_that_do_not_fit_the_bucket_give_its_size():
    with pytest.raises(InputError, match=r"sigma_z = 0.1 does not fit into the RF bucket, z from -0.13579"):
        gt.matched_beam(RING, 100, emit=(1e-9, 1e-9), sigma_z=0.1, seed=1)
    with pytest.raises(InputError, match=r"sigma_delta = 0.5 does not fit into the fill = 0.5"):
        gt.matched_beam(RING, 100, emit=(1e-9, 1e-9), sigma_delta=0.5, seed=1, longitudinal=gt.RFBucket(fill=0.5))


def test_small_bunches_are_those_of_linear_motion():
    """Requested figures, exactly the third emittance of the mode; statistics of 1e5: 4 / sqrt(2 n) is 1 %."""
    kwargs = {"emit": (1e-9, 1e-11), "sigma_z": 1e-3, "seed": 1}
    bunch, linear = (gt.matched_beam(RING, 100_000, **kwargs, longitudinal=form) for form in (None, gt.NormalModes()))
    for name in ("x", "px", "y", "py", "z", "delta"):
        assert bunch.size(name) == pytest.approx(linear.size(name), rel=0.01)
    third = gt.matched_beam(RING, 100_000, emit=(1e-9, 1e-11, 1e-6), seed=1)
    assert third.eigen_emittances()[0] == pytest.approx(1e-6, rel=0.02)


def test_bucket_of_xpart():
    """Separatrix and matched spread of a proton bunch: xpart's bucket has no second-order slip, about 1 % here."""
    xpart = pytest.importorskip("xpart")
    from xpart.longitudinal.rf_bucket import RFBucket

    assert xpart is not None
    ring = RINGS["protons below transition"]
    optics = gt.twiss(ring)
    ours = bucket_of(ring, optics, 1.0)
    ref, c = ring.reference, 299792458.0
    alpha = float(optics.momentum_compaction)
    theirs = RFBucket(
        circumference=float(optics.s[-1]), gamma=ref.gamma0, mass_kg=ref.mass * 1.602176634e-19 / c**2,
        charge_coulomb=1.602176634e-19, alpha_array=np.atleast_1d(alpha), p_increment=0.0,
        harmonic_list=[4], voltage_list=[2e4], phi_offset_list=[0.0 if ours.sign < 0 else np.pi],
    )  # fmt: skip
    assert (theirs.z_left, theirs.z_right) == pytest.approx(ours.unstable, rel=1e-6)
    linear = replace(ours, slip=ours.slip * [1.0, 0.0, 0.0])
    low, high = linear.spread(linear.height)
    assert high == pytest.approx(-low, rel=1e-12)
    assert high == pytest.approx(float(theirs.separatrix(theirs.z_sfp[0])), rel=1e-6)


def test_coasting_beams_fill_the_circumference_with_dispersion():
    beam = gt.matched_beam(FLAT, 20_000, emit=(1e-12, 1e-12), sigma_delta=1e-3, seed=3)
    optics = gt.twiss(FLAT)
    assert beam.size("z") == pytest.approx(float(optics.s[-1]) / np.sqrt(12), rel=0.02)
    slope = (beam.sigma[:4, 5] / beam.sigma[5, 5])[[0, 2]]
    assert slope == pytest.approx([float(optics.dx[0]), float(optics.dy[0])], abs=1e-3)


def test_seeds_weights_and_emittances_of_zero():
    kwargs = {"emit": (0.0, 0.0), "sigma_z": 1e-3}
    one, same, other = (gt.matched_beam(RING, 50, **kwargs, seed=seed, weights=2e6) for seed in (1, 1, 2))
    assert (one.coordinates == same.coordinates).all() and (one.coordinates != other.coordinates).any()
    assert (one.weights == 2e6).all()
    still = gt.matched_beam(RING, 10, emit=(0.0, 0.0, 0.0), seed=1)
    assert np.abs(still.coordinates - gt.closed_orbit(RING)[:, None]).max() == 0.0


def test_gradients_with_respect_to_emittances_and_knobs():
    """Against differences of second order, whose error is below 1e-6."""
    knobs = COUPLED.knobs("qd*.k1")

    def sizes(k, emit):
        ring = COUPLED.with_knobs(knobs, k)
        beam = gt.matched_beam(ring, 100, emit=emit, sigma_z=2e-3, seed=1, longitudinal=gt.NormalModes())
        return beam.size("x") * 1e4 + beam.size("y") * 1e5 + beam.size("delta") * 1e3

    emit, values = np.array([1e-9, 2e-10]), np.asarray(knobs.values, dtype=float)
    found = gt.grad(lambda e: sizes(values, e))(emit)
    for i in range(2):
        step = np.zeros(2)
        step[i] = 1e-4 * emit[i]
        slope = (sizes(values, emit + step) - sizes(values, emit - step)) / (2 * step[i])
        assert found[i] == pytest.approx(slope, rel=1e-6)
    slopes = gt.grad(lambda k: sizes(k, emit))(values)
    step = 1e-6 * np.ones_like(values)
    difference = (sizes(values + step, emit) - sizes(values - step, emit)) / 2
    assert anp.sum(slopes * step) == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize(
    ("ring", "more", "text"),
    [
        (RING, {"emit": (1e-9, 1e-9)}, "one of a third emittance, sigma_z and sigma_delta"),
        (RING, {"emit": (1e-9, 1e-9, 1e-6), "sigma_z": 1e-3}, "one of a third"),
        (RING, {"emit": 1e-9, "sigma_z": 1e-3}, "two or three emittances"),
        (RING, {"emit": (1e-9, -1e-9), "sigma_z": 1e-3}, "emit of mode 2 must be >= 0 m"),
        (RING, {"emit": (1e-9, 1e-9), "sigma_z": 1e-3, "longitudinal": "bucket"}, "NormalModes"),
        (RING, {"emit": (1e-9, 1e-9), "sigma_z": 1e-3, "exact_moments": True}, "NormalModes"),
        (FLAT, {"emit": (1e-9, 1e-9)}, "sigma_delta"),
        (FLAT, {"emit": (1e-9, 1e-9), "sigma_delta": 0.0, "longitudinal": gt.RFBucket()}, "cavity that is on"),
        (RING.with_radiation(), {"emit": (1e-9, 1e-9), "sigma_z": 1e-3}, "envelope"),
        ("ring", {"emit": (1e-9, 1e-9)}, "must be a Lattice"),
    ],
)
def test_arguments_that_do_not_match(ring, more, text):
    with pytest.raises(InputError, match=text):
        gt.matched_beam(ring, 10, seed=1, **more)
