"""Dynamic aperture: physical apertures, independent maps, pyAT; early stop; going on from a file."""


from importlib import import_module

import h5py
import numpy as np
import pytest
from support.interrupts import press_once
from support.peers import at_peer
from support.rings import ELECTRON, lens_ring, small_ring

import gputrack as gt
from gputrack.analysis.aperture_scan import _next_removal
from gputrack.base.errors import InputError, LatticeFileError, TrackingInterrupted
from gputrack.tracking import run as tracking_run

module = import_module("gputrack.analysis.dynamic_aperture")  # the package exports the function of this name

LENSES = lens_ring(strength=0.3)
POLAR = gt.Polar(radius=0.12, steps=24, angles=7)
ONE_TURN = ("coordinates", "loss_code", "loss_turn", "loss_element")


def same(one, other):
    """Two scans agree to the bit."""
    for name in ONE_TURN:
        np.testing.assert_array_equal(getattr(one.beam, name), getattr(other.beam, name))
    np.testing.assert_array_equal(one.given_up, other.given_up)
    assert one.turns == other.turns
    assert one.particle_turns <= other.particle_turns, "particles lost before an interruption are removed then"


# -- survivors ---------------------------------------------------------------------------------------------------------


def upright_ring(aperture):
    """A linear ring from the middle of a lens, where particles at rest in px and py are at their extremes."""
    drift = gt.Drift("d", length=1.1)
    lens = {sign: gt.Multipole("q", knl=(0.0, 0.155 * sign)) for sign in (1, -1)}
    cell = [lens[1], drift, lens[-1], lens[-1], drift, lens[1]]
    model = gt.Model(hamiltonian=gt.Expanded())
    return gt.Lattice([gt.Marker("scraper", aperture=aperture), *cell * 3], ELECTRON, model=model)


@pytest.mark.parametrize("shape", [
    gt.Polar(radius=(0.0199, 0.0149), steps=16, angles=9),
    gt.Grid(x=(-0.0199, 0.0199, 21), y=(-0.0149, 0.0149, 17)),
])  # fmt: skip
def test_linear_ring_has_the_physical_aperture(shape):
    """All that start within the scraper stay, all others go in the first turn, at its place."""
    scan = gt.dynamic_aperture(upright_ring(gt.Aperture((0.01, 0.007))), shape, turns=200)
    x, y = scan.columns["x"], scan.columns["y"]
    inside = (np.abs(x) <= 0.01) & (np.abs(y) <= 0.007)
    np.testing.assert_array_equal(scan.survived, inside)
    assert 0.2 < inside.mean() < 0.8
    assert set(scan.columns["loss_turn"][~inside]) == {0} and set(scan.loss_names) == {"", "scraper"}
    area = 4e-4 * 0.7 * (0.5 if isinstance(shape, gt.Polar) else 1.0)
    assert scan.area == pytest.approx(area, rel=0.15)


def by_hand(x, y, turns):
    """Turn of loss of particles in `LENSES`, -1 for survivors: drifts and kicks of thin multipoles, nothing of ours."""
    x, y, px, py = x.copy(), y.copy(), np.zeros_like(x), np.zeros_like(y)
    lost = np.full(x.shape, -1)
    for turn in range(turns):
        for element in LENSES:
            if isinstance(element, gt.Drift):
                x, y = x + element.length * px, y + element.length * py
            knl = (*element.knl, 0.0, 0.0, 0.0, 0.0)[:4] if isinstance(element, gt.Multipole) else (0.0,) * 4
            kick = sum(k * (x + 1j * y) ** n / (1, 1, 2, 6)[n] for n, k in enumerate(knl))
            px, py = px - np.real(kick), py + np.imag(kick)
            out = (lost < 0) & (np.maximum(np.abs(x), np.abs(y)) > 1.0)
            lost[out] = turn
            x, y, px, py = (np.where(lost < 0, value, 0.0) for value in (x, y, px, py))
    return lost


