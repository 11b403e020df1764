"""Prints how many operations one more drift costs; a process of its own, since it stands in for CuPy."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).resolve().parents[1]))
import numpy as np
from counting import CountingModule, taken
from support.emulation import fake_cupy

import gputrack as gt

modules = fake_cupy.make_cupy()
modules["cupy"].RawModule = CountingModule
sys.modules.update(modules)
reference = gt.ReferenceParticle.electron(total=3e9)
beam = gt.Beam(1e-3 * np.ones((6, 1)), reference).to_device("cupy")
found = []
for count in (1, 2):
    gt.track(gt.Lattice([gt.Drift("d", length=0.5)] * count, reference), beam)
    found.append(taken())
for kind, number in found[1].items():
    print(f"{kind}={number - found[0][kind]}")
