"""Gradients of every figure of optics against differences of whole computations, and against maps with parameters."""

import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from support.optics_figures import optics_figures, other_figures, ring_with_errors

import gputrack as gt

#: varied parameter, its scale, and the step of differences: where truncation and rounding are smallest
KNOBS = {
    "qf.*.k1": (1.0, 1e-3), "qd.1.k1s": (1.0, 4e-4), "qf.2.length": (0.5, 1.5e-4), "qd.2.tilt": (0.1, 2e-4),
    "qf.3.dx": (1e-2, 3e-5), "b.*.angle": (0.02, 1e-4), "b.2.length": (0.5, 1e-3), "b.1.e1": (0.3, 5e-4),
    "b.3.k1": (0.1, 2e-4), "sf.*.k2": (30.0, 0.18), "o.2.k3": (100.0, 1.0), "h.1.hkick": (1e-3, 3e-6),
    "d.1.length": (1.0, 2e-3), "thin.knl[1]": (0.1, 2e-4), "reference.p0c": (1e9, 3e7),
    "rf.voltage": (1e6, 1e4), "rf.lag": (0.05, 5e-4), "rf*.frequency": (1e6, 6e4),
}  # fmt: skip


def richardson(function, step):
    d = [(function(k * step) - function(-k * step)) / (2.0 * k * step) for k in (1, 2, 3)]
    return (15.0 * d[0] - 6.0 * d[1] + d[2]) / 10.0


@pytest.fixture(scope="module")
def ring():
    return ring_with_errors(1.5e6)


