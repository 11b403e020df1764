// Tracking on a GPU: one particle per thread, its coordinates in registers for all turns.
#pragma once
#include "losses.h"
#include "run.h"

struct Loss {
  int code;
};

// The op that stands at k; true if the particle may go on.
#define GT_KIND(name, Op, code)                                \
  case code:                                                   \
    name(s, unpack_##Op(integers, constants), run.reference);  \
    break;
GT_INLINE int apply(const Run& run, State<double>& s, Integer i, Integer turn, int k) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = run.constants + integers[1];
  switch (integers[0]) {
    GT_FORWARD_KINDS
    case CODE_aperture:
      return inside(s, unpack_ApertureOp(integers, constants)) ? ALIVE : LOST_APERTURE;
    case CODE_record: {
      double* place = record_place(run, unpack_RecordOp(integers, constants), turn);
      const double c[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
      if (place)
        for (int j = 0; j < 6; ++j) place[j * run.n + i] = c[j];
    }
  }
  return ALIVE;
}
GT_INLINE int unapply(const Run& run, State<double>& s, Integer i, Integer turn, int k) {
  const int* integers = run.ops + (Integer)k * OP_INTEGERS;
  const double* constants = run.constants + integers[1];
  switch (integers[0]) {
    GT_INVERSE_KINDS
    case CODE_record: {
      double* place = record_place(run, unpack_RecordOp(integers, constants), turn);
      const double c[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
      if (place)
        for (int j = 0; j < 6; ++j) place[j * run.n + i] = c[j];
    }
  }
  return ALIVE;
}
#undef GT_KIND

// Run all turns for one particle; the last good coordinates are kept for the case of a loss.
template <bool backwards>
GT_INLINE void track_one(const Run& run, Integer i) {
  if (run.loss_code[i] != ALIVE) return;
  State<double> s;
  double* const c = run.coordinates + i;
  s.x = c[0];
  s.px = c[run.n];
  s.y = c[2 * run.n];
  s.py = c[3 * run.n];
  s.z = c[4 * run.n];
  s.delta = c[5 * run.n];
  refresh(s, run.reference);
  const double limit_squared = run.limit * run.limit;
  double last[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
  int code = acceptable(s, limit_squared) ? ALIVE : loss_code(last, run.limit);
  Integer turn = run.first_turn;
  int k = 0;
  for (; code == ALIVE && turn < run.first_turn + run.turns; ++turn) {
    for (int step = 0; step < run.n_ops; ++step) {
      k = backwards ? run.n_ops - 1 - step : step;
      last[0] = s.x;
      last[1] = s.px;
      last[2] = s.y;
      last[3] = s.py;
      last[4] = s.z;
      last[5] = s.delta;
      code = backwards ? unapply(run, s, i, turn, k) : apply(run, s, i, turn, k);
      if (code == ALIVE && !acceptable(s, limit_squared)) {
        const double now[6] = {s.x, s.px, s.y, s.py, s.z, s.delta};
        code = loss_code(now, run.limit);
      }
      if (code != ALIVE) break;
    }
    if (code != ALIVE) break;
  }
  if (code != ALIVE) {
    run.loss_code[i] = code;
    run.loss_turn[i] = turn;
    run.loss_op[i] = k;
    for (int j = 0; j < 6; ++j) c[j * run.n] = last[j];
    return;
  }
  c[0] = s.x;
  c[run.n] = s.px;
  c[2 * run.n] = s.y;
  c[3 * run.n] = s.py;
  c[4 * run.n] = s.z;
  c[5 * run.n] = s.delta;
}

constexpr int THREADS = 128;

extern "C" __global__ void __launch_bounds__(THREADS) gputrack_track(const Run run) {
  const Integer i = (Integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < run.n) track_one<false>(run, i);
}

extern "C" __global__ void __launch_bounds__(THREADS) gputrack_untrack(const Run run) {
  const Integer i = (Integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < run.n) track_one<true>(run, i);
}
