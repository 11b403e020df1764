"""Conversion between `Beam` and particles of the openPMD standard with the BeamPhysics extension.

The package openpmd-beamphysics writes and reads the files. At one place of the lattice all particles have position
z = 0 and differ in time t = tau = -z / (beta c) [s], relative to the reference particle; momenta are px, py, pz
[eV/c], weights the positive charge [C] of the real particles that a macro-particle represents.
(https://github.com/openPMD/openPMD-standard, EXT_BeamPhysics.)
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from gputrack.base.checks import require_number
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT
from gputrack.base.errors import LatticeFileError
from gputrack.base.losses import LossCode
from gputrack.base.reference import SPECIES, ReferenceParticle

if TYPE_CHECKING:
    from gputrack.beam.beam import Beam

#: names in the standard of the species of `ReferenceParticle`
_STANDARD_NAMES = {
    "electron": "electron", "positron": "positron", "proton": "proton", "antiproton": "antiproton",
    "negmuon": "muon", "posmuon": "antimuon",
}  # fmt: skip
_OTHER = "other:particle"  # the standard's name of species that it does not list
_ALIVE = 1  # particleStatus; any other value means lost, gputrack writes 1 + loss code


def _library(module: str) -> Any:
    """Module of openpmd-beamphysics, whose former name is pmd_beamphysics."""
    try:
        return importlib.import_module(f"beamphysics{module}")
    except ModuleNotFoundError:
        return importlib.import_module(f"pmd_beamphysics{module}")


def particle_group() -> Any:
    """Class ParticleGroup; warnings of its plotting libraries at import are suppressed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _library("").ParticleGroup


def species_name(reference: ReferenceParticle) -> str:
    """Name of a species in the standard, identified by charge and mass (to 1e-6)."""
    for name, (mass, charge) in SPECIES.items():
        if charge == reference.charge and abs(mass / reference.mass - 1.0) < 1e-6:
            return _STANDARD_NAMES[name]
    return _OTHER


# -- writing ---------------------------------------------------------------------------------------


def write_standard(file: h5py.File, beam: Beam) -> None:
    """Write the beam as the only species of iteration `beam.turn`."""
    _library("").pmd_init(file, basePath="/data/%T/", particlesPath="particles/")
    text = {"iterationEncoding": "groupBased", "iterationFormat": "/data/%T/", "software": "gputrack"}
    for name, value in text.items():
        file.attrs[name] = np.bytes_(value)
    iteration = file.create_group(f"/data/{beam.turn}")
    iteration.attrs["time"], iteration.attrs["dt"], iteration.attrs["timeUnitSI"] = 0.0, 0.0, 1.0
    _library(".writers").write_pmd_bunch(iteration.create_group("particles"), standard_data(beam))


def standard_data(beam: Beam) -> dict[str, Any]:
    """Arrays in the units of the standard; NaN where the longitudinal momentum of a lost particle is not real."""
    ref = beam.reference
    momentum, px, py = (1.0 + beam.delta) * ref.p0c, beam.px * ref.p0c, beam.py * ref.p0c
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        beta = momentum / np.hypot(momentum, ref.mass)
        pz = np.sqrt(momentum**2 - px**2 - py**2)
        time = -beam.z / (beta * SPEED_OF_LIGHT)
    weight = beam.weights * abs(ref.charge) * ELEMENTARY_CHARGE
    return {
        "species": species_name(ref), "n_particle": beam.n, "charge": float(weight.sum()),
        "x": beam.x, "y": beam.y, "z": np.zeros(beam.n), "px": px, "py": py, "pz": pz, "t": time,
        "weight": weight, "status": _ALIVE + beam.loss_code.astype(np.int64),
    }  # fmt: skip


# -- reading ---------------------------------------------------------------------------------------


