"""Conversion of elements, and attributes without counterparts."""

import math
import re

import numpy as np
import pytest
from support.helpers import push

import gputrack as gt
from gputrack.base.errors import LatticeFileError
from gputrack.io.madx.classes import CLASSES, IRRELEVANT


def one(read_text, text, beam="beam, particle=positron, energy=1;"):
    """The only element of a line."""
    (element,) = read_text(f"{beam} a: {text}; s: line=(a); use, sequence=s;").lattice
    return element


CONVERTED = [
    ("drift, l=2", gt.Drift("a", length=2.0)),
    ("quadrupole, l=2, k1=.1, k1s=.2, tilt=.3, dx=1e-3",
     gt.Quadrupole("a", length=2.0, k1=0.1, k1s=0.2, tilt=0.3, dx=1e-3)),
    ("quadrupole, l=2, k0=.1, knl={.1,0,3}", gt.Quadrupole("a", length=2.0, knl=(0.1 + 0.1 * 2, 0.0, 3.0))),
    ("sbend, l=2, angle=.1", gt.SectorBend("a", length=2.0, angle=0.1)),
    ("sbend, l=2, angle=.1, k0=.06, fint=.5, fintx=0, hgap=.1",
     gt.SectorBend("a", length=2.0, angle=0.1, k0=0.06, fint=0.5, fintx=0.0, hgap=0.1)),
    ("sbend, l=2, k1s=.1, k2s=.2, k3=.3, k3s=.4, knl={0,1}",
     gt.SectorBend("a", length=2.0, knl=(0.0, 1.0, 0.0, 0.3 * 2), ksl=(0.0, 0.2, 0.4, 0.8))),
    ("rbend, l=2, angle=.1, e1=.2", gt.RectangularBend("a", length=2.0, angle=0.1, e1=0.2)),
    ("multipole, knl={.1,2,0,0}, ksl={0,1}, lrad=3",
     gt.Multipole("a", knl=(0.1, 2.0), ksl=(0.0, 1.0), angle=0.1, lrad=3.0)),
    ("multipole, knl={.1}, angle=.05", gt.Multipole("a", knl=(0.1,), angle=0.05)),
    ("solenoid, l=2, ks=.1, ksi=.2", gt.Solenoid("a", length=2.0, ks=0.1)),
    ("rfcavity, l=1, volt=2, freq=3, lag=.5", gt.RFCavity("a", length=1.0, voltage=2e6, frequency=3e6, lag=0.5)),
    ("crabcavity, volt=2, freq=3, tilt=1", gt.CrabCavity("a", voltage=2e6, frequency=3e6, tilt=1.0)),
    ("hkicker, l=1, kick=.1", gt.HKicker("a", length=1.0, kick=0.1)),
    ("hkicker, hkick=.1", gt.HKicker("a", kick=0.1)),
    ("vkicker, vkick=.1", gt.VKicker("a", kick=0.1)),
    ("tkicker, hkick=.1, vkick=.2", gt.Kicker("a", hkick=0.1, vkick=0.2)),
    ("marker", gt.Marker("a")),
    ("monitor", gt.Marker("a")),
    ("vmonitor, l=.1", gt.Drift("a", length=0.1)),
    ("elseparator, l=.1", gt.Drift("a", length=0.1)),
    ("translation, dx=.1, dy=.2", gt.Translation("a", x=0.1, y=0.2)),
    ("yrotation, angle=.1", gt.YRotation("a", angle=0.1)),
    ("sbend, angle=0", gt.Marker("a")),
    ("marker, apertype=circle, aperture={.1}", gt.Marker("a", aperture=gt.Aperture(ellipse=(0.1, 0.1)))),
    ("marker, apertype=ellipse, aperture={.1,.2}", gt.Marker("a", aperture=gt.Aperture(ellipse=(0.1, 0.2)))),
    ("marker, apertype=rectangle, aperture={.1,.2}", gt.Marker("a", aperture=gt.Aperture(rectangle=(0.1, 0.2)))),
    ("marker, apertype=rectellipse, aperture={.1,.2,.3,.4}",
     gt.Marker("a", aperture=gt.Aperture((0.1, 0.2), (0.3, 0.4)))),
    ("marker, apertype=lhcscreen, aperture={.1,.2,.3}", gt.Marker("a", aperture=gt.Aperture((0.1, 0.2), (0.3, 0.3)))),
    ("marker, apertype=octagon", gt.Marker("a")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "element"), CONVERTED)
def test_elements(read_text, text, element):
    assert one(read_text, text) == element


