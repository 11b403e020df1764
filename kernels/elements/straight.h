// Twin of gputrack/elements/straight.py.
#pragma once
#include "../splitting.h"
#include "drift.h"

// px += L Re f, py += L Im f with f = sum (bn + i an)(x + i y)^n; TERMS, where not 0, is their known number.
template <int TERMS = 0, class T>
GT_INLINE void multipole_kick(State<T>& s, double length, const double* bn, const double* an, int terms) {
  const int count = TERMS ? TERMS : terms;
  if (count == 1) {
    s.px = s.px - length * bn[0];
    s.py = s.py + length * an[0];
    return;
  }
  const double b = bn[count - 1], a = an[count - 1];
  T re = bn[count - 2] + b * s.x - a * s.y, im = an[count - 2] + a * s.x + b * s.y;
  GT_UNROLL for (int n = count - 3; n >= 0; --n) {
    T next = bn[n] + re * s.x - im * s.y;
    im = an[n] + im * s.x + re * s.y;
    re = next;
  }
  s.px -= length * re;
  s.py += length * im;
}

template <int TERMS, class T>
GT_INLINE void straight_with(State<T>& s, const StraightOp& op, double length) {
  compose(
      op.order, op.slices, [&](double part, int) GT_LAMBDA { drift_by(s, part * length, op.exact); },
      [&](double part) GT_LAMBDA { multipole_kick<TERMS>(s, part * length, op.bn, op.an, op.terms); });
}

template <class T>
GT_INLINE void straight_by(State<T>& s, const StraightOp& op, double length) {
  switch (op.terms) {
    case 2:
      return straight_with<2>(s, op, length);
    case 3:
      return straight_with<3>(s, op, length);
    default:
      return straight_with<0>(s, op, length);
  }
}

template <class T>
GT_INLINE void straight(State<T>& s, const StraightOp& op, const Reference& ref) {
  straight_by(s, op, op.length);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T>
GT_INLINE void unstraight(State<T>& s, const StraightOp& op, const Reference& ref) {
  straight_by(s, op, -op.length);
}
