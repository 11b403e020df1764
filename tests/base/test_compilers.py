"""Machines without a compiler, with a broken one, or with nowhere to write: in fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.rings import small_ring, wide_beam

import gputrack as gt

SCRIPT = """
import warnings
import numpy as np
from support.rings import small_ring, wide_beam
import gputrack as gt

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        out = gt.track(small_ring(), wide_beam(10), 2)
    print(len(caught), *{w.category.__name__ for w in caught})
    for w in caught:
        print(w.message)
np.save("out.npy", out.coordinates)
"""


def run(folder, script=SCRIPT, **environment):
    """Run a script in a fresh process in `folder`; its output."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(Path(gt.__file__).resolve().parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def results(folder):
    return np.load(folder / "out.npy")


@pytest.fixture
def compiler(tmp_path):
    """A compiler that hands out the library that this process has built, and counts how often it is asked."""
    from gputrack.backends.host.backend import library

    script = tmp_path / "compiler"
    script.write_text(
        f"""#!/bin/sh
        test "$1" = --version && echo "stand-in 1.0" && exit
        echo built >> {tmp_path}/asked
        while test "$1" != -o; do shift; done
        cp {library(frozenset())._name} "$2"
        """
    )
    script.chmod(0o755)
    return script


def asked(folder):
    """How often the stand-in has compiled."""
    log = folder / "asked"
    return len(log.read_text().split()) if log.exists() else 0


def test_without_a_compiler_the_array_backend_takes_over(tmp_path):
    """With one warning, however often one tracks."""
    out = run(tmp_path, CXX="/nonexistent/c++").splitlines()
    assert out[0] == "1 RuntimeWarning"
    assert "no C++ compiler found" in out[1] and "slower" in out[1]
    wanted = gt.track(small_ring(), wide_beam(10), 2, backend="array").coordinates
    np.testing.assert_array_equal(results(tmp_path), wanted)


def test_a_broken_compiler_is_as_good_as_none(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho cannot find cc1plus >&2; exit 1\n")
    broken.chmod(0o755)
    out = run(tmp_path, CXX=str(broken), GPUTRACK_CACHE=str(tmp_path / "cache")).splitlines()
    assert out[0] == "1 RuntimeWarning"
    assert not list((tmp_path / "cache").iterdir())


HOST = """
import gputrack as gt
from support.rings import small_ring, wide_beam
try:
    gt.track(small_ring(), wide_beam(10), 2, backend="host")
except gt.errors.BackendError as error:
    print(error)
"""


def test_the_host_backend_names_the_missing_compiler(tmp_path):
    assert "install g++ or clang++, or set CXX" in run(tmp_path, HOST, CXX="/nonexistent/c++")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho cannot find cc1plus >&2; exit 1\n")
    broken.chmod(0o755)
    out = run(tmp_path, HOST, CXX=str(broken), GPUTRACK_CACHE=str(tmp_path / "cache"))
    assert "could not build the kernels" in out and "cannot find cc1plus" in out


def test_kernels_are_built_once(tmp_path, compiler):
    cache = tmp_path / "cache"
    for _ in range(2):
        assert run(tmp_path, CXX=str(compiler), GPUTRACK_CACHE=str(cache)).split() == ["0"]
    assert asked(tmp_path) == 1
    assert len(list(cache.iterdir())) == 1
    np.testing.assert_array_equal(results(tmp_path), gt.track(small_ring(), wide_beam(10), 2).coordinates)


@pytest.mark.parametrize("variable", ["GPUTRACK_CACHE", "HOME"])
def test_nowhere_to_write(variable, tmp_path, compiler):
    """The kernels are built in a temporary folder then."""
    (tmp_path / "file").write_text("a file, in which no folder can be made")
    (tmp_path / "tmp").mkdir()
    places = {"XDG_CACHE_HOME": str(tmp_path / "file" / "x")} if variable == "HOME" else {}
    places |= {variable: str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp"), "CXX": str(compiler)}
    assert run(tmp_path, **places).split() == ["0"]
    assert asked(tmp_path) == 1
    np.testing.assert_array_equal(results(tmp_path), gt.track(small_ring(), wide_beam(10), 2).coordinates)


def test_a_library_that_cannot_be_loaded(tmp_path):
    """A compiler that builds rubbish (or a folder without the right to execute): one warning, not a crash."""
    rubbish = tmp_path / "rubbish"
    rubbish.write_text('#!/bin/sh\nwhile test "$1" != -o; do shift || exit 0; done\necho rubbish > "$2"\n')
    rubbish.chmod(0o755)
    out = run(tmp_path, CXX=str(rubbish), GPUTRACK_CACHE=str(tmp_path / "cache")).splitlines()
    assert out[0] == "1 RuntimeWarning" and "cannot load the compiled kernels" in out[1]