REFUSED = [
    "quadrupole, l=1, h1=.1", "sbend, l=1, angle=.1, h1=.1", "sbend, l=1, h2=.1", "sbend, l=1, k0s=.1",
    "sbend, l=1, angle=.1, ktap=.1", "sbend, l=1, angle=.1, kill_ent_fringe=true", "quadrupole, l=1, fringe=1",
    "sbend, l=1, angle=.1, dx=.1", "quadrupole, l=1, ds=.1", "quadrupole, l=1, dtheta=.1", "quadrupole, k1=1",
    "sbend, angle=.1", "multipole, ksl={.1}", "multipole, knl={1}, noise=1", "multipole, l=1", "solenoid, ks=1",
    "solenoid, ksi=1", "solenoid, l=1, ks=1, knl={0,1}", "rfcavity, volt=1, lagtap=.1",
    "rfcavity, volt=1, freq=1, lfile=abc", "hkicker, kick=.1, hkick=.2", "hkicker, chkick=.1", "kicker, sinkick=1",
    "srotation, angle=.1", "xrotation, angle=.1", "translation, ds=.1", "elseparator, l=1, ex=1", "dipedge, h=.1",
    "beambeam, sigx=1, sigy=1", "matrix, rm11=.5", "changerefp0", "rfmultipole, knl={1}", "nllens, knll=1",
    "crabcavity, rv1=1",
    "marker, apertype=octagon, aperture={.1,.1,.1,.1}", "marker, apertype=circle, aperture={-1}",
    "marker, aperture={1}, aper_offset={.1}", "marker, apertype=ellipse, aperture={.1}", "drift, l=-1",
    "rcollimator, xsize=.1",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_nothing_that_matters_is_lost(read_text, text):
    with pytest.raises(LatticeFileError) as caught:
        one(read_text, text)
    message = str(caught.value)
    assert message.startswith("test.madx:1: ") and "'a'" in message and "\n" not in message


def refusal(read_text, text):
    """Message of the error for an element, empty where it is read."""
    try:
        one(read_text, text)
    except LatticeFileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind != "matrix"])
def test_attributes_that_are_not_supported_are_reported_with_their_effect(read_text, kind):
    """Each is read, irrelevant, or its message gives its effect and its default."""
    for name in CLASSES[kind].keys() - IRRELEVANT:
        value = {bool: "true", str: "foo", tuple: "{0.1, 0.2}"}.get(type(CLASSES[kind][name]), "0.3")
        message = refusal(read_text, f"{kind}, {name}={value}")
        if f"attribute '{name}'" in message:
            assert re.search(rf"'{name}' is not supported \(.+\); .* without it, write {name} = ", message)


def test_effects_in_messages(read_text):
    curved = refusal(read_text, "quadrupole, l=1, h1=.1")
    assert "'h1' is not supported (curvature of the entrance face)" in curved and curved.endswith("write h1 = 0")
    matrix = refusal(read_text, "matrix, rm11=.5")
    assert "'rm11' is not supported (arbitrary transfer map)" in matrix and matrix.endswith("write rm11 = 1")


def test_rbend_with_the_length_of_its_arc(read_text):
    (bend,) = read_text("option, rbarc=false; a: rbend, l=1, angle=.2, e1=.1; s: line=(a); use, sequence=s;").lattice
    assert bend == gt.SectorBend("a", length=1.0, angle=0.2, e1=0.1 + 0.1, e2=0.1)


def test_rbarc_counts_where_the_sequence_is_used(read_text):
    text = "a: rbend, l=1, angle=.2; s: line=(a); option, -rbarc; use, sequence=s; option, rbarc;"
    assert read_text(text).lattice.length == 1.0


def test_voltage_is_the_energy_gain_for_every_charge(read_text):
    cavity = one(read_text, "rfcavity, volt=2, freq=3", "beam, particle=ion, mass=2, charge=4, energy=3;")
    assert cavity.voltage == 2e6 / 4
    assert one(read_text, "rfcavity, volt=2, freq=3", "beam, particle=electron, energy=3;").voltage == 2e6
    with pytest.raises(LatticeFileError, match="beam"):
        one(read_text, "rfcavity, volt=2, freq=3", "")


def test_harmonic_number_gives_the_frequency(read_text):
    text = (
        "beam, particle=proton, pc=1; a: rfcavity, harmon=3, freq=7; d: drift, l=5; s: line=(a, 2*d); use, sequence=s;"
    )
    lattice = read_text(text).lattice
    expected = 3 * lattice.reference.beta0 * 299792458 / 10
    assert lattice[0].frequency == pytest.approx(expected, rel=1e-15)


def test_yrotation_turns_as_in_madx(read_text, madx, tmp_path):
    """A coordinate of the particle after MAD-X's rotation, in thick-lens tracking of one turn."""
    rotation = one(read_text, "yrotation, angle=.1")
    peer = madx(tmp_path)
    peer.run("beam, particle=positron, energy=1; a: yrotation, angle=.1; s: line=(a); use, sequence=s;")
    peer.run("track, onepass, dump, onetable; start, x=1e-3, px=2e-3, y=2e-3, py=1e-3, t=0; run, turns=1; endtrack;")
    table = peer.process.table.trackone
    theirs = np.array([table[c][-1] for c in ("x", "px", "y", "py", "t")])
    reference = gt.ReferenceParticle.from_energy("positron", total=1e9)
    ours = push(rotation, np.array([[1e-3, 2e-3, 2e-3, 1e-3, 0.0, 0.0]]).T, reference)[:5, 0]
    assert ours == pytest.approx(theirs, abs=2e-7)  # MAD-X expands to second order
    assert ours[1] == pytest.approx(2e-3 - math.sin(0.1), abs=1e-3)
