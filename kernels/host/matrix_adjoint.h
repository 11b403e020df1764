// Derivatives of transfer matrices: the backward sweep on dual numbers, once through a program, for tangents v along
// which orbits are displaced. With cotangents U of J v (J the matrix from the start), the tangents of the bars that the
// sweep gathers are the derivatives of <U, J v>; tangents of cotangents are cotangents of the orbit itself.
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
