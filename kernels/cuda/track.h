// Tracking on a GPU: one particle per thread, its coordinates in registers for all turns.
#pragma once
#include "launch.h"
#include "../program/losses.h"

// Action at an op. `code` is set to the loss code of an op with an aperture.
template <bool backwards>
struct Step {
  const Run& run;
  State<double>& s;
  Integer i, turn;
  int& code;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    if constexpr (backwards)
      Map::undo(s, op, run.reference);
    else
      Map::apply(s, op, run.reference);
  }
  GT_INLINE void aperture(const ApertureOp& limits) const {
    if (!backwards && !inside(s, limits)) code = LOST_APERTURE;
  }
  GT_INLINE void record(const RecordOp& op) const {
    double* place = record_place(run, op, turn);
    if (place) put(place + i, run.n, s);
  }
};

// Apply op k; returns the loss code of an aperture, or ALIVE.
template <bool backwards>
GT_INLINE int pass_op(const Run& run, State<double>& s, Integer i, Integer turn, int k) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  int code = ALIVE;
  at_op(integers, run.constants + integers[1], Step<backwards>{run, s, i, turn, code});
  return code;
}

// Run all turns for one particle; its last valid coordinates are stored if it is lost.
template <bool backwards>
GT_INLINE void track_one(const Run& run, Integer i) {
  if (run.loss_code[i] != ALIVE) return;
  State<double> s;
  double* const c = run.coordinates + i;
  take(c, run.n, s);
  refresh(s, run.reference);
  const double limit_squared = run.limit * run.limit;
  double last[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
  int code = acceptable(s, limit_squared) ? ALIVE : loss_code(last, run.limit);
  const Integer start = backwards ? run.first_turn + run.turns - 1 : run.first_turn;
  Integer turn = start;
  int k = backwards ? run.n_ops - 1 : run.first_op;
  for (Integer done = 0; code == ALIVE && done < run.turns; ++done) {
    turn = backwards ? start - done : start + done;
    for (int step = run.first_op; step < run.n_ops; ++step) {
      k = backwards ? run.n_ops - 1 + run.first_op - step : step;
      last[0] = s.x;
      last[1] = s.px;
      last[2] = s.y;
      last[3] = s.py;
      last[4] = s.z;
      last[5] = s.delta;
      code = pass_op<backwards>(run, s, i, turn, k);
      if (code == ALIVE && !acceptable(s, limit_squared)) {
        const double now[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
        code = loss_code(now, run.limit);
      }
      if (code != ALIVE) break;
    }
  }
  if (code != ALIVE) {
    run.loss_code[i] = code;
    run.loss_turn[i] = turn;
    run.loss_op[i] = k;
    for (int j = 0; j < 6; ++j) c[j * run.n] = last[j];
    return;
  }
  put(c, run.n, s);
}

// Registers for 512 threads on a multiprocessor, 128 per thread: the largest number of threads without spills.
extern "C" __global__ void __launch_bounds__(GT_THREADS, 512 / GT_THREADS) gputrack_track(GT_PARAMETERS(Run)) {
  const Run run = GT_FROM_PARAMETERS(Run);
  const Integer i = (Integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < run.n) track_one<false>(run, i);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_untrack(GT_PARAMETERS(Run)) {
  const Run run = GT_FROM_PARAMETERS(Run);
  const Integer i = (Integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < run.n) track_one<true>(run, i);
}
