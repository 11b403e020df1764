"""Element classes of MAD-X: their attributes with default values.

The default value determines the type: a number, True/False, a word, or a list of numbers. The tables follow MAD-X 5.09
(`help` of each class); the tests compare them with MAD-X.
"""

from __future__ import annotations

Default = float | bool | str | tuple[float, ...]


def words(text: str) -> frozenset[str]:
    """Set of the words in a text."""
    return frozenset(text.split())


def _zeros(names: str) -> dict[str, Default]:
    return dict.fromkeys(names.split(), 0.0)


#: attributes without effect on particles, or which control integration and slicing in MAD-X and PTC
IRRELEVANT = words(
    "type comments kmax kmin calib polarity mech_sep v_pos magnet slot_id assembly_id slice thick model method exact "
    "nst aper_tol aper_vx aper_vy lrad rbend_length slice_straight frngmax betrf pg shunt tfill eloss nbin binmax "
    "no_cavity_totalpath chflag cvflag noisemax npeak ntune nlag eltype f3string f3vector attr"
)

#: attributes that every class accepts
_COMMON: dict[str, Default] = {
    **_zeros("l tilt kmax kmin calib polarity mech_sep v_pos magnet slot_id assembly_id"),
    **{"type": "", "comments": "", "slice": 1.0, "thick": False},
    **{"model": -1.0, "method": -1.0, "exact": -1.0, "nst": -1.0},
    **{"apertype": "circle", "aperture": (), "aper_offset": (), "aper_tol": (), "aper_vx": (), "aper_vy": ()},
    **_zeros("aper_tilt dx dy ds dtheta dphi dpsi fringe"),
    **{"kill_ent_fringe": False, "kill_exi_fringe": False},
}
_ERRORS: dict[str, Default] = {"knl": (), "ksl": ()}
_ENDS: dict[str, Default] = {**_zeros("f1 f2 fint hgap"), "fintx": -1.0, "frngmax": 2.0}
_STRAIGHT: dict[str, Default] = {**_ERRORS, **_ENDS, **_zeros("ktap e1 e2 h1 h2"), "thick": False}
_BEND: dict[str, Default] = {
    **_STRAIGHT, **_zeros("angle k0 k0s k1 k1s k2 k2s k3 k3s fcsr"), "fringe": 1.0, "magnet": 1.0,
    "slice_straight": False,
}  # fmt: skip
_MAGNET: dict[str, Default] = {"magnet": 1.0}
_KICKER: dict[str, Default] = {**_zeros("lrad sinkick sinpeak sintune sinphase"), "frngmax": 2.0, "magnet": 1.0}
_CAVITY: dict[str, Default] = {
    **_zeros("volt lag freq harmon betrf pg shunt tfill eloss volterr lagerr nbin binmax n_bessel"),
    "lfile": "", "tfile": "", "no_cavity_totalpath": False,
}  # fmt: skip
_NOISE: dict[str, Default] = {**_zeros("noise lrad"), "noisemax": 1.0, "npeak": (), "ntune": (), "nlag": ()}
_WIRES: dict[str, Default] = {
    "xma": (),
    "yma": (),
    "current": (),
    "l_int": (),
    "l_phy": (),
    "closed_orbit": -1.0,
    "lrad": 0.0,
}
_DIPOLE: dict[str, Default] = {
    **_zeros("volt lag freq harmon ramp1 ramp2 ramp3 ramp4 betrf pg n_bessel"), "lfile": "", "tfile": "",
    "frngmax": 2.0,
}  # fmt: skip
_BEAMBEAM: dict[str, Default] = {
    **_zeros("sigx sigy xma yma width angle copx copy alfxs alfys dxs dys dpxs dpys cot copt npart cox coy"),
    **{"bbshape": 1.0, "charge": 1.0, "sigts": 1.0, "siges": 1.0, "bbdir": -1.0},
    **{"spacecharge": False, "bb_sc": False, "long_coup_off": False},
}
_MATRIX: dict[str, Default] = {
    **_zeros(" ".join(f"kick{i}" for i in range(1, 7))),
    **{f"rm{i}{j}": float(i == j) for i in range(1, 7) for j in range(1, 7)},
    **{f"tm{i}{j}{k}": 0.0 for i in range(1, 7) for j in range(1, 7) for k in range(1, 7)},
    "time_var": False, "magnet": 1.0,
}  # fmt: skip
_TILTED_LENGTH: dict[str, Default] = _zeros("lrad")

