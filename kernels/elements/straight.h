// Twin of gputrack/elements/straight.py.
#pragma once
#include "../splitting.h"
#include "drift.h"

// px += L Re f, py += L Im f with f = sum (bn + i an)(x + i y)^n; TERMS, where not 0, is their known number.
template <int TERMS = 0, class T, class L, class C>
GT_INLINE void multipole_kick(State<T>& s, L length, const C* bn, const C* an, int terms) {
  const int count = TERMS ? TERMS : terms;
  if (count == 1) {
    s.px = s.px - length * bn[0];
    s.py = s.py + length * an[0];
    return;
  }
  const C b = bn[count - 1], a = an[count - 1];
  T re = bn[count - 2] + b * s.x - a * s.y, im = an[count - 2] + a * s.x + b * s.y;
  GT_UNROLL for (int n = count - 3; n >= 0; --n) {
    T next = bn[n] + re * s.x - im * s.y;
    im = an[n] + im * s.x + re * s.y;
    re = next;
  }
  s.px -= length * re;
  s.py += length * im;
}

template <int TERMS, class T, class C>
GT_INLINE void straight_with(State<T>& s, const StraightConstants<C>& op, C length) {
  compose(
      op.order, op.slices, [&](double part, int) GT_LAMBDA { drift_by(s, part * length, op.exact); },
      [&](double part) GT_LAMBDA { multipole_kick<TERMS>(s, part * length, op.bn, op.an, op.terms); });
}

template <class T, class C>
GT_INLINE void straight_by(State<T>& s, const StraightConstants<C>& op, C length) {
  switch (op.terms) {
    case 2:
      return straight_with<2>(s, op, length);
    case 3:
      return straight_with<3>(s, op, length);
    default:
      return straight_with<0>(s, op, length);
  }
}

template <class T, class C>
GT_INLINE void straight(State<T>& s, const StraightConstants<C>& op, const ReferenceConstants<C>& ref) {
  straight_by(s, op, op.length);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T, class C>
GT_INLINE void unstraight(State<T>& s, const StraightConstants<C>& op, const ReferenceConstants<C>& ref) {
  straight_by(s, op, -op.length);
}

// Adjoint of multipole_kick: px, py in; x, y, length, bn, an out.
template <int TERMS = 0, class T>
GT_INLINE void multipole_kick_adjoint(State<T>& s, Costate<T>& g, double length, const double* bn, const double* an,
                                      int terms, T& length_bar, T* bn_bar, T* an_bar) {
  const int count = TERMS ? TERMS : terms;
  T re = broadcast(bn[count - 1]), im = broadcast(an[count - 1]);
  T re_rate = broadcast(0.0), im_rate = broadcast(0.0);  // f' = d(re + i im)/d(x + i y)
  GT_UNROLL for (int n = count - 2; n >= 0; --n) {
    T next = re_rate * s.x - im_rate * s.y + re;
    im_rate = im_rate * s.x + re_rate * s.y + im;
    re_rate = next;
    next = re * s.x - im * s.y + bn[n];
    im = im * s.x + re * s.y + an[n];
    re = next;
  }
  s.px += length * re;
  s.py -= length * im;
  length_bar += g.py * im - g.px * re;
  T re_bar = -length * g.px, im_bar = length * g.py;
  g.x += re_bar * re_rate + im_bar * im_rate;
  g.y += im_bar * re_rate - re_bar * im_rate;
  T c = re_bar, d = im_bar;  // (re_bar - i im_bar)(x + i y)^n = c - i d
  GT_UNROLL for (int n = 0; n < count; ++n) {
    bn_bar[n] += c;
    an_bar[n] += d;
    T next = c * s.x + d * s.y;
    d = d * s.x - c * s.y;
    c = next;
  }
}

template <int TERMS, class T>
GT_INLINE void straight_with_adjoint(State<T>& s, Costate<T>& g, const StraightOp& op, const StraightBar<T>& bar) {
  T length_bar = broadcast(0.0);
  compose(
      op.order, op.slices,
      [&](double part, int) GT_LAMBDA {
        T step_bar = broadcast(0.0);
        drift_by_adjoint(s, g, part * op.length, op.exact, step_bar);
        length_bar += part * step_bar;
      },
      [&](double part) GT_LAMBDA {
        T step_bar = broadcast(0.0);
        multipole_kick_adjoint<TERMS>(s, g, part * op.length, op.bn, op.an, op.terms, step_bar, bar.bn, bar.an);
        length_bar += part * step_bar;
      });
  *bar.length += length_bar;
}

template <class T>
GT_INLINE void straight_adjoint(State<T>& s, Costate<T>& g, const StraightOp& op, const StraightBar<T>& bar,
                                const Reference& ref) {
  switch (op.terms) {
    case 2:
      return straight_with_adjoint<2>(s, g, op, bar);
    case 3:
      return straight_with_adjoint<3>(s, g, op, bar);
    default:
      return straight_with_adjoint<0>(s, g, op, bar);
  }
}
