// Twin of gputrack/elements/solenoid.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

template <class T>
GT_INLINE void solenoid_by(State<T>& s, const SolenoidOp& op, double length) {
  double k = 0.5 * op.ks;
  T ux = s.px + k * s.y, uy = s.py - k * s.x;
  T u = (ux * ux + uy * uy) * (s.inverse * s.inverse);
  T reach = length * s.inverse;
  T w;
  if (op.exact) {
    w = slope_excess(u);
    reach += reach * w;
  } else {
    w = 0.5 * u;
  }
  T turn = k * reach;
  T c, sinc;
  cos_sinc(turn * turn, op.halvings, c, sinc);
  T sine = turn * sinc;
  T x = c * s.x + reach * sinc * s.px, y = c * s.y + reach * sinc * s.py;
  T px = c * s.px - k * sine * s.x, py = c * s.py - k * sine * s.y;
  s.x = c * x + sine * y;
  s.px = c * px + sine * py;
  s.y = c * y - sine * x;
  s.py = c * py - sine * px;
  s.z += length * (s.slip - w);
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
