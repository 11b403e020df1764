// Twin of gputrack/elements/straight.py.
#pragma once
#include "../splitting.h"
#include "drift.h"

// px += L Re f, py += L Im f with f = sum (bn + i an)(x + i y)^n.
template <class T>
GT_INLINE void multipole_kick(State<T>& s, double length, const double* bn, const double* an, int terms) {
  T re = broadcast(bn[terms - 1]), im = broadcast(an[terms - 1]);
  for (int n = terms - 2; n >= 0; --n) {
    T next = re * s.x - im * s.y + bn[n];
    im = im * s.x + re * s.y + an[n];
    re = next;
  }
  s.px -= length * re;
  s.py += length * im;
}

template <class T>
GT_INLINE void straight_by(State<T>& s, const StraightOp& op, double length) {
  compose(
      op.order, op.slices, [&](double part, int) { drift_by(s, part * length, op.exact); },
      [&](double part) { multipole_kick(s, part * length, op.bn, op.an, op.terms); });
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
