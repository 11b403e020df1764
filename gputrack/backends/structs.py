"""Structs passed to the kernels of maps: tables of their members, and the `RUN` of a launch."""

from __future__ import annotations

import ctypes
from typing import Any

from gputrack.backends.derivatives import MomentCotangents
from gputrack.backends.launch import Launch, Particles
from gputrack.base.c_struct import DOUBLE, INT, INTEGER, Member, Struct, pointer
from gputrack.elements.map import ReferenceValues

_NUMBERS, _GIVEN = pointer("double"), pointer("const double")
_INTS, _GIVEN_INTS, _INTEGERS, _GIVEN_INTEGERS = map(pointer, ("int", "const int", "Integer", "const Integer"))
#: coefficients of power series: single numbers, or packs of several maps
_SERIES, _GIVEN_SERIES = pointer("Number"), pointer("const Number")

REFERENCE = Struct(
    "Reference",
    "The reference particle, see `ReferenceValues`.",
    *(Member(name, DOUBLE) for name in ReferenceValues._fields),
    template="ReferenceConstants",
)

RUN = Struct(
    "Run",
    "Run of a program over particles. Arrays are in the memory of the device that runs it.",
    Member("coordinates", _NUMBERS, "(6, n), changed in place"),
    Member("n", INTEGER, "particles"),
    Member("ops", _GIVEN_INTS, "(n_ops, OP_INTEGERS)"),
    Member("n_ops", INT, "op after the last one to apply"),
    Member("first_op", INT, "first op to apply"),
    Member("constants", _GIVEN, "of the program"),
    Member("reference", REFERENCE),
    Member("first_turn", INTEGER),
    Member("turns", INTEGER),
    Member("loss_code", _INTS, "(n,), 0 for survivors"),
    Member("loss_turn", _INTEGERS, "(n,)"),
    Member("loss_op", _INTS, "(n,)"),
    Member("limit", DOUBLE, "on |x| and |y| [m]"),
    Member("records", _NUMBERS, "all monitors' buffers, each (recorded turns, places, 6, n)"),
    Member("record_starts", _GIVEN_INTEGERS, "(monitors,), start of each buffer"),
)

#: members of a sweep for monitors that record moments
_MOMENTS = (
    Member("weights", _GIVEN, "(n,), real particles per macroparticle"),
    Member("moment_seeds", _GIVEN, "of each monitor of moments (recorded turns, places, MOMENT_SEEDS)"),
    Member("moment_starts", _GIVEN_INTEGERS, "(monitors,), start of each one's seeds, -1 for coordinates; may be null"),
    Member("moment_turn", INTEGER, "first turn of the run"),
)

