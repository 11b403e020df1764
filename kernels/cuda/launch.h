// Common to kernels of maps on a GPU: a particle's place in the arrays.
#pragma once
#include "../program/run.h"
#include "threads.h"

GT_INLINE void put(double* at, Integer n, const State<double>& s) {
  at[0] = s.x;
  at[n] = s.px;
  at[2 * n] = s.y;
  at[3 * n] = s.py;
  at[4 * n] = s.z;
  at[5 * n] = s.delta;
}

GT_INLINE void take(const double* at, Integer n, State<double>& s) {
  s.x = at[0];
  s.px = at[n];
  s.y = at[2 * n];
  s.py = at[3 * n];
  s.z = at[4 * n];
  s.delta = at[5 * n];
}
