"""Host builds of the kernels: no warnings, and no access outside the arrays when they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.emulation.emulated_cuda import host_source

from gputrack.backends.cuda import backend as cuda
from gputrack.backends.generated import flattened
from gputrack.base import compiler
from gputrack.elements.map import built_in_maps

SOURCES = {
    "host": lambda: flattened("host/track.h", built_in_maps()),
    "emulated-cuda": lambda: host_source(flattened("cuda/track.h", built_in_maps()), cuda.OPTIONS),
}
# maps take the reference particle whether they need it or not; CUDA's word for unrolling is unknown on a host
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unknown-pragmas")
SANITIZERS = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def run(*command: str, **environment: str) -> str:
    """Output of a command, which must succeed."""
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"[-4000:]
    return result.stdout


@pytest.fixture
def command() -> tuple[str, ...]:
    found = compiler.find_compiler()
    if found is None:
        pytest.skip("there is no C++ compiler")
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_no_warnings(name, command, tmp_path):
    source = tmp_path / "kernels.cpp"
    source.write_text(SOURCES[name](), encoding="utf-8")
    flags = [flag for flag in compiler.FLAGS if not flag.startswith("-O")]
    run(*command, *flags, "-O0", *WARNINGS, "-o", str(tmp_path / "kernels.so"), str(source))


# A line of the kinds that build fast; particles that are lost in all ways, blocks begun, records forwards and back.
SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import numpy as np, pytest
from support.emulation import fake_cupy
import gputrack as gt
from gputrack.base import compiler
from gputrack.backends.host import backend as host
from gputrack.backends.generated import flattened
from gputrack.elements.map import MAPS
compiler.FLAGS = tuple(f for f in compiler.FLAGS if not f.startswith("-O")) + tuple(sys.argv[4:])
on_gpu = sys.argv[3] == "emulated-cuda"
kinds = [MAPS[name] for name in ("drift", "multipole", "aperture")]
host.flattened = lambda entry, _: flattened(entry, kinds)
line = gt.Lattice([
    gt.Drift("d", length=1.0),
    gt.Multipole("m", knl=(0.0, 0.1, 1.0)),
    gt.Drift("s", length=0.2, aperture=gt.Aperture(rectangle=(0.02, 0.02))),
    gt.Marker("end"),
], gt.ReferenceParticle.electron(total=3e9))
for n in (1, 7, 129, 300):
    start = np.random.default_rng(n).normal(size=(6, n)) * 8e-3
    if on_gpu:
        fake_cupy.install(pytest.MonkeyPatch())
    beam = gt.Beam(start, line.reference)
    beam = beam.to_device("cupy") if on_gpu else beam
    monitors = [gt.Monitor("*", every=2), gt.Monitor("end", every=3)]
    out = gt.track(line, beam, 7, monitors=monitors, threads=None if on_gpu else 2)
    back = gt.track(line, out, 7, monitors=monitors, backwards=True, threads=None if on_gpu else 1)
assert 0 < out.n_lost < n
print("clean")
"""


@pytest.mark.parametrize("name", SOURCES)
def test_sanitizers(name, command, tmp_path):
    """Every address and every integer operation is checked while particles are tracked and lost."""
    runtime = run(*command, "-print-file-name=libasan.so").strip()
    if not Path(runtime).is_absolute():
        pytest.skip(f"{command[0]} has no address sanitizer")
    here = Path(__file__).resolve().parents[1]
    output = run(
        sys.executable, "-c", SCRIPT, str(here), str(here.parent), name, *SANITIZERS,
        LD_PRELOAD=runtime, ASAN_OPTIONS="detect_leaks=0", GPUTRACK_CACHE=str(tmp_path),
    )  # fmt: skip
    assert output.strip() == "clean"
