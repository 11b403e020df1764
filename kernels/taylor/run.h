// Maps of a lattice as power series: constants of a run, and the loop over ops for one tile of LANES maps.
#pragma once
#include "../program/run.h"
#include "series.h"
#include "elements/faddeeva.h"
#ifndef GT_PLAIN
#include "elements/arc.h"
#include "elements/fringe.h"
#include "elements/straight.h"
#endif

// Constants are numbers, or series if there are parameters.
template <bool parameters>
struct ConstantOf {
  using type = Series;
};
template <>
struct ConstantOf<false> {
  using type = Number;
};
using Constant = ConstantOf<(SERIES_PARAMETERS > 0)>::type;

GT_INLINE void set(Number& constant, const Number& value, const Number*) { constant = value; }
GT_INLINE void set(SeriesOf<Number>& constant, const Number& value, const Number* slopes) {
  constant.degrees = 3u;
  constant.pure = false;
  set_constant(constant.c, value);
  each_of(false, 1, [&](int i) {
    const int p = i - SERIES_FIRST[1] - SERIES_VARIABLES;
    constant.c[i] = p < 0 ? broadcast(0.0) : slopes[p];
  });
}

// Constants of an op: those in the table, or series from these and their slopes.
GT_INLINE const Number* prepared(Number*, const Number* constants, const Number*, int) { return constants; }
GT_INLINE const SeriesOf<Number>* prepared(SeriesOf<Number>* room, const Number* constants, const Number* slopes,
                                           int count) {
  for (int i = 0; i < count; ++i) set(room[i], constants[i], slopes + (Integer)i * SERIES_PARAMETERS);
  return room;
}

// Rows of `maps` are in the order of the space, those of series in that of the kernels.
GT_FUNCTION void take(State<Series>& s, const Number* maps) {
  for (int c = 0; c < 6; ++c, maps += SERIES_SIZE) {
    Series& a = *(&s.x + c);
    a.degrees = 0;
    a.pure = true;
    for (int d = 0; d <= SERIES_ORDER; ++d) {
      bool there = false, mixed = false;
      each_of(false, d, [&](int i) {
        a.c[i] = maps[SERIES_ROW[i]];
        if (vanishes(a.c[i])) return;
        there = true;
        mixed = mixed || i != SERIES_FIRST[d];
      });
      if (any_of_team(there)) a.degrees |= 1u << d;
      if (any_of_team(mixed)) a.pure = false;
    }
  }
}

GT_FUNCTION void put(const State<Series>& s, Number* maps) {
  const Number zero = broadcast(0.0);
  for (int c = 0; c < 6; ++c, maps += SERIES_SIZE) {
    const Series& a = *(&s.x + c);
    each_in(false, ~0u, [&](int i) { maps[SERIES_ROW[i]] = zero; });
    each_in(a.pure, a.degrees, [&](int i) { maps[SERIES_ROW[i]] = a.c[i]; });
  }
}

// One function per kind of map, as in host/passage.h.
template <class Map, class Op>
GT_APART void pass_map(State<Series>& s, const Op& op, const ReferenceConstants<Constant>& ref) {
  Map::apply(s, op, ref);
}

GT_INLINE int number_of_constants(const SeriesRun& run, int k) {
  const Integer begin = run.ops[(Integer)k * OP_INTEGERS + 1];
  const Integer end = k + 1 < run.n_ops ? run.ops[(Integer)(k + 1) * OP_INTEGERS + 1] : run.n_constants;
  return (int)(end - begin);
}

// Action at an op; apertures are ignored.
struct Step {
  const SeriesRun& run;
  State<Series>& s;
  Integer tile;
  const ReferenceConstants<Constant>& ref;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    pass_map<Map>(s, op, ref);
  }
  template <class Op>
  GT_INLINE void aperture(const Op&) const {}
  GT_INLINE void record(const RecordOp& op) const {
    put(s, run.records + (tile * run.places + op.place) * 6 * SERIES_SIZE);
  }
};

GT_FUNCTION void apply(const SeriesRun& run, State<Series>& s, Integer tile, int k, Constant* room,
                       const ReferenceConstants<Constant>& ref) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const Number* constants = run.constants + tile * run.tile_constants + integers[1];
  const Number* slopes = run.slopes + tile * run.tile_slopes + (Integer)integers[1] * SERIES_PARAMETERS;
  at_op(integers, prepared(room, constants, slopes, number_of_constants(run, k)), Step{run, s, tile, ref});
}

// Propagate the maps of one tile through the program, in place. The last argument is memory for max_constants
// Constants.
GT_FUNCTION void pass_tile(const SeriesRun& run, Integer tile, Constant* room) {
  Constant members[REFERENCE_MEMBERS];
  const Number* const rates = run.reference + REFERENCE_MEMBERS;
  for (int i = 0; i < REFERENCE_MEMBERS; ++i) set(members[i], run.reference[i], rates + i * SERIES_PARAMETERS);
  const ReferenceConstants<Constant> ref = {members[0], members[1], members[2], members[3], members[4]};
  State<Series> s;
  Number* const maps = run.maps + tile * 6 * SERIES_SIZE;
  take(s, maps);
  refresh(s, ref);
  for (int k = 0; k < run.n_ops; ++k) apply(run, s, tile, k, room, ref);
  put(s, maps);
}
