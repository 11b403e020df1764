// Optimisation of compose in elements/splitting.h for short steps: the stages of Forest and Ruth's scheme are unrolled,
// so that factors that depend only on the stage are computed once for all slices.
#pragma once
#include "../splitting.h"

template <class Outer, class Inner>
GT_INLINE void compose_short(int scheme, int slices, Outer outer, Inner inner) {
  constexpr int FOREST_RUTH = 1, FIRST = 1;  // its number, and the first of its stages: see FIRST_STAGE
  if (!OPTIMISED || scheme != FOREST_RUTH) return compose(scheme, slices, outer, inner);
  const double scale = 1.0 / slices;
  const double end = OUTER[FIRST + FOREST_RUTH] * scale, inside = OUTER[FIRST + FOREST_RUTH + 1] * scale;
  const double strong = INNER[FIRST] * scale, middle = INNER[FIRST + 1] * scale;
  for (int slice = 0;; ++slice) {
    const bool between = slice != 0 && slice != slices;
    outer(between ? 2.0 * end : end, between ? 2 : 0);
    if (slice == slices) break;
    inner(strong);
    outer(inside, 1);
    inner(middle);
    outer(inside, 1);
    inner(strong);
  }
}
