// Derivatives of transfer matrices along displaced orbits, on nested dual numbers: kernels/host/matrix_derivatives.h.
#pragma once
#include "columns.h"

// Action at an op.
struct Step {
  const Run& run;
  State<Rate>& s;
  const Places<Rate>& records;
  Integer i;

  template <class Map, class Op>
  GT_INLINE void map(Map, const Op& op) const {
    Map::apply(s, op, run.reference);
  }
  GT_INLINE void aperture(const ApertureOp&) const {}
  GT_INLINE void record(const RecordOp& op) const {
    const Integer at = record_start(run, op, i);
    if (at >= 0)
      for (int c = 0; c < 6; ++c) scatter(*coordinate_of(s, c), records, at + c * run.n);
  }
};

extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_matrix_rates(GT_PARAMETERS(RatesRun)) {
  const RatesRun r = GT_FROM_PARAMETERS(RatesRun);
  const Run& run = r.run;
  const Integer i = (Integer)blockIdx.x * GT_THREADS + threadIdx.x;
  if (i >= run.n) return;
  const Places<Rate> places = parts_of(r), records = {{}, {{}, {r.record_rates}}};
  State<Rate> s;
  enter(run, places, i, s);
  for (int k = run.first_op; k < run.n_ops; ++k) {
    const int* integers = run.ops + (Integer)k * OP_INTEGERS;
    at_op(integers, run.constants + integers[1], Step{run, s, records, i});
  }
  leave(run, s, places, i);
}
