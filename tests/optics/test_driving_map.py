"""Driving terms from the map: MAD-NG, PTC, and second-order perturbation theory where that is exact."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from support.helpers import richardson
from support.peers import madng, processes, ptc
from support.rings import lens_ring

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics.driving.names import TERMS, exponents_of, turns

pytestmark = pytest.mark.usefixtures("series_by_tables")

GEOMETRIC = [name for name in TERMS if name.endswith("0") and sum(exponents_of(name)) in (3, 4)]
CHROMATIC = ["h11001", "h00111", "h20001", "h00201", "h21001", "h30001", "h10111", "h10201", "h11002", "h20002"]
SKEW = ["h00210", "h00300", "h11010", "h20010", "h20100", "h31000", "h21010", "h30010", "h00211"]


def close(here, there, relative):
    scale = np.abs(there).max()
    return scale > 0.0 and np.abs(here - there).max() <= relative * scale


@pytest.mark.parametrize(
    ("ring", "delta", "names"),
    [
        (lens_ring(), 0.0, [*GEOMETRIC, *CHROMATIC]),
        (lens_ring(), 0.01, [*GEOMETRIC, *CHROMATIC]),
        (lens_ring(skew=1.0), 0.0, [*GEOMETRIC, *SKEW]),
        (lens_ring(skew=1.0), -0.01, [*GEOMETRIC, *SKEW]),
        # a kick falls with momentum, which is a perturbation to second order in delta
        (lens_ring(strength=1.0, skew=1.0, kick=1e-3), 0.01, [*GEOMETRIC, *SKEW, *CHROMATIC[:-2]]),
    ],
    ids=["on momentum", "off momentum", "coupled", "coupled, off momentum", "with orbit"],
)
def test_second_order_is_exact_where_the_theory_is(ring, delta, names):
    """Lenses between linear drifts: terms with j + k + l + m + p <= 4 are of second order at most, coupled or not."""
    theory = gt.driving_terms(ring, names, delta=delta, method=gt.SecondOrder())
    found = gt.driving_terms(ring, names, delta=delta, method=gt.FromMap(3))
    assert (found.twiss.gamma_squared < 0.9).any() == any(e.name == "skew" for e in ring)
    for name in names:
        assert close(found[name], theory[name], 1e-12), name
        assert close(found.along(name), theory.along(name), 1e-12), name
        if turns(exponents_of(name)) != (0, 0):
            function = "f" + name[1:]
            assert close(found[function], theory[function], 1e-12), function
            assert close(found.along(function), theory.along(function), 1e-12), function
    for name in ("dqx_djx", "dqx_djy", "dqy_djy"):
        assert getattr(found.detuning, name) == pytest.approx(getattr(theory.detuning, name), rel=1e-10)


def test_detuning_by_perturbation_theory_is_ptc_s():
    """Sextupoles to second order, octupoles to first, whatever their size. PTC's is along 2 J."""
    ring = lens_ring(strength=0.1)
    lines = [
        f"e{i}: multipole, knl={{{', '.join(map(repr, e.knl))}}};" if e.length == 0.0 else f"e{i}: drift, l={e.length};"
        for i, e in enumerate(ring)
    ]
    text = "\n".join([*lines, f"ring: line=({', '.join(f'e{i}' for i in range(len(ring)))});"])
    madx = processes.madx(text + ptc.beam_text(ring.reference) + "use, period=ring;")
    ptc.create(madx, ptc.Layout(exact=False, model=1, method=2, nst=1, time=False))
    names = {"dqx_djx": "anhx=1,0,0", "dqx_djy": "anhx=0,1,0", "dqy_djy": "anhy=0,1,0"}
    for name in names.values():
        madx.input(f"select_ptc_normal, {name};")
    madx.input("ptc_normal, closed_orbit, normal, icase=5, no=4;")
    detuning = gt.driving_terms(ring, (), method=gt.SecondOrder()).detuning
    for name, value in zip(names, madx.table.normal_results.value, strict=True):
        assert getattr(detuning, name) == pytest.approx(2.0 * value, rel=1e-10), name
    madx.exit()


