// The backward sweep on CPU threads: undoes each op while it pulls the cotangents back through it.
#pragma once
#include "block.h"
#include "../program/moments.h"

constexpr int MAX_CONSTANTS = 1024;  // of one op

struct CoBlock {
  Costate<Pack> states[BLOCK];
};

GT_INLINE double sum_of(const Pack& a) {
  alignas(64) double lanes[LANES];
  std::memcpy(lanes, &a, sizeof lanes);
  double total = 0.0;
  for (int i = 0; i < LANES; ++i) total += lanes[i];
  return total;
}

static void load_costates(const Sweep& sweep, const Block& b, CoBlock& co) {
  for (int p = 0; p < b.packs; ++p) {
    Costate<Pack>& g = co.states[p];
    alignas(64) double lanes[6][LANES] = {};
    for (int lane = 0; lane < LANES; ++lane)
      if (b.alive[p] >> lane & 1u)
        for (int c = 0; c < 6; ++c) lanes[c][lane] = sweep.cotangents[c * sweep.run.n + b.first[p] + lane];
    for (int c = 0; c < 6; ++c) std::memcpy(coordinate_of(g, c), lanes[c], sizeof lanes[c]);
    g.opd = g.inverse = g.slip = broadcast(0.0);
    g.beta0 = g.inverse_gamma0_squared = g.charge_over_energy = g.charge_over_momentum = g.radiation = broadcast(0.0);
  }
}

static void store_costates(const Sweep& sweep, Block& b, CoBlock& co) {
  for (int p = 0; p < b.packs; ++p) {
    fold(b.states[p], co.states[p], sweep.run.reference);
    alignas(64) double lanes[LANES];
    for (int c = 0; c < 6; ++c) {
      std::memcpy(lanes, coordinate_of(co.states[p], c), sizeof lanes);
      for (int lane = 0; lane < LANES; ++lane)
        if (b.alive[p] >> lane & 1u) sweep.cotangents[c * sweep.run.n + b.first[p] + lane] = lanes[lane];
    }
    const Costate<Pack>& g = co.states[p];
    const Pack* bars[] = {&g.beta0, &g.inverse_gamma0_squared, &g.charge_over_energy, &g.charge_over_momentum,
                          &g.radiation};
    for (int i = 0; i < REFERENCE_MEMBERS; ++i) sweep.reference[i] += sum_of(*bars[i]);
  }
}

// A particle lost at this op in this turn comes back to life before it, with the cotangent of its last coordinates.
static void revive(const Sweep& sweep, Block& b, CoBlock& co, Integer turn, int k) {
  const Run& run = sweep.run;
  for (int p = 0; p < b.packs; ++p) {
    for (int lane = 0; lane < LANES; ++lane) {
      const Integer i = b.first[p] + lane;
      if (b.alive[p] >> lane & 1u || i >= run.n || run.loss_turn[i] != turn || run.loss_op[i] != k) continue;
      b.alive[p] |= 1u << lane;
      b.any |= 1u;
      for (int c = 0; c < 6; ++c) {
        reinterpret_cast<double*>(coordinate_of(b.states[p], c))[lane] = run.coordinates[c * run.n + i];
        reinterpret_cast<double*>(coordinate_of(co.states[p], c))[lane] = sweep.cotangents[c * run.n + i];
      }
      fold(b.states[p], co.states[p], run.reference);
      refresh(b.states[p], run.reference);
    }
  }
}

// Cotangents of recorded moments are pulled back to the particles where they were recorded.
static void add_moment_seeds(const Sweep& sweep, Block& b, CoBlock& co, const double* seed) {
  for (int p = 0; p < b.packs; ++p) {
    alignas(64) double lanes[LANES] = {};
    for (int lane = 0; lane < LANES; ++lane)
      if (b.alive[p] >> lane & 1u) lanes[lane] = sweep.weights[b.first[p] + lane];
    Pack weight;
    std::memcpy(&weight, lanes, sizeof lanes);
    add_moment_seed(b.states[p], co.states[p], b.alive[p], weight, seed);
  }
}

