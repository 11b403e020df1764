"""Host compiler: find it, build the kernels once and cache the library."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from gputrack.base.errors import BackendError

FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared",
)  # fmt: skip


NO_COMPILER = "no C++ compiler found: install g++ or clang++, or set CXX"


@cache
def find_compiler() -> tuple[str, ...] | None:
    """Command of the C++ compiler: ``$CXX``, or the first of g++, clang++, c++; None without one."""
    if os.environ.get("CXX"):
        command = tuple(shlex.split(os.environ["CXX"]))
        return command if shutil.which(command[0]) else None
    for name in ("g++", "clang++", "c++"):
        if shutil.which(name):
            return (name,)
    return None


def cache_folder() -> Path:
    """Folder of compiled kernels: ``$GPUTRACK_CACHE``, else the user's cache, else a temporary one."""
    chosen = os.environ.get("GPUTRACK_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = base if chosen else base / "gputrack"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="gputrack-"))


def _processor() -> str:
    """Description of the processor, on which -march=native depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


@cache
def build(source: str, *more: str) -> ctypes.CDLL:
    """Compile `source` (or find it compiled), with more flags after the usual ones, and load it.

    Raises
    ------
    BackendError
        There is no compiler, or it failed; the message ends with the compiler's output.
    """
    compiler = find_compiler()
    if compiler is None:
        raise BackendError(NO_COMPILER)
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    command = (*compiler, *FLAGS, *more)
    parts = (source, " ".join(command), version, _processor())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    library = cache_folder() / f"host-{digest}.so"
    if not library.exists():
        _compile(command, source, library)
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:  # for example a folder mounted noexec
        text = f"cannot load the compiled kernels: {error}; set GPUTRACK_CACHE to another folder"
        raise BackendError(text) from error


def _compile(command: tuple[str, ...], source: str, library: Path) -> None:
    """Build in a draft file and rename it, so that no process loads an incomplete library."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        text, built = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        text.write_text(source, encoding="utf-8")
        result = subprocess.run([*command, "-o", str(built), str(text)], capture_output=True, text=True, check=False)
        if result.returncode:
            raise BackendError(f"{' '.join(command)} could not build the kernels:\n{result.stderr[-2000:]}")
        os.replace(built, library)
