"""Strong-strong collisions: against the weak-strong element, coherent motion, and differences."""

import autograd.numpy as anp
import numpy as np
import pytest

import gputrack as gt
from gputrack.tracking.collide import MOMENTS, crossing_with, moments_of

ELECTRON = gt.ReferenceParticle.electron(total=3e9)
POSITRON = gt.ReferenceParticle(ELECTRON.mass, 1.0, ELECTRON.p0c)
XI = 0.004
HEAD_ON = gt.BeamBeam("ip", particles=1.0, emit_x=1e-8, emit_y=1e-8)


def ring(reference):
    """Seen from the point of crossing: a cell of thin lenses."""
    cell = [
        gt.Drift("d", length=0.5), gt.Multipole("q", knl=(0.0, 1.5)), gt.Drift("m", length=0.4),
        gt.Multipole("p", knl=(0.0, -1.5)), gt.Drift("d", length=0.5),
    ]  # fmt: skip
    return gt.Lattice(cell, reference)


def beam(reference, n=400, seed=1, offset=0.0, particles=1e10):
    rng = np.random.default_rng(seed)
    optics = gt.twiss(ring(reference))
    made = gt.Beam.gaussian(
        n, reference, emit=(2e-8, 2e-8), twiss=optics.start, sigma_z=0.0, sigma_delta=0.0, seed=seed
    )
    coordinates = made.coordinates - made.coordinates.mean(axis=1)[:, None]
    coordinates[0] += offset
    coordinates[4] = 1e-3 * rng.normal(size=n)
    return gt.Beam(coordinates, reference, weights=np.full(n, particles / n))


def test_one_crossing_is_that_with_a_strong_bunch_of_the_same_moments():
    one, two = beam(ELECTRON, seed=1, offset=3e-5), beam(POSITRON, seed=2)
    out = gt.collide((gt.Lattice([], ELECTRON), one), (gt.Lattice([], POSITRON), two), HEAD_ON)
    s = two.sigma
    emit = [np.sqrt(np.linalg.det(s[np.ix_([i, i + 1, 4], [i, i + 1, 4])]) / s[4, 4]) for i in (0, 2)]
    strong = gt.BeamBeam(
        "ip", particles=1e10, charge=-1.0, emit_x=emit[0], emit_y=emit[1],
        beta_x=(s[0, 0] - s[0, 4] ** 2 / s[4, 4]) / emit[0], beta_y=(s[2, 2] - s[2, 4] ** 2 / s[4, 4]) / emit[1],
        alpha_x=-(s[0, 1] - s[0, 4] * s[1, 4] / s[4, 4]) / emit[0],
        alpha_y=-(s[2, 3] - s[2, 4] * s[3, 4] / s[4, 4]) / emit[1], sigma_z=np.sqrt(s[4, 4]),
        dx=two.mean[0], dy=two.mean[2], slope_x=-two.mean[1], slope_y=-two.mean[3],
        crab_x=s[0, 4] / s[4, 4], crab_y=s[2, 4] / s[4, 4],
    )  # fmt: skip
    line = gt.Lattice([strong], ELECTRON)
    expected = gt.track(line, one)
    assert np.abs(out.beams[0].coordinates - expected.coordinates).max() <= 1e-15
    assert abs(out.luminosity[0] / gt.luminosity(line, one) - 1.0) <= 1e-12
    assert np.array_equal(out.means[0, 0], one.mean)


def test_both_see_the_same_luminosity_and_opposite_forces():
    """Exactly for infinitely many particles; to sampling here. Unlike charges attract."""
    one, two = beam(ELECTRON, 4000, 1, offset=5e-5), beam(POSITRON, 4000, 2, offset=-5e-5)
    there = gt.collide((gt.Lattice([], ELECTRON), one), (gt.Lattice([], POSITRON), two), HEAD_ON)
    back = gt.collide((gt.Lattice([], POSITRON), two), (gt.Lattice([], ELECTRON), one), HEAD_ON)
    assert abs(there.luminosity[0] / back.luminosity[0] - 1.0) < 0.02
    kicks = [after.mean[1] - before.mean[1] for after, before in zip(there.beams, (one, two), strict=True)]
    assert kicks[0] < 0.0 < kicks[1] and abs(kicks[0] + kicks[1]) < 0.02 * abs(kicks[0])


def test_no_crossing_and_no_turn():
    one, two = beam(ELECTRON), beam(POSITRON)
    still = gt.collide((ring(ELECTRON), one), (ring(POSITRON), two), HEAD_ON, turns=0)
    assert still.turns == 0 and still.beams[0] is one and still.means.shape == (0, 2, 6)


def tune_of(signal):
    """Frequency of the strongest line below 1/2, by interpolation of a windowed spectrum."""
    n = 8 * len(signal)
    spectrum = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(len(signal)), n))
    k = int(spectrum.argmax())
    a, b, c = np.log(spectrum[k - 1 : k + 2])
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) / n


def test_coherent_modes():
    """The sum of the centroids keeps the tune of the ring; their difference sees a lens of twice half of xi.

    So in the first 1/xi turns, while bunches are still rigid Gaussians: the lens that a centroid sees is that of a
    bunch widened by its own size, half as strong as in the middle. Later the bunches deform (Yokoya's factor).
    """
    optics = gt.twiss(ring(ELECTRON))
    sx, sy = np.sqrt(2e-8 * optics.betx[0]), np.sqrt(2e-8 * optics.bety[0])
    radius = 1.43996448e-9 / ELECTRON.p0c  # e^2/(4 pi eps0)/(p c) [m]
    particles = XI * 2.0 * np.pi * sx * (sx + sy) / (radius * optics.betx[0])
    one = beam(ELECTRON, 1000, 1, offset=1e-5, particles=particles)
    two = beam(POSITRON, 1000, 2, offset=0.0, particles=particles)
    out = gt.collide((ring(ELECTRON), one), (ring(POSITRON), two), HEAD_ON, turns=256)
    x = out.means[:, :, 0]
    bare = optics.qx % 1.0
    sigma, pi = tune_of(x[:, 0] + x[:, 1]), tune_of(x[:, 0] - x[:, 1])
    assert abs(sigma - bare) < 0.05 * XI
    rigid = np.arccos(np.cos(2 * np.pi * bare) - 2 * np.pi * XI * np.sin(2 * np.pi * bare)) / (2 * np.pi)
    assert abs(pi - rigid) < 0.02 * XI


