"""Normal forms: PTC, textbook detuning, chromaticity of tracked particles, three planes."""

import numpy as np
import pytest
from support.helpers import shared_lattice
from support.peers import processes, ptc

import gputrack as gt
from gputrack.optics.maps.one_turn_map import one_turn_map, transfer_map
from gputrack.tpsa import Map, Space, variables


def thin_ring(**octupole):
    """A linear FODO ring of thin lenses, with a thin octupole behind the focusing one."""
    half = gt.Multipole("qf", knl=(0.0, 0.3)), gt.Multipole("o", **octupole), gt.Drift("d", length=1.0)
    cell = [*half, gt.Multipole("qd", knl=(0.0, -0.35)), gt.Drift("d2", length=1.0)]
    return gt.Lattice(cell, gt.ReferenceParticle.electron(total=3e9), model=gt.Model(hamiltonian=gt.Expanded()))


def test_octupole_gives_the_textbook_detuning():
    """dQx/dJx = b^2 k3l/(16 pi), dQx/dJy = -bx by k3l/(8 pi): A. W. Chao, M. Tigner, Handbook, sec. 2.3."""
    k3l = 40.0
    ring = thin_ring(knl=(0.0, 0.0, 0.0, k3l))
    optics = gt.linear_optics(ring)
    bx, by = optics.betx[1], optics.bety[1]
    nf = one_turn_map(ring, 3).normal_form()
    assert nf.tune(0) == pytest.approx(optics.qx % 1.0, abs=1e-9)
    assert nf.tune(1) == pytest.approx(optics.qy % 1.0, abs=1e-9)
    assert nf.tune(0, (1,)) == pytest.approx(bx * bx * k3l / (16.0 * np.pi), rel=1e-6)
    assert nf.tune(1, (0, 1)) == pytest.approx(by * by * k3l / (16.0 * np.pi), rel=1e-6)
    assert nf.tune(0, (0, 1)) == pytest.approx(-bx * by * k3l / (8.0 * np.pi), rel=1e-6)
    assert nf.tune(1, (1,)) == pytest.approx(nf.tune(0, (0, 1)), rel=1e-9)


