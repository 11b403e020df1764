// Backward sweep on the host, for any number type: undo each op, and pull cotangents back through it.
#pragma once
#include "../program/moments.h"
#include "block.h"

constexpr int MAX_CONSTANTS = 1024;  // of one op

// `gradient` and `reference` are sums over particles of the bars' last part (see `last_part`).
template <class T>
struct Pullback {
  Passage<T, double, true> passage;  // coordinates after the run, replaced by those before it
  Places<T> cotangents;              // (6, n), likewise
  Places<T> seeds;                   // cotangents of the records, laid out as run.records
  double* gradient;                  // (constants,), added to
  double* reference;                 // (REFERENCE_MEMBERS,), added to
  // monitors of moments, as in `Sweep`
  const double *weights, *moment_seeds;
  const Integer* moment_starts;
  Integer moment_turn;
};

template <class T>
struct CoBlock {
  Costate<T> states[BLOCK];
};

GT_INLINE double sum_of(const Pack& a) {
  alignas(64) double lanes[LANES];
  std::memcpy(lanes, &a, sizeof lanes);
  double total = 0.0;
  for (int i = 0; i < LANES; ++i) total += lanes[i];
  return total;
}

template <class T>
static void load_costates(const Pullback<T>& sweep, const Block<T>& b, CoBlock<T>& co) {
  for (int p = 0; p < b.packs; ++p) {
    Costate<T>& g = co.states[p];
    for (int c = 0; c < 6; ++c)
      *coordinate_of(g, c) = gathered(sweep.cotangents, c * sweep.passage.run.n + b.first[p], b.alive[p]);
    g.opd = g.inverse = g.slip = broadcast(0.0);
    for (int i = 0; i < REFERENCE_MEMBERS; ++i) (&g.beta0)[i] = broadcast(0.0);
  }
}

template <class T>
static void store_costates(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co) {
  for (int p = 0; p < b.packs; ++p) {
    Costate<T>& g = co.states[p];
    fold(b.states[p], g, sweep.passage.reference);
    for (int c = 0; c < 6; ++c)
      scatter(*coordinate_of(g, c), sweep.cotangents, c * sweep.passage.run.n + b.first[p], b.alive[p]);
    for (int i = 0; i < REFERENCE_MEMBERS; ++i) sweep.reference[i] += sum_of(last_part((&g.beta0)[i]));
  }
}

// Restore particles lost at this op in this turn, with the cotangents of their last coordinates.
template <class T>
static void restore(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co, Integer turn, int k) {
  const Run& run = sweep.passage.run;
  for (int p = 0; p < b.packs; ++p) {
    unsigned lanes = 0;
    for (int lane = 0; lane < LANES; ++lane) {
      const Integer i = b.first[p] + lane;
      if (!(b.alive[p] >> lane & 1u) && i < run.n && run.loss_turn[i] == turn && run.loss_op[i] == k) lanes |= 1u << lane;
    }
    if (!lanes) continue;
    b.alive[p] |= lanes;
    b.any |= lanes;
    for (int c = 0; c < 6; ++c) {
      const Integer at = c * run.n + b.first[p];
      T &x = *coordinate_of(b.states[p], c), &g = *coordinate_of(co.states[p], c);
      x = choose(lanes, gathered(sweep.passage.coordinates, at, lanes), x);
      g = choose(lanes, gathered(sweep.cotangents, at, lanes), g);
    }
    fold(b.states[p], co.states[p], sweep.passage.reference);
    refresh(b.states[p], sweep.passage.reference);
  }
}

// Pull cotangents of recorded moments back to the particles at the record.
template <class T>
static void add_moment_seeds(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co, const double* seed) {
  const Places<Pack> weights = {const_cast<double*>(sweep.weights)};
  for (int p = 0; p < b.packs; ++p) {
    const T weight = gathered(weights, b.first[p], b.alive[p]);
    add_moment_seed(b.states[p], co.states[p], b.alive[p], weight, seed);
  }
}

// Add cotangents of recorded coordinates at their records.
template <class T>
static void add_seeds(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co, Integer turn, const RecordOp& op) {
  if (const double* moments = moment_seeds_of(sweep, op, turn)) return add_moment_seeds(sweep, b, co, moments);
  const Run& run = sweep.passage.run;
  const double* place = record_place(run, op, turn);
  if (!place) return;
  const Integer start = place - run.records;
  for (int p = 0; p < b.packs; ++p)
    for (int c = 0; c < 6; ++c)
      *coordinate_of(co.states[p], c) += gathered(sweep.seeds, start + c * run.n + b.first[p], b.alive[p]);
}

// One function per kind of map, as in passage.h.
template <class Map, class T, class Op>
GT_APART void pull_map(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co, const Op& op, double* gradient) {
  T storage[MAX_CONSTANTS];
  const int size = size_of(op);
  for (int i = 0; i < size; ++i) storage[i] = broadcast(0.0);
  for (int p = 0; p < b.packs; ++p) Map::pull(b.states[p], co.states[p], op, bars(op, storage), sweep.passage.reference);
  for (int i = 0; i < size; ++i) gradient[i] += sum_of(last_part(storage[i]));
}

// Action at an op; particles lost at apertures are restored by the loop.
template <class T>
struct Pull {
  const Pullback<T>& sweep;
  Block<T>& b;
  CoBlock<T>& co;
  Integer turn;
  double* gradient;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    pull_map<Map>(sweep, b, co, op, gradient);
  }
  GT_INLINE void aperture(const ApertureOp&) const {}
  GT_INLINE void record(const RecordOp& op) const { add_seeds(sweep, b, co, turn, op); }
};

template <class T>
static void pull_op(const Pullback<T>& sweep, Block<T>& b, CoBlock<T>& co, Integer turn, int k) {
  const Run& run = sweep.passage.run;
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  at_op(integers, run.constants + integers[1], Pull<T>{sweep, b, co, turn, sweep.gradient + integers[1]});
}

static bool any_lost(const Run& run, Integer begin, Integer end) {
  for (Integer i = begin; i < end; ++i)
    if (run.loss_op[i] >= 0 && run.loss_code[i] != ALIVE) return true;
  return false;
}

// Sweep back over all turns for particles begin .. end-1.
template <class T>
static void sweep_turns(const Pullback<T>& sweep, Integer begin, Integer end) {
  const Run& run = sweep.passage.run;
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    const Integer stop = i + BLOCK * LANES < end ? i + BLOCK * LANES : end;
    Block<T> b;
    CoBlock<T> co;
    load(sweep.passage, b, i, stop);
    load_costates(sweep, b, co);
    const bool lost = any_lost(run, i, stop);
    for (Integer turn = run.first_turn + run.turns - 1; turn >= run.first_turn; --turn)
      for (int k = run.n_ops - 1; k >= run.first_op; --k) {
        if (b.any) pull_op(sweep, b, co, turn, k);
        if (lost) restore(sweep, b, co, turn, k);
      }
    store(sweep.passage, b);
    store_costates(sweep, b, co);
  }
}
