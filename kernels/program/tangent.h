// Runs with tangents: maps of dual numbers, with tangents of coordinates and constants.
#pragma once
#include "../numbers/dual.h"
#include "run.h"

// The reference particle with its tangents.
GT_INLINE ReferenceConstants<Dual<double>> dual_reference(const TangentRun& t) {
  ReferenceConstants<Dual<double>> ref;
  const double *values = &t.run.reference.beta0, *tangents = &t.reference_tangents.beta0;
  GT_UNROLL for (int i = 0; i < REFERENCE_MEMBERS; ++i) (&ref.beta0)[i] = {values[i], tangents[i]};
  return ref;
}
