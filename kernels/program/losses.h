// Conditions and codes of particle losses; twin of gputrack/base/losses.py.
#pragma once
#include "state.h"

enum LossCode { ALIVE = 0, LOST_APERTURE = 1, LOST_UNPHYSICAL = 2, LOST_NOT_FINITE = 3, LOST_LIMIT = 4 };

// Lanes with acceptable coordinates: |x|, |y| within the limit, forward momentum, all finite.
template <class T>
GT_INLINE unsigned acceptable(const State<T>& s, double limit_squared) {
  return less_equal(s.x * s.x, limit_squared) & less_equal(s.y * s.y, limit_squared) &
         less_equal(s.px * s.px + s.py * s.py, s.opd * s.opd) & less_equal(0.0 * s.opd, s.opd) &
         less_equal(0.0 * s.z, 0.0);
}

GT_INLINE bool is_finite(double a) { return a - a == 0.0; }

// Loss code of coordinates that are not acceptable.
GT_INLINE int loss_code(const double* c, double limit) {
  for (int i = 0; i < 6; ++i)
    if (!is_finite(c[i])) return LOST_NOT_FINITE;
  return c[0] * c[0] > limit * limit || c[2] * c[2] > limit * limit ? LOST_LIMIT : LOST_UNPHYSICAL;
}
