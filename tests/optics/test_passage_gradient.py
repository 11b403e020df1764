"""Derivatives of transfer matrices: the backward sweep on dual numbers, for every element."""

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import CASES, SPECIES

import gputrack as gt
from gputrack.elements.parameters import parameter_names
from gputrack.optics.linear.trajectory import trajectory
from gputrack.optics.maps.taylor_map import pass_maps

ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
MODELS = {"default": gt.Model(), "drift-kick": gt.Model(gt.DriftKick(4, 2)), "linear": gt.Model(edge=gt.LinearEdge())}


def richardson(function, step):
    d = [(function(k * step) - function(-k * step)) / (2.0 * k * step) for k in (1, 2, 3)]
    return (15.0 * d[0] - 6.0 * d[1] + d[2]) / 10.0


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_each_element_s_matrix_are_those_of_its_map(name):
    """In the orbit exactly: second-order coefficients of the power series. In parameters: differences of matrices."""
    element = CASES[name].element.replaced(aperture=None)
    rng = np.random.default_rng(len(name))
    for number, (model_name, model) in enumerate(MODELS.items()):
        ring = gt.Lattice([element], SPECIES[("electron", "proton")[number % 2]], model=model)
        weights = rng.normal(size=(2, 6, 7))
        map2 = pass_maps(ring, 2, ORBIT)
        expected = weights[0, :, 0].copy()
        for v in range(6):
            expected[v] += weights[1, :, 0] @ map2.final[:, 1 + v]
            for column in range(6):
                row = map2.space.row((np.eye(6, dtype=int)[v] + np.eye(6, dtype=int)[column]).tolist())
                twice = 2.0 if v == column else 1.0
                expected[v] += twice * (weights[1, :, 1 + column] @ map2.final[:, row])
        found = gt.grad(lambda o, r=ring, w=weights: anp.sum(w * trajectory(r, o)))(ORBIT)
        assert np.abs(found - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max()), model_name
        handles = [f"{element.name}.{p}" for p in parameter_names(type(element)) if (getattr(element, p) or 0.0) != 0.0]
        if not handles:
            continue
        knobs = ring.knobs(*handles)

        def objective(values, r=ring, k=knobs, w=weights):
            return anp.sum(w * trajectory(r.with_knobs(k, values), ORBIT))

        gradient = gt.grad(objective)(knobs.values)
        for i, knob in enumerate(knobs):
            unit = np.eye(len(knobs))[i]
            scale = max(abs(knob.value), 1e-2)
            difference = richardson(lambda t, u=unit, f=objective, k=knobs: f(k.values + t * u), 1e-4 * scale)
            # differences lose eps/step of the objective's size
            assert abs(gradient[i] - difference) <= 1e-8 * (abs(difference) + 1.0 / scale), (model_name, knob.handle)


def test_orbits_and_matrices_are_those_of_the_power_series():
    ring = gt.demo_ring()
    passed = trajectory(ring, ORBIT)
    series = pass_maps(ring, 1, ORBIT, places=range(len(ring)))
    assert np.abs(passed[1:] - series.at).max() <= 1e-11


def test_derivatives_along_the_reference_momentum():
    proton = gt.ReferenceParticle.proton(kinetic=50e6)
    ring = gt.Lattice([gt.Quadrupole("q", length=0.4, k1=1.1), gt.Drift("d", length=2.0)], proton)
    weights = np.random.default_rng(3).normal(size=(3, 6, 7))

    def objective(p0c):
        return anp.sum(weights * trajectory(ring.with_reference(proton.with_p0c(p0c)), ORBIT))

    difference = richardson(lambda t: objective(proton.p0c + t), 1e-4 * proton.p0c)
    assert gt.grad(objective)(proton.p0c) == pytest.approx(difference, rel=1e-8)


def test_lost_orbits_and_wrong_arguments():
    ring = gt.demo_ring()
    with pytest.raises(gt.errors.InputError, match="six finite numbers"):
        trajectory(ring, np.zeros(5))
    with pytest.raises(gt.errors.InputError, match="is lost before the end"):
        trajectory(ring, np.array([0.0, 5.0, 0, 0, 0, 0]))
