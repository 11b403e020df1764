"""Whole files against MAD-X itself: same elements, positions, strengths, beams."""

import time
from pathlib import Path

import pytest
from support.helpers import shared_lattice
from support.peers.madx_peer import Madx, compare

import gputrack as gt
from gputrack.io.madx import read_madx
from gputrack.io.madx.classes import CLASSES

FEATURES = Path(__file__).with_name("features.madx")


@pytest.mark.parametrize("name", ["esr", "spear3"])
def test_reference_lattices_are_those_of_madx(name, madx):
    path = shared_lattice(f"{name}.madx")
    madx = madx(path.parent)
    madx.run(f'call, file="{path.name}";')
    lattice = gt.load(path)
    compare(lattice, madx, name)
    beam = madx.beam(name)
    assert lattice.reference.energy == pytest.approx(1e9 * beam["energy"], rel=1e-14)
    assert lattice.reference.charge == beam["charge"]
    assert read_madx(path).ignored == ()


def test_large_file_loads_in_time():
    path = shared_lattice("esr.madx")
    start = time.perf_counter()
    gt.load(path)
    assert time.perf_counter() - start < 3.0  # 0.4 s on an idle core


@pytest.fixture(scope="module")
def features():
    madx = Madx()
    madx.run(f'call, file="{FEATURES}";')
    yield madx
    madx.close()


@pytest.mark.parametrize("sequence", ["ring", "cell", "turn"])
def test_every_feature_agrees_with_madx(features, sequence):
    # harmon is a frequency in both; ours follows from our proton mass, which differs by 1e-9
    compare(gt.load(FEATURES, sequence), features, sequence, tolerance=1e-9 if sequence == "ring" else 1e-13)


def test_files_saved_by_madx_are_read(madx, tmp_path):
    """Sequences and beams as MAD-X writes them: positions rounded to ten digits, all ways to give the energy."""
    path, writer, reader = shared_lattice("esr.madx"), madx(tmp_path), madx(tmp_path)
    writer.run(f'call, file="{path}"; save, sequence=esr, file="esr.seq", beam;')
    reader.run('call, file="esr.seq";')
    saved = gt.load(tmp_path / "esr.seq")
    assert saved.reference.energy == pytest.approx(17.846262619763e9, rel=1e-9)
    compare(saved, reader, "esr", tolerance=1e-8)


def test_ignored_commands_are_listed():
    ignored = "\n".join(read_madx(FEATURES).ignored)
    for word in ("title", "warn", "radiate", "'type'", "'monitor'", "twiss"):
        assert word in ignored
    assert "(" in ignored and "features.madx:3:" in ignored


def test_class_tables_are_those_of_madx(madx, tmp_path):
    """Each attribute that MAD-X knows is known here with the same default, so that none can pass unseen."""
    madx = madx(tmp_path).process
    for name, kind in madx.base_types.items():
        theirs = {key: parameter.value for key, parameter in kind.cmdpar.items() if key not in ("at", "from")}
        ours = {key: _comparable(CLASSES[name].get(key)) for key in theirs}
        assert ours == {key: _comparable(value) for key, value in theirs.items()}, name
    assert set(CLASSES) == set(madx.base_types)


def _comparable(value):
    """Lists are compared without zeros and -1, which stand for 'not given'; bookkeeping `magnet` not at all."""
    if isinstance(value, (list, tuple)):
        return [v for v in value if v not in (0.0, -1.0)]
    return value if value is None or isinstance(value, (bool, str)) else float(value)


BEAMS = [
    "particle=electron, energy=3",
    "particle=positron, pc=0.1",
    "particle=proton, gamma=3",
    "particle=antiproton, beta=0.4",
    "particle=posmuon, brho=2",
    "particle=negmuon, energy=0.2",
    "particle=ion, mass=193.7, charge=82, energy=500",
    "mass=1.2, charge=2, energy=5",
    "particle=proton, energy=1.2; beam, pc=4",
    "particle=proton, pc=4; beam, energy=5; x = beam->pc; beam, gamma=x",
    "",
    "particle=electron, energy=2; beam, sequence=s, energy=3",
    "sequence=s, particle=electron, energy=2; beam, particle=proton, energy=3",
    "particle=electron, energy=4; resbeam",
]


@pytest.mark.parametrize("text", BEAMS)
def test_beams_agree_with_madx(tmp_path, text, madx):
    text = f"d: drift, l=1; s: line=(d); beam{',' if text else ''} {text}; use, sequence=s;"
    path = tmp_path / "beam.madx"
    path.write_text(text)
    madx = madx(tmp_path)
    madx.run(text)
    beam, reference = madx.beam("s"), gt.load(path).reference
    # our masses are CODATA 2022, MAD-X's 2018; at pc near the mass, the energy follows them
    assert reference.mass == pytest.approx(1e9 * beam["mass"], rel=3e-9)
    assert reference.energy == pytest.approx(1e9 * beam["energy"], rel=3e-9)
    assert reference.p0c == pytest.approx(1e9 * beam["pc"], rel=1e-8)
    assert reference.charge == beam["charge"]
