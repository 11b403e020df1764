"""CUDA kernels compiled by NVRTC to machine code, without a GPU: no warnings, and all coordinates in registers.

``pytest -s tests/backends/test_cuda_compile.py`` prints the table of registers, stack and spills.
"""

from __future__ import annotations

import pytest
from support.nvrtc import DEPRECATED, Compiled, CompilerError, compile_cuda, options

from gputrack.backends.cuda import backend as cuda
from gputrack.backends.generated import flattened, map_name
from gputrack.elements.map import MAPS, built_in_maps

ARCHITECTURES = ("sm_70", "sm_80", "sm_90")
KERNELS = {"gputrack_track", "gputrack_untrack"}
SWEEP_KERNELS = {"gputrack_sweep", "gputrack_sum_rows"}
PROGRAMS = {
    "all": [kind.name for kind in built_in_maps()],
    "drift+multipole": ["drift", "straight", "multipole"],
    # maps of the EIC electron storage ring
    "esr": ["arc", "fringe", "drift", "straight", "multipole", "quadrupole", "solenoid"],
}


def text_of(entry: str, names: list[str]) -> str:
    return flattened(entry, [MAPS[name] for name in names])


def compiled(name: str, arch: str, threads: int) -> Compiled:
    return compile_cuda(text_of("cuda/track.h", PROGRAMS[name]), arch, *options(threads))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "threads"), [("all", 128), ("esr", 128), ("drift+multipole", 128), ("drift+multipole", 256)]
)
def test_kernels_compile_without_spills(name, threads, arch, record_property):
    result = compiled(name, arch, threads)
    assert result.cubin.startswith(b"\x7fELF")
    assert set(result.kernels) == KERNELS
    for kernel, usage in sorted(result.kernels.items()):
        text = f"{arch} {threads} threads {name:15s} {kernel:17s} {usage}"
        print(text)
        record_property(f"{name} {threads} {arch} {kernel}", str(usage))
        assert usage.stores == usage.loads == 0, text
        assert usage.registers * threads <= 65536, text
    warnings = [line for line in result.log.splitlines() if not line.startswith(DEPRECATED)]
    assert not warnings, "\n".join(warnings)


@pytest.mark.parametrize(
    ("name", "constants", "arch"),
    [("all", 256, "sm_80"), ("esr", 64, "sm_80")]  # all maps take half a minute
    + [(name, 8, arch) for name in ("esr", "drift+multipole") for arch in ARCHITECTURES],
)
def test_backward_sweep_compiles_without_spills(name, constants, arch, record_property):
    """State, costate and variables of adjoints fit in registers; arrays of loops are on the stack."""
    source = text_of("cuda/adjoint.h", PROGRAMS[name])
    result = compile_cuda(source, arch, *cuda.OPTIONS, f"-DGT_CONSTANTS={constants}")
    assert set(result.kernels) == SWEEP_KERNELS
    for kernel, usage in sorted(result.kernels.items()):
        text = f"{arch} {constants:3d} constants {name:15s} {kernel:17s} {usage}"
        print(text)
        record_property(f"{name} {constants} {arch} {kernel}", str(usage))
        assert usage.stores == usage.loads == 0, text
        assert usage.registers * cuda.THREADS <= 65536 // 2, text  # two blocks on each multiprocessor
        assert usage.stack <= 8 * constants + 1024, text
    warnings = [line for line in result.log.splitlines() if not line.startswith(DEPRECATED)]
    assert not warnings, "\n".join(warnings)


def test_every_map_is_in_the_switch():
    """Each kind of map adds its case and its functions; a source without them would compile too."""
    source = flattened("cuda/track.h", built_in_maps())
    for kind in built_in_maps():
        case = f"case CODE_{kind.name}: return action."
        if kind.name in ("aperture", "record"):
            assert f"{case}{kind.name}(" in source
            continue
        assert f"{case}map({map_name(kind)}(), " in source
        text = source.split(f"struct {map_name(kind)} {{", 1)[1].split("\n", 1)[0]
        for function in (kind.forward.__name__, kind.inverse.__name__, f"{kind.name}_adjoint"):
            assert f" {function}(s, " in text


def test_errors_are_seen():
    """A mistake in a kernel is reported with its file and line."""
    source = text_of("cuda/track.h", ["drift"]).replace("s.x += slope * s.px;", "s.x += slope * s.p;")
    with pytest.raises(CompilerError, match=r'elements/drift\.h\(\d+\): error: .*"p"'):
        compile_cuda(source, "sm_80", *options(128))


def test_spills_are_seen():
    """The figures are the assembler's: with too few registers there are spills."""
    text = text_of("cuda/track.h", PROGRAMS["drift+multipole"])
    source = text.replace("(GT_THREADS, 512 / GT_THREADS)", "(GT_THREADS, 12)")
    usage = compile_cuda(source, "sm_80", *options(128)).kernels["gputrack_track"]
    assert usage.stores > 0 and usage.stack > 0
