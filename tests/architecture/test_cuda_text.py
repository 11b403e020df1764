"""Results of benchmarks/cuda_text.py from machine code: occupancy, and loops of a disassembled kernel."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture(name="cuda_text")
def _cuda_text(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("cuda_text")


@pytest.mark.parametrize(
    ("registers", "shared", "threads", "arch", "blocks", "share"),
    [
        (128, 0, 128, "sm_80", 4, 0.25), (129, 0, 128, "sm_80", 3, 0.1875), (255, 0, 128, "sm_90", 2, 0.125),
        (32, 0, 128, "sm_90", 16, 1.0), (16, 0, 32, "sm_90", 32, 0.5), (40, 16384, 128, "sm_80", 9, 0.5625),
    ],
)  # fmt: skip
def test_occupancy(cuda_text, registers, shared, threads, arch, blocks, share):
    """By registers in portions of 8 a thread, by warps, by the number of blocks, by shared memory: by hand."""
    assert cuda_text.occupancy(registers, shared, threads, arch) == (blocks, share)


LISTING = """
	.section	.text.kernel,"ax",@progbits
.text.kernel:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_2:
        /*0010*/                   ISETP.NE.AND P0, PT, R0, RZ, PT ;
.L_x_1:
        /*0020*/                   LDG.E.64 R2, desc[UR6][R4.64] ;
        /*0030*/                   DFMA R2, R4, R2, R6 ;
        /*0040*/              @!P0 DADD R2, R4, -R6 ;
        /*0050*/               @P0 BRA `(.L_x_1) ;
        /*0060*/                   DSETP.GTU.AND P1, PT, R2, R4, PT ;
        /*0070*/               @P1 BRA `(.L_x_2) ;
        /*0080*/                   EXIT ;
.L_x_3:
        /*0090*/                   BRA `(.L_x_3);
//--------------------- .text.other --------------------------
.text.other:
        /*0000*/                   DMUL R2, R2, R2 ;
"""


def test_loops_of_a_listing(cuda_text, tmp_path):
    """Nested loops with their instructions; the loop that pads the end has no arithmetic and is not listed."""
    tool = tmp_path / "nvdisasm"
    tool.write_text(f"#!/bin/sh\ncat <<'EOF'\n{LISTING}EOF\n")
    tool.chmod(0o755)
    rows, labels = cuda_text.listing(str(tool), b"", "kernel")
    assert len(rows) == 10 and labels == {".L_x_2": 1, ".L_x_1": 2, ".L_x_3": 9}
    outer, inner = cuda_text.loops(rows, labels)
    assert (outer.instructions, outer.double, outer.loads, outer.inner) == (7, 3, 1, 1)
    assert (inner.instructions, inner.double, inner.loads, inner.inner) == (4, 2, 1, 0)
