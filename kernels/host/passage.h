// Run of a program on the host, forwards or backwards, for any number type: see block.h.
#pragma once
#include "block.h"

// Apply one op to every pack of the block.
template <class T, class C, bool LOSSES, class Map>
GT_INLINE void pass(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer turn, int op, Map map) {
  const double limit_squared = passage.run.limit * passage.run.limit;
  for (int p = 0; p < b.packs; ++p) {
    State<T>& s = b.states[p];
    if constexpr (LOSSES) {
      const T before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
      map(s);
      const unsigned lost = b.alive[p] & ~acceptable(s, limit_squared);
      if (__builtin_expect(lost, 0)) lose(passage, b, p, lost, before, turn, op, 0);
    } else {
      map(s);
    }
  }
}

template <class T, class C, bool LOSSES>
static void check_aperture(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer turn, int op,
                           const ApertureConstants<C>& limits) {
  for (int p = 0; p < b.packs; ++p) {
    State<T>& s = b.states[p];
    const unsigned lost = b.alive[p] & ~inside(s, limits);
    if (!lost) continue;
    const T before[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
    lose(passage, b, p, lost, before, turn, op, LOST_APERTURE);
  }
}

template <class T, class C, bool LOSSES>
static void record(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer turn, const RecordOp& op) {
  const double* place = record_place(passage.run, op, turn);
  if (!place) return;
  const Integer start = place - passage.run.records;
  for (int p = 0; p < b.packs; ++p)
    for (int c = 0; c < 6; ++c)
      scatter(*coordinate_of(b.states[p], c), passage.records, start + c * passage.run.n + b.first[p], b.alive[p]);
}

// One function per kind of map: small functions fit in registers.
template <bool backwards, class Map, class T, class C, bool LOSSES, class Op>
GT_APART void pass_map(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer turn, int k, const Op& op) {
  pass(passage, b, turn, k, [&](State<T>& s) GT_LAMBDA {
    if constexpr (backwards)
      Map::undo(s, op, passage.reference);
    else
      Map::apply(s, op, passage.reference);
  });
}

// Action at an op.
template <bool backwards, class T, class C, bool LOSSES>
struct Step {
  const Passage<T, C, LOSSES>& passage;
  Block<T>& b;
  Integer turn;
  int k;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    pass_map<backwards, Map>(passage, b, turn, k, op);
  }
  GT_INLINE void aperture(const ApertureConstants<C>& limits) const {
    if constexpr (LOSSES && !backwards) check_aperture(passage, b, turn, k, limits);
  }
  GT_INLINE void record(const RecordOp& op) const { ::record(passage, b, turn, op); }
};

template <bool backwards, class T, class C, bool LOSSES>
static void pass_op(const Passage<T, C, LOSSES>& passage, Block<T>& b, Integer turn, int k) {
  const int* integers = passage.run.ops + (Integer)k * OP_INTEGERS;
  at_op(integers, passage.constants + integers[1], Step<backwards, T, C, LOSSES>{passage, b, turn, k});
}

// All turns for particles begin .. end-1; backwards, in reverse order of turns and ops.
template <bool backwards, class T, class C, bool LOSSES>
static void run_turns(const Passage<T, C, LOSSES>& passage, Integer begin, Integer end) {
  const Run& run = passage.run;
  const int first = backwards ? run.n_ops - 1 : run.first_op, behind = backwards ? run.first_op - 1 : run.n_ops;
  const int way = backwards ? -1 : 1;
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    Block<T> b;
    load(passage, b, i, end);
    Integer turn = backwards ? run.first_turn + run.turns - 1 : run.first_turn;
    // lose particles that start beyond the limits, before the first op
    if constexpr (LOSSES) pass(passage, b, turn, first, [](State<T>&) {});
    for (Integer left = run.turns; left > 0 && b.any; --left, turn += way)
      for (int k = first; k != behind && b.any; k += way) pass_op<backwards>(passage, b, turn, k);
    store(passage, b);
  }
}
