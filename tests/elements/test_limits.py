"""Where textbook formulas are 0/0: values and derivatives of the maps are finite and right there."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import make_vjp
from support.backends import here, plain, track
from support.battery import COMPLEX_STEP, forward, lowered_element, usual
from support.cases import CASES, SPECIES
from support.helpers import coordinates_of, push
from support.limits import LIMITS
from support.one_passage import run_program

import gputrack as gt
from gputrack.elements.map import ReferenceValues
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.lattice.program import compile_program

ELECTRON, PROTON = SPECIES["electron"], SPECIES["proton"]
MODELS = {
    "matrix": gt.Model(gt.MatrixKick(2, 1)),
    "drift": gt.Model(gt.DriftKick(2, 2)),
    "expanded": gt.Model(gt.MatrixKick(2, 1), gt.Expanded(), gt.LinearEdge()),
    "expanded_drift": gt.Model(gt.DriftKick(2, 2), gt.Expanded(), gt.LinearEdge()),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))

every_limit = pytest.mark.parametrize(("element", "active", "plain_one"), LIMITS.values(), ids=list(LIMITS))


def changed(element, handle, value):
    """Parameters that replace those of `element` where one of them is a traced or shifted number."""
    name, _, place = handle.partition("[")
    if not place:
        return {name: value}
    series = list(getattr(element, name))
    order = int(place[:-1])
    series += [0.0] * (order + 1 - len(series))
    series[order] = value
    return {name: series}


def value_of(element, handle):
    name, _, place = handle.partition("[")
    if not place:
        return getattr(element, name)
    series = getattr(element, name)
    return series[int(place[:-1])] if int(place[:-1]) < len(series) else 0.0


def passed(element, handle, value, active, model=None, reference=PROTON):
    """State after the element with one parameter changed."""
    ref = ReferenceValues.of(reference)
    return forward(lowered_element(element, model, active, **changed(element, handle, value)), usual(), ref)


WEIGHTS = np.random.default_rng(1).normal(size=(6, 6))


def weighted(s, weights):
    """One number of a state: its coordinates times weights."""
    return sum(anp.sum(c * w) for c, w in zip(s[:6], weights, strict=True))


@every_model
@every_limit
def test_limit_is_the_plain_element(element, active, plain_one, model):
    ref = ReferenceValues.of(PROTON)
    out = coordinates_of(forward(lowered_element(element, model, active), usual(), ref))
    # z is the difference of two lengths of 0.7 m, rounded to a few 1e-16 m
    np.testing.assert_allclose(out, push(plain_one, usual(), PROTON, model), rtol=0, atol=4e-16)


@every_model
@every_limit
def test_derivative_at_the_limit(element, active, plain_one, model):
    """By autograd at the limit, against differences across it."""
    for handle in active:

        def outcome(value, handle=handle):
            return weighted(passed(element, handle, value, active, model), WEIGHTS) + 0.0 * value

        at = value_of(element, handle)
        pull, _ = make_vjp(outcome)(at)
        h = 1.0 if handle in WIDE else 1e-4
        difference = (outcome(at + h) - outcome(at - h)) / (2 * h)
        assert float(pull(1.0)) == pytest.approx(difference, rel=1e-6, abs=1e-7)


# parameters of which a unit is small
WIDE = ("k2", "k2s", "k3", "k3s", "voltage", "frequency", "knl[3]")


@every_limit
def test_limit_on_the_kernels(element, active, plain_one):
    """The kernels' maps at the limit, included in the program by making the parameters active."""
    program = compile_program(gt.Lattice([element]), active={0: frozenset(active)})
    for backend in here():
        out = run_program(backend, program, usual(), PROTON)
        np.testing.assert_allclose(out, push(plain_one, usual(), PROTON), rtol=0, atol=4e-16)


SMALL = {
    "quadrupole": (gt.Quadrupole("q", length=0.7), "k1"),
    "quadrupole_skew": (gt.Quadrupole("q", length=0.7), "k1s"),
    "solenoid": (gt.Solenoid("s", length=0.7), "ks"),
    "sector": (gt.SectorBend("b", length=0.7), "angle"),
    "sector_gradient": (gt.SectorBend("b", length=0.7, k1=0.5), "angle"),
    "sector_field": (gt.SectorBend("b", length=0.7, k0=0.1), "angle"),
    "straight_field": (gt.SectorBend("b", length=0.7), "k0"),
    "rectangular": (gt.RectangularBend("r", length=0.7), "angle"),
    "face": (gt.SectorBend("b", length=0.7, angle=0.2), "e1"),
    "rotation": (gt.YRotation("r"), "angle"),
}


@pytest.mark.parametrize("size", [1e-14, 1e-9, 1e-5])
@every_model
@pytest.mark.parametrize(("element", "name"), SMALL.values(), ids=list(SMALL))
def test_approaches_the_limit_smoothly(element, name, model, size):
    """Both sides of the limit lie on one smooth curve, on every backend: no branch at a small parameter."""
    beam = gt.Beam(usual(), ELECTRON)
    for backend in here():
        at, above, below = (
            plain(track(backend, gt.Lattice([e], ELECTRON, model=model), beam, threads=None))[0]
            for e in (element.replaced(**{name: v}) for v in (0.0, size, -size))
        )
        # second derivatives are of order 1
        assert abs(above + below - 2 * at).max() <= 10 * size**2 + 1e-15
        assert abs(above - at).max() <= 10 * size + 1e-15


def skipped_parameters(element):
    """Parameters whose formulas divide by them: no derivative where they are 0."""
    zero = {name for name in ("lrad", "length", "fint", "fintx", "hgap") if getattr(element, name, None) == 0.0}
    return zero | {name for name in parameter_names(type(element)) if getattr(element, name) is None}


@pytest.mark.parametrize("case", CASES)
def test_derivatives_to_all_parameters(case):
    """By autograd, against the complex step: finite and right for every parameter of every case."""
    element = CASES[case].element
    handles = [n for n in parameter_names(type(element)) if n not in skipped_parameters(element)]
    if element.length or isinstance(element, gt.Multipole):
        for series in series_names(type(element)):
            value = getattr(element, series)
            element = element.replaced(**{series: value + (0.0,) * (3 - len(value))})
            handles += [f"{series}[0]", f"{series}[2]"]
    model = gt.Model(gt.MatrixKick(2, 1))
    for handle in handles:
        at = value_of(element, handle)
        pull, _ = make_vjp(lambda v, h=handle: weighted(passed(element, h, v, handles, model), WEIGHTS) + 0.0 * v)(at)
        exact = weighted(passed(element, handle, at + 1j * COMPLEX_STEP, handles, model), WEIGHTS).imag / COMPLEX_STEP
        assert float(pull(1.0)) == pytest.approx(float(exact), rel=1e-12, abs=1e-13), handle
        assert math.isfinite(exact), handle
