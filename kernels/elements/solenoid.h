// Twin of gputrack/elements/solenoid.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

template <class T>
GT_INLINE void solenoid_by(State<T>& s, const SolenoidOp& op, double length) {
  double k = 0.5 * op.ks;
  T ux = s.px + k * s.y, uy = s.py - k * s.x;
  T transverse = ux * ux + uy * uy;
  T reach, dz;
  if (op.exact) {
    T pz = sqrt(s.opd * s.opd - transverse);
    T inverse = 1.0 / (pz * (pz + s.energy));
    reach = length * (inverse * (pz + s.energy));
    dz = length * (s.velocity * ((s.excess - transverse) * inverse));
  } else {
    T inverse = 1.0 / s.opd;
    reach = length * inverse;
    T slip = s.excess / (s.energy * (s.opd + s.energy));
    dz = length * (slip - 0.5 * transverse * (inverse * inverse));
  }
  T w = k * reach;
  T c, sinc;
  cos_sinc(w * w, op.halvings, c, sinc);
  T sine = w * sinc;
  T x = c * s.x + reach * sinc * s.px, y = c * s.y + reach * sinc * s.py;
  T px = c * s.px - k * sine * s.x, py = c * s.py - k * sine * s.y;
  s.x = c * x + sine * y;
  s.px = c * px + sine * py;
  s.y = c * y - sine * x;
  s.py = c * py - sine * px;
  s.z += dz;
}

template <class T>
GT_INLINE void solenoid(State<T>& s, const SolenoidOp& op, const Reference& ref) {
  solenoid_by(s, op, op.length);
}

// Inverse: the same over -length.
template <class T>
GT_INLINE void unsolenoid(State<T>& s, const SolenoidOp& op, const Reference& ref) {
  solenoid_by(s, op, -op.length);
}