def test_map_from_its_normal_form():
    """A R A^-1 is the map again, to the last order; only rotations are left in R."""
    ring = gt.demo_ring().with_changes("rf*", voltage=0.0)
    given = one_turn_map(ring, 4)
    nf = given.normal_form()
    back = nf.transformation @ nf.map @ nf.transformation.inverse()
    found = np.array(back.coefficients)[[0, 1, 2, 3, 5]]
    expected = np.array(given.coefficients)[[0, 1, 2, 3, 5]]
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()
    exponents = given.space.exponents
    for j in range(4):
        balance = exponents[:, [0, 2]] - exponents[:, [1, 3]]
        own = [(1 if j % 2 == 0 else -1) if j // 2 == plane else 0 for plane in (0, 1)]
        other = np.array(nf.map[j].coefficients)[~(balance == own).all(axis=1)]
        assert np.abs(other).max() <= 1e-9 * np.abs(np.array(nf.map[j].coefficients)).max()


def test_chromaticities_are_those_of_off_momentum_optics():
    ring = gt.demo_ring().with_changes("rf*", voltage=0.0)
    nf = one_turn_map(ring, 4).normal_form()
    step = 1e-4
    tunes = {k: gt.linear_optics(ring, k * step) for k in (-2, -1, 0, 1, 2)}
    for plane, name in enumerate(("qx", "qy")):
        q = {k: getattr(t, name) for k, t in tunes.items()}
        first = (8.0 * (q[1] - q[-1]) - (q[2] - q[-2])) / (12.0 * step)
        assert nf.tune(plane, (), 1) == pytest.approx(first, rel=1e-5, abs=1e-5)
        second = (q[1] + q[-1] - 2.0 * q[0]) / step**2
        assert 2.0 * nf.tune(plane, (), 2) == pytest.approx(second, rel=1e-2)


def test_three_planes_with_a_cavity():
    ring = gt.demo_ring()
    optics = gt.linear_optics(ring)
    nf = one_turn_map(ring, 3).normal_form()
    assert nf.planes == 3
    assert nf.tune(0) == pytest.approx(optics.qx % 1.0, abs=1e-8)
    assert min(nf.tune(2), 1.0 - nf.tune(2)) == pytest.approx(optics.qs, abs=1e-8)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        one, other = [0, 0, 0], [0, 0, 0]
        one[b] = other[a] = 1
        assert nf.tune(a, tuple(one)) == pytest.approx(nf.tune(b, tuple(other)), rel=1e-6)


def test_spear3_has_ptc_s_anharmonicities():
    path = shared_lattice("spear3.madx")
    ring = gt.load(path).with_model(gt.Model(integrator=gt.DriftKick(6, 10)))
    nf = one_turn_map(ring, 4).normal_form()
    expected = ptc.anharmonicities(path, "spear3", ptc.Layout(model=1, method=6, nst=10, time=False))
    found = {
        "q1": nf.tune(0), "q2": nf.tune(1), "dq1": nf.tune(0, (), 1), "dq2": nf.tune(1, (), 1),
        "ddq1": 2.0 * nf.tune(0, (), 2), "ddq2": 2.0 * nf.tune(1, (), 2),
        # PTC's are along 2 J
        "xx": nf.tune(0, (1,)) / 2.0, "xy": nf.tune(0, (0, 1)) / 2.0, "yx": nf.tune(1, (1,)) / 2.0,
        "yy": nf.tune(1, (0, 1)) / 2.0,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-8, abs=1e-9), name


def lenses_and_drifts(strengths, order):
    """Map of thin lenses (k1l, k2l), each followed by a linear drift of 1 m if it is not the first."""
    x, px, y, py, z, delta = variables(Space(6, order))
    for number, (k1l, k2l) in enumerate(strengths):
        px, py = px - k1l * x - 0.5 * k2l * (x * x - y * y), py + k1l * y + k2l * x * y
        if number:
            x, y = x + px / (1.0 + delta), y + py / (1.0 + delta)
    return Map([x, px, y, py, z, delta])


def test_detuning_of_second_order_is_ptc_s(series_by_tables):
    """Phasors are those of actions only if each change of variables is symplectic. PTC's are derivatives along 2 J."""
    nf = lenses_and_drifts([(0.0, 1.0), (0.3, 0.0), (-0.35, 0.0)], 5).normal_form()
    text = """s: multipole, knl={0, 0, 1}; qf: multipole, knl={0, 0.3}; qd: multipole, knl={0, -0.35}; d: drift, l=1;
        ring: line=(s, qf, d, qd, d);"""
    madx = processes.madx(text + ptc.beam_text(gt.ReferenceParticle.electron(total=3e9)) + "use, period=ring;")
    ptc.create(madx, ptc.Layout(exact=False, model=1, method=2, nst=1, time=False))
    orders = {("anhx", 2, 0): 2, ("anhx", 1, 1): 1, ("anhy", 2, 0): 2, ("anhx", 0, 2): 2, ("anhy", 0, 2): 2}
    for name, *powers in orders:
        madx.input(f"select_ptc_normal, {name}={powers[0]},{powers[1]},0;")
    madx.input("ptc_normal, closed_orbit, normal, icase=5, no=6;")
    for i, ((name, *powers), factor) in enumerate(orders.items()):
        found = factor * nf.tune("xy".index(name[-1]), tuple(powers)) / 4.0
        assert found == pytest.approx(madx.table.normal_results.value[i], rel=1e-10), (name, powers)
    madx.exit()
    assert nf.tune(0, (1, 1)) == pytest.approx(2.0 * nf.tune(1, (2, 0)), rel=1e-12)


def test_maps_without_a_normal_form_are_refused():
    ring = gt.demo_ring().with_changes("rf*", voltage=0.0)
    with pytest.raises(gt.errors.InputError, match="order 3"):
        one_turn_map(ring, 2).normal_form().tune(0, (1,))
    drift = gt.Lattice([gt.Drift("d", length=1.0)], ring.reference)
    with pytest.raises(gt.errors.InputError, match="unstable"):
        transfer_map(drift, 2).normal_form()
    with pytest.raises(gt.errors.InputError, match="six variables"):
        Map.identity(gt.tpsa.Space(4, 2)).normal_form()