def test_survivors_of_thin_lenses_are_those_of_a_loop_by_hand():
    """Rounding grows in chaotic motion: few particles may differ in the turn of loss, none in survival of a step."""
    shape = gt.Grid(x=(-0.16, 0.16, 29), y=(0.0, 0.12, 15))
    scan = gt.dynamic_aperture(LENSES, shape, turns=150)
    expected = by_hand(scan.columns["x"], scan.columns["y"], 150)
    assert 0.2 < scan.survived.mean() < 0.8
    assert len(np.unique(expected)) > 10, "losses at many turns"
    assert np.mean(scan.columns["loss_turn"] != expected) < 0.01
    early = (expected >= 0) & (expected < 6)
    np.testing.assert_array_equal(scan.columns["loss_turn"][early], expected[early])


def test_demo_ring_agrees_with_pyat():
    """The radius of the last survivor on each ray, within one step; exact passes of both, no apertures."""
    at = at_peer.module()
    plain = [element.replaced(aperture=None) for element in gt.demo_ring().with_changes("rf", voltage=0.0)]
    ring = gt.Lattice(plain, gt.demo_ring().reference, model=gt.Model(gt.DriftKick(4, 2)))
    shape = gt.Polar(radius=0.06, steps=15, angles=(0.0, 1.0, 2.5))
    scan = gt.dynamic_aperture(ring, shape, turns=40)
    rows = at_peer.rows_of(np.zeros((6, shape.steps * 3)))
    rows[0], rows[2] = shape.offsets()
    at.lattice_track(at_peer.lattice_of(ring, ring.reference, 2), rows, nturns=40, refpts=None, in_place=True)
    theirs = shape.connected(np.isfinite(rows).all(axis=0)).reshape(shape.shape).sum(axis=1)
    ours = scan.connected.reshape(shape.shape).sum(axis=1)
    assert np.abs(ours - theirs).max() <= 1, (ours, theirs)
    assert ((ours > 2) & (ours < shape.steps)).all(), "the rays cross the boundary"


@pytest.mark.parametrize("delta", [0.0, 5e-3])
def test_the_centre_of_a_scan_is_the_closed_orbit(delta):
    """A particle without offset comes back to where it was, at each momentum."""
    ring = small_ring().with_changes("rf", voltage=0.0)
    scan = gt.dynamic_aperture(ring, gt.Grid(x=(0.0, 0.0, 1), y=(0.0, 0.0, 1)), turns=20, delta=delta)
    np.testing.assert_allclose(scan.beam.coordinates[[0, 1, 2, 3], 0], scan.orbit[:4], atol=1e-12, rtol=0)
    assert scan.orbit[5] == delta and (delta == 0.0 or abs(scan.orbit[0]) > 1e-4)


def test_with_cavities_particles_oscillate_about_the_six_dimensional_orbit():
    ring = gt.demo_ring()
    scan = gt.dynamic_aperture(ring, gt.Grid(x=(0.0, 0.0, 1), y=(0.0, 0.0, 1)), turns=65, delta=3e-3)
    assert scan.orbit[5] == pytest.approx(3e-3, abs=1e-6)
    assert scan.beam.delta[0] == pytest.approx(-3e-3, rel=0.1), "half of a synchrotron period, 1/0.00767 turns, later"


# -- early stop --------------------------------------------------------------------------------------------------------


def test_lost_particles_and_those_beyond_them_cost_nothing():
    whole = gt.Polar(radius=0.12, steps=24, angles=7, islands=True)
    early, late = (gt.dynamic_aperture(LENSES, shape, turns=300) for shape in (POLAR, whole))
    np.testing.assert_array_equal(early.connected, late.connected)
    np.testing.assert_array_equal(early.boundary, late.boundary)
    assert not late.given_up.any()
    assert early.particle_turns <= late.particle_turns < 0.8 * late.beam.n * 300
    tracked = ~early.given_up
    np.testing.assert_array_equal(early.columns["loss_turn"][tracked], late.columns["loss_turn"][tracked])
    one = gt.track(LENSES, gt.Beam(late.beam.coordinates * 0.0 + start(whole), ELECTRON), turns=300)
    for name in ONE_TURN:
        np.testing.assert_array_equal(getattr(one, name), getattr(late.beam, name), err_msg="as in one go")


def start(shape):
    coordinates = np.zeros((6, shape.offsets().shape[1]))
    coordinates[0], coordinates[2] = shape.offsets()
    return coordinates