def from_standard(
    make: Callable[..., Beam], file: h5py.File, reference: ReferenceParticle | None, reference_time: float | None
) -> Beam:
    """Beam of the only species in the only iteration of a file, constructed by `make`.

    Particles at different positions z are moved along straight lines to their mean z; lost particles get the code
    IMPORTED and the position in the file.

    Raises
    ------
    LatticeFileError
        The file is not an openPMD particle file, its species is not that of `reference`, or a survivor does not
        move forward.
    """
    for name in ("openPMD", "basePath", "particlesPath"):
        if name not in file.attrs:
            raise LatticeFileError(f"no attribute {name!r}; this is not an openPMD particle file")
    group = particle_group()(h5=file)
    data = {name: np.asarray(getattr(group, name)) for name in ("x", "y", "z", "px", "py", "pz", "t")}
    weight, alive = np.asarray(group.weight), np.asarray(group.status) == _ALIVE
    if len({array.shape for array in (*data.values(), weight, alive)}) != 1 or weight.ndim != 1:
        raise LatticeFileError("its records differ in length")
    if not np.all(weight > 0.0):
        raise LatticeFileError("weights must be charges > 0 [C]")
    if reference is None:
        raise LatticeFileError(_missing_reference(group.species, data, alive))
    _require_species(group.species, reference)
    _require_forward(data, alive)
    coordinates = _coordinates(data, weight * alive, reference, reference_time)
    code = np.where(alive, LossCode.ALIVE, LossCode.IMPORTED).astype(np.int32)
    numbers = weight / (abs(reference.charge) * ELEMENTARY_CHARGE)
    return make(coordinates, reference, weights=numbers, loss_code=code)


def _missing_reference(species: str, data: Mapping[str, np.ndarray], alive: np.ndarray) -> str:
    momentum = np.sqrt(data["px"] ** 2 + data["py"] ** 2 + data["pz"] ** 2)[alive]
    mean = f", mean momentum {momentum.mean():.8g} eV/c" if momentum.size else ""
    return (
        f"written by another tool; give reference=gputrack.ReferenceParticle(mass, charge, p0c) "
        f"(the file has species {species}{mean})"
    )


def _require_species(species: str, reference: ReferenceParticle) -> None:
    """Require that a species known to gputrack is that of the reference; others cannot be verified."""
    expected = species_name(reference)
    if species != expected and (species in _STANDARD_NAMES.values() or expected != _OTHER):
        raise LatticeFileError(f"the file has species {species!r} but the reference particle is {expected!r}")


def _require_forward(data: Mapping[str, np.ndarray], alive: np.ndarray) -> None:
    if not alive.any():
        raise LatticeFileError("there is no surviving particle (particleStatus 1)")
    backward = int(np.count_nonzero(alive & ~(data["pz"] > 0.0)))
    if backward:
        raise LatticeFileError(f"{backward} surviving particles have no pz > 0; drop them or mark them as lost")


def _coordinates(
    data: Mapping[str, np.ndarray],
    charges: np.ndarray,
    reference: ReferenceParticle,
    reference_time: float | None,
) -> np.ndarray:
    """Coordinates (6, n) in one plane, the charge-weighted mean z of the survivors."""
    x, y, z, px, py, pz, t = (data[name] for name in ("x", "y", "z", "px", "py", "pz", "t"))
    surviving = charges > 0.0
    with np.errstate(all="ignore"):  # coordinates of lost particles are arbitrary
        momentum = np.sqrt(px * px + py * py + pz * pz)
        energy = np.hypot(momentum, reference.mass)
        distance = np.where(surviving, _mean(z, charges) - z, 0.0)
        arrival = t + distance * energy / (pz * SPEED_OF_LIGHT)
        start = _mean(arrival, charges) if reference_time is None else require_number(
            "load", "reference_time", reference_time, unit="s"
        )  # fmt: skip
        return np.stack([
            x + distance * px / pz,
            px / reference.p0c,
            y + distance * py / pz,
            py / reference.p0c,
            -momentum / energy * SPEED_OF_LIGHT * (arrival - start),
            momentum / reference.p0c - 1.0,
        ])  # fmt: skip


def _mean(values: np.ndarray, charges: np.ndarray) -> float:
    """Average over the survivors, exactly the common value if all are equal."""
    surviving = charges > 0.0
    first = values[surviving][0]
    return float(first + np.average(values[surviving] - first, weights=charges[surviving]))
