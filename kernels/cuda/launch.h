// What kernels on a GPU share: threads per block, their arguments, a particle's place in the arrays.
#pragma once
#include "../program/run.h"

#ifndef GT_THREADS
#define GT_THREADS 128
#endif

// The members of Run one by one: kernel arguments live in constant memory and cost no registers.
#define GT_ARGUMENTS                                                                                              \
  double *coordinates, Integer n, const int *ops, int n_ops, int first_op, const double *constants,               \
      double beta0, double inverse_gamma0_squared, double charge_over_energy, double charge_over_momentum,        \
      double radiation, Integer first_turn, Integer turns, int *loss_code, Integer *loss_turn, int *loss_op,      \
      double limit, double *records, const Integer *record_starts
#define GT_RUN                                                                                                    \
  Run {                                                                                                           \
    coordinates, n, ops, n_ops, first_op, constants,                                                              \
        {beta0, inverse_gamma0_squared, charge_over_energy, charge_over_momentum, radiation}, first_turn, turns,  \
        loss_code, loss_turn, loss_op, limit, records, record_starts                                              \
  }

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
