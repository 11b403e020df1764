"""Lattice JSON: exact round trip of every element class, and refusal of anything else."""

import json
import math
from pathlib import Path

import pytest
from support.cases import CASES
from support.helpers import shared_lattice

import gputrack as gt
from gputrack.base.errors import InputError, LatticeFileError
from gputrack.elements import ELEMENT_TYPES

LATTICE = gt.Lattice(
    [
        gt.Quadrupole("q", length=0.1 + 0.2, k1=1 / 3, k1s=-5e-324, knl=(0.0, math.pi)),
        gt.SectorBend("b", length=1.0, angle=0.1, k0=0.3, fintx=0.0, model=gt.Model(gt.DriftKick(6, 3), gt.Expanded())),
        gt.Marker('käfer "x"', aperture=gt.Aperture(rectangle=(1.0, 2.0), ellipse=(1e300, 1e-300))),
    ],
    gt.ReferenceParticle(1e9 / 3, -2.0, 1e7 / 7),
    name="test",
    model=gt.Model(gt.MatrixKick(2, 7), edge=gt.LinearEdge()),
)


def test_round_trip_is_exact(tmp_path):
    gt.save(LATTICE, tmp_path / "a.json")
    back = gt.load(tmp_path / "a.json")
    assert back == LATTICE
    assert [repr(e) for e in back] == [repr(e) for e in LATTICE]
    assert back.reference == LATTICE.reference and back.model == LATTICE.model and back.name == "test"


def test_every_element_class_makes_the_round_trip(tmp_path):
    lattice = gt.Lattice([case.element for case in CASES.values()])
    single = {name for name, kind in ELEMENT_TYPES.items() if not kind.ACTS_ON_BEAM}
    assert single <= {type(e).__name__ for e in lattice}
    gt.save(lattice, tmp_path / "a.json")
    assert gt.load(tmp_path / "a.json") == lattice


def test_empty_lattice(tmp_path):
    gt.save(gt.Lattice([]), tmp_path / "a.json")
    assert gt.load(tmp_path / "a.json") == gt.Lattice([])


def test_reference_lattice_makes_the_round_trip(tmp_path):
    lattice = gt.load(shared_lattice("esr.madx"))
    gt.save(lattice, tmp_path / "esr.json")
    assert gt.load(tmp_path / "esr.json", sequence="esr") == lattice
    with pytest.raises(InputError, match="contains the lattice 'esr', not 'ring'"):
        gt.load(tmp_path / "esr.json", sequence="ring")


def changed(content, **changes):
    return {**content, **changes}


CHANGES = {
    "format": (lambda c: changed(c, format="other"), "format"),
    "version": (lambda c: changed(c, version=2), "version 2"),
    "version_text": (lambda c: changed(c, version=True), "version True"),
    "field": (lambda c: changed(c, foo=1), "'foo'"),
    "missing": (lambda c: {k: v for k, v in c.items() if k != "model"}, "'model'"),
    "name": (lambda c: changed(c, name=3), "'name'"),
    "elements": (lambda c: changed(c, elements={}), "'elements'"),
    "reference": (lambda c: changed(c, reference=3), "reference"),
    "mass": (lambda c: changed(c, reference={"class": "ReferenceParticle", "mass": -1, "charge": 1, "p0c": 1}), "mass"),
    "mass_missing": (lambda c: changed(c, reference={"class": "ReferenceParticle", "charge": 1, "p0c": 1}), "mass"),
    "model": (lambda c: changed(c, model={"class": "Exact"}), "'Exact'"),
    "list": (lambda c: [c], "format"),
    "element": (lambda c: changed(c, elements=[3]), "element 0"),
    "class": (lambda c: changed(c, elements=[{"class": "os.system"}]), "'os.system'"),
    "class_list": (lambda c: changed(c, elements=[{"class": ["Drift"]}]), "element 0"),
    "parameter": (lambda c: changed(c, elements=[{"class": "Drift", "k1": 3}]), "'k1'"),
    "text": (lambda c: changed(c, elements=[{"class": "Drift", "name": "d", "length": "3"}]), "length"),
    "bool": (lambda c: changed(c, elements=[{"class": "Drift", "name": "d", "length": True}]), "length"),
    "huge": (lambda c: changed(c, elements=[{"class": "Drift", "name": "d", "length": 10**400}]), "length"),
    "negative": (lambda c: changed(c, elements=[{"class": "Drift", "name": "d", "length": -1}]), "length"),
    "object": (lambda c: changed(c, elements=[{"class": "Drift", "name": {}}]), "'name'"),
    "series": (lambda c: changed(c, elements=[{"class": "Multipole", "knl": [[1]]}]), "'knl'"),
    "aperture": (lambda c: changed(c, elements=[{"class": "Drift", "aperture": {"class": "Model"}}]), "'Model'"),
    "slices": (
        lambda c: changed(c, model={"class": "Model", "integrator": {"class": "DriftKick", "slices": 0}}),
        "slices",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_strangers_files_are_refused_by_name(tmp_path, name):
    path = tmp_path / "a.json"
    gt.save(LATTICE, path)
    change, word = CHANGES[name]
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(LatticeFileError) as caught:
        gt.load(path)
    message = str(caught.value)
    assert message.startswith("a.json: ") and word in message and "\n" not in message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"), ("{", "a.json:1: is not JSON"), ("[" * 100000, "too deeply"), ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "'a' occurs twice"), ("1" * 5000, ""), ("\x00", "not JSON"),
    ],
)  # fmt: skip
def test_texts_that_are_no_lattice(tmp_path, text, word):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LatticeFileError, match=r"a\.json") as caught:
        gt.load(tmp_path / "a.json")
    assert word in str(caught.value)


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(LatticeFileError, match="No such file"):
        gt.load(tmp_path / "none.json")
    (tmp_path / "folder.madx").mkdir()
    with pytest.raises(LatticeFileError, match="regular"):
        gt.load(tmp_path / "folder.madx")
    with pytest.raises(InputError, match="file name must end in"):
        gt.load(tmp_path / "lattice.xyz")
    with pytest.raises(InputError, match=r"must end in \.json"):
        gt.save(LATTICE, tmp_path / "a.madx")
    with pytest.raises(LatticeFileError, match="cannot be written"):
        gt.save(LATTICE, tmp_path / "none" / "a.json")
    with pytest.raises(InputError, match="must be a gputrack"):
        gt.save([1], tmp_path / "a.json")
    with pytest.raises(InputError, match="path"):
        gt.load(3)


def test_ignored_parts_are_logged(caplog):
    with caplog.at_level("INFO", logger="gputrack.io"):
        gt.load(Path(__file__).with_name("features.madx"))
    assert "command 'twiss' is ignored" in caplog.text
