"""Elements whose figures overflow: a one-line error, never an OverflowError."""

import numpy as np
import pytest
from support.rings import ELECTRON

import gputrack as gt
from gputrack.base.errors import InputError

ABSURD = [
    gt.Solenoid("s", length=1.0, ks=1e200), gt.Solenoid("s", length=1e200, ks=1e200),
    gt.Quadrupole("q", length=1e200, k1=1e300), gt.Quadrupole("q", length=1.0, k1=1e40),
]  # fmt: skip


@pytest.mark.parametrize("element", ABSURD)
def test_phases_without_a_digit_are_refused(element):
    line = gt.Lattice([element], ELECTRON)
    calls = (
        lambda: gt.track(line, gt.Beam(np.zeros((6, 2)), ELECTRON)), lambda: gt.transfer_map(line, 2),
        lambda: gt.twiss(line, start=gt.InitialTwiss(1.0, 0.0, 1.0, 0.0)),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(InputError, match=r"phase advance .* rad in one element must be < .*\(k1, ks\)"):
            call()
