// Derivatives of transfer matrices: backward sweep on dual numbers, once through a program, for displacements v of the
// orbit. With cotangents U of J v (J is the matrix from the start), the tangents of the resulting bars are the
// derivatives of <U, J v>, and the tangents of the cotangents are the cotangents of the orbit.
#pragma once
#include "dual_block.h"
#include "sweep.h"

// Sweep back for columns begin .. end-1, none of them lost.
extern "C" void gputrack_matrix_sweep(const MatrixSweep* sweep, Integer begin, Integer end) {
  const Run& run = sweep->run;
  const Pullback<Dual<Pack>> pullback = {
      {run, run.constants, run.reference, {{run.coordinates}, {sweep->tangents}}, {}},
      {{sweep->cotangents}, {sweep->orbit_cotangents}},
      {{const_cast<double*>(sweep->seeds)}, {const_cast<double*>(sweep->orbit_seeds)}},
      sweep->gradient,
      sweep->reference};
  sweep_turns(pullback, begin, end);
}
