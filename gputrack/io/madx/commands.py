"""Commands of MAD-X that do not describe a lattice: those that are skipped and those that raise an error."""

from gputrack.io.madx.classes import words

#: commands that compute, print or plot without changing elements or variables
SKIPPED = words(
    "aperture assert assign beta0 coguess copyfile create delete deselect distribution dumpsequ dynap emit "
    "endtrack eoption eprint esave etable fill getdisp getkick getorbit help ibs observe plot print "
    "printf ptc_create_layout ptc_create_universe ptc_dumpmaps ptc_end ptc_enforce6d ptc_moments ptc_normal "
    "ptc_observe ptc_oneturnmap ptc_printframes ptc_printparametric ptc_script ptc_select ptc_select_moment "
    "ptc_setswitch ptc_start ptc_track ptc_track_end ptc_trackline ptc_track_shape ptc_twiss putdisp putorbit readcorr "
    "readmytable readtable removefile renamefile resplot ripple run rviewer save save_state savebeta select "
    "select_ptc_normal set setplot setvars_const show shrink sixtrack sodd start survey sxfwrite system title touschek "
    "track twiss value write usemonitor ptc_export_xml ptc_refreshpartables ptc_knob "
    "sddsin sddsout ptc_open_gino"
)

#: commands that change elements, sequences or variables, with the reason and the remedy
UNSUPPORTED: dict[str, str] = {
    **dict.fromkeys(
        ("match", "endmatch", "vary", "constraint", "global", "gweight", "lmdif", "simplex", "migrad", "jacobian",
         "siman", "weight", "couple", "fix", "level", "rmatrix", "tmatrix", "use_macro"),
        "matching changes variables; write the matched values into the file",
    ),
    **dict.fromkeys(
        ("seqedit", "endedit", "install", "move", "remove", "replace", "cycle", "reflect", "flatten", "extract",
         "makethin", "sxfread"),
        "it changes the sequence; run MAD-X and save the new sequence",
    ),
    **dict.fromkeys(
        ("ealign", "efcomp", "seterr", "ptc_align", "ptc_read_errors", "ptc_refresh_k", "ptc_setfieldcomp",
         "ptc_setknobvalue", "ptc_varyknob", "ptc_eplacement", "ptc_putbeambeam", "ptc_move_to_layout"),
        "it assigns errors to elements; set dx, dy, tilt, knl, ksl of the elements",
    ),
    **dict.fromkeys(
        ("correct", "usekick", "setcorr", "putkick", "taper", "threader", "coption"),
        "it changes correctors; write their strengths into the file",
    ),
    **dict.fromkeys(
        ("setvars", "setvars_lin", "setvars_knob", "fill_knob", "add2expr"), "it sets variables from tables"
    ),
    "chdir": "called files are searched for beside the calling file",
    "exec": "macros are not executed; insert their text",
}  # fmt: skip
