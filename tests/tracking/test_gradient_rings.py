"""Gradients over many turns of real rings: against differences with their own error; undoing; chaos.

The normal run takes every fourth parameter over ten turns of the ESR. ``GPUTRACK_LONG_TESTS=1`` takes all, over 100
turns (three minutes more).
"""

import os

import autograd.numpy as anp
import numpy as np
import pytest

import gputrack as gt
from gputrack.lattice.knobs import get_parameter
from gputrack.tracking import differentiated_run
from gputrack.tracking import reverse_sweep as sweep

LONG = bool(os.environ.get("GPUTRACK_LONG_TESTS"))
TURNS = 100 if LONG else 10
EPSILON = np.finfo(float).eps

# -- the ESR against differences ----------------------------------------------------------------------------------
# Kind, parameter, and how far it can be moved: to where the maps stop being smooth (lengths, gaps and frequencies at
# 0, fringe fields with 1/fint and 1/hgap), 0 where there is no such place.
PARAMETERS = [
    ("Drift", "length", 0.2), ("Quadrupole", "length", 0.2), ("Quadrupole", "k1", 0.0), ("Quadrupole", "k1s", 0.0),
    ("Quadrupole", "dx", 0.0), ("Quadrupole", "dy", 0.0), ("Quadrupole", "tilt", 0.5), ("Quadrupole", "knl[2]", 0.0),
    ("Quadrupole", "ksl[3]", 0.0), ("Sextupole", "k2", 0.0), ("Sextupole", "k2s", 0.0), ("Sextupole", "length", 0.2),
    ("Sextupole", "knl[1]", 0.0), ("SectorBend", "length", 0.2), ("SectorBend", "angle", 0.5),
    ("SectorBend", "e1", 0.5), ("SectorBend", "e2", 0.5), ("SectorBend", "fint", 0.2), ("SectorBend", "hgap", 0.02),
    ("SectorBend", "k1", 0.0), ("Multipole", "knl[1]", 0.0), ("Multipole", "ksl[2]", 0.0), ("Solenoid", "ks", 0.0),
    ("Solenoid", "length", 0.2), ("RFCavity", "voltage", 0.0), ("RFCavity", "frequency", 1e8),
    ("RFCavity", "lag", 0.2), ("CrabCavity", "voltage", 0.0), ("HKicker", "kick", 0.0), ("VKicker", "kick", 0.0),
]  # fmt: skip
# Differences must tell an error of 1e-5 of the gradient to be worth the name of a test; by their own account they are
# good to 1e-8 for most parameters and to 1e-6 for the few that do little.
RESOLVED = 1e-5
FAMILIES = ("fint", "hgap")  # one such magnet alone hardly moves a particle
CHOSEN = PARAMETERS if LONG else PARAMETERS[::4]


@pytest.fixture(scope="module")
def esr(lattice_path):
    """The ESR with its cavities, crab cavities and fringe fields switched on."""
    ring = gt.load(lattice_path("esr.madx")).with_changes("rf0", voltage=3.7e6, lag=0.5)
    ring = ring.with_changes("rf_crab", voltage=1e6)
    elements = [e.replaced(fint=0.5, hgap=0.05) if isinstance(e, gt.SectorBend) else e for e in ring]
    return gt.Lattice(elements, ring.reference, name="esr")


@pytest.fixture(scope="module")
def knobs(esr):
    """One knob for each of `PARAMETERS`, at a place chosen by lot."""
    rng = np.random.default_rng(20)
    chosen = []
    for kind, parameter, _ in PARAMETERS:
        places = [i for i, e in enumerate(esr) if type(e).__name__ == kind]
        if kind == "Solenoid":
            places = [i for i in places if esr[i].ks]
        if parameter not in FAMILIES:
            places = [int(rng.choice(places))]
        value = get_parameter(esr[places[0]], parameter)
        chosen.append(gt.Knob(f"{esr[places[0]].name}.{parameter}", tuple(places), parameter, value))
    return gt.Knobs(tuple(chosen))