def test_gradient_of_the_luminosity_after_some_turns():
    one, two = beam(ELECTRON, 60, 1, offset=3e-5), beam(POSITRON, 60, 2)
    line = ring(ELECTRON)
    knobs = line.knobs("q.knl[1]", "m.length")

    def goal(values):
        out = gt.collide((line.with_knobs(knobs, values), one), (ring(POSITRON), two), HEAD_ON, turns=3)
        return 1e-27 * anp.sum(out.luminosity)

    gradient = gt.grad(goal)(knobs.values)
    for i, start in enumerate(knobs.values):
        ends = [goal(knobs.values + np.eye(2)[i] * step * 1e-4 * start) for step in (-2, -1, 1, 2)]
        slope = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12e-4 * start)
        assert abs(slope - gradient[i]) <= 1e-7 * abs(gradient[i])


def test_moments_of_a_tilted_bunch():
    """The tilt is no part of the emittance."""
    straight = beam(ELECTRON, 2000)
    coordinates = np.array(straight.coordinates)
    coordinates[4] -= coordinates[4].mean()
    coordinates[0] -= np.sum(coordinates[0] * coordinates[4]) / np.sum(coordinates[4] ** 2) * coordinates[4]
    coordinates[1] -= np.sum(coordinates[1] * coordinates[4]) / np.sum(coordinates[4] ** 2) * coordinates[4]
    tilted = coordinates.copy()
    tilted[0] += 0.05 * tilted[4]
    plain, turned = (
        dict(zip(MOMENTS, moments_of(gt.Beam(c, ELECTRON)), strict=True)) for c in (coordinates, tilted)
    )
    assert abs(turned["crab_x"] - 0.05) < 1e-12 and abs(plain["crab_x"]) < 1e-12
    for name in ("emit_x", "beta_x", "emit_y"):
        assert abs(turned[name] / plain[name] - 1.0) < 1e-9
    assert crossing_with(HEAD_ON, straight, gt.Beam(tilted, ELECTRON))[0].charge == 1.0


def test_impossible_arguments():
    one, two = beam(ELECTRON, 10), beam(POSITRON, 10)
    with pytest.raises(gt.errors.InputError, match="second must be a pair of a Lattice and a Beam"):
        gt.collide((ring(ELECTRON), one), two, HEAD_ON)
    with pytest.raises(gt.errors.InputError, match="collision must be a BeamBeam without tilt"):
        gt.collide((ring(ELECTRON), one), (ring(POSITRON), two), HEAD_ON.replaced(tilt=0.1))
    with pytest.raises(gt.errors.InputError, match="turns must be an integer >= 0"):
        gt.collide((ring(ELECTRON), one), (ring(POSITRON), two), HEAD_ON, turns=-1)


def test_turns_are_counted_once():
    out = gt.collide((ring(ELECTRON), beam(ELECTRON, 20)), (ring(POSITRON), beam(POSITRON, 20)), HEAD_ON, turns=3)
    assert [b.turn for b in out.beams] == [3, 3]


def test_lattices_that_collide_refuses():
    one, two = beam(ELECTRON, 10), beam(POSITRON, 10)
    wake = gt.ResonatorWake(
        "w", slicing=gt.Quantiles(2), turns=1, period=1.0, shunt_impedance=(1.0,), frequency=(1e9,), quality=(1.0,)
    )
    with pytest.raises(gt.errors.InputError, match="wake 'w' of the first ring acts over turns"):
        gt.collide((gt.Lattice([wake], ELECTRON), one), (ring(POSITRON), two), HEAD_ON)
    flat = gt.Beam(np.zeros((6, 10)), POSITRON)
    with pytest.raises(gt.errors.InputError, match="a beam has no emittance in x"):
        gt.collide((ring(ELECTRON), one), (ring(POSITRON), flat), HEAD_ON)


def test_gradient_where_a_bunch_has_no_length():
    one, two = beam(ELECTRON, 20), beam(POSITRON, 20)
    short = np.array(two.coordinates)
    short[4] = 0.0
    along = np.random.default_rng(1).normal(size=short.shape) * 1e-5
    along[4] = 0.0

    def goal(step):
        moved = gt.Beam(short + step * along, POSITRON, weights=two.weights)
        return gt.collide((ring(ELECTRON), one), (ring(POSITRON), moved), HEAD_ON).luminosity[0] / 1e30

    slope = (goal(1e-3) - goal(-1e-3)) / 2e-3
    assert abs(gt.grad(goal)(0.0) - slope) <= 1e-5 * abs(slope)


def test_luminosity_of_a_beam_with_lost_particles_that_are_no_numbers():
    one = beam(ELECTRON, 20)
    broken = np.array(one.coordinates)
    broken[:, 0] = np.nan
    strong = gt.BeamBeam("b", particles=1e10, emit_x=1e-8, emit_y=1e-8)
    lost = gt.Beam(broken, ELECTRON, weights=one.weights, loss_code=np.array([3] + [0] * 19))
    assert 0.8 < gt.luminosity(strong, lost) / gt.luminosity(strong, one) < 1.0
