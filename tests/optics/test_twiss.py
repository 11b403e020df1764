"""Twiss parameters at every element against MAD-X, lines, ranges, coupled and six-dimensional motion, errors."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from support.peers import madx_twiss

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics.linear.normal_modes import eigenvector_basis, transverse_basis

COLUMNS = ("betx", "alfx", "mux", "bety", "alfy", "muy", "dx", "dpx", "dy", "dpy")
MODES = {"beta11": ("x", 1), "beta12": ("x", 2), "beta21": ("y", 1), "beta22": ("y", 2)}
#: MAD-X takes bends with gradients as one matrix: SPEAR3's need more slices than the default
FINE = {"esr": gt.Model(), "spear3": gt.Model(gt.MatrixKick(6, 40))}
ELECTRON = gt.ReferenceParticle.electron(total=3e9)
FORM = np.kron(np.eye(3), [[0.0, 1.0], [-1.0, 0.0]])


@pytest.fixture(scope="module", params=["spear3", "esr"])
def ring_and_madx(request, lattice_path):
    name = request.param
    path = lattice_path(f"{name}.madx")
    columns, summary = madx_twiss.table(path, name, *COLUMNS, *MODES, ripken=True)
    return gt.load(path).with_model(FINE[name]), columns, summary


def test_every_element_of_a_ring_against_madx(ring_and_madx):
    """beta to 1e-7 m, dispersion to 1e-9 m; alpha and phases as well as beta. Edwards and Teng's modes, as there."""
    ring, theirs, _ = ring_and_madx
    found = gt.twiss(ring, form=gt.EdwardsTeng())
    for name in COLUMNS:
        allowed = 1e-9 if name[0] == "d" else 1e-7 if name.startswith("b") else 1e-8
        scale = ring.reference.beta0 if name[0] == "d" else 1.0
        assert np.abs(getattr(found, name) - scale * theirs[name]).max() <= allowed, name


def test_ripken_s_functions_of_coupled_modes_against_madx(ring_and_madx):
    """The ESR's spin rotators couple: the forms differ by up to 15 %, and each mode shows in both planes."""
    ring, theirs, _ = ring_and_madx
    found = gt.twiss(ring)
    for name, (plane, mode) in MODES.items():
        assert np.abs(found.beta(plane, mode) - theirs[name]).max() <= 1e-7, name
    if ring.name == "esr":
        assert found.gamma_squared.min() < 0.86 and found.beta("x", 2).max() > 1.0


def test_momentum_compaction_against_madx(ring_and_madx):
    ring, _, summary = ring_and_madx
    assert gt.twiss(ring).momentum_compaction == pytest.approx(summary["alfa"], rel=1e-8)


def coupled_ring(strength=0.02, voltage=0.0):
    ring = gt.demo_ring().with_changes("rf", voltage=voltage)
    elements = list(ring)
    for place in (60, 20, 5):
        elements.insert(place, gt.Multipole(f"skew{place}", ksl=(0.0, strength)))
    return gt.Lattice(elements, ring.reference, model=ring.model, name="coupled")


def test_closed_formulas_are_the_eigenvectors():
    matrix = gt.twiss(coupled_ring()).matrix[:4, :4]
    closed, eigen = np.array(transverse_basis(matrix)), eigenvector_basis(matrix)
    np.testing.assert_allclose(closed @ closed.T, eigen @ eigen.T, rtol=0, atol=1e-11)
    for basis in (closed, eigen):  # a symplectic basis in which the turn is a rotation
        np.testing.assert_allclose(basis.T @ FORM[:4, :4] @ basis, FORM[:4, :4], atol=1e-12)
        turned = np.linalg.inv(basis) @ matrix @ basis
        np.testing.assert_allclose(turned @ turned.T, np.eye(4), atol=1e-11)


def test_betas_of_modes_are_those_of_the_beam_s_sizes():
    """The invariant beam matrix of both modes repeats itself after a turn."""
    tw = gt.twiss(coupled_ring())
    sigma = tw.bases[0] @ np.diag([1.0, 1.0, 0.3, 0.3]) @ tw.bases[0].T
    matrix = tw.matrix[:4, :4]
    np.testing.assert_allclose(matrix @ sigma @ matrix.T, sigma, atol=1e-10)
    assert sigma[0, 0] == pytest.approx(tw.beta("x", 1)[0] + 0.3 * tw.beta("x", 2)[0])
    assert sigma[2, 3] == pytest.approx(-tw.alpha("y", 1)[0] - 0.3 * tw.alpha("y", 2)[0])


def test_six_dimensional_motion_is_that_of_the_eigenvalues():
    tw = gt.twiss(coupled_ring(voltage=3e6))
    values = np.linalg.eigvals(tw.matrix)
    tunes = np.sort(np.abs(np.angle(values)))[::2] / (2.0 * math.pi)
    found = sorted(min(q % 1.0, 1.0 - q % 1.0) for q in (tw.qx, tw.qy, tw.qs))
    np.testing.assert_allclose(found, tunes, atol=1e-11)
    basis = tw.bases[0]
    np.testing.assert_allclose(basis.T @ FORM @ basis, FORM, atol=1e-10)
    assert tw.beta("x", 3).min() >= 0.0


