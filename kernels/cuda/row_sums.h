// Sums over rows on a GPU, bit-identical in each run.
#pragma once
#include "threads.h"

// total[j] = the sum of rows[:, j], first row first.
extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_sum_rows(GT_PARAMETERS(RowSums)) {
  const RowSums sums = GT_FROM_PARAMETERS(RowSums);
  const Integer j = (Integer)blockIdx.x * GT_THREADS + threadIdx.x;
  if (j >= sums.size) return;
  double total = 0.0;
  for (int i = 0; i < sums.count; ++i) total += sums.rows[i * sums.size + j];
  sums.total[j] = total;
}
