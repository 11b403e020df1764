"""gputrack doctor: what a machine has, and how each kernel does on it."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from gputrack.app import doctor
from gputrack.app import example_elements as specimens
from gputrack.app.cli import app
from gputrack.app.example_elements import specimen_beam
from gputrack.elements import ELEMENT_TYPES

#: collective effects of one map: one of their classes stands for all
ALIKE = {"ResistiveWallWake", "TableWake"}


def test_each_class_of_elements_has_a_specimen():
    assert {type(element).__name__ for element in specimens.specimens()} | ALIKE == set(ELEMENT_TYPES)


def test_the_beam_is_lost_nowhere():
    beam = specimen_beam(1000)
    assert beam.n == 1000 and np.isfinite(beam.coordinates).all()


def test_doctor_prints_all_and_ends_well(monkeypatch):
    """Two elements, so that it takes seconds: all of them run in the battery."""
    few = [e for e in specimens.specimens() if e.name in ("quadrupole", "wake")]
    monkeypatch.setattr(doctor, "specimens", lambda: few)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for word in ("compiler", "kernel cache", "CuPy", "quadrupole", "wake", "all 2 passed"):
        assert word in result.output


def test_doctor_sees_what_is_wrong(monkeypatch):
    """A backward sweep with a wrong sign is named, and the command fails."""
    few = [e for e in specimens.specimens() if e.name == "drift"]
    monkeypatch.setattr(doctor, "specimens", lambda: few)
    honest = doctor.examined
    monkeypatch.setattr(doctor, "examined", lambda *given: replace(honest(*given), gradient=1e-3))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1 and "failed: drift on host" in result.output


@pytest.mark.parametrize("name", ["quadrupole", "space charge"])
def test_differences_are_those_to_the_array_maps(name, monkeypatch):
    """Where the map itself is wrong by 1e-6, so is the finding."""
    (element,) = [e for e in specimens.specimens() if e.name == name]
    assert doctor.examined(element, "host").passed
    honest = doctor.track

    def wrong(ring, beam, backend, **options):
        out = honest(ring, beam, backend=backend, **options)
        return out.replaced(coordinates=out.coordinates * (1.0 + 1e-6)) if backend == "host" else out

    monkeypatch.setattr(doctor, "track", wrong)
    monkeypatch.setattr(doctor, "_gradient", lambda *given: np.ones(1))
    assert 1e-8 < doctor.examined(element, "host").forward < 1e-5
