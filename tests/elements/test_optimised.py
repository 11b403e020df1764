"""Optimisations of formulas agree with the plain formulas to rounding."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.battery import MODELS
from support.cases import CASES, SPECIES
from support.gradients import SIZE, close

from gputrack.backends.derivatives import Cotangents
from gputrack.backends.generated import flattened
from gputrack.backends.host import backend as host
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.backends.taylor import host as taylor
from gputrack.backends.taylor.products_source import series_text
from gputrack.base.compiler import build
from gputrack.base.kernel_files import kernel_folder
from gputrack.elements.map import MAPS, ReferenceValues
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import compile_program
from gputrack.tpsa.space import Space

#: kernel files that hold optimisations, and the maps that are run by them
FAST = {
    "elements/fast/arc.h": ("arc", "bend"),
    "elements/fast/fringe.h": ("fringe",),
    "elements/fast/quadrupole.h": ("quadrupole",),
    "elements/fast/splitting.h": ("dipole", "straight"),
    "elements/fast/straight.h": ("straight",),
}
TAYLOR = {
    "taylor/elements/arc.h": ("arc",),
    "taylor/elements/fringe.h": ("fringe",),
    "taylor/elements/straight.h": ("drift", "quadrupole", "straight"),
}
#: with those that occur beside them; one build of the plain formulas has these alone
KINDS = {name for kinds in (*FAST.values(), *TAYLOR.values()) for name in kinds} | {"align", "unalign", "edge"}
MAPS_HERE = [MAPS[name] for name in KINDS]
SPACE = Space(6, 3)
#: of the largest number: some hundred operations, each rounded to 1e-16, in another order
TOLERANCE = 1e-12
NONE = frozenset()


def test_each_optimisation_is_compared():
    """Their first line declares them as optimisations; those of each folder are here."""
    for folder, table in (("elements/fast", FAST), ("taylor/elements", TAYLOR)):
        for path in (kernel_folder() / folder).iterdir():
            first = path.read_text(encoding="utf-8").split("\n", 1)[0]
            assert first.startswith("// Optimisation of ") == (f"{folder}/{path.name}" in table), path
    assert all((kernel_folder() / name).is_file() for name in (*FAST, *TAYLOR))


def programs(kinds):
    """Programs and references of all cases whose maps are among `KINDS`, and some among `kinds`."""
    for number, (case, model) in enumerate((case, model) for case in CASES for model in MODELS.values()):
        element = CASES[case].element.replaced(aperture=None)
        reference = list(SPECIES.values())[number % len(SPECIES)]
        program = compile_program(Lattice([element], reference, model=model))
        names = {kind.name for kind in program.kinds}
        if names <= KINDS and names & set(kinds):
            yield program, reference


@cache
def libraries(plain):
    """Compiled tracking and its backward sweep: with optimisations, or the plain formulas alone."""
    defines = "#define GT_PARTS 1\n" + ("#define GT_PLAIN\n" if plain else "")
    tracking, sweep = (flattened(f"host/{entry}.h", MAPS_HERE, defines) for entry in ("track", "adjoint"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "flattened", lambda entry, _: sweep if entry == "host/adjoint.h" else tracking)
        return host.library.__wrapped__(NONE), host.adjoint_library.__wrapped__(NONE)


def passed(program, reference, start, cotangent, plain):
    """Coordinates after a program; cotangents before it, and derivatives with respect to its constants."""
    n = start.shape[1]
    lost = np.zeros(n, np.int32), np.full(n, -1, np.int64), np.full(n, -1, np.int32)
    particles, bar = Particles(start.copy(), *lost), cotangent.copy()
    launch = Launch(program, reference, 0, 1, 1.0, make_records([], n, np))
    tracking, sweep = libraries(plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "library", lambda _: tracking)
        patch.setattr(host, "adjoint_library", lambda _: sweep)
        runs = host.HostBackend(1)
        runs.step(particles, launch)
        assert not particles.loss_code.any()
        after = particles.coordinates.copy()
        constants = runs.step_adjoint(particles, Cotangents(bar), launch)
    return after, bar, constants


@pytest.mark.parametrize("name", FAST)
def test_particles(name):
    """Tracking and its adjoint."""
    rng, different = np.random.default_rng(len(name)), 0
    for program, reference in programs(FAST[name]):
        start, cotangent = rng.normal(size=(6, 9)) * SIZE, rng.normal(size=(6, 9))
        fast, plain = (passed(program, reference, start, cotangent, plain) for plain in (False, True))
        for ours, theirs in zip(fast, plain, strict=True):
            good, worst = close(ours, theirs, TOLERANCE)
            assert good, (program.calls, worst)
        different += not np.array_equal(fast[0], plain[0]) or not np.array_equal(fast[1], plain[1])
    assert different > 5  # they are different texts


@cache
def taylor_library(plain):
    """Compiled maps: with optimisations, or the plain formulas alone."""
    defines = "#define GT_SCALAR\n" + ("#define GT_PLAIN\n" if plain else "")
    text = flattened("host/taylor.h", MAPS_HERE, defines, series_text(SPACE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taylor, "build", lambda _: build(text))
        return taylor.library.__wrapped__(SPACE, False, NONE)


def mapped(program, reference, orbit, plain):
    """Coefficients (6, size) of the map about an orbit."""
    maps = np.zeros((1, 6, SPACE.size))
    maps[0, :, 0], maps[0, range(6), range(1, 7)] = orbit, 1.0
    members = np.array(ReferenceValues.of(reference))[:, None]
    library = taylor_library(plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taylor, "library", lambda *_: library)
        return taylor.run_series(SPACE, [program], members, maps)[0][0]


@pytest.mark.parametrize("name", TAYLOR)
def test_maps(name):
    """Power series to order 3, about the axis and about an orbit; coefficients over the coordinates' size."""
    rng, different = np.random.default_rng(len(name)), 0
    size = np.prod(np.where(SPACE.exponents > 0, SIZE[:, 0] ** SPACE.exponents, 1.0), axis=1)
    for program, reference in programs(TAYLOR[name]):
        for orbit in (np.zeros(6), rng.normal(size=6) * SIZE[:, 0]):
            fast, plain = (mapped(program, reference, orbit, plain) for plain in (False, True))
            good, worst = close(fast * size, plain * size, TOLERANCE)
            assert good, (program.calls, worst)
            different += not np.array_equal(fast, plain)
    assert different > 5