def test_slip_and_the_synchrotron_tune():
    """cos(2 pi qs) = 1 - slip C k V/(2 E), one cavity in a ring of small qs, to the coupling with dispersion 0."""
    ring = gt.demo_ring()
    tw, cavity = gt.twiss(ring), ring["rf"][0]
    wave = 2.0 * math.pi * cavity.frequency / 299792458.0
    focusing = tw.slip * ring.length * wave * cavity.voltage / ring.reference.energy
    assert math.cos(2.0 * math.pi * tw.qs) == pytest.approx(1.0 - 0.5 * focusing, abs=1e-8)


def test_a_line_from_the_values_of_a_ring_repeats_them():
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    whole = gt.twiss(ring)
    part = gt.twiss(ring[7:90], start=whole.at(7))
    for name in ("betx", "alfx", "bety", "alfy", "dx", "dpx", "x", "py"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[7:91], atol=1e-11)
    np.testing.assert_allclose(part.mux, whole.mux[7:91] - whole.mux[7], atol=1e-12)
    assert part.qx == part.mux[-1] and not part.periodic


def test_off_momentum_and_off_axis_lines():
    drift = gt.Lattice([gt.Drift("d", length=2.0)], ELECTRON)
    tw = gt.twiss(drift, start=gt.InitialTwiss(3.0, 0.0, 5.0, 0.0), orbit=[0, 1e-3, 0, 0, 0, 0.01])
    assert tw.betx[-1] == pytest.approx(3.0 + (2.0 / 1.01) ** 2 / 3.0, rel=1e-5)
    assert tw.x[-1] == pytest.approx(2e-3 / math.sqrt(1.01**2 - 1e-6))


def test_rows_names_and_output():
    tw = gt.twiss(gt.demo_ring())
    rows = tw.rows("bpm.*")
    assert len(rows) == 60 and tw.name[rows[0]].startswith("bpm") and tw.name[-1] == "end"
    assert len(tw.name) == len(tw.s) == len(tw.betx)
    frame = tw.to_pandas()
    assert list(frame.columns[:3]) == ["name", "s", "betx"] and len(frame) == len(tw.s)
    np.testing.assert_array_equal(frame["dy"], tw.dy)
    text = repr(tw)
    assert "qx" in text and "momentum_compaction" in text and f"{tw.qy:.10g}" in text


def test_without_pandas_there_is_a_clear_error(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"pip install gputrack\[pandas\]"):
        gt.twiss(gt.demo_ring()).to_pandas()


def test_plot_has_a_strip_and_both_planes(tmp_path):
    figure = gt.twiss(gt.demo_ring()).plot()
    strip, *rest = sorted(figure.axes, key=lambda axes: -axes.get_position().y0)
    assert len(strip.patches) > 100
    assert [len(axes.lines) for axes in rest] == [2, 2]
    figure.savefig(tmp_path / "twiss.png")


def test_wrong_arguments():
    ring = gt.demo_ring()
    tw = gt.twiss(ring)
    line = gt.twiss(ring[:5], start=tw.start)
    for call, words in (
        (lambda: gt.twiss(ring, form="ripken"), "form must be"),
        (lambda: gt.twiss(ring, delta=math.nan), "finite"),
        (lambda: gt.twiss(ring[:5], start=tw.start, orbit=[0.0]), "six"),
        (lambda: gt.twiss(ring[:5], start=3.0), "lacks betx"),
        (lambda: tw.beta("x", 4), "mode 1 to 3"),
        (lambda: tw.rows("nothing*"), "no row matches"),
        (lambda: line.momentum_compaction, "rings"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_derivatives_of_a_six_dimensional_basis():
    """Betas of all three modes along a change of the matrix that keeps it symplectic, against differences."""
    matrix = np.asarray(gt.twiss(coupled_ring(voltage=3e6)).matrix)
    generator = np.random.default_rng(4).normal(size=(6, 6))
    generator = FORM @ (generator + generator.T) * 1e-3

    def figures(step):
        turn = anp.eye(6) + step * generator / 2.0
        changed = anp.dot(matrix, anp.dot(anp.linalg.inv(2.0 * anp.eye(6) - turn), turn))  # Cayley: symplectic
        basis = eigenvector_basis(changed)
        return anp.concatenate([anp.sum(basis[:, 2 * m : 2 * m + 2] ** 2, axis=1) for m in range(3)])

    exact = gt.jacobian(figures)(0.0)
    rates = [(figures(h) - figures(-h)) / (2.0 * h) for h in (1e-3, 2e-3)]
    expected = (4.0 * rates[0] - rates[1]) / 3.0
    np.testing.assert_allclose(exact, expected, atol=1e-8 * np.abs(expected).max())