def test_particles_beyond_a_slowly_lost_one_are_given_up(monkeypatch):
    """A ray whose inner particle is scraped, while outer ones would live."""
    calls = []

    def scrape(lattice, beam, turns, **options):
        calls.append(beam.n)
        codes = np.where(np.isclose(beam.x, 2e-3), 1, 0)
        return beam.replaced(turn=beam.turn + turns, loss_code=codes, loss_turn=np.where(codes, beam.turn, -1))

    monkeypatch.setattr(module, "track", scrape)
    scan = gt.dynamic_aperture(upright_ring(None), gt.Polar(radius=5e-3, steps=5, angles=(0.0,)), turns=4)
    assert calls == [5, 1, 1]
    np.testing.assert_array_equal(scan.given_up, [False, False, True, True, True])
    np.testing.assert_array_equal(scan.survived, [True, False, False, False, False])


def test_removals_are_rare():
    assert [_next_removal(turn) for turn in (0, 1, 2, 3, 64, 100, 128, 129, 1000)] == [
        1, 2, 4, 4, 128, 128, 256, 256, 1024,
    ]  # fmt: skip


# -- files and interruptions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 90, 128])
def test_an_interrupted_scan_goes_on_to_the_bit(tmp_path, monkeypatch, at):
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)
    whole = gt.dynamic_aperture(LENSES, POLAR, turns=200)
    file = tmp_path / "scan.h5"
    with pytest.raises(TrackingInterrupted, match="of 200 turns") as stopped:
        gt.dynamic_aperture(LENSES, POLAR, turns=200, file=file, progress=press_once(at))
    partial = stopped.value.result
    assert isinstance(partial, gt.DynamicAperture) and at <= partial.turns < 200
    with h5py.File(file) as written:
        assert written.attrs["turns"] == partial.turns
    same(gt.dynamic_aperture(LENSES, POLAR, turns=200, file=file), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["scan.h5"]


def test_a_scan_goes_on_to_more_turns(tmp_path):
    file = tmp_path / "scan.h5"
    gt.dynamic_aperture(LENSES, POLAR, turns=77, file=file)
    progress = []
    more = gt.dynamic_aperture(LENSES, POLAR, turns=200, file=file, progress=lambda done, _: progress.append(done))
    same(more, gt.dynamic_aperture(LENSES, POLAR, turns=200))
    assert min(progress) > 77 and progress[-1] == 200
    with pytest.raises(InputError, match="contains 200 turns; turns must be >= 200, got 77"):
        gt.dynamic_aperture(LENSES, POLAR, turns=77, file=file)


def test_a_file_of_another_scan_is_refused(tmp_path):
    file = tmp_path / "scan.h5"
    gt.dynamic_aperture(LENSES, POLAR, turns=2, file=file)
    others = [
        dict(lattice=lens_ring(strength=0.3001)), dict(shape=gt.Polar(radius=0.1200001, steps=24, angles=7)),
        dict(delta=1e-9), dict(limit=0.5),
    ]  # fmt: skip
    for other in others:
        arguments = dict(lattice=LENSES, shape=POLAR, turns=2, file=file) | other
        with pytest.raises(LatticeFileError, match="another lattice, shape or setting"):
            gt.dynamic_aperture(**arguments)
    with pytest.raises(LatticeFileError, match="is not a file of frequency_map"):
        gt.frequency_map(LENSES, POLAR, turns=16, file=file)
    file.write_text("no HDF5")
    with pytest.raises(LatticeFileError, match="cannot be read"):
        gt.dynamic_aperture(LENSES, POLAR, turns=2, file=file)
    with pytest.raises(InputError, match="cannot write dynamic_aperture file"):
        gt.dynamic_aperture(LENSES, POLAR, turns=2, file=tmp_path / "no" / "scan.h5")


def test_scans_on_devices(backend, tmp_path):
    """On each backend, with files too; tunes are worked out where the particles live."""
    device = dict(xp="cupy" if backend == "cuda" else "numpy", backend=backend)
    shape, file = gt.Polar(radius=0.12, steps=6, angles=3), tmp_path / "scan.h5"
    gt.dynamic_aperture(LENSES, shape, turns=9, file=file, **device)
    scan = gt.dynamic_aperture(LENSES, shape, turns=20, file=file, **device)
    expected = gt.dynamic_aperture(LENSES, shape, turns=20)
    assert isinstance(scan.beam.coordinates, np.ndarray) == (backend != "cuda")
    np.testing.assert_array_equal(scan.columns["loss_turn"], expected.columns["loss_turn"])
    assert 0 < scan.survived.sum() < 18
    small = gt.Polar(radius=0.03, steps=3, angles=2)
    found, expected = (gt.frequency_map(LENSES, small, turns=16, **options) for options in (device, {}))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-9, rtol=0)


