// The adjoint of matrix_derivatives.h on nested dual numbers: kernels/host/matrix_derivatives_adjoint.h.
#pragma once
#include "columns_adjoint.h"

extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_matrix_rates_sweep(GT_PARAMETERS(RatesRun)) {
  const RatesRun r = GT_FROM_PARAMETERS(RatesRun);
  const Places<Rate> cotangents = {{{r.cotangents}, {r.along_cotangents}}, {{}, {r.orbit_cotangents}}};
  const Places<Rate> seeds = {{{const_cast<double*>(r.seeds)}, {}}, {}};
  sweep_columns(r.run, parts_of(r), cotangents, seeds, r.gradient, r.reference);
}