def test_generating_functions_are_mad_ng_s():
    """Theirs are the conjugate of ours; along the ring, up to fourth order: later ones keep parts that only turn."""
    ring = lens_ring(model=gt.Model())
    places = ["f2100", "f3000", "f1011", "f1020", "f1002", "f3100", "f4000", "f2011", "f1120", "f2020"]
    start = ["f3200", "f5000", "f3011", "f1004"]
    mad = madng.start(ring)
    columns = madng.generating_functions(mad, [*places, *start], 5)[: len(ring) + 1]
    mad.close()
    theirs = dict(zip([*places, *start], columns.T, strict=True))
    ours = gt.driving_terms(ring, [f"h{name[1:]}0" for name in theirs], method=gt.FromMap(4))
    for name in places:
        assert close(ours.along(f"{name}0").conj(), theirs[name], 1e-11), name
    for name in start:
        assert close(ours[f"{name}0"].conj(), theirs[name][0], 1e-10), name


def test_terms_go_round_the_ring():
    """From anywhere they are those of the ring that starts there, in orders to which actions' shifts feed down, too."""
    ring, place = lens_ring(strength=0.1, skew=0.3, model=gt.Model()), 13
    turned = gt.Lattice([*ring[place:], *ring[:place]], ring.reference, model=ring.model)
    names = ["h21000", "h10110", "h20020", "h22000", "h32000", "h30110", "h00320", "h21001", "h20002"]
    here, there = (gt.driving_terms(r, names, delta=0.002, method=gt.FromMap(4)) for r in (ring, turned))
    for name in [*names, *(f"f{n[1:]}" for n in names if n != "h22000")]:
        assert close(here.along(name)[place], there[name], 1e-9), name
        assert close(here.along(name)[0], here[name], 1e-12) and close(here.along(name)[-1], here[name], 1e-9), name


@pytest.mark.parametrize(
    ("file", "patterns"),
    [("spear3.madx", ("sf.k2", "sd.k2", "sfm.k2", "sdm.k2")), (None, ("sf.*.k2", "sd.*.k2"))],
    ids=["spear3", "demo"],
)
def test_sextupole_terms_in_rings_with_bends(file, patterns, lattice_path):
    """Bends add terms of their own; the even and odd parts in all sextupoles' strength agree with theory."""
    ring = gt.load(lattice_path(file)) if file else gt.demo_ring()
    ring = ring.with_model(gt.Model(gt.MatrixKick(4, 8)))
    knobs = ring.knobs(*patterns, each=True)
    values = np.array(knobs.values)
    plus, none, minus = (
        gt.driving_terms(ring.with_knobs(knobs, sign * values), GEOMETRIC, method=gt.FromMap(3)) for sign in (1, 0, -1)
    )
    theory = gt.driving_terms(ring, GEOMETRIC, method=gt.SecondOrder())
    for term in GEOMETRIC:
        odd = 0.5 * (plus.along(term) - minus.along(term))
        even = 0.5 * (plus.along(term) + minus.along(term)) - none.along(term)
        if sum(exponents_of(term)) == 3:
            assert close(odd, theory.along(term), 1e-10), term
        else:
            assert close(even, theory.second.along(term), 1e-6), term


def test_each_element_adds_its_part():
    """Sextupoles and quadrupoles as in theory, bends the rest: with it, h11001 and h00111 are chromaticities."""
    ring = gt.demo_ring()
    names = [*GEOMETRIC[:5], *CHROMATIC[:4], "h10002"]
    found, theory = gt.driving_terms(ring, names, method=gt.FromMap(2)), gt.driving_terms(ring, names)
    straight = np.array([isinstance(ring[i], (gt.Sextupole, gt.Quadrupole)) for i in theory.places])
    for name in names:
        parts = found.contributions[name]
        assert parts.sum() == pytest.approx(found[name], rel=1e-10), name
        assert close(parts[theory.places[straight]], theory.contributions[name][straight], 1e-9), name
        assert np.abs(parts[[isinstance(e, gt.Drift) for e in ring]]).max() <= 1e-9 * np.abs(parts).max()
    optics = gt.twiss(ring)
    assert found["h11001"] == pytest.approx(np.pi * optics.dqx, rel=1e-9)
    assert found["h00111"] == pytest.approx(np.pi * optics.dqy, rel=1e-9)


def test_sextupole_terms_in_a_coupled_ring(lattice_path):
    """The ESR between its solenoids, to first order."""
    ring = gt.load(lattice_path("esr.madx"))
    knobs = ring.knobs("sd*.k2", "sf*.k2", each=True)
    assert len(knobs) > 300
    names = [*GEOMETRIC[:5], "h20010", "h00300"]
    plus, minus = (
        gt.driving_terms(ring.with_knobs(knobs, sign * np.array(knobs.values)), names, method=gt.FromMap(2))
        for sign in (1, -1)
    )
    theory = gt.driving_terms(ring, names)
    for term in names:
        assert close(0.5 * (plus.along(term) - minus.along(term)), theory.along(term), 1e-8), term