_OWN: dict[str, dict[str, Default]] = {
    "drift": {"rbend_length": ""},
    "sbend": _BEND,
    "rbend": {**_BEND, "true_rbend": False, "add_angle": ()},
    "quadrupole": {**_STRAIGHT, **_MAGNET, **_zeros("k0 k1 k1s")},
    "sextupole": {**_STRAIGHT, **_MAGNET, **_zeros("k2 k2s")},
    "octupole": {**_STRAIGHT, **_MAGNET, **_zeros("k3 k3s")},
    "multipole": {
        **_NOISE, **_ERRORS, **_MAGNET, **_zeros("ktap angle ksi"), "frngmax": 2.0, "time_var": False,
    },
    "solenoid": {**_ERRORS, **_ENDS, **_MAGNET, **_zeros("lrad ks ksi xtilt rot_start"), "thick": False},
    "rfcavity": {**_CAVITY, **_zeros("lagtap modulationq ramp1 ramp2 ramp3 ramp4"), "time_var": False},
    "crabcavity": {**_CAVITY, **_zeros("lagf rv1 rv2 rv3 rv4 rph1 rph2")},
    "twcavity": {**_CAVITY, **_zeros("psi delta_lag")},
    "hkicker": {**_KICKER, **_zeros("kick hkick chkick"), "chflag": 1.0},
    "vkicker": {**_KICKER, **_zeros("kick vkick cvkick"), "cvflag": 1.0},
    "kicker": {**_KICKER, **_zeros("hkick vkick chkick cvkick"), "chflag": 1.0, "cvflag": 1.0},
    "tkicker": {**_KICKER, **_zeros("hkick vkick chkick cvkick"), "chflag": 1.0, "cvflag": 1.0},
    "marker": {},
    "monitor": _TILTED_LENGTH,
    "hmonitor": _TILTED_LENGTH,
    "vmonitor": _TILTED_LENGTH,
    "instrument": _TILTED_LENGTH,
    "placeholder": _TILTED_LENGTH,
    "slmonitor": {},
    "blmonitor": {},
    "imonitor": {},
    "collimator": _WIRES,
    "ecollimator": _zeros("lrad xsize ysize"),
    "rcollimator": _zeros("lrad xsize ysize"),
    "sixmarker": {**_zeros("lrad eltype"), "f3string": "", "f3vector": (), "attr": ()},
    "translation": {},
    "yrotation": _zeros("angle"),
    "xrotation": _zeros("angle"),
    "srotation": _zeros("angle"),
    "elseparator": _zeros("ex ey ex_l ey_l lrad"),
    "beambeam": _BEAMBEAM,
    "thinwire": {"xma": (), "yma": (), "ilnorm": ()},
    "wire": _WIRES,
    "dipedge": {**_MAGNET, **_zeros("e1 h he hgap fint"), "entrance": False},
    "changeref": {"patch_ang": (), "patch_trans": (), "misexit": 0.0},
    "changerefp0": {"p0": -1.0, "lrad": 0.0},
    "hacdipole": _DIPOLE,
    "vacdipole": _DIPOLE,
    "nllens": _zeros("knll cnll lrad"),
    "rfmultipole": {
        **_NOISE, **_ERRORS, **_MAGNET, **_zeros("freq volt lag harmon"), "pnl": (), "psl": (),
        "no_cavity_totalpath": False,
    },
    "matrix": _MATRIX,
}  # fmt: skip

#: class name -> attribute -> default value
CLASSES: dict[str, dict[str, Default]] = {name: {**_COMMON, **own} for name, own in _OWN.items()}
