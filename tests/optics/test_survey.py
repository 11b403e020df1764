"""Floor coordinates against MAD-X's survey."""

import math

import numpy as np
import pytest
from support.peers import processes

import gputrack as gt


@pytest.mark.parametrize("name", ["spear3", "esr"])
def test_survey_of_rings_is_that_of_madx(lattice_path, name):
    path = lattice_path(f"{name}.madx")
    found = gt.survey(gt.load(path))
    madx = processes.madx(f'call, file="{path}"; use, sequence={name};')
    table = madx.survey()
    for column in ("x", "y", "z", "theta", "phi", "psi"):
        np.testing.assert_allclose(getattr(found, column), np.array(table[column])[:-1], rtol=0, atol=1e-10)
    madx.exit()


def test_survey_out_of_the_plane_is_that_of_madx():
    text = (
        "beam; d: drift, l=1.3; b: sbend, l=2, angle=0.3, tilt=0.4; v: sbend, l=1, angle=-0.2, tilt=pi/2;"
        "r: rbend, l=1.5, angle=0.25; l: line=(d,b,d,v,r,b,d,v,d); option, rbarc=true; use, period=l;"
    )
    madx = processes.madx(text)
    found = madx.survey()
    table = {name: np.array(found[name]) for name in ("x", "y", "z", "theta", "phi", "psi")}
    madx.exit()
    d, b = gt.Drift("d", length=1.3), gt.SectorBend("b", length=2.0, angle=0.3, tilt=0.4)
    v = gt.SectorBend("v", length=1.0, angle=-0.2, tilt=0.5 * math.pi)
    r = gt.RectangularBend("r", length=1.5, angle=0.25)
    found = gt.survey(gt.Lattice([d, b, d, v, r, b, d, v, d], gt.ReferenceParticle.electron(total=3e9)))
    for column, values in table.items():
        np.testing.assert_allclose(getattr(found, column), values[:-1], rtol=0, atol=1e-12, err_msg=column)


def test_a_survey_is_shown_in_one_line():
    found = gt.survey(gt.Lattice([gt.Drift("d", length=1.5), gt.YRotation("y", angle=0.1)]))
    assert repr(found).startswith("<Survey: 3 rows over 1.5 m; ends at x ") and "\n" not in repr(found)
