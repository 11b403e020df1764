// Twin of gputrack/elements/drift.py.
#pragma once
#include "../state.h"

// Field-free motion over length.
template <class T>
GT_INLINE void drift_by(State<T>& s, double length, int exact) {
  T transverse = s.px * s.px + s.py * s.py;
  T slope, dz;
  if (exact) {
    T pz = sqrt(s.opd * s.opd - transverse);
    T inverse = 1.0 / (pz * (pz + s.energy));
    slope = length * (inverse * (pz + s.energy));
    dz = length * (s.velocity * ((s.excess - transverse) * inverse));
  } else {
    T inverse = 1.0 / s.opd;
    slope = length * inverse;
    T slip = s.excess / (s.energy * (s.opd + s.energy));
    dz = length * (slip - 0.5 * transverse * (inverse * inverse));
  }
  s.x += slope * s.px;
  s.y += slope * s.py;
  s.z += dz;
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
