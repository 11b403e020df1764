"""gputrack doctor: hardware and compilers of a machine, and the test of each kernel."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from gputrack.app import doctor
from gputrack.app.cli import app
from gputrack.app.example_elements import EXAMPLES, example_beam
from gputrack.elements import ELEMENT_TYPES


def chosen(*names):
    return {name: EXAMPLES[name] for name in names}


@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_each_class_of_elements_has_an_example(name):
    assert any(type(example.element).__name__ == name for example in EXAMPLES.values()), (
        f"add an example of {name} to gputrack/app/example_elements.py"
    )


def test_examples_have_names_of_their_own():
    names = [example.element.name for example in EXAMPLES.values()]
    assert len(set(names)) == len(names)


def test_example_beam_is_finite():
    beam = example_beam(1000)
    assert beam.n == 1000 and np.isfinite(beam.coordinates).all()


def test_doctor_prints_all_and_ends_well(monkeypatch):
    """Two elements, so that it takes seconds: all of them run in the battery."""
    monkeypatch.setattr(doctor, "EXAMPLES", chosen("quadrupole", "resonator_wake"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for word in ("compiler", "kernel cache", "CuPy", "quadrupole", "resonator wake", "all 2 passed"):
        assert word in " ".join(result.output.split())


def test_doctor_reports_a_wrong_gradient(monkeypatch):
    """A backward sweep with a wrong sign is named, and the command fails."""
    monkeypatch.setattr(doctor, "EXAMPLES", chosen("drift"))
    original = doctor.examined
    monkeypatch.setattr(doctor, "examined", lambda *given: replace(original(*given), gradient=1e-3))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1 and "failed: drift on host" in result.output


@pytest.mark.parametrize("name", ["quadrupole", "space_charge"])
def test_differences_are_those_to_the_array_maps(name, monkeypatch):
    """Where the map itself is wrong by 1e-6, so is the finding."""
    example = EXAMPLES[name]
    assert doctor.examined(example, "host").passed
    original = doctor.track

    def wrong(ring, beam, backend, **options):
        out = original(ring, beam, backend=backend, **options)
        return out.replaced(coordinates=out.coordinates * (1.0 + 1e-6)) if backend == "host" else out

    monkeypatch.setattr(doctor, "track", wrong)
    monkeypatch.setattr(doctor, "_gradient", lambda *given: np.ones(1))
    assert 1e-8 < doctor.examined(example, "host").forward < 1e-5