# -- results and errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [POLAR, gt.Grid(x=(-0.15, 0.15, 13), y=(0.0, 0.1, 7))])
def test_tables_pictures_and_text(shape, tmp_path):
    scan = gt.dynamic_aperture(LENSES, shape, turns=50)
    table = scan.to_pandas()
    assert list(table) == [*scan.columns, "loss_name"] and len(table) == scan.beam.n
    assert int(table.survived.sum()) == int(scan.survived.sum())
    assert f"{int(scan.survived.sum())} of {scan.beam.n} particles survive 50 turns" in repr(scan)
    figure = scan.plot()
    figure.savefig(tmp_path / "scan.png")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert {"survives", "boundary"} <= set(labels)


def test_nothing_survives_and_everything_survives():
    tight = upright_ring(gt.Aperture((1e-5, 1e-5)))
    scan = gt.dynamic_aperture(tight, gt.Grid(x=(1e-3, 2e-3, 3), y=(0.0, 1e-3, 2)), turns=500)
    assert scan.area == 0.0 and not scan.connected.any() and scan.turns == 500 and scan.particle_turns == 6
    scan.plot()
    scan = gt.dynamic_aperture(upright_ring(None), gt.Polar(radius=1e-3, steps=2, angles=2), turns=3)
    assert scan.survived.all() and scan.particle_turns == 12
    scan.plot()


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(lattice=3), "lattice must be a gputrack.Lattice, got 3"),
    (dict(shape=(1, 2)), "shape must be a gputrack.Polar or gputrack.Grid, got tuple"),
    (dict(turns=0), "turns must be an integer >= 1, got 0"),
    (dict(turns=2.5), "turns must be an integer >= 1, got 2.5"),
    (dict(delta=float("nan")), "delta must be finite, got nan"),
    (dict(file=7), "file must be text"),
    (dict(progress=3), "progress must be True, False or a function, got 3"),
    (dict(xp="torch"), "xp must be 'numpy' or 'cupy'"),
    (dict(limit=-1.0), "limit must be > 0 m"),
])  # fmt: skip
@pytest.mark.parametrize("scan", [gt.dynamic_aperture, gt.frequency_map])
def test_argument_validation(scan, arguments, message):
    message = message.replace(">= 1,", ">= 16,") if scan is gt.frequency_map else message
    with pytest.raises(InputError, match=message):
        scan(**dict(lattice=LENSES, shape=POLAR, turns=16) | arguments)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: gt.Polar(radius=-1.0), "Polar: radius must be > 0 m, got -1.0"),
    (lambda: gt.Polar(radius=(1.0,)), r"Polar: radius must be \(in x, in y\)"),
    (lambda: gt.Polar(radius=1.0, steps=0), "Polar: steps must be an integer >= 1, got 0"),
    (lambda: gt.Polar(radius=1.0, angles=()), "at least one angle"),
    (lambda: gt.Polar(radius=1.0, angles="all"), "Polar: angles must be an integer"),
    (lambda: gt.Polar(radius=1.0, angles=(0.0, float("inf"))), "Polar: angles must be finite"),
    (lambda: gt.Polar(radius=1.0, islands=1), "Polar: islands must be True or False, got 1"),
    (lambda: gt.Grid(x=(0, 1), y=(0, 1, 2)), r"Grid: x must be \(min, max, number\)"),
    (lambda: gt.Grid(x=(0, 1, 3), y=(1, 0, 2)), "Grid: y needs max >= min"),
])  # fmt: skip
def test_arguments_of_shapes(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_collective_effects_and_traces_are_refused():
    crowded = LENSES.with_space_charge(gt.PipeModes((0.2, 0.2), modes=(4, 4)), current=1.0)
    with pytest.raises(InputError, match="without_collective_effects"):
        gt.dynamic_aperture(crowded, POLAR, turns=1)
    knobs = LENSES.knobs("qf.knl[1]")
    with pytest.raises(InputError, match="survival is not differentiable"):
        gt.grad(lambda k: gt.dynamic_aperture(LENSES.with_knobs(knobs, k), POLAR, turns=1).area)(knobs.values)
