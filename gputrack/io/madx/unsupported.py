"""Attributes of MAD-X elements that gputrack does not support, with their effect in MAD-X and PTC."""

from __future__ import annotations

from gputrack.io.madx.classes import Default

_COMMON = {
    "l": "length", "tilt": "rotation about s", "dx": "horizontal misalignment", "dy": "vertical misalignment",
    "ds": "longitudinal misalignment", "dtheta": "misalignment by a rotation about y",
    "dphi": "misalignment by a rotation about x", "dpsi": "misalignment by a rotation about s",
    "apertype": "shape of the aperture", "aperture": "aperture", "aper_offset": "offset of the aperture",
    "aper_tilt": "rotation of the aperture", "fringe": "switch of the fringe fields",
    "kill_ent_fringe": "no fringe field at the entrance", "kill_exi_fringe": "no fringe field at the exit",
}  # fmt: skip

_CLASSES = {
    "twcavity": "travelling-wave cavity", "collimator": "current-carrying wire", "wire": "current-carrying wire",
    "thinwire": "current-carrying wire", "ecollimator": "half width of the collimator; apertype and aperture are read",
    "rcollimator": "half width of the collimator; apertype and aperture are read",
    "xrotation": "rotation of the reference frame about x", "srotation": "rotation of the reference frame about s",
    "elseparator": "electrostatic field", "beambeam": "parameter of MAD-X's beam-beam model",
    "dipedge": "focusing of a bend's edge", "changeref": "displacement or rotation of the reference frame",
    "changerefp0": "change of the reference momentum", "hacdipole": "AC dipole", "vacdipole": "AC dipole",
    "nllens": "nonlinear lens with elliptic potential", "rfmultipole": "multipole field that oscillates in time",
    "matrix": "arbitrary transfer map",
}  # fmt: skip

_ATTRIBUTES = {
    "f1": "soft fringe field", "f2": "soft fringe field", "fint": "fringe field", "fintx": "fringe field",
    "hgap": "half gap of the fringe field", "ktap": "relative change of the strength by tapering",
    "h1": "curvature of the entrance face", "h2": "curvature of the exit face",
    "e1": "angle of the entrance face", "e2": "angle of the exit face", "k0s": "skew dipole field",
    "fcsr": "coherent synchrotron radiation", "true_rbend": "geometry of the faces in PTC",
    "add_angle": "angles of the faces in PTC", "noise": "strength that varies with the turn",
    "time_var": "strength that varies with the turn", "ksi": "integrated solenoid field",
    "knl": "multipole field", "ksl": "skew multipole field", "xtilt": "rotation about x",
    "rot_start": "rotation of the coordinate system", "volterr": "error of the voltage", "lagerr": "error of the phase",
    "lagtap": "phase from tapering", "modulationq": "modulation of the cavity with the turn",
    "n_bessel": "transverse dependence of the field in PTC", "lfile": "longitudinal wakefield",
    "tfile": "transverse wakefield", "lagf": "phase that varies with the turn",
    **{f"ramp{i}": "amplitude that varies with the turn" for i in range(1, 5)},
    **{f"rv{i}": "voltage that varies with the turn" for i in range(1, 5)},
    **{f"rph{i}": "phase that varies with the turn" for i in range(1, 3)},
    **dict.fromkeys(("sinkick", "sinpeak", "sintune", "sinphase"), "kick that varies with the turn"),
    "chkick": "horizontal kick of an orbit correction", "cvkick": "vertical kick of an orbit correction",
    "kick": "kick", "hkick": "horizontal kick", "vkick": "vertical kick",
}  # fmt: skip


def effect(kind: str, name: str) -> str:
    """Effect of attribute `name` of a class on particles, in words."""
    return _COMMON.get(name) or _CLASSES.get(kind) or _ATTRIBUTES[name]


def as_written(default: Default) -> str:
    """Text of a default value in a MAD-X file."""
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple):
        return "{0}"
    return f"'{default}'" if isinstance(default, str) else f"{default:g}"