// Cotangents of recorded coordinates are added where they were recorded.
static void add_seeds(const Sweep& sweep, Block& b, CoBlock& co, Integer turn, const RecordOp& op) {
  if (const double* moments = moment_seeds_of(sweep, op, turn)) return add_moment_seeds(sweep, b, co, moments);
  if (!sweep.seeds) return;
  double* place = record_place(sweep.run, op, turn);
  if (!place) return;
  const double* seed = sweep.seeds + (place - sweep.run.records);
  for (int p = 0; p < b.packs; ++p)
    for (int c = 0; c < 6; ++c) {
      double* lanes = reinterpret_cast<double*>(coordinate_of(co.states[p], c));
      for (int lane = 0; lane < LANES; ++lane)
        if (b.alive[p] >> lane & 1u) lanes[lane] += seed[c * sweep.run.n + b.first[p] + lane];
    }
}

template <class Op, class Adjoint>
GT_INLINE void pull(const Sweep& sweep, Block& b, CoBlock& co, const Op& op, double* gradient, Adjoint adjoint) {
  Pack storage[MAX_CONSTANTS];
  const int size = size_of(op);
  for (int i = 0; i < size; ++i) storage[i] = broadcast(0.0);
  for (int p = 0; p < b.packs; ++p) adjoint(b.states[p], co.states[p], bars(op, storage));
  for (int i = 0; i < size; ++i) gradient[i] += sum_of(storage[i]);
}

#define GT_KIND(name, Op, code)                                                                              \
  static __attribute__((noinline)) void pull_##name(const Sweep& sweep, Block& b, CoBlock& co, const Op& op, \
                                                    double* gradient) {                                      \
    pull(sweep, b, co, op, gradient, [&](State<Pack>& s, Costate<Pack>& g, const auto& bar) GT_LAMBDA {      \
      name(s, g, op, bar, sweep.run.reference);                                                              \
    });                                                                                                      \
  }
GT_ADJOINT_KINDS
#undef GT_KIND

#define GT_KIND(name, Op, code) \
  case code:                    \
    return pull_##name(sweep, b, co, unpack_##Op(integers, constants), gradient);
static void pull_op(const Sweep& sweep, Block& b, CoBlock& co, Integer turn, int k) {
  const int* integers = sweep.run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = sweep.run.constants + integers[1];
  double* gradient = sweep.gradient + integers[1];
  switch (integers[0]) {
    GT_ADJOINT_KINDS
    case CODE_record:
      return add_seeds(sweep, b, co, turn, unpack_RecordOp(integers, constants));
  }
}
#undef GT_KIND

static bool any_lost(const Run& run, Integer begin, Integer end) {
  for (Integer i = begin; i < end; ++i)
    if (run.loss_op[i] >= 0 && run.loss_code[i] != ALIVE) return true;
  return false;
}

// Sweep back over all turns for particles begin .. end-1.
extern "C" void gputrack_sweep(const Sweep* sweep_pointer, Integer begin, Integer end) {
  const Sweep sweep = *sweep_pointer;
  const Run& run = sweep.run;
  for (Integer i = begin; i < end; i += BLOCK * LANES) {
    const Integer stop = i + BLOCK * LANES < end ? i + BLOCK * LANES : end;
    Block b;
    CoBlock co;
    load(run, b, i, stop);
    load_costates(sweep, b, co);
    const bool lost = any_lost(run, i, stop);
    for (Integer turn = run.first_turn + run.turns - 1; turn >= run.first_turn; --turn)
      for (int k = run.n_ops - 1; k >= run.first_op; --k) {
        if (b.any) pull_op(sweep, b, co, turn, k);
        if (lost) revive(sweep, b, co, turn, k);
      }
    store(run, b);
    store_costates(sweep, b, co);
  }
}
