"""NVIDIA's run-time compiler from its PyPI package: CUDA source to machine code, on machines without a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gputrack.backends.cuda import backend as cuda

_USED = re.compile(r"Used (\d+) registers")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_SHARED = re.compile(r"(\d+) bytes smem")
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")


@dataclass(frozen=True)
class Usage:
    """Usage of one kernel: registers per thread; stack, spills; shared memory of a block [bytes]."""

    registers: int
    stack: int
    stores: int
    loads: int
    shared: int = 0

    def __str__(self) -> str:
        return f"{self.registers:4d} registers {self.stack:5d} stack {self.stores:5d} stores {self.loads:5d} loads"


@dataclass(frozen=True)
class Compiled:
    """Machine code, the usage of each kernel by name, and the remaining output of the compiler."""

    cubin: bytes
    kernels: dict[str, Usage]
    log: str


class CompilerError(Exception):
    """NVRTC refused the source; the text is its log."""


@cache
def library() -> ctypes.CDLL:
    """The compiler; the test is skipped, by name, where its package is not installed."""
    try:
        found = importlib.util.find_spec("nvidia.cuda_nvrtc")
    except ModuleNotFoundError:
        found = None
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        for path in sorted(Path(folder, "lib").glob("libnvrtc.so*")):
            if ".alt." not in path.name:
                return ctypes.CDLL(str(path))
    pytest.skip("NVRTC is not at hand; install nvidia-cuda-nvrtc-cu12")


def _text(program: ctypes.c_void_p, size: str, get: str) -> bytes:
    count = ctypes.c_size_t()
    assert getattr(library(), size)(program, ctypes.byref(count)) == 0
    buffer = ctypes.create_string_buffer(count.value)
    assert getattr(library(), get)(program, buffer) == 0
    return buffer.raw


def compile_cuda(source: str, arch: str, *options: str) -> Compiled:
    """Compile to machine code of an architecture such as ``sm_80``.

    Raises
    ------
    CompilerError
        The source does not compile.
    """
    program = ctypes.c_void_p()
    assert library().nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    try:
        given = [f"-arch={arch}", "--ptxas-options=-v", *options]
        array = (ctypes.c_char_p * len(given))(*(option.encode() for option in given))
        failed = library().nvrtcCompileProgram(program, len(given), array)
        log = _text(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").rstrip(b"\0").decode()
        if failed:
            raise CompilerError(log)
        cubin = _text(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
        return Compiled(cubin, _usages(log), "\n".join(line for line in log.splitlines() if not _told(line)))
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))


def _told(line: str) -> bool:
    """Whether a line of the log is empty or only has the contents of `Usage`."""
    return not line.strip() or line.startswith("ptxas info") or bool(_FRAME.search(line))


def _usages(log: str) -> dict[str, Usage]:
    """Usage of each entry function; the assembler names it, then its frame, then its registers."""
    usages: dict[str, Usage] = {}
    name, frame = "", (0, 0, 0)
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            name, frame = match[1], (0, 0, 0)
        elif name and (match := _FRAME.search(line)):
            frame = (int(match[1]), int(match[2]), int(match[3]))
        elif name and (match := _USED.search(line)):
            shared = _SHARED.search(line)
            usages[name] = Usage(int(match[1]), *frame, int(shared[1]) if shared else 0)
            name = ""
    return usages


#: NVRTC 12.9 says so of Volta, whatever the source
DEPRECATED = "nvrtc: warning: Architectures prior to '<compute/sm>_75' are deprecated"


def options(threads: int) -> list[str]:
    """Options of the backend for NVRTC, with another number of threads per block."""
    ours = f"-DGT_THREADS={cuda.THREADS}"
    assert ours in cuda.OPTIONS
    return [f"-DGT_THREADS={threads}" if option == ours else option for option in cuda.OPTIONS]