@pytest.fixture(scope="module")
def esr_objective(esr):
    """Coordinates of eight particles, each over its rms size and weighted by lot: all outcomes are of order 1."""
    twiss = gt.linear_optics(esr).start
    beam = gt.Beam.gaussian(8, esr.reference, emit=(2e-9, 2e-10), twiss=twiss, sigma_z=1.4e-3, sigma_delta=2e-4, seed=3)
    sizes = np.std(beam.coordinates, axis=1)[:, None]
    weights = np.random.default_rng(4).normal(size=(6, 8)) / sizes

    def objective(some, values, stretch=1.0):
        start = beam.replaced(coordinates=stretch * beam.coordinates)
        out = gt.track(esr.with_knobs(some, values), start, TURNS, threads=1)
        assert not out.n_lost
        return anp.sum(out.coordinates * weights)

    return objective


@pytest.fixture(scope="module")
def esr_gradient(esr_objective, knobs):
    return gt.grad(lambda values: esr_objective(knobs, values))(knobs.values)


def noise_of(function, at, step):
    """Standard deviation of a function's rounding, from differences of order 6, for which small steps leave no other.

    Hamming's table: of independent errors they have binom(12, 6) = 924 times the variance. A small change of one
    parameter leaves most roundings as they were; so that errors are independent, coordinates are stretched as well.
    """
    values = np.array([function(at + i * step, 1.0 + 1e-6 * i) for i in range(15)])
    return np.sqrt(np.mean(np.diff(values, 6) ** 2) / 924.0)


@pytest.mark.parametrize("parameter", [f"{kind}.{name}" for kind, name, _ in CHOSEN])
def test_gradient_over_turns_of_the_esr_is_that_of_differences(parameter, esr_objective, knobs, esr_gradient):
    """The gradient lies within the error that the differences have by their own account.

    For steps h, 2h, 4h central differences D are combined to R4 and R6, of order 4 and 6. The error of R6 has two
    parts. Truncation: |R6 - R4| is that of R4, and so bounds the smaller one of R6 once the steps are small enough for
    the orders to tell. Round-off: D has sqrt(1/2) of the objective's noise over h, and R6 = (64 D(h) - 20 D(2h) +
    D(4h))/45 has 1.44 times that. Five standard deviations are allowed: four that 1 of
    16000 tests may exceed, one since 15 values give the noise to a quarter only.
    """
    number = [f"{kind}.{name}" for kind, name, _ in PARAMETERS].index(parameter)
    one, exact = knobs[number : number + 1], esr_gradient[number]
    at, reach = one[0].value, PARAMETERS[number][2]

    def function(value, stretch=1.0):
        return esr_objective(one, [value], stretch)

    first = min(reach or np.inf, 0.3 / abs(exact))  # it changes the objective by a third of its size
    steps = first * 0.5 ** np.arange(9)
    table = romberg(function, at, steps)
    truncation = np.abs(table[2] - table[1])[2:]
    rounding = 5.0 * 1.44 * np.sqrt(0.5) * noise_of(function, at, 0.5 * steps[-1]) / steps[2:]
    predicted, found = truncation + rounding, np.abs(table[2] - exact)[2:]
    best = np.argmin(predicted)
    shown = [f"{h:.1e}: {f:.1e} of {p:.1e}" for h, f, p in zip(steps[2:], found, predicted, strict=True)]
    print(f"{one[0].handle}: {exact:.6e}, off by", "; ".join(shown))  # pytest -rP shows it
    assert found[best] <= predicted[best], (one[0].handle, exact, shown)
    assert predicted[best] <= RESOLVED * abs(exact), (one[0].handle, exact, shown)
    # Both sides of the curve are seen: plain differences are truncated at the first steps, round-off rules the last.
    assert np.abs(table[0] - exact)[0] > predicted[best]
    assert rounding[-1] > truncation[-1]


def romberg(function, at, steps):
    """Central differences at `steps`, each half of the one before, and their combinations of order 4 and 6."""
    table = [np.array([(function(at + h) - function(at - h)) / ((at + h) - (at - h)) for h in steps])]
    for factor in (4.0, 16.0):
        last = table[-1]
        table.append(np.concatenate([last[:1], (factor * last[1:] - last[:-1]) / (factor - 1.0)]))
    return table


# -- SPEAR3: undoing, and chaos ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spear(lattice_path):
    return gt.load(lattice_path("spear3.madx"))


@pytest.fixture
def watched(monkeypatch):
    """Errors of the states recovered, over the amplitudes, and lengths of the stretches that were halved."""
    errors, halved = [], []
    recovered, forward = sweep.recovered, sweep._Sweep._forward

    def recovered_too(found, expected, scale):
        errors.append(np.max(np.abs(found - expected) / np.where(scale > 0.0, scale, 1.0)))
        return recovered(found, expected, scale)

    def forward_too(self, start, turns):
        halved.append(turns)
        return forward(self, start, turns)

    monkeypatch.setattr(sweep, "recovered", recovered_too)
    monkeypatch.setattr(sweep._Sweep, "_forward", forward_too)
    return errors, halved


