// Twin of gputrack/elements/aperture.py.
#pragma once
#include "../program/state.h"

// Identity: the loop over ops calls inside() and sets losses.
template <class T, class C>
GT_INLINE void aperture(State<T>& s, const ApertureConstants<C>& op, const ReferenceConstants<C>& ref) {}

// Lanes inside |x| <= a, |y| <= b, (x/c)^2 + (y/d)^2 <= 1.
template <class T, class C>
GT_INLINE unsigned inside(const State<T>& s, const ApertureConstants<C>& op) {
  T rx = s.x * op.inverse_a, ry = s.y * op.inverse_b;
  T ex = s.x * op.inverse_c, ey = s.y * op.inverse_d;
  return less_equal(rx * rx, 1.0) & less_equal(ry * ry, 1.0) & less_equal(ex * ex + ey * ey, 1.0);
}
