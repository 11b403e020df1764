// Twin of gputrack/elements/straight.py. Bodies use fast/straight.h.
#pragma once
#include "splitting.h"
#include "drift.h"

constexpr int MAX_TERMS = 21;  // orders up to 20, as in gputrack/elements/element.py

// Coefficient n of a field, 0 for the order LEFT_OUT.
template <int LEFT_OUT, class C>
GT_INLINE C coefficient(const C* c, int n) {
  if constexpr (LEFT_OUT < 0) return c[n];
  return n == LEFT_OUT ? 0.0 * c[n] : c[n];
}

// px -= L Re f, py += L Im f with f = sum_n (bn + i an)(x + i y)^n = By + i Bx over the rigidity [1/m], bn and an in
// m^-(n+1). Without SKEW all an are 0; TERMS, if not 0, is the known number of terms; the order LEFT_OUT is omitted.
template <bool SKEW = true, int TERMS = 0, int LEFT_OUT = -1, class T, class L, class C>
GT_INLINE void multipole_kick(State<T>& s, L length, const C* bn, const C* an, int terms) {
  const int count = TERMS ? TERMS : terms;
  if (count == 1) {
    s.px = s.px - length * bn[0];
    if constexpr (SKEW) s.py = s.py + length * an[0];
    return;
  }
  const C b = coefficient<LEFT_OUT>(bn, count - 1);
  T re = coefficient<LEFT_OUT>(bn, count - 2) + b * s.x, im = b * s.y;
  if constexpr (SKEW) {
    const C a = coefficient<LEFT_OUT>(an, count - 1);
    re = re - a * s.y;
    im = coefficient<LEFT_OUT>(an, count - 2) + a * s.x + im;
  }
  GT_UNROLL for (int n = count - 3; n >= 0; --n) {
    T next = coefficient<LEFT_OUT>(bn, n) + re * s.x - im * s.y;
    if constexpr (SKEW)
      im = coefficient<LEFT_OUT>(an, n) + im * s.x + re * s.y;
    else
      im = im * s.x + re * s.y;
    re = next;
  }
  s.px -= length * re;
  s.py += length * im;
}

// Drift-kick integration of a straight multipole body over `length` [m].
template <class T, class C>
GT_INLINE void straight_by(State<T>& s, const StraightConstants<C>& op, C length) {
  if constexpr (OPTIMISED) {
    fast_straight_by(s, op, length);
  } else {
    compose(
        op.scheme, op.slices, [&](double part, int) GT_LAMBDA { drift_by(s, part * length, op.exact); },
        [&](double part) GT_LAMBDA {
          if (op.skew)
            multipole_kick<true>(s, part * length, op.bn, op.an, op.terms);
          else
            multipole_kick<false>(s, part * length, op.bn, op.an, op.terms);
        });
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
template <bool SKEW = true, int LEFT_OUT = -1, class T>
GT_INLINE void multipole_kick_adjoint(State<T>& s, Costate<T>& g, double length, const double* bn, const double* an,
                                      int terms, Cotangent<T>& length_bar, Cotangent<T>* bn_bar,
                                      Cotangent<T>* an_bar) {
  T re = broadcast(coefficient<LEFT_OUT>(bn, terms - 1));
  T im = broadcast(SKEW ? coefficient<LEFT_OUT>(an, terms - 1) : 0.0);
  T re_rate = broadcast(0.0), im_rate = broadcast(0.0);  // f' = d(re + i im)/d(x + i y)
  GT_UNROLL for (int n = terms - 2; n >= 0; --n) {
    T next = re_rate * s.x - im_rate * s.y + re;
    im_rate = im_rate * s.x + re_rate * s.y + im;
    re_rate = next;
    next = re * s.x - im * s.y + coefficient<LEFT_OUT>(bn, n);
    im = im * s.x + re * s.y;
    if constexpr (SKEW) im = im + coefficient<LEFT_OUT>(an, n);
    re = next;
  }
  s.px += length * re;
  s.py -= length * im;
  length_bar += g.py * im - g.px * re;
  Cotangent<T> re_bar = -length * g.px, im_bar = length * g.py;
  g.x += re_bar * re_rate + im_bar * im_rate;
  g.y += im_bar * re_rate - re_bar * im_rate;
  Cotangent<T> c = re_bar, d = im_bar;  // (re_bar - i im_bar)(x + i y)^n = c - i d
  GT_UNROLL for (int n = 0; n < terms; ++n) {
    if (n != LEFT_OUT) {
      bn_bar[n] += c;
      if constexpr (SKEW) an_bar[n] += d;
    }
    Cotangent<T> next = c * s.x + d * s.y;
    d = d * s.x - c * s.y;
    c = next;
  }
}

template <class T>
GT_INLINE void straight_adjoint(State<T>& s, Costate<T>& g, const StraightOp& op, const StraightBar<Cotangent<T>>& bar,
                                const Reference& ref) {
  if constexpr (OPTIMISED) {
    fast_straight_adjoint(s, g, op, bar);
  } else {
    Cotangent<T> length_bar = broadcast(0.0);
    compose(
        op.scheme, op.slices,
        [&](double part, int) GT_LAMBDA {
          Cotangent<T> step_bar = broadcast(0.0);
          drift_by_adjoint(s, g, part * op.length, op.exact, step_bar);
          length_bar += part * step_bar;
        },
        [&](double part) GT_LAMBDA {
          Cotangent<T> step_bar = broadcast(0.0);
          const double step = part * op.length;
          if (op.skew)
            multipole_kick_adjoint<true>(s, g, step, op.bn, op.an, op.terms, step_bar, bar.bn, bar.an);
          else
            multipole_kick_adjoint<false>(s, g, step, op.bn, op.an, op.terms, step_bar, bar.bn, bar.an);
          length_bar += part * step_bar;
        });
    *bar.length += length_bar;
  }
}

#include "fast/straight.h"
