// Maps of a lattice as power series, on a GPU: each warp has a map, and another one when that is through.
#pragma once
#include "warp.h"
#include "../taylor/products_by_rows.h"
#include "../taylor/run.h"

// Constants of one op that are series have the slots behind those of the pool; what else they are made of, two numbers
// each, stands behind all coefficients.
static_assert(sizeof(SeriesOf<double>) <= 2 * sizeof(double), "gputrack/backends/taylor/cuda.py counts on it");

GT_INLINE void lay_out(double*, int) {}
GT_INLINE void lay_out(SeriesOf<double>* constants, int count) {
  for (int i = 0; i < count; ++i) constants[i].c.slot = SLOTS + i;
}

// The members of SeriesRun one by one; `rooms`: `room_doubles` numbers for each team.
extern "C" __global__ void __launch_bounds__(GT_THREADS) gputrack_series(
    const int* ops, int n_ops, const double* constants, Integer map_constants, const double* slopes,
    Integer map_slopes, const double* reference, Integer n_constants, double* maps, Integer n, double* records,
    Integer places, int max_constants, double* rooms, Integer room_doubles, int* missing) {
  const SeriesRun run = {ops,         n_ops, constants, map_constants, slopes, map_slopes,   reference,
                         n_constants, maps,  records,   places,        max_constants};
  const Integer team = ((Integer)blockIdx.x * blockDim.x + threadIdx.x) / MAP_THREADS;
  const Integer teams = (Integer)gridDim.x * blockDim.x / MAP_THREADS;
  double* const room = rooms + team * room_doubles;
  open_room(room, missing);
  Constant* const own = (Constant*)(room + (Integer)(SLOTS + max_constants) * SERIES_SIZE);
  lay_out(own, max_constants);
  for (Integer map = team; map < n; map += teams) pass_tile(run, map, own);
}
