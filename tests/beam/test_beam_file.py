"""Beam files: exact round trip, reading by other tools, files of other tools, damage, interruption."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gputrack as gt
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT
from gputrack.base.errors import InputError, LatticeFileError
from gputrack.base.losses import LossCode
from gputrack.beam import file as beam_file
from gputrack.beam.beam import Beam
from gputrack.beam.openpmd import particle_group

REFERENCES = {
    "electron": gt.ReferenceParticle.electron(total=18e9),
    "positron": gt.ReferenceParticle.from_energy("positron", total=3e9),
    "proton": gt.ReferenceParticle.proton(kinetic=50e6),
    "antimuon": gt.ReferenceParticle.from_energy("posmuon", total=1e9),
    "other:particle": gt.ReferenceParticle.ion(nucleons=238, charge=92, kinetic=238 * 11.4e6),
}
FIELDS = ("coordinates", "weights", "loss_code", "loss_turn", "loss_element")


def make(species: str = "proton", n: int = 60) -> Beam:
    """A beam with uneven weights and no losses."""
    return Beam.gaussian(
        n, REFERENCES[species], emit=(1e-6, 2e-6), twiss=gt.InitialTwiss(5, -1, 7, 0.5, dx=0.3),
        sigma_z=0.1, sigma_delta=1e-3, seed=1,
    ).replaced(weights=np.linspace(1e6, 2e6, n), turn=17)  # fmt: skip


def with_losses(beam: Beam) -> Beam:
    """The same with two lost particles, one of them NaN and one that cannot move forward."""
    coordinates, code = beam.coordinates.copy(), np.zeros(beam.n, dtype=np.int32)
    coordinates[:, 3] = np.nan
    coordinates[1, 5] = 1.5
    code[[3, 5]] = LossCode.NOT_FINITE, LossCode.UNPHYSICAL
    return beam.replaced(
        coordinates=coordinates, loss_code=code, loss_turn=code * 9 - 1, loss_element=np.where(code > 0, 4, -1)
    )


def as_written_elsewhere(beam: Beam, path: Path) -> Any:
    """Save without our group, as another tool that uses openpmd-beamphysics; its ParticleGroup."""
    own = path.with_suffix(".own.h5")
    beam.save(own)
    group = particle_group()(str(own))
    group.write(str(path))
    return group


@pytest.mark.parametrize("species", REFERENCES)
def test_round_trip_to_the_bit(species: str, tmp_path: Path) -> None:
    beam = with_losses(make(species))
    beam.save(tmp_path / "beam.h5")
    back = Beam.load(tmp_path / "beam.h5")
    for name in FIELDS:
        mine, read = getattr(beam, name), getattr(back, name)
        assert mine.dtype == read.dtype and mine.tobytes() == read.tobytes()
    assert (back.reference, back.turn) == (beam.reference, beam.turn)
    assert Beam.load(str(tmp_path / "beam.h5"), reference=beam.reference).n == beam.n


@pytest.mark.parametrize("species", REFERENCES)
def test_other_tools_read_the_same_beam(species: str, tmp_path: Path) -> None:
    beam = make(species)
    ref = beam.reference
    beam.save(tmp_path / "beam.h5")
    group = particle_group()(str(tmp_path / "beam.h5"))
    assert group.species == species and group.n_alive == beam.n and group.in_z_coordinates
    assert group.charge == pytest.approx(abs(ref.charge) * ELEMENTARY_CHARGE * 1.5e6 * beam.n, rel=1e-12)
    for name, scale in (("x", 1.0), ("y", 1.0), ("px", ref.p0c), ("py", ref.p0c)):
        assert group[f"sigma_{name}"] == pytest.approx(scale * beam.size(name), rel=1e-11)
    # z = -beta c tau, each with its own velocity
    p = (1.0 + beam.delta) * ref.p0c
    assert group.p == pytest.approx(p, rel=1e-13)
    assert -group.t * SPEED_OF_LIGHT * p / np.hypot(p, ref.mass) == pytest.approx(beam.z, rel=1e-12)
    if species != "other:particle":
        assert group.energy == pytest.approx(np.hypot(p, ref.mass), rel=1e-8)  # their masses are CODATA 2018
        assert np.sign(group.species_charge) == np.sign(ref.charge)


def test_early_particles_have_positive_z_and_negative_time(tmp_path: Path) -> None:
    beam = Beam.single(REFERENCES["proton"], z=0.3)
    beam.save(tmp_path / "beam.h5")
    t = particle_group()(str(tmp_path / "beam.h5")).t[0]
    assert t == pytest.approx(-0.3 / (beam.reference.beta0 * SPEED_OF_LIGHT), rel=1e-14)


def test_status_of_lost_particles(tmp_path: Path) -> None:
    beam = with_losses(make())
    beam.save(tmp_path / "beam.h5")
    status = particle_group()(str(tmp_path / "beam.h5")).status
    assert np.array_equal(status == 1, beam.alive)
    assert (status[3], status[5]) == (1 + LossCode.NOT_FINITE, 1 + LossCode.UNPHYSICAL)


@pytest.mark.parametrize("species", REFERENCES)
def test_files_of_other_tools(species: str, tmp_path: Path) -> None:
    beam = with_losses(make(species))
    as_written_elsewhere(beam, tmp_path / "other.h5")
    back = Beam.load(tmp_path / "other.h5", reference=beam.reference, reference_time=0.0)
    live = beam.alive
    # delta = p/p0c - 1 has the digits of 1 after a few roundings of p
    assert back.coordinates[:, live] == pytest.approx(beam.coordinates[:, live], rel=1e-12, abs=1e-15)
    assert back.weights == pytest.approx(beam.weights, rel=1e-12)
    assert np.array_equal(back.alive, live) and np.all(back.loss_code[~live] == LossCode.IMPORTED)
    centred = Beam.load(tmp_path / "other.h5", reference=beam.reference)
    tau = -centred.z / ((1 + centred.delta) / np.hypot(1 + centred.delta, beam.reference.mass / beam.reference.p0c))
    assert abs(np.average(tau[live], weights=beam.weights[live])) < 1e-16 * 1e3 * beam.size("z")


def test_particles_at_one_time_are_taken_to_one_place(tmp_path: Path) -> None:
    beam = make()
    group = as_written_elsewhere(beam, tmp_path / "same_z.h5")
    group.drift_to_t(0.0)
    assert not group.in_z_coordinates
    group.write(str(tmp_path / "same_t.h5"))
    back = Beam.load(tmp_path / "same_t.h5", reference=beam.reference, reference_time=0.0)
    group.drift_to_z(np.average(group.z, weights=group.weight))
    assert back.x == pytest.approx(group.x, rel=1e-12, abs=1e-15)
    beta = (group.p / np.hypot(group.p, beam.reference.mass)) * SPEED_OF_LIGHT
    assert back.z == pytest.approx(-beta * group.t, rel=1e-9, abs=1e-13)


def test_foreign_files_need_the_right_reference(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    as_written_elsewhere(make(), path)
    with pytest.raises(LatticeFileError, match=r"other\.h5: .*give reference=.*species proton, mean momentum 3\.10"):
        Beam.load(path)
    with pytest.raises(LatticeFileError, match="has species 'proton' but the reference particle is 'electron'"):
        Beam.load(path, reference=REFERENCES["electron"])
    with pytest.raises(LatticeFileError, match="reference_time must be finite"):
        Beam.load(path, reference=REFERENCES["proton"], reference_time=np.inf)
    with pytest.raises(InputError, match=r"must be a gputrack\.ReferenceParticle, got 'proton'"):
        Beam.load(path, reference="proton")


def test_backward_particles_are_refused(tmp_path: Path) -> None:
    group = as_written_elsewhere(make(), tmp_path / "other.h5")
    group.pz = np.where(np.arange(60) < 2, -group.pz, group.pz)
    group.write(str(tmp_path / "backward.h5"))
    with pytest.raises(LatticeFileError, match="2 surviving particles have no pz > 0"):
        Beam.load(tmp_path / "backward.h5", reference=REFERENCES["proton"])


def test_another_reference_for_a_file_of_ours_is_an_error(tmp_path: Path) -> None:
    make().save(tmp_path / "beam.h5")
    with pytest.raises(LatticeFileError, match=r"beam\.h5: the file has reference .*omit the argument reference"):
        Beam.load(tmp_path / "beam.h5", reference=REFERENCES["electron"])


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "beam.h5"
    make(n=30).save(path)
    before = path.read_bytes()

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(beam_file, "write_standard", stop)
    with pytest.raises(KeyboardInterrupt):
        make().save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write beam file .*nowhere"):
        make().save(tmp_path / "nowhere" / "beam.h5")
    with pytest.raises(InputError, match="cannot write beam file"):
        make().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def change(action: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    """A change of a file through h5py."""

    def apply(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            action(file)

    return apply


def replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def action(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return action


DAMAGE: dict[str, Callable[[Path], None]] = {
    "there is no such file": lambda path: path.unlink(),
    "cannot be read as a beam (OSError: ": lambda path: path.write_bytes(b"not HDF5 at all"),
    "/gputrack is not a group": change(replace("gputrack", 1)),
    "attribute 'version' must be one int, got None": change(lambda f: f["gputrack"].attrs.pop("version")),
    "/gputrack has version 99, this gputrack reads version 1": change(
        lambda f: f["gputrack"].attrs.modify("version", 99)
    ),
    "attribute 'p0c' must be one float, got 'much'": change(lambda f: f["gputrack"].attrs.create("p0c", "much")),
    "p0c must be > 0 eV, got -1.0": change(lambda f: f["gputrack"].attrs.modify("p0c", -1.0)),
    "/gputrack has no dataset 'weights'": change(lambda f: f["gputrack"].pop("weights")),
    "/gputrack/coordinates must be a dataset of float64": change(
        replace("gputrack/coordinates", np.zeros((6, 60), dtype="f4"))
    ),
    "coordinates must have shape (6, n) with n >= 1, got (60, 6)": change(
        replace("gputrack/coordinates", np.zeros((60, 6)))
    ),
    "loss_code must have shape (60,), one per particle, got (59,)": change(
        replace("gputrack/loss_code", np.zeros(59, dtype=np.int32))
    ),
    "loss_code must be 0 to 5, got -3": change(replace("gputrack/loss_code", np.full(60, -3, dtype=np.int32))),
    "/gputrack has no dataset 'loss_turn'": change(
        replace("gputrack/loss_turn", h5py.ExternalLink("elsewhere.h5", "/secret"))
    ),
    "no attribute 'openPMD'": change(lambda f: (f.pop("gputrack"), f.attrs.pop("openPMD"))),
    "cannot be read as a beam (KeyError: ": change(
        lambda f: (f.pop("gputrack"), f.pop("data/17/particles/proton/momentum/x"))
    ),
    "its records differ in length": change(
        lambda f: (f.pop("gputrack"), replace("data/17/particles/proton/momentum/x", np.ones(7))(f))
    ),
    "weights must be charges > 0 [C]": change(
        lambda f: (f.pop("gputrack"), replace("data/17/particles/proton/weight", np.zeros(60))(f))
    ),
    "there is no surviving particle": change(
        lambda f: (f.pop("gputrack"), replace("data/17/particles/proton/particleStatus", np.zeros(60, int))(f))
    ),
    "coordinates of particle 4 are not finite": change(
        lambda f: (f.pop("gputrack"), f["data/17/particles/proton/position/x"].write_direct(np.where(
            np.arange(60) == 4, np.nan, 0.0)))
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", DAMAGE)
def test_damaged_files_are_named(message: str, tmp_path: Path) -> None:
    path = tmp_path / "beam.h5"
    make().save(path)
    DAMAGE[message](path)
    with pytest.raises(LatticeFileError, match=re.escape(message)) as caught:
        Beam.load(path, reference=REFERENCES["proton"])
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bytes of a small file of ours, and of one of another tool."""
    folder = tmp_path_factory.mktemp("intact")
    as_written_elsewhere(make(n=9), folder / "other.h5")
    return {"ours": (folder / "other.own.h5").read_bytes(), "other": (folder / "other.h5").read_bytes()}


def loaded(path: Path) -> tuple[Beam | None, str]:
    """The beam of a file, or why there is none."""
    try:
        return Beam.load(path, reference=REFERENCES["proton"]), ""
    except LatticeFileError as error:
        return None, str(error)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_damage_is_a_one_line_error_or_a_sound_beam(
    data: st.DataObject, intact: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(intact[data.draw(st.sampled_from(sorted(intact)))])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = tmp_path / "damaged.h5"
    path.write_bytes(bytes(content[:keep]))
    beam, message = loaded(path)
    if beam is None:
        assert message.startswith(str(path)) and "\n" not in message
    else:
        assert beam.coordinates.shape == (6, beam.n) and np.all(np.isfinite(beam.coordinates[:, beam.alive]))