def test_wrong_arguments():
    ring = lens_ring()
    for call, words in (
        (lambda: gt.FromMap(1), "order must be an integer >= 2"),
        (lambda: gt.driving_terms(ring, ("h22000",), method=gt.FromMap(2)), r"h22000 needs FromMap\(3\)"),
        (lambda: gt.driving_terms(ring, ("h10010",), method=gt.FromMap(2)), "no linear terms, got h10010"),
        (lambda: gt.driving_terms(ring, method="map"), "method must be"),
        (lambda: gt.driving_terms(ring, "h21000"), "tuple of names"),
        (lambda: gt.driving_terms(ring, method=gt.FromMap(2)).detuning, r"detuning needs FromMap\(3\)"),
        (lambda: gt.driving_terms(ring, method=gt.SecondOrder())["f22000"], "no resonance"),
        (lambda: gt.driving_terms(ring, method=gt.FromMap(2)).along("f4000"), "not computed"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_tables_and_pictures():
    pandas = pytest.importorskip("pandas")
    found = gt.driving_terms(lens_ring(), method=gt.SecondOrder())
    table = found.to_pandas()
    assert isinstance(table, pandas.DataFrame) and list(table.columns) == ["name", "s", *found]
    assert table["h40000"].iloc[3] == found.along("h40000")[3]
    axes = found.plot().axes
    drawn = {line.get_label(): line.get_ydata() for panel in axes for line in panel.lines}
    assert np.array_equal(drawn["h21000"], np.abs(found.along("h21000"))) and "h10010" not in drawn
    assert "second order" in repr(found) and "order 2" in repr(gt.driving_terms(lens_ring(), method=gt.FromMap(2)))


@pytest.mark.parametrize(
    ("method", "turning", "driven"),
    [(gt.SecondOrder(), "h31000", "f20020"), (gt.FromMap(2), "h21000", "f10020")],
    ids=["second order", "from the map"],
)
def test_gradients(method, turning, driven):
    """With respect to strengths and lengths, of terms, driven quantities and detuning; Richardson's differences."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    knobs = ring.knobs("sf.01.k2", "sd.03a.k2", "qf.01a.k1", "sf.07.length")
    start = np.array(knobs.values)

    def figure(values):
        found = gt.driving_terms(ring.with_knobs(knobs, values), (turning, "h" + driven[1:]), method=method)
        rest = found.detuning.dqx_djy if method == gt.SecondOrder() else 0.0
        return 1e-6 * anp.sum(anp.abs(found.along(turning)) ** 2) + anp.abs(found.along(driven)[77]) + rest

    slopes = gt.grad(figure)(start)
    for i, scale in enumerate(start):
        step = np.eye(len(start))[i] * abs(scale)
        expected = richardson(lambda t, step=step: figure(start + t * step), 1e-4) / abs(scale)
        assert slopes[i] == pytest.approx(expected, rel=1e-7), knobs[i]


def test_detuning_is_that_of_the_normal_form():
    """Off momentum, too: actions are those of momenta there, as in maps."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    found, form = (
        f(ring)
        for f in (
            lambda r: gt.driving_terms(r, (), delta=0.003, method=gt.FromMap(3)).detuning,
            lambda r: gt.one_turn_map(r, 3, 0.003).normal_form(),
        )
    )
    assert found.dqx_djx == pytest.approx(form.tune(0, (1,)), rel=1e-9)
    assert found.dqx_djy == pytest.approx(form.tune(0, (0, 1)), rel=1e-9)
    assert found.dqy_djy == pytest.approx(form.tune(1, (0, 1)), rel=1e-9)


def test_a_resonance_has_no_generating_function():
    """A ring of tune 1/3 and sextupoles: h30000 exists, the generating function that would remove it does not."""
    lenses = [gt.Multipole(knl=(0.0, sign * math.sqrt(3.0), 1.0)) for sign in (1.0, -1.0)]
    drift = gt.Drift("d", length=1.0)
    resonant = gt.Lattice([lenses[0], drift, lenses[1], drift], gt.ReferenceParticle.electron(total=3e9))
    assert gt.twiss(resonant).qx == pytest.approx(1.0 / 3.0, abs=1e-14)
    found = gt.driving_terms(resonant, ("h30000",), method=gt.FromMap(2))
    assert abs(found["h30000"]) > 0.01
    with pytest.raises(InputError, match="resonance of order 3"):
        found["f30000"]
