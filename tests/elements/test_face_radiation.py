"""Turned faces of bends radiate: against geometry, the equations of orbits, and the radiation integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import gputrack as gt

REFERENCE = gt.ReferenceParticle.electron(total=3e9)
INTEGRATORS = {"matrix-kick": gt.MatrixKick(6, 4), "drift-kick": gt.DriftKick(6, 20)}
EDGES = {"full": gt.FullEdge(), "ptc": gt.PTCEdge(), "linear": gt.LinearEdge()}
LENGTH, ANGLE = 1.0, 0.2
FACES = {
    "sector": (0.0, 0.0), "rectangular": (0.1, 0.1), "turned": (0.3, -0.2), "entrance": (0.2, 0.0), "exit": (0.0, -0.3),
}  # fmt: skip
GAP = dict(fint=0.5, fintx=0.3, hgap=0.01)


def losses(bend: gt.Element, start: np.ndarray, model: gt.Model, kicks: int, reference=REFERENCE) -> np.ndarray:
    """Loss in delta (n,), by comparison with the same bend without radiation."""
    line, beam = gt.Lattice([bend], reference, model=model), gt.Beam(start, reference)
    on, off = (gt.track(each, beam).coordinates for each in (line.with_radiation(kicks), line))
    return off[5] - on[5]


def path_between_faces(x: float, px: float, py: float, delta: float, e1: float, e2: float, sign: float) -> float:
    """Length of a helix in a uniform field between two straight faces, by intersection of circle and line."""
    momentum = 1.0 + delta
    slope = px / math.sqrt(momentum**2 - px**2 - py**2)
    h, angle = sign * ANGLE / LENGTH, sign * ANGLE
    e1, e2 = sign * e1, sign * e2
    z = x * math.tan(e1) / (1.0 - slope * math.tan(e1))  # on the entrance face, on a straight line
    place, along = np.array([x + slope * z, z]), np.array([slope, 1.0]) / math.hypot(slope, 1.0)
    curvature = h / math.sqrt(momentum**2 - py**2)
    inward = np.array([-along[1], along[0]])  # towards -x, where h > 0 bends
    end = np.array([-(1.0 - math.cos(angle)) / h, math.sin(angle) / h])
    outwards, onwards = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])

    def beyond(length: float) -> float:
        phi = curvature * length
        r = place + (math.sin(phi) * along + (1.0 - math.cos(phi)) * inward) / curvature - end
        return float(r @ onwards + math.tan(e2) * (r @ outwards))

    return brentq(beyond, 0.2 * LENGTH, 2.0 * LENGTH, xtol=1e-14) / math.sqrt(1.0 - (py / momentum) ** 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("faces", FACES)
def test_loss_is_that_of_the_path_between_the_faces(faces, sign):
    """Positions, slopes and momenta of all sizes. The curvature of the orbit within the wedge is left out: in parts of
    the loss h w^2 tan(e)/(2 L), at most 1e-7 here; the loss itself, 1e-5, is of first order."""
    e1, e2 = FACES[faces]
    start = np.array([[5e-3, -4e-3, 3e-3, 0.0], [2e-2, -1e-2, 0.0, 0.0], np.zeros(4), [1e-2, 0.0, -2e-2, 0.0],
                      np.zeros(4), [3e-2, -2e-2, 0.0, 0.0]])  # fmt: skip
    bend = gt.SectorBend("b", length=LENGTH, angle=sign * ANGLE, e1=sign * e1, e2=sign * e2)
    lost = losses(bend, start, gt.Model(), 6)
    on_axis = lost[3]
    for i, (x, px, _, py, _, delta) in enumerate(start.T):
        path = path_between_faces(x, px, py, delta, e1, e2, sign)
        # dP = -C b^2 (1 - q^2) P^2 dl
        right = path / LENGTH * ((1.0 + delta) ** 2 - py**2)
        assert lost[i] / on_axis == pytest.approx(right, rel=1e-6 + 3.0 * abs(on_axis))


@pytest.mark.parametrize("kicks", [1, 2, 4])
@pytest.mark.parametrize("angle", [ANGLE, -ANGLE])
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_parallel_rays_between_parallel_faces_lose_the_same(integrator, edge, angle, kicks):
    """Orbits curve inside, towards the axis, which changes the loss by about h^2 L x: to first order by the terms of
    the next test, here by less than half of h; the dependence on x without faces is h."""
    start = np.zeros((6, 3))
    start[0] = -1e-3, 0.0, 1e-3
    model = gt.Model(INTEGRATORS[integrator], edge=EDGES[edge])
    h = angle / LENGTH
    for bend, right in (
        (gt.RectangularBend("b", length=LENGTH, angle=angle, **GAP), 0.0),
        (gt.SectorBend("b", length=LENGTH, angle=angle, e1=angle / 2, e2=angle / 2), 0.0),
        (gt.SectorBend("b", length=LENGTH, angle=angle, **GAP), h),
    ):
        lost = losses(bend, start, model, kicks)
        slope = (lost[2] - lost[0]) / (2e-3 * lost[1])
        assert slope == pytest.approx(right, abs=abs(h) ** 2 * LENGTH)


@pytest.mark.parametrize("faces", FACES)
@pytest.mark.parametrize("k1", [0.0, 0.8, -1.5])
@pytest.mark.parametrize("angle", [ANGLE, -ANGLE])
@pytest.mark.parametrize("edge", ["full", "linear"])
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_change_of_the_loss_with_x(integrator, edge, angle, k1, faces):
    """dU/dx = -tan(e1) b^2 - tan(e2) b^2 u(L) + integral of (h^3 + 2 h k1) u along the orbit u'' = -(h^2 + k1) u behind
    the entrance, u' = h tan(e1): the first order of field squared times path."""
    e1, e2 = FACES[faces]
    h = angle / LENGTH
    root = np.sqrt(complex(h * h + k1))
    c, s, s_sum = (np.cos(root * LENGTH).real, (np.sin(root * LENGTH) / root).real,
                   ((1.0 - np.cos(root * LENGTH)) / root**2).real)  # fmt: skip
    kick = h * math.tan(e1)
    u_end, u_sum = c + kick * s, s + kick * s_sum
    right = (h**3 + 2.0 * h * k1) * u_sum - h * h * (math.tan(e1) + math.tan(e2) * u_end)
    right /= h * h * LENGTH
    bend = gt.SectorBend("b", length=LENGTH, angle=angle, k1=k1, e1=e1, e2=e2)
    start = np.zeros((6, 3))
    start[0] = -1e-5, 0.0, 1e-5
    weak = gt.ReferenceParticle.electron(total=1e9)
    lost = losses(bend, start, gt.Model(INTEGRATORS[integrator], edge=EDGES[edge]), 6, weak)
    # differences of 1e-16 from rounding over those of 1e-11 by x; second order in the loss of 6e-7, on slopes up to 15
    assert (lost[2] - lost[0]) / (2e-5 * lost[1]) == pytest.approx(right, abs=1e-4)


