// Twin of gputrack/elements/drift.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

// Field-free motion over length.
template <class T>
GT_INLINE void drift_by(State<T>& s, double length, int exact) {
  T u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse);
  T slope = length * s.inverse;
  T w;
  if (exact) {
    w = slope_excess(u);
    slope += slope * w;
  } else {
    w = 0.5 * u;
  }
  s.x += slope * s.px;
  s.y += slope * s.py;
  s.z += length * (s.slip - w);
}

template <class T>
GT_INLINE void drift(State<T>& s, const DriftOp& op, const Reference& ref) {
  drift_by(s, op.length, op.exact);
}

// Inverse: the same over -length.
template <class T>
GT_INLINE void undrift(State<T>& s, const DriftOp& op, const Reference& ref) {
  drift_by(s, -op.length, op.exact);
}
