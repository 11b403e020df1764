// The backward sweep on a GPU: one particle per thread, its state and costate in registers for all turns.
//
// Derivatives with respect to an op's constants are summed over the block in a fixed order, and added by one thread to
// the block's row of the table; rows are summed at the end, in order.
#pragma once
#include "block_sums.h"
#include "launch.h"
#include "row_sums.h"
#include "../program/losses.h"
#include "../program/moments.h"

// Bars of a map without series have fixed places and are held in registers; others are in local memory.
template <class Op, class Adjoint>
GT_INLINE void pull(const Op& op, bool alive, double* series, int place, Board& board, Adjoint adjoint) {
  using Bar = decltype(bars(op, series));
  double scalars[Bar::SCALARS];
  double* const storage = Bar::SERIES ? series : scalars;
  const int size = Bar::SERIES ? size_of(op) : Bar::SCALARS;
  for (int i = 0; i < size; ++i) storage[i] = 0.0;
  if (alive) adjoint(bars(op, storage));
  add_up(storage, size, place, board);
}

// Add cotangents of recorded coordinates at their records.
GT_INLINE void add_seeds(const BlockSweep& sweep, const State<double>& s, Costate<double>& g, Integer i, Integer turn,
                         const RecordOp& op) {
  if (const double* moments = moment_seeds_of(sweep, op, turn))
    return add_moment_seed(s, g, 1u, sweep.weights[i], moments);
  if (!sweep.seeds) return;
  const double* place = record_place(sweep.run, op, turn);
  if (!place) return;
  State<double> seed;
  take(sweep.seeds + (place - sweep.run.records) + i, sweep.run.n, seed);
  g.x += seed.x;
  g.px += seed.px;
  g.y += seed.y;
  g.py += seed.py;
  g.z += seed.z;
  g.delta += seed.delta;
}

// Few maps use these cotangents: they are stored in memory in between, to free registers for the other maps.
constexpr int ASIDE = 3;
GT_INLINE void set_aside(Costate<double>& g, double* aside) {
  double* const all[ASIDE] = {&g.charge_over_energy, &g.charge_over_momentum, &g.radiation};
  GT_UNROLL for (int i = 0; i < ASIDE; ++i) {
    if (*all[i] != 0.0) aside[i] += *all[i];
    *all[i] = 0.0;
  }
}

// Action at an op; all threads of the block are at the same op.
struct Pull {
  const BlockSweep& sweep;
  State<double>& s;
  Costate<double>& g;
  bool alive;
  Integer i, turn;
  int place;  // of the op's constants
  double* series;
  Board& board;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    using Bar = decltype(bars(op, series));
    pull(op, alive, series, place, board, [&](const Bar& bar) {
      Map::pull(s, g, op, bar, sweep.run.reference);
      set_aside(g, series + GT_CONSTANTS);
    });
  }
  GT_INLINE void aperture(const ApertureOp&) const {}
  GT_INLINE void record(const RecordOp& op) const {
    if (alive) add_seeds(sweep, s, g, i, turn, op);
  }
};

// Undo op k for a surviving particle.
GT_INLINE void pull_op(const BlockSweep& sweep, State<double>& s, Costate<double>& g, bool alive, Integer i,
                       Integer turn, int k, double* series, Board& board) {
  const int* integers = sweep.run.ops + (Integer)k * OP_INTEGERS;
  at_op(integers, sweep.run.constants + integers[1], Pull{sweep, s, g, alive, i, turn, integers[1], series, board});
}

// Coordinates of the particle after the run, or at its loss, with their cotangents.
GT_INLINE void enter(const BlockSweep& sweep, Integer i, State<double>& s, Costate<double>& g) {
  take(sweep.run.coordinates + i, sweep.run.n, s);
  take(sweep.cotangents + i, sweep.run.n, g);
  refresh(s, sweep.run.reference);
}

// All turns for the particles of a block; this thread has particle i. Threads without a particle, or with a lost one
// that is not yet restored, add zeros.
GT_INLINE void sweep_block(const BlockSweep& sweep, Integer i, double* series, Board& board) {
  const Run& run = sweep.run;
  State<double> s = {};
  Costate<double> g = {};
  for (int i = 0; i < ASIDE; ++i) series[GT_CONSTANTS + i] = 0.0;
  bool alive = i < run.n && run.loss_code[i] == ALIVE;
  const int loss_op = i < run.n && !alive ? run.loss_op[i] : -1;
  const Integer loss_turn = loss_op >= 0 ? run.loss_turn[i] : 0;
  if (alive) enter(sweep, i, s, g);
  for (Integer turn = run.first_turn + run.turns - 1; turn >= run.first_turn; --turn)
    for (int k = run.n_ops - 1; k >= run.first_op; --k) {
      pull_op(sweep, s, g, alive, i, turn, k, series, board);
      if (loss_op == k && loss_turn == turn) {
        alive = true;
        enter(sweep, i, s, g);
      }
    }
  if (alive) {
    fold(s, g, run.reference);
    put(run.coordinates + i, run.n, s);
    put(sweep.cotangents + i, run.n, g);
  }
  const double* const aside = series + GT_CONSTANTS;
  const double reference[] = {g.beta0, g.inverse_gamma0_squared, aside[0], aside[1], aside[2]};
  add_up(reference, REFERENCE_MEMBERS, sweep.n_constants, board);
}

// Blocks process particles in turn until all are done; each block has a row of sums.
extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_sweep(GT_PARAMETERS(BlockSweep)) {
  __shared__ double numbers[2 * CHUNK * GT_THREADS];
  double series[GT_CONSTANTS + ASIDE];
  const BlockSweep sweep = GT_FROM_PARAMETERS(BlockSweep);
  Board board = {numbers, sweep.rows + (Integer)blockIdx.x * (sweep.n_constants + REFERENCE_MEMBERS), 0};
  const Integer stride = (Integer)gridDim.x * GT_THREADS;
  for (Integer first = (Integer)blockIdx.x * GT_THREADS; first < sweep.run.n; first += stride)
    sweep_block(sweep, first + threadIdx.x, series, board);
}