def ring(bend: gt.Element) -> gt.Lattice:
    cell = []
    for number, k1 in enumerate((1.3, -1.1)):
        drift = gt.Drift("d", length=0.4)
        cell += [gt.Quadrupole(f"q{number}", length=0.3, k1=k1), drift, bend, drift]
    reference = gt.ReferenceParticle.electron(total=1e9)
    frequency = 4 * reference.beta0 * 299792458.0 / gt.Lattice(8 * cell, reference).length
    return gt.Lattice([*8 * cell, gt.RFCavity("rf", voltage=6e4, frequency=frequency, lag=0.49)], reference)


@pytest.mark.parametrize("kicks", [None, 1])
@pytest.mark.parametrize("edge", ["full", "linear"])
@pytest.mark.parametrize("faces", [(0.0, 0.0), (0.1, 0.1), (0.2, -0.1), (-0.05, 0.15)])
@pytest.mark.filterwarnings("ignore")
def test_partition_numbers_and_emittance_are_those_of_the_integrals(faces, edge, kicks):
    """Integrals have the faces in I4 (Helm et al.); both are of first order in the loss per turn, 1e-5, but for
    quadrupoles, which radiate at amplitudes of the closed orbit only. One kick per bend gives no emittance."""
    bend = gt.SectorBend("b", length=1.2, angle=2 * math.pi / 16, e1=faces[0], e2=faces[1])
    machine = ring(bend).with_model(gt.Model(edge=EDGES[edge]))
    right = gt.radiation(machine)
    if kicks:
        assert float(gt.damping(machine.with_radiation(4)).partition[0]) == pytest.approx(right.partition[0], abs=1e-3)
        return
    found = gt.envelope(machine.with_radiation())
    assert found.damping.partition[0] == pytest.approx(right.partition[0], abs=1e-3)
    assert found.emittance[0] == pytest.approx(right.emittance[0], rel=2e-3)


def test_energy_loss_of_slow_antiparticles():
    """A heavier, negative particle, where 1/gamma^2 counts: the loss depends on x as that of electrons."""
    reference = gt.ReferenceParticle.from_energy(mass=1e-5, charge=-2.0, kinetic=7e-6)
    start = np.zeros((6, 3))
    start[0] = -1e-3, 0.0, 1e-3
    bend = gt.RectangularBend("b", length=LENGTH, angle=ANGLE)
    lost = losses(bend, start, gt.Model(), 6, reference)
    assert abs(lost[2] - lost[0]) / (2e-3 * lost[1]) < ANGLE**2 / LENGTH
    assert losses(gt.SectorBend("b", length=1.0, angle=0.0, e1=0.3, e2=0.2), start, gt.Model(), 4).tolist() == [0, 0, 0]


@pytest.mark.parametrize("backend", ["host", "array"])
def test_gradients_with_respect_to_faces(backend):
    """Of the momentum behind a bend, reverse, forward and by differences; faces that are 0 as well."""
    strong = gt.ReferenceParticle.electron(total=100e9)
    bend = gt.SectorBend("b", length=LENGTH, angle=ANGLE, e1=0.0, e2=0.2, k1=0.3)
    line = gt.Lattice([bend], strong).with_radiation()
    knobs = line.knobs("b.e1", "b.e2", "b.angle", "b.length", "b.k1")
    beam = gt.Beam(np.array([[5e-3, 1e-2, 2e-3, 3e-3, 0.0, 1e-3]]).T, strong)

    def final(values):
        return gt.track(line.with_knobs(knobs, values), beam, backend=backend).coordinates[5, 0]

    gradient = gt.grad(final)(knobs.values)
    forward = gt.jacobian(final, mode="forward")(knobs.values)
    np.testing.assert_allclose(np.ravel(forward), gradient, rtol=1e-11, atol=1e-15)
    for i in range(len(knobs)):
        shift = 1e-5 * np.eye(len(knobs))[i]
        slope = (final(knobs.values + shift) - final(knobs.values - shift)) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-11)
