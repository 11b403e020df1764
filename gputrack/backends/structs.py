"""Structs that kernels of maps are given: the table of their members, and how a launch fills the first of them."""

from __future__ import annotations

import ctypes
from typing import Any

from gputrack.backends.derivatives import MomentCotangents
from gputrack.backends.launch import Launch, Particles
from gputrack.base.c_struct import DOUBLE, INT, INTEGER, Member, Struct, pointer
from gputrack.elements.map import ReferenceValues

_NUMBERS, _GIVEN = pointer("double"), pointer("const double")
_INTS, _GIVEN_INTS, _INTEGERS, _GIVEN_INTEGERS = map(pointer, ("int", "const int", "Integer", "const Integer"))
#: of power series: one number, or one for each of several maps side by side
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
    Member("n_ops", INT, "the op behind the last one that acts"),
    Member("first_op", INT, "the first op that acts"),
    Member("constants", _GIVEN, "of the program"),
    Member("reference", REFERENCE),
    Member("first_turn", INTEGER),
    Member("turns", INTEGER),
    Member("loss_code", _INTS, "(n,), 0 while alive"),
    Member("loss_turn", _INTEGERS, "(n,)"),
    Member("loss_op", _INTS, "(n,)"),
    Member("limit", DOUBLE, "on |x| and |y| [m]"),
    Member("records", _NUMBERS, "all monitors' buffers, each (recorded turns, places, 6, n)"),
    Member("record_starts", _GIVEN_INTEGERS, "(monitors,), start of each buffer"),
)

#: what a sweep is given where monitors record moments
_MOMENTS = (
    Member("weights", _GIVEN, "(n,), real particles per macroparticle"),
    Member("moment_seeds", _GIVEN, "of each monitor of moments (recorded turns, places, MOMENT_SEEDS)"),
    Member("moment_starts", _GIVEN_INTEGERS, "(monitors,), start of each one's seeds, -1 for coordinates; may be null"),
    Member("moment_turn", INTEGER, "from which the recorded turns count"),
)

SWEEP = Struct(
    "Sweep",
    "Backward sweep of a part of the particles on the host.",
    Member("run", RUN, "coordinates after the run; of survivors, those before it when done"),
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
    "Sum over rows of numbers, in their order.",
    Member("rows", _GIVEN, "(count, size)"),
    Member("count", INT),
    Member("size", INTEGER),
    Member("total", _NUMBERS, "(size,)"),
)

TANGENT_RUN = Struct(
    "TangentRun",
    "Run with tangents: the maps run on dual numbers, whose constants have tangents too.",
    Member("run", RUN),
    Member("tangents", _NUMBERS, "(6, n), of the coordinates, changed in place"),
    Member("constants", pointer("const Dual<double>", "template <class T> struct Dual;"), "with their tangents"),
    Member("reference_tangents", REFERENCE),
    Member("record_tangents", _NUMBERS, "laid out as run.records"),
)

MATRIX_SWEEP = Struct(
    "MatrixSweep",
    "Backward sweep of transfer matrices.",
    Member("run", RUN, "orbits after the program; before it when done"),
    Member("tangents", _NUMBERS, "(6, n), J v after the program; v when done"),
    Member("cotangents", _NUMBERS, "(6, n), of J v after the program; of v when done"),
    Member("orbit_cotangents", _NUMBERS, "(6, n), of the orbits, likewise"),
    Member("gradient", _NUMBERS, "(constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
    Member("seeds", _GIVEN, "cotangents of J v at the records, laid out as run.records"),
    Member("orbit_seeds", _GIVEN, "those of the orbits, likewise"),
)

RATES_RUN = Struct(
    "RatesRun",
    "Passage, forwards or backwards, of matrices and of their derivatives along orbits.",
    Member("run", RUN, "orbits (6, n); after the program when tracked, before it when swept"),
    Member("tangents", _NUMBERS, "(6, n), J v"),
    Member("along", _NUMBERS, "(6, n), J d"),
    Member("rates", _NUMBERS, "(6, n), J'[d] v"),
    Member("record_rates", _NUMBERS, "rates at the records, laid out as run.records; may be null"),
    Member("cotangents", _NUMBERS, "(6, n), of the rates after the program; before it when swept"),
    Member("along_cotangents", _NUMBERS, "(6, n), of d before the program, written by the sweep"),
    Member("orbit_cotangents", _NUMBERS, "(6, n), of the orbits, likewise"),
    Member("gradient", _NUMBERS, "(constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
    Member("seeds", _GIVEN, "cotangents of the rates at the records; may be null"),
)

SERIES_RUN = Struct(
    "SeriesRun",
    "Passage of maps as power series, in tiles of a few maps side by side.",
    Member("ops", _GIVEN_INTS, "(n_ops, OP_INTEGERS)"),
    Member("n_ops", INT),
    Member("constants", _GIVEN_SERIES, "those of tile 0"),
    Member("tile_constants", INTEGER, "from one tile's constants to the next one's; 0 where all tiles share them"),
    Member("slopes", _GIVEN_SERIES, "(n_constants, parameters) of tile 0: their derivatives along the parameters"),
    Member("tile_slopes", INTEGER, "from one tile's slopes to the next one's; 0 where all tiles share them"),
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
    Member("run", SERIES_RUN, "one tile; its map is that after the program, and that before it when done"),
    Member("cotangents", _SERIES, "(6, SERIES_SIZE), with respect to the map's coefficients, likewise"),
    Member("seeds", _GIVEN_SERIES, "those with respect to the maps at the records, laid out as run.records"),
    Member("gradient", _NUMBERS, "(n_constants,), added to"),
    Member("reference", _NUMBERS, "with respect to the members of Reference, added to"),
)

TEAM_RUN = Struct(
    "TeamRun",
    "Passage of maps on a GPU, each by a team of threads; a tile is one map.",
    Member("run", SERIES_RUN),
    Member("n", INTEGER, "maps"),
    Member("pools", _NUMBERS, "(teams, pool_doubles), memory for the series under way"),
    Member("pool_doubles", INTEGER),
    Member("missing", _INTS, "(1,), set to 1 where a team needs more series than it has memory for"),
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
    Member("strength", DOUBLE, "c, of the kick that is done or, by a sweep, undone"),
    Member("inverse_total", DOUBLE, "1/W"),
    Member("lost", pointer("signed char"), "(n,), loss codes of particles that the kick loses; they stay as they were"),
)

PIPE_LAUNCH = Struct(
    "PipeLaunch",
    "The same on a GPU.",
    Member("run", PIPE_RUN),
    Member("rows", _NUMBERS, "(blocks, 1 or 3, horizontal, vertical), sums of each block; null in a kick"),
    Member("any", _INTS, "(1,), set to 1 where a particle is lost; null but in a kick forwards"),
)

#: all of them; the kernels' text of those that it names is generated, none is written by hand
STRUCTS = (
    REFERENCE, RUN, SWEEP, BLOCK_SWEEP, ROW_SUMS, TANGENT_RUN, MATRIX_SWEEP, RATES_RUN, SERIES_RUN, SERIES_SWEEP,
    TEAM_RUN, PIPE_RUN, PIPE_LAUNCH,
)  # fmt: skip


def moment_members(moments: MomentCotangents | None, launch: Launch, address: Any) -> dict[str, int]:
    """Members of a sweep where monitors record moments; none otherwise."""
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
