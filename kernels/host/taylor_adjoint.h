// Backward sweep of power series on the host: one map, from after a program to before it, see taylor/functional.h.
#pragma once
#include "taylor.h"
#include "../taylor/functional.h"

static_assert(SERIES_PARAMETERS == 0, "constants are numbers");

static void take(Costate<Series>& g, const Number* from) {
  Functional* const all[] = {&g.x, &g.px, &g.y, &g.py, &g.z, &g.delta};
  for (int c = 0; c < 6; ++c, from += SERIES_SIZE) {
    all[c]->top = SERIES_ORDER;
    for (int i = 0; i < SERIES_SIZE; ++i) all[c]->c[i] = from[SERIES_ROW[i]];
  }
}

static void put(const Costate<Series>& g, Number* to) {
  const Functional* const all[] = {&g.x, &g.px, &g.y, &g.py, &g.z, &g.delta};
  for (int c = 0; c < 6; ++c, to += SERIES_SIZE)
    for (int i = 0; i < SERIES_SIZE; ++i) to[SERIES_ROW[i]] = i < SERIES_FIRST[all[c]->top + 1] ? all[c]->c[i] : broadcast(0.0);
}

static void add_seeds(const SeriesSweep& sweep, Costate<Series>& g, const RecordOp& op) {
  Costate<Series> seed;
  take(seed, sweep.seeds + (Integer)op.place * 6 * SERIES_SIZE);
  g.x += seed.x;
  g.px += seed.px;
  g.y += seed.y;
  g.py += seed.py;
  g.z += seed.z;
  g.delta += seed.delta;
}

// One function per kind of map, to limit the compiler's memory and time.
template <class Map, class Op>
GT_APART void pull_map(State<Series>& s, Costate<Series>& g, const Op& op, Functional* storage, const Reference& ref,
                       double* gradient) {
  const int size = size_of(op);
  for (int i = 0; i < size; ++i) storage[i] = broadcast(0.0);
  Map::pull(s, g, op, bars(op, storage), ref);
  for (int i = 0; i < size; ++i) gradient[i] += constant_of(storage[i]);
}

// Action at an op.
struct Pull {
  const SeriesSweep& sweep;
  State<Series>& s;
  Costate<Series>& g;
  Functional* storage;
  const Reference& ref;
  double* gradient;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    pull_map<Map>(s, g, op, storage, ref, gradient);
  }
  GT_INLINE void aperture(const ApertureOp&) const {}
  GT_INLINE void record(const RecordOp& op) const { add_seeds(sweep, g, op); }
};

static void pull_op(const SeriesSweep& sweep, State<Series>& s, Costate<Series>& g, int k, Functional* storage,
                    const Reference& ref) {
  const int* integers = sweep.run.ops + (Integer)k * OP_INTEGERS;
  at_op(integers, sweep.run.constants + integers[1],
        Pull{sweep, s, g, storage, ref, sweep.gradient + integers[1]});
}

// `buffer`: memory for max_constants Functionals.
extern "C" void gputrack_series_sweep(const SeriesSweep* sweep_pointer, void* buffer) {
  const SeriesSweep& sweep = *sweep_pointer;
  const Number* const members = sweep.run.reference;
  const Reference ref = {members[0], members[1], members[2], members[3], members[4]};
  State<Series> s;
  Costate<Series> g;
  take(s, sweep.run.maps);
  refresh(s, ref);
  take(g, sweep.cotangents);
  g.opd = g.inverse = g.slip = broadcast(0.0);
  g.beta0 = g.inverse_gamma0_squared = g.charge_over_energy = g.charge_over_momentum = g.radiation = broadcast(0.0);
  for (int k = sweep.run.n_ops - 1; k >= 0; --k) pull_op(sweep, s, g, k, static_cast<Functional*>(buffer), ref);
  fold(s, g, ref);
  put(s, sweep.run.maps);
  put(g, sweep.cotangents);
  const Functional* const all[] = {&g.beta0, &g.inverse_gamma0_squared, &g.charge_over_energy, &g.charge_over_momentum,
                                   &g.radiation};
  for (int i = 0; i < REFERENCE_MEMBERS; ++i) sweep.reference[i] += constant_of(*all[i]);
}

extern "C" Integer gputrack_functional_bytes() { return (Integer)sizeof(Functional); }
