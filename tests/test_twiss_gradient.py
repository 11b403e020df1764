"""Gradients of Twiss figures with respect to magnets: one backward sweep against differences of whole computations."""

import autograd.numpy as anp
import numpy as np
import pytest

import gputrack as gt

HANDLES = ("qf.*.k1", "qd.*.k1", "bend.01a.angle", "bend.02a.length", "qd.01a.tilt", "qf.02a.dx", "sf*.k2", "bend.*.k1")


def richardson(function, step):
    d = [(function(k * step) - function(-k * step)) / (2.0 * k * step) for k in (1, 2, 3)]
    return (15.0 * d[0] - 6.0 * d[1] + d[2]) / 10.0


def displaced(ring):
    """The ring with a displaced and a rolled quadrupole: orbit and coupling are not zero."""
    return ring.with_changes("qf.02a", dx=2e-4).with_changes("qd.01a", tilt=3e-3)


@pytest.fixture(scope="module", params=["coasting", "with cavities"])
def ring(request):
    whole = displaced(gt.demo_ring())
    return whole.with_changes("rf*", voltage=0.0) if request.param == "coasting" else whole


FIGURES = {
    "tunes": lambda tw: tw.qx + 2.0 * tw.qy,
    "beta and alpha": lambda tw: anp.sum(tw.betx**2) / len(tw.s) + anp.sum(tw.alfy) + anp.max(tw.bety),
    "phases": lambda tw: tw.mux[57] - tw.mux[20] + tw.muy[300],
    "dispersion": lambda tw: anp.sum(tw.dx**2) + 10.0 * tw.dpx[40] + 30.0 * tw.dy[11],
    "orbit": lambda tw: 1e3 * anp.sum(tw.x**2) + 1e2 * tw.y[77] + 10.0 * tw.px[5],
    "matrix": lambda tw: anp.sum(tw.matrix[:4, :4] ** 2) + tw.matrices[33][0, 5],
}


@pytest.mark.parametrize("figure", FIGURES)
def test_gradient_of_a_twiss_figure_is_that_of_differences(ring, figure):
    knobs = ring.knobs(*HANDLES)

    def objective(values):
        return FIGURES[figure](gt.twiss(ring.with_knobs(knobs, values)))

    value, gradient = gt.value_and_grad(objective)(knobs.values)
    # the orbit goes one step of Newton further where it is differentiated, below its tolerance
    assert value == pytest.approx(objective(knobs.values), rel=1e-10)
    for i, knob in enumerate(knobs):
        unit = np.eye(len(knobs))[i]
        # the best of three steps: truncation on one side, rounding on the other
        size = max(abs(knob.value), 1e-2)
        errors = [
            abs(gradient[i] - richardson(lambda t, u=unit: objective(knobs.values + t * u), step * size))
            for step in (1e-6, 1e-5, 1e-4)
        ]
        assert min(errors) <= 1e-6 * abs(gradient[i]) + 1e-7 * abs(value) / size, (knob.handle, gradient[i], errors)


def test_gradient_of_a_line_from_given_values():
    ring = gt.demo_ring()
    line, start = ring[:60], gt.twiss(ring).start
    knobs = line.knobs("qf.*.k1", "bend.01a.angle")

    def objective(values):
        tw = gt.twiss(line.with_knobs(knobs, values), start=start)
        return tw.betx[-1] + tw.alfy[-1] + 10.0 * tw.dx[-1]

    gradient = gt.grad(objective)(knobs.values)
    for i in range(len(knobs)):
        unit = np.eye(len(knobs))[i]
        difference = richardson(lambda t, u=unit: objective(knobs.values + t * u), 1e-4)
        assert gradient[i] == pytest.approx(difference, rel=1e-8)


def test_what_has_no_gradient_says_so():
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1")
    with pytest.raises(gt.errors.InputError, match="cavities"):
        gt.grad(lambda k: gt.twiss(ring.with_knobs(knobs, k)).momentum_compaction)(knobs.values)