SWEEP = Struct(
    "Sweep",
    "Backward sweep of a part of the particles on the host.",
    Member("run", RUN, "coordinates after the run, replaced by those before it"),
    Member("cotangents", _NUMBERS, "(6, n), likewise"),
    Member("gradient", _NUMBERS, "(constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
    Member("seeds", _GIVEN, "cotangents of the records, laid out as run.records; null without monitors"),
    *_MOMENTS,
)

BLOCK_SWEEP = Struct(
    "BlockSweep",
    "Backward sweep by the blocks of a GPU.",
    Member("run", RUN, "as in Sweep"),
    Member("cotangents", _NUMBERS, "as in Sweep"),
    Member("seeds", _GIVEN, "as in Sweep"),
    Member("rows", _NUMBERS, "(blocks, n_constants + members of Reference), zeros at first"),
    Member("n_constants", INT),
    *_MOMENTS,
)

ROW_SUMS = Struct(
    "RowSums",
    "Sum over rows of numbers, in order.",
    Member("rows", _GIVEN, "(count, size)"),
    Member("count", INT),
    Member("size", INTEGER),
    Member("total", _NUMBERS, "(size,)"),
)

TANGENT_RUN = Struct(
    "TangentRun",
    "Run with tangents: maps of dual numbers, with tangents of coordinates and constants.",
    Member("run", RUN),
    Member("tangents", _NUMBERS, "(6, n), of the coordinates, changed in place"),
    Member("constants", pointer("const Dual<double>", "template <class T> struct Dual;"), "with their tangents"),
    Member("reference_tangents", REFERENCE),
    Member("record_tangents", _NUMBERS, "laid out as run.records"),
)

MATRIX_SWEEP = Struct(
    "MatrixSweep",
    "Backward sweep of transfer matrices.",
    Member("run", RUN, "orbits after the program, replaced by those before it"),
    Member("tangents", _NUMBERS, "(6, n), J v after the program, replaced by v"),
    Member("cotangents", _NUMBERS, "(6, n), of J v after the program, replaced by those of v"),
    Member("orbit_cotangents", _NUMBERS, "(6, n), of the orbits, likewise"),
    Member("gradient", _NUMBERS, "(constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
    Member("seeds", _GIVEN, "cotangents of J v at the records, laid out as run.records"),
    Member("orbit_seeds", _GIVEN, "those of the orbits, likewise"),
)

RATES_RUN = Struct(
    "RatesRun",
    "Passage, forwards or backwards, of matrices and of their derivatives along orbits.",
    Member("run", RUN, "orbits (6, n), replaced by those after the program, or before it in a sweep"),
    Member("tangents", _NUMBERS, "(6, n), J v"),
    Member("along", _NUMBERS, "(6, n), J d"),
    Member("rates", _NUMBERS, "(6, n), J'[d] v"),
    Member("record_rates", _NUMBERS, "rates at the records, laid out as run.records; may be null"),
    Member("cotangents", _NUMBERS, "(6, n), of the rates after the program, replaced by those before it"),
    Member("along_cotangents", _NUMBERS, "(6, n), of d before the program, set by the sweep"),
    Member("orbit_cotangents", _NUMBERS, "(6, n), of the orbits, likewise"),
    Member("gradient", _NUMBERS, "(constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
    Member("seeds", _GIVEN, "cotangents of the rates at the records; may be null"),
)

SERIES_RUN = Struct(
    "SeriesRun",
    "Propagation of maps as power series, in tiles of a few maps side by side.",
    Member("ops", _GIVEN_INTS, "(n_ops, OP_INTEGERS)"),
    Member("n_ops", INT),
    Member("constants", _GIVEN_SERIES, "those of tile 0"),
    Member("tile_constants", INTEGER, "stride of the constants from tile to tile; 0 if all tiles share them"),
    Member("slopes", _GIVEN_SERIES, "(n_constants, parameters) of tile 0: their derivatives along the parameters"),
    Member("tile_slopes", INTEGER, "stride of the slopes from tile to tile; 0 if all tiles share them"),
    Member("reference", _GIVEN_SERIES, "members of Reference, then (members, parameters)"),
    Member("n_constants", INTEGER),
    Member("maps", _SERIES, "(tiles, 6, SERIES_SIZE), changed in place"),
    Member("records", _SERIES, "(tiles, places, 6, SERIES_SIZE)"),
    Member("places", INTEGER),
    Member("max_constants", INT, "of one op"),
)

SERIES_SWEEP = Struct(
    "SeriesSweep",
    "Backward sweep of one map as power series.",
    Member("run", SERIES_RUN, "one tile; its map is that after the program, replaced by that before it"),
    Member("cotangents", _SERIES, "(6, SERIES_SIZE), with respect to the map's coefficients, likewise"),
    Member("seeds", _GIVEN_SERIES, "those with respect to the maps at the records, laid out as run.records"),
    Member("gradient", _NUMBERS, "(n_constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
)

TEAM_RUN = Struct(
    "TeamRun",
    "Propagation of maps on a GPU, each by a team of threads; a tile is one map.",
    Member("run", SERIES_RUN),
    Member("n", INTEGER, "maps"),
    Member("pools", _NUMBERS, "(teams, pool_doubles), memory for intermediate series"),
    Member("pool_doubles", INTEGER),
    Member("missing", _INTS, "(1,), set to 1 if a team needs more series than fit in its memory"),
)

PIPE_RUN = Struct(
    "PipeRun",
    "Kick of all particles by their field in a rectangular pipe.",
    Member("coordinates", _NUMBERS, "(6, n)"),
    Member("cotangents", _NUMBERS, "(6, n), of a sweep"),
    Member("weights", _GIVEN, "(n,)"),
    Member("n", INTEGER, "particles"),
    Member("inverse_width", DOUBLE, "[1/m]"),
    Member("inverse_height", DOUBLE, "[1/m]"),
    Member("kx", _GIVEN, "(horizontal,), wavenumbers [1/m]"),
    Member("table", _GIVEN, "of the potential (horizontal, vertical, 2), or 6 for a sweep"),
    Member("strength", DOUBLE, "c, of the kick that is applied or, in a sweep, undone"),
    Member("inverse_total", DOUBLE, "1/W"),
    Member("lost", pointer("signed char"), "(n,), loss codes of particles lost by the kick; they are unchanged"),
)

PIPE_LAUNCH = Struct(
    "PipeLaunch",
    "Kick by the field in a rectangular pipe on a GPU.",
    Member("run", PIPE_RUN),
    Member("rows", _NUMBERS, "(blocks, 1 or 3, horizontal, vertical), sums of each block; null in a kick"),
    Member("any", _INTS, "(1,), set to 1 if a particle is lost; null except in a forward kick"),
)

#: all structs; their C text is generated for kernels that use them, never written by hand
STRUCTS = (
    REFERENCE, RUN, SWEEP, BLOCK_SWEEP, ROW_SUMS, TANGENT_RUN, MATRIX_SWEEP, RATES_RUN, SERIES_RUN, SERIES_SWEEP,
    TEAM_RUN, PIPE_RUN, PIPE_LAUNCH,
)  # fmt: skip


def moment_members(moments: MomentCotangents | None, launch: Launch, address: Any) -> dict[str, int]:
    """Members of a sweep for monitors that record moments; empty without moments."""
    if moments is None:
        return {}
    return {
        "weights": address(launch.weights), "moment_seeds": address(moments.seeds),
        "moment_starts": address(moments.starts), "moment_turn": moments.first_turn,
    }  # fmt: skip


def make_run(particles: Particles, launch: Launch, ops: Any, constants: Any, address: Any) -> ctypes.Structure:
    """`RUN` of a launch; `address(array)` is the address of an array's memory on the device."""
    return RUN.memory(
        address(particles.coordinates),
        particles.coordinates.shape[1],
        address(ops),
        launch.end_op,
        launch.first_op,
        address(constants),
        REFERENCE.memory(*ReferenceValues.of(launch.reference)),
        launch.first_turn,
        launch.turns,
        address(particles.loss_code),
        address(particles.loss_turn),
        address(particles.loss_op),
        launch.limit,
        address(launch.records.flat),
        address(launch.records.starts),
    )
