// Runs with tangents: the maps run on dual numbers, whose constants have tangents too.
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
