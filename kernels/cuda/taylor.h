// Maps of a lattice as power series on a GPU: each warp propagates one map at a time.
#pragma once
#include "warp.h"
#include "../taylor/products_by_rows.h"
#include "../taylor/run.h"

// Series constants of one op use the slots after those of the pool; their other members, two numbers each, follow all
// coefficients.
static_assert(sizeof(SeriesOf<double>) <= 2 * sizeof(double), "gputrack/backends/taylor/cuda.py counts on it");

GT_INLINE void lay_out(double*, int) {}
GT_INLINE void lay_out(SeriesOf<double>* constants, int count) {
  for (int i = 0; i < count; ++i) constants[i].c.slot = SLOTS + i;
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) gputrack_series(GT_PARAMETERS(TeamRun)) {
  const TeamRun given = GT_FROM_PARAMETERS(TeamRun);
  const SeriesRun& run = given.run;
  const Integer team = ((Integer)blockIdx.x * blockDim.x + threadIdx.x) / MAP_THREADS;
  const Integer teams = (Integer)gridDim.x * blockDim.x / MAP_THREADS;
  double* const room = given.pools + team * given.pool_doubles;
  open_room(room, given.missing);
  Constant* const own = (Constant*)(room + (Integer)(SLOTS + run.max_constants) * SERIES_SIZE);
  lay_out(own, run.max_constants);
  for (Integer map = team; map < given.n; map += teams) pass_tile(run, map, own);
}
