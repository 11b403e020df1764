// Derivatives of transfer matrices: the backward sweep on dual numbers, kernels/host/matrix_adjoint.h.
#pragma once
#include "columns_adjoint.h"

extern "C" __global__ void __launch_bounds__(GT_THREADS, 1) gputrack_matrix_sweep(GT_PARAMETERS(MatrixSweep)) {
  const MatrixSweep sweep = GT_FROM_PARAMETERS(MatrixSweep);
  const Places<Tangent> places = {{sweep.run.coordinates}, {sweep.tangents}};
  const Places<Tangent> cotangents = {{sweep.cotangents}, {sweep.orbit_cotangents}};
  const Places<Tangent> seeds = {{const_cast<double*>(sweep.seeds)}, {const_cast<double*>(sweep.orbit_seeds)}};
  sweep_columns(sweep.run, places, cotangents, seeds, sweep.gradient, sweep.reference);
}