def chromatic(spear, beam, turns):
    """Sum of the outgoing transverse coordinates as a function of two sextupole families."""
    knobs = spear.knobs("sdm.k2", "sfm.k2")

    def outgoing(values):
        return gt.track(spear.with_knobs(knobs, values), beam, turns, threads=1).coordinates[:4]

    return knobs.values, outgoing


def test_gradient_recovers_the_state_after_a_thousand_turns_at_ten_millimetres(spear, watched):
    """As far as the guard asks: 1e-10 of the amplitude; regular orbits hardly keep it busy."""
    errors, halved = watched
    start = np.zeros((6, 3))
    start[0], start[2] = (1e-2, -1e-2, 0.0), (1e-3, 0.0, 5e-3)
    values, outgoing = chromatic(spear, gt.Beam(start, spear.reference), 1000)
    gt.grad(lambda v: anp.sum(outgoing(v)))(values)
    assert errors[-1] <= 1e-10
    assert sum(halved) <= 500  # turns that were run a third time


def test_gradient_recovers_the_state_in_one_stretch(spear, monkeypatch, watched):
    """Without the checkpoints between, over a hundred turns."""
    errors, halved = watched
    monkeypatch.setattr(differentiated_run, "CHECKPOINTS", 1)
    start = np.zeros((6, 3))
    start[0], start[2] = (1e-2, -1e-2, 0.0), (1e-3, 0.0, 5e-3)
    values, outgoing = chromatic(spear, gt.Beam(start, spear.reference), 100)
    gt.grad(lambda v: anp.sum(outgoing(v)))(values)
    assert len(errors) == 1 and not halved
    assert errors[0] <= 1e-10


CHAOTIC, CHAOTIC_TURNS = -17e-3, 500  # x at the start; it is lost at -18 mm after 288 turns


def nearby(spear):
    """Eight particles that start on one chaotic orbit but for some last digits."""
    start = np.zeros((6, 8))
    start[0] = CHAOTIC * (1.0 + EPSILON * np.arange(8))
    start[2] = 1e-3
    return gt.Beam(start, spear.reference)


def test_guard_restores_the_gradient_of_a_chaotic_orbit(spear, monkeypatch, watched):
    """Stretches are halved, and the gradient is that of a sweep with a checkpoint before each turn.

    States that are off by at most 1e-10 of the amplitude make derivatives of single turns off by that times their
    relative variation over the amplitude, some 10 near the dynamic aperture: 1e-9 for each turn.
    """
    _, halved = watched
    values, outgoing = chromatic(spear, nearby(spear), CHAOTIC_TURNS)

    def slope():
        return gt.grad(lambda v: anp.sum(outgoing(v)))(values)

    guarded = slope()
    assert 0 < len(halved) < CHAOTIC_TURNS // 2
    halved.clear()
    monkeypatch.setattr(differentiated_run, "CHECKPOINTS", CHAOTIC_TURNS)
    turn_by_turn = slope()
    assert not halved
    assert guarded == pytest.approx(turn_by_turn, rel=1e-9 * CHAOTIC_TURNS)


def test_gradient_of_a_chaotic_orbit_is_that_of_forward_mode(spear, watched):
    """To the accuracy with which rounding leaves it defined.

    Orbits that start apart by some last digits part exponentially, and so do their derivatives. The spread s of the
    eight particles' derivatives is what rounding makes of one of them; the sums of eight from two runs that round
    differently then differ by sqrt(2) sqrt(8) s = 4 s, three standard deviations by 12 s.
    """
    values, outgoing = chromatic(spear, nearby(spear), CHAOTIC_TURNS)
    slope = gt.grad(lambda v: anp.sum(outgoing(v)))(values)
    assert watched[1], "the guard must have been busy"
    for i, direction in enumerate(np.eye(2)):
        one_by_one = np.sum(gt.jvp(outgoing, (values,), (direction,))[1], axis=0)
        spread = np.std(one_by_one)
        assert spread <= 1e-4 * np.abs(np.mean(one_by_one))
        assert abs(slope[i] - np.sum(one_by_one)) <= 12.0 * spread