def compare(figures, ring, handles):
    """Reverse mode beside differences: to 1e-7 of the gradient, or 1e-9 of the figure, which rounding may hide."""
    knobs, names = ring.knobs(*handles), list(figures(ring))

    def all_figures(values):
        return anp.stack(list(figures(ring.with_knobs(knobs, values)).values()))

    values, jacobian = all_figures(knobs.values), autograd.jacobian(all_figures)(knobs.values)
    wrong = []
    for i, handle in enumerate(handles):
        size, step = KNOBS[handle]
        unit = np.eye(len(knobs))[i]
        given = jacobian[:, i]
        # some figures hardly depend on a knob, others bend within a few steps: one of two must agree
        steps = (step, 3.0 * step)
        found = np.array([richardson(lambda t, u=unit: all_figures(knobs.values + t * u), h) for h in steps])
        tolerance = 1e-7 * np.abs(found) + 1e-9 * np.abs(values) / size
        for j in np.flatnonzero(~(np.abs(given - found) <= tolerance).any(axis=0)):
            wrong.append(f"d {names[j]}/d {handle}: {given[j]:.9e}, by differences {found[:, j]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("figures", [optics_figures, other_figures])
def test_gradient_of_each_figure_with_respect_to_each_kind_of_parameter(ring, figures):
    compare(figures, ring, list(KNOBS))


def test_each_magnet_has_its_own_derivative():
    """Of figures that are sums over magnets, too."""
    ring = ring_with_errors(0.0)
    knobs = ring.knobs("sf.*.k2", "b.*.angle", "qf.*.k1", each=True)

    def figure(values):
        changed = ring.with_knobs(knobs, values)
        terms, rad = gt.driving_terms(changed, ("h21000", "h11001")), gt.radiation(changed)
        return anp.abs(terms["h21000"]) + anp.real(terms["h11001"]) + 100.0 * rad.i5x + gt.twiss(changed).qx

    gradient = gt.grad(figure)(knobs.values)
    for i, step in ((0, 0.1), (3, 0.1), (7, 1e-4), (11, 1e-4), (20, 1e-3)):
        found = richardson(lambda t, i=i: figure(knobs.values + t * np.eye(len(knobs))[i]), step)
        assert gradient[i] == pytest.approx(found, rel=1e-7), knobs[i].handle


def test_gradient_of_a_coasting_beam_s_optics():
    """Without a cavity the orbit closes in four coordinates, at a momentum that is given."""
    compare(optics_figures, ring_with_errors(0.0), ["qf.*.k1", "qd.2.tilt", "b.2.length", "h.1.hkick", "reference.p0c"])


def test_gradient_of_a_real_ring(lattice_path):
    """SPEAR3: gradient bends with faces, families of quadrupoles and sextupoles."""
    ring = gt.load(lattice_path("spear3.madx"))
    knobs = ring.knobs("qf.k1", "sf.k2", "bnd.e1", "bnd.k1", "bnd.length")
    figures = lambda v: anp.stack([*_real_figures(ring.with_knobs(knobs, v))])  # noqa: E731
    jacobian, values = autograd.jacobian(figures)(knobs.values), figures(knobs.values)
    for i, (size, step) in enumerate(((0.1, 3e-5), (10.0, 3e-2), (0.1, 3e-5), (0.01, 1e-5), (0.1, 3e-5))):
        found = richardson(lambda t, i=i: figures(knobs.values + t * np.eye(5)[i]), step)
        assert (np.abs(jacobian[:, i] - found) <= 1e-7 * np.abs(found) + 1e-9 * np.abs(values) / size).all(), knobs[i]


def _real_figures(ring):
    tw, rad = gt.twiss(ring), gt.radiation(ring)
    term = gt.driving_terms(ring, ("h21000",))["h21000"]
    return tw.qx, tw.qy, tw.dqx, tw.betx[5], tw.chromatic.wy[9], tw.slip, anp.abs(term), rad.emittance[0], rad.i4


def test_gradient_of_a_line_from_given_values():
    ring = gt.demo_ring()
    line, start = ring[:60], gt.twiss(ring).start
    knobs = line.knobs("qf.*.k1", "bend.01a.angle")

    def objective(values):
        tw = gt.twiss(line.with_knobs(knobs, values), start=start)
        return tw.betx[-1] + tw.alfy[-1] + 10.0 * tw.dx[-1] + tw.chromatic.wx[-1] + tw.chromatic.ddx[-1]

    gradient = gt.grad(objective)(knobs.values)
    for i in range(len(knobs)):
        unit = np.eye(len(knobs))[i]
        difference = richardson(lambda t, u=unit: objective(knobs.values + t * u), 1e-4)
        assert gradient[i] == pytest.approx(difference, rel=1e-8)


def test_gradient_along_the_momentum_is_the_chromaticity(ring):
    coasting = ring_with_errors(0.0)
    for plane in "xy":
        slope = gt.grad(lambda d, q=f"q{plane}": getattr(gt.twiss(coasting, delta=d), q))(1e-3)
        assert slope == pytest.approx(getattr(gt.twiss(coasting, delta=1e-3), f"dq{plane}"), rel=1e-10)


def test_gradient_of_quantities_that_are_zero():
    """Skew quadrupoles, sextupoles and octupoles that are off: their terms grow from nothing."""
    elements = [e.replaced(tilt=0.0, dx=0.0) if isinstance(e, gt.Quadrupole) else e for e in ring_with_errors(0.0)]
    elements = [e.replaced(k3=0.0) if isinstance(e, gt.Octupole) else e for e in elements if e.name != "thin"]
    extra = [gt.Sextupole("s", length=0.2), gt.Quadrupole("q", length=0.2)]
    ring = gt.Lattice([*extra, *(e.replaced(vkick=0.0) if isinstance(e, gt.Kicker) else e for e in elements)],
                      gt.ReferenceParticle.electron(total=2e9))  # fmt: skip
    steps = {"s.k2": ("h30000", 1.0), "o.1.k3": ("h40000", 10.0)}
    steps |= dict.fromkeys(("q.k1s", "qd.1.k1s"), ("h10010", 0.001))
    for handle, (name, step) in steps.items():
        knobs = ring.knobs(handle)
        for part in (anp.real, anp.imag):
            figure = lambda v, n=name, k=knobs, p=part: p(gt.driving_terms(ring.with_knobs(k, v))[n])  # noqa: E731
            difference = richardson(lambda t, f=figure: f(np.array([t])), step)
            assert gt.grad(figure)(knobs.values)[0] == pytest.approx(difference, rel=1e-7), handle


def test_gradient_of_tune_and_chromaticity_is_that_of_the_map_with_parameters():
    """On the axis, where the closed orbit stays, without coupling: to rounding. cos mu is half a trace T."""
    cell = [e.replaced(dx=0.0, tilt=0.0) if isinstance(e, gt.Quadrupole) else e for e in ring_with_errors(0.0)[:12]]
    cell = [e.replaced(vkick=0.0) if isinstance(e, gt.Kicker) else e for e in cell]
    ring = gt.Lattice(cell, gt.ReferenceParticle.proton(kinetic=1e9))
    knobs, tw = ring.knobs("qf.0.length", "qd.0.k1"), gt.twiss(ring)
    turn = gt.one_turn_map(ring, 3, knobs=knobs)

    def derivatives(*further):
        """(6, 6) Of the matrix along further variables."""
        return np.stack([_derivative(turn, j, *further) for j in range(6)], axis=1)

    matrix = derivatives()
    inverse = np.linalg.inv(np.eye(4) - matrix[:4, :4])
    orbit = np.array([*inverse @ matrix[:4, 5], 0.0, 1.0])
    tensor = np.stack([derivatives(v) for v in range(6)], axis=-1)
    for k, knob in enumerate(knobs):
        rate = derivatives(6 + k)
        orbit_rate = np.array([*inverse @ (rate[:4] @ orbit), 0.0, 0.0])
        tensor_rate = np.stack([derivatives(v, 6 + k) for v in range(6)], axis=-1)
        for name, own in (("x", slice(0, 2)), ("y", slice(2, 4))):
            mu = 2.0 * math.pi * getattr(tw, f"q{name}")
            per_trace = -1.0 / (4.0 * math.pi * math.sin(mu))
            tune = per_trace * np.trace(rate[own, own])
            chromaticity = per_trace * np.trace((tensor @ orbit)[own, own])
            slope = per_trace * np.trace((tensor_rate @ orbit + tensor @ orbit_rate)[own, own])
            slope -= chromaticity * 2.0 * math.pi * tune / math.tan(mu)
            assert getattr(tw, f"dq{name}") == pytest.approx(chromaticity, rel=1e-10)
            for figure, expected in ((f"q{name}", tune), (f"dq{name}", slope)):
                found = gt.grad(lambda v, f=figure: getattr(gt.twiss(ring.with_knobs(knobs, v)), f))(knobs.values)
                assert found[k] == pytest.approx(expected, rel=1e-10), (knob.handle, figure)


def _derivative(turn, *variables):
    """(6,) Of a map along some of its variables, at 0."""
    powers = np.bincount(variables, minlength=8).tolist()
    return np.asarray(turn.coefficients)[:, turn.space.row(powers)] * math.prod(map(math.factorial, powers))


def test_unavailable_gradients_are_refused():
    ring = ring_with_errors(0.0)
    knobs = ring.knobs("qf.*.k1")
    with pytest.raises(gt.errors.InputError, match="survey is not differentiable"):
        gt.grad(lambda k: gt.survey(ring.with_knobs(knobs, k)).x[-1])(knobs.values)
    with pytest.raises(gt.errors.InputError, match="second derivatives"):
        gt.grad(lambda k: gt.grad(lambda j: gt.twiss(ring.with_knobs(knobs, j)).dqx)(k)[0])(knobs.values)
    line = ring[:3]
    drift = gt.Lattice([gt.Drift("d", length=1.0)], line.reference)
    with pytest.raises(gt.errors.InputError, match="closed orbit is not unique and has no gradient"):
        gt.grad(lambda k: gt.closed_orbit(drift.with_knobs(drift.knobs("d.length"), k))[0])(np.array([1.0]))
