"""A ring with an orbit and coupling, and all figures of optics that have gradients: by name, at one place each."""

import math

import autograd.numpy as anp

import gputrack as gt
from gputrack.optics import EdwardsTeng

CELLS = 6
GAP = dict(fint=0.5, hgap=0.02)

HANDLES = (
    "qf.*.k1", "qd.1.k1s", "qd.2.tilt", "qf.3.dx", "b.*.angle", "b.2.length", "b.1.e1", "sf.*.k2", "o.2.k3",
    "h.1.hkick", "thin.knl[1]", "reference.p0c",
)  # fmt: skip
VOLTAGES = (0.0, 1.5e6)
TERMS = ("h21000", "h30000", "h10110", "h11001", "h00201", "h10002", "h10010", "h10100", "h22000", "h20020")


def ring_with_errors(voltage, model=None):
    """A ring of six cells with an orbit, coupling, faces, fringes, multipoles of all kinds and a cavity."""
    elements = []
    for i in range(CELLS):
        bend = gt.SectorBend(f"b.{i}", length=1.2, angle=math.pi / CELLS, e1=0.1, e2=0.08, k1=-0.02, **GAP)
        straight = gt.Drift(f"d.{i}", length=0.6)
        elements += [
            gt.Quadrupole(f"qf.{i}", length=0.3, k1=1.8, dx=2e-4 * (i == 2), tilt=2e-3 * (i == 4)),
            gt.Sextupole(f"sf.{i}", length=0.1, k2=9.0), straight, bend, straight,
            gt.Sextupole(f"sd.{i}", length=0.1, k2=-15.0), gt.Kicker(f"h.{i}", length=0.1, vkick=1e-4 * (i == 0)),
            gt.Quadrupole(f"qd.{i}", length=0.3, k1=-1.3), gt.Octupole(f"o.{i}", length=0.1, k3=40.0), straight,
            bend, straight,
        ]  # fmt: skip
    elements.append(gt.Multipole("thin", knl=(0.0, 0.01, 0.4), ksl=(0.0, 0.004, 0.3)))
    reference = gt.ReferenceParticle.electron(total=2e9)
    length = gt.Lattice(elements, reference).length
    frequency = 20 * reference.beta0 * 299_792_458.0 / length
    elements.append(gt.RFCavity("rf", voltage=voltage, frequency=frequency, lag=0.49))
    if voltage:  # a second one, at another phase: the synchronous phase depends on both
        elements.insert(37, gt.RFCavity("rf.2", voltage=0.3 * voltage, frequency=frequency, lag=0.44))
    return gt.Lattice(elements, reference, name="small", model=model)


def optics_figures(lattice):
    """Of `twiss`."""
    tw, decoupled = gt.twiss(lattice), gt.twiss(lattice, form=EdwardsTeng())
    found = {name: getattr(tw, name) for name in ("qx", "qy", "slip", "momentum_compaction", "dqx", "dqy")}
    found |= {name: getattr(tw, name)[17] for name in ("betx", "alfx", "mux", "bety", "alfy", "muy", "s")}
    found |= {f"orbit {name}": getattr(tw, name)[9] for name in ("x", "px", "y", "py")}
    found |= {f"dispersion {name}": getattr(tw, name)[9] for name in ("dx", "dpx", "dy", "dpy")}
    found |= {"beta y1": tw.beta("y", 1)[5], "alpha x2": tw.alpha("x", 2)[5], "g^2": tw.gamma_squared[20]}
    found |= {f"decoupled {name}": getattr(decoupled, name)[30] for name in ("betx", "alfy")}
    found |= {f"chromatic {name}": column[23] for name, column in vars(tw.chromatic).items()}
    if lattice[-1].voltage:
        found |= {"qs": tw.qs, "orbit z": tw.z[9], "orbit delta": tw.delta[9], "beta x3": tw.beta("x", 3)[9]}
    return found


def other_figures(lattice):
    """Of `driving_terms` and `radiation`."""
    terms, rad = gt.driving_terms(lattice, TERMS), gt.radiation(lattice)
    found = {name: anp.abs(value) for name, value in terms.items()}
    found |= {"phase of h30000": anp.angle(terms["h30000"]), "f10110": anp.real(terms.generating("h10110"))}
    found["h21000 along"] = anp.abs(terms.along("h21000")[40])
    found |= {name: getattr(rad, name) for name in ("i1", "i2", "i3", "i4x", "i4y", "i5x", "i5y")}
    found |= {name: getattr(rad, name) for name in ("energy_loss", "energy_spread")}
    for name in ("partition", "damping_times", "emittance"):
        found |= {f"{name} {plane}": value for plane, value in zip("xyz", getattr(rad, name), strict=False)}
    if lattice[-1].voltage:
        found["synchrotron_tune"] = rad.synchrotron_tune
    return found


def all_figures(voltage):
    """All figures of optics as a function (knobs,) -> (n,), and the present values of the knobs; in few slices."""
    ring = ring_with_errors(voltage, gt.Model(gt.MatrixKick(2, 1)))
    knobs = ring.knobs(*HANDLES)

    def figures(values):
        changed = ring.with_knobs(knobs, values)
        return anp.stack([*optics_figures(changed).values(), *other_figures(changed).values()])

    return figures, knobs.values
