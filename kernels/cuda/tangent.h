// Tracking with tangents on a GPU: one particle per thread, its coordinates and their tangents in registers.
#pragma once
#include "launch.h"
#include "../program/losses.h"
#include "../program/tangent.h"

using Tangent = Dual<double>;

struct DualRun : TangentRun {
  ReferenceConstants<Tangent> reference;
};

GT_INLINE State<double> tangents_of(const State<Tangent>& s) {
  return {s.x.tangent, s.px.tangent, s.y.tangent, s.py.tangent, s.z.tangent, s.delta.tangent, 0.0, 0.0, 0.0};
}
GT_INLINE State<double> values_of(const State<Tangent>& s) {
  return {s.x.value, s.px.value, s.y.value, s.py.value, s.z.value, s.delta.value, 0.0, 0.0, 0.0};
}

// Action at an op. `code` is set to the loss code of an op with an aperture.
struct Step {
  const DualRun& t;
  State<Tangent>& s;
  Integer i, turn;
  int& code;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    Map::apply(s, op, t.reference);
  }
  GT_INLINE void aperture(const ApertureConstants<Tangent>& limits) const {
    if (!inside(s, limits)) code = LOST_APERTURE;
  }
  GT_INLINE void record(const RecordOp& op) const {
    double* place = record_place(t.run, op, turn);
    if (!place) return;
    put(place + i, t.run.n, values_of(s));
    put(t.record_tangents + (place - t.run.records) + i, t.run.n, tangents_of(s));
  }
};

// Apply op k; returns the loss code of an aperture, or ALIVE.
GT_INLINE int pass_op(const DualRun& t, State<Tangent>& s, Integer i, Integer turn, int k) {
  const int* integers = t.run.ops + (Integer)k * OP_INTEGERS;
  int code = ALIVE;
  at_op(integers, t.constants + integers[1], Step{t, s, i, turn, code});
  return code;
}

// Loss code of coordinates that are not acceptable, or ALIVE.
GT_INLINE int loss_of(const State<Tangent>& s, double limit) {
  if (acceptable(s, limit * limit)) return ALIVE;
  const double now[6] = {s.x.value, s.px.value, s.y.value, s.py.value, s.z.value, s.delta.value};
  return loss_code(now, limit);
}

// Run all turns for one particle; its last valid coordinates and their tangents are stored if it is lost.
GT_INLINE void track_one(const DualRun& t, Integer i) {
  const Run& run = t.run;
  if (run.loss_code[i] != ALIVE) return;
  State<double> c, d;
  take(run.coordinates + i, run.n, c);
  take(t.tangents + i, run.n, d);
  State<Tangent> s = {{c.x, d.x}, {c.px, d.px}, {c.y, d.y}, {c.py, d.py}, {c.z, d.z}, {c.delta, d.delta}, {}, {}, {}};
  refresh(s, t.reference);
  State<Tangent> last = s;
  int code = loss_of(s, run.limit);
  Integer turn = run.first_turn;
  int k = run.first_op;
  for (Integer done = 0; code == ALIVE && done < run.turns; ++done) {
    turn = run.first_turn + done;
    for (k = run.first_op; k < run.n_ops; ++k) {
      last = s;
      code = pass_op(t, s, i, turn, k);
      if (code == ALIVE) code = loss_of(s, run.limit);
      if (code != ALIVE) break;
    }
  }
  if (code != ALIVE) {
    run.loss_code[i] = code;
    run.loss_turn[i] = turn;
    run.loss_op[i] = k;
    s = last;
  }
  put(run.coordinates + i, run.n, values_of(s));
  put(t.tangents + i, run.n, tangents_of(s));
}

extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_tangent(GT_PARAMETERS(TangentRun)) {
  const TangentRun t = GT_FROM_PARAMETERS(TangentRun);
  const Integer i = (Integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < t.run.n) track_one({t, dual_reference(t)}, i);
}
