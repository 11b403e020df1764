"""The gap of a dipole's fringe against integration through a soft edge, for any momentum, slope and sign of the field.

The field is By = k0 f(s), Bs = y k0 f'(s), f = (1 + tanh(s/w))/2, with its terms in y^2. The integral of f (1 - f) is
w/2 = fint (2 hgap). What the gap changes in py is proportional to y; K. L. Brown, SLAC-75, eq. 4, is of first order in
w.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.helpers import push

import gputrack as gt
from gputrack.app.track_command import model_with_options

K0, HGAP, FINT, HEIGHT = 0.25, 0.02, 0.2, 1e-5
WIDTH = 4.0 * FINT * HGAP
REACH = 15.0 * WIDTH  # the field is constant to 1e-13 beyond
REFERENCE = gt.ReferenceParticle.electron(total=3e9)
DELTAS = (-0.1, -0.03, 0.0, 0.1)
#: terms of second order in w k0/(1 + delta), where w k0 = 4e-3, with factors of a few units for the steeper slopes
TOLERANCE = 0.01


def soft_kick(k0: float, delta: float, slope: float) -> float:
    """py/y behind a soft entrance; the orbit behind it is brought back to the place of the edge in a constant field."""

    def along(f, f1, f2):
        def rates(s, state):
            _, px, y, py = state
            by, bs = k0 * (f(s) - 0.5 * y * y * f2(s)), k0 * y * f1(s)
            pz = np.sqrt((1.0 + delta) ** 2 - px * px - py * py)
            return [px / pz, py / pz * bs - by, py / pz, -px / pz * bs]

        return rates

    def fall(s):
        return 1.0 / np.cosh(s / WIDTH) ** 2

    soft = along(
        lambda s: 0.5 * (1.0 + np.tanh(s / WIDTH)), lambda s: 0.5 / WIDTH * fall(s),
        lambda s: -np.tanh(s / WIDTH) / WIDTH**2 * fall(s),
    )  # fmt: skip
    constant = along(lambda s: 1.0, lambda s: 0.0, lambda s: 0.0)
    state = [0.0, (1.0 + delta) * slope / np.hypot(1.0, slope), HEIGHT, 0.0]
    for rates, begin, end in ((soft, -REACH, 0.0), (soft, 0.0, REACH), (constant, REACH, 0.0)):
        state = solve_ivp(rates, (begin, end), state, rtol=1e-12, atol=1e-17, method="DOP853").y[:, -1]
    return state[3] / HEIGHT


def kick(edge, k0: float, delta: float, slope: float, fint: float, exit_: bool = False) -> float:
    """py/y behind an entrance, and, by the symmetry of time, before an exit."""
    px = (1.0 + delta) * slope / np.hypot(1.0, slope)
    # so short that py is that of the faces
    parameters = dict(fint=0.0, fintx=fint) if exit_ else dict(fint=fint, fintx=0.0)
    bend = gt.SectorBend("b", length=1e-9, angle=0.0, k0=k0, hgap=HGAP, **parameters)
    start = np.array([[0.0, px, HEIGHT, 0.0, 0.0, delta]]).T
    return float(push(bend, start, REFERENCE, gt.Model(edge=edge))[3, 0]) / HEIGHT


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.3])
@pytest.mark.parametrize("k0", [K0, -K0])
@pytest.mark.parametrize("delta", DELTAS)
def test_gap_weakens_with_momentum(delta, k0, slope):
    """Against a sharp edge, -k0 slope y; entrance and exit focus alike."""
    right = soft_kick(k0, delta, slope) + k0 * slope
    assert right == pytest.approx(K0 * K0 * 0.5 * WIDTH / (1.0 + delta) * (1.0 + 2.5 * slope**2), rel=0.05)
    for exit_ in (False, True):
        signed = -slope if exit_ else slope
        mine = kick(gt.FullEdge(), k0, delta, signed, FINT, exit_) - kick(gt.FullEdge(), k0, delta, signed, 0.0, exit_)
        assert mine == pytest.approx(right, rel=TOLERANCE)


@pytest.mark.parametrize("delta", DELTAS)
def test_ptc_has_the_inverse_dependence(delta):
    """Beside terms of third order in the gap."""
    ours, theirs = (kick(edge, K0, delta, 0.0, FINT) - kick(edge, K0, delta, 0.0, 0.0)
                    for edge in (gt.FullEdge(), gt.PTCEdge()))  # fmt: skip
    assert theirs / ours == pytest.approx((1.0 + delta) ** 2, rel=1e-5)


def test_without_a_gap_the_models_agree():
    start = np.random.default_rng(5).normal(size=(6, 5)) * 1e-2
    bend = gt.SectorBend("b", length=1.0, angle=0.2, e1=0.1, k1=0.3)
    ours, theirs = (push(bend, start, REFERENCE, gt.Model(edge=edge)) for edge in (gt.FullEdge(), gt.PTCEdge()))
    np.testing.assert_array_equal(ours, theirs)


def test_the_choice_is_kept_in_files_and_named_on_the_command_line(tmp_path):
    bend = gt.SectorBend("b", length=1.0, angle=0.2, model=gt.Model(edge=gt.PTCEdge()))
    ring = gt.Lattice([bend, gt.SectorBend("c", length=1.0, angle=0.2)], REFERENCE)
    gt.save(ring, tmp_path / "ring.json")
    again = gt.load(tmp_path / "ring.json")
    assert again[0].model.edge == gt.PTCEdge() != gt.FullEdge()
    assert model_with_options(ring.model, edge="ptc").edge == gt.PTCEdge()
