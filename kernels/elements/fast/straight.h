// Optimisation of elements/straight.h: steps in slopes P = px/(1 + delta), Q = py/(1 + delta) instead of momenta, so
// that they do not contain 1 + delta; without skew terms if there are none; unrolled for the short steps of quadrupoles
// and sextupoles.
#pragma once
#include "../straight.h"
#include "splitting.h"

// TERMS, if not 0, is the known number of terms.
template <int TERMS, class Outer, class Inner>
GT_INLINE void compose_for(int scheme, int slices, Outer outer, Inner inner) {
  if constexpr (TERMS != 0)
    compose_short(scheme, slices, outer, inner);
  else
    compose(scheme, slices, outer, inner);
}

template <int TERMS, bool SKEW, class T, class C>
GT_INLINE void straight_with(State<T>& s, const StraightConstants<C>& op, C length) {
  const T reach = length * s.inverse;
  T lag = broadcast(0.0);
  s.px = s.px * s.inverse;
  s.py = s.py * s.inverse;
  compose_for<TERMS>(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA {
        const C along = part * length;
        T u = s.px * s.px + s.py * s.py;
        if (op.exact) {
          T w = slope_excess(u);
          T path = along + along * w;
          s.x += path * s.px;
          s.y += path * s.py;
          lag += part * w;
        } else {
          s.x += along * s.px;
          s.y += along * s.py;
          lag += (0.5 * part) * u;
        }
      },
      [&](double part) GT_LAMBDA {
        multipole_kick<SKEW, TERMS>(s, part * reach, op.bn, op.an, op.terms);
      });
  s.px = s.px * s.opd;
  s.py = s.py * s.opd;
  s.z += length * (s.slip - lag);
}

template <class T, class C>
GT_INLINE void fast_straight_by(State<T>& s, const StraightConstants<C>& op, C length) {
  if (op.skew) return straight_with<0, true>(s, op, length);
  switch (op.terms) {
    case 2:
      return straight_with<2, false>(s, op, length);
    case 3:
      return straight_with<3, false>(s, op, length);
    default:
      return straight_with<0, false>(s, op, length);
  }
}

// Variables of the sweep through a body: positions, slopes P = px/(1 + delta) and Q, in which steps do not contain
// 1 + delta, their cotangents, and sums over the steps. f is the fraction of the length L:
//   drift  x += f L r P, z += f L (slip - (r - 1)) with r = 1/sqrt(1 - P^2 - Q^2);   kick  P -= f K Re, Q += f K Im
// with K = L/(1 + delta). Kicks are linear in K and in the multipoles: K's bar follows from theirs.
template <class T, int N>
struct Body {
  T x, y, P, Q;
  Cotangent<T> gx, gy, gP, gQ, gz;
  T reach;
  T excess;             // sum of f (r - 1)
  Cotangent<T> travel;  // sum of f r (gx P + gy Q - gz)
  Cotangent<T> bn[N], an[N];  // bars less the factor K
};

template <class T, int N>
GT_INLINE void drift_back(Body<T, N>& b, double part, double length, int exact) {
  T u = b.P * b.P + b.Q * b.Q;
  Cotangent<T> slope_bar = b.gx * b.P + (b.gy * b.Q - b.gz);
  T w, path;
  Cotangent<T> p_bar;
  if (exact) {
    w = slope_excess(u);
    T root = 1.0 + w;
    path = (part * length) * root;
    Cotangent<T> along = (part * slope_bar) * root;
    b.travel += along;
    p_bar = (length * along) * (root * root);
  } else {
    w = 0.5 * u;
    path = broadcast(part * length);
    b.travel += part * slope_bar;
    p_bar = -(part * length) * b.gz;
  }
  b.excess += part * w;
  b.x -= path * b.P;
  b.y -= path * b.Q;
  b.gP += path * b.gx + p_bar * b.P;
  b.gQ += path * b.gy + p_bar * b.Q;
}

template <int TERMS, bool SKEW, class T, int N>
GT_INLINE void kick_back(Body<T, N>& b, double part, const StraightOp& op) {
  const int terms = TERMS ? TERMS : op.terms;
  // f = re + i im and its derivative with respect to x + i y; the first step of Horner's rule is explicit
  T re = broadcast(op.bn[terms - 1]), im = broadcast(SKEW ? op.an[terms - 1] : 0.0);
  T re_rate = broadcast(0.0), im_rate = broadcast(0.0);
  if (terms > 1) {
    re_rate = re;
    im_rate = im;
    T next = SKEW ? op.bn[terms - 2] + re * b.x - im * b.y : op.bn[terms - 2] + re * b.x;
    im = SKEW ? op.an[terms - 2] + im * b.x + re * b.y : re * b.y;
    re = next;
  }
  GT_UNROLL for (int n = terms - 3; n >= 0; --n) {
    const bool real = !SKEW && n == terms - 3;  // the derivative is still real
    T next = real ? re_rate * b.x + re : re_rate * b.x - im_rate * b.y + re;
    im_rate = real ? re_rate * b.y + im : im_rate * b.x + re_rate * b.y + im;
    re_rate = next;
    next = op.bn[n] + re * b.x - im * b.y;
    im = SKEW ? op.an[n] + im * b.x + re * b.y : im * b.x + re * b.y;
    re = next;
  }
  T kick = part * b.reach;
  b.P += kick * re;
  b.Q -= kick * im;
  const bool flat = !SKEW && terms <= 2;  // the derivative is real
  b.gx += flat ? -(kick * re_rate) * b.gP : kick * (im_rate * b.gQ - re_rate * b.gP);
  b.gy += flat ? (kick * re_rate) * b.gQ : kick * (re_rate * b.gQ + im_rate * b.gP);
  Cotangent<T> c = part * b.gP, d = part * b.gQ;  // (c + i d)(x + i y)^n in turn
  GT_UNROLL for (int n = 0; n < terms; ++n) {
    b.bn[n] -= c;
    if (SKEW) b.an[n] += d;
    if (n == terms - 1) break;
    Cotangent<T> next = c * b.x - d * b.y;
    if (SKEW || n < terms - 2) d = d * b.x + c * b.y;
    c = next;
  }
}

// All in; all transverse, opd, inverse, slip, length, bn, an out.
template <int TERMS, bool SKEW, class T>
GT_INLINE void straight_with_adjoint(State<T>& s, Costate<T>& g, const StraightOp& op,
                                     const StraightBar<Cotangent<T>>& bar) {
  const int terms = TERMS ? TERMS : op.terms;
  Body<T, TERMS ? TERMS : MAX_TERMS> b;
  b.x = s.x, b.y = s.y, b.P = s.px * s.inverse, b.Q = s.py * s.inverse;
  b.gx = g.x, b.gy = g.y, b.gP = g.px * s.opd, b.gQ = g.py * s.opd, b.gz = g.z;
  b.reach = op.length * s.inverse;
  b.travel = broadcast(0.0);
  b.excess = broadcast(0.0);
  for (int n = 0; n < terms; ++n) b.bn[n] = b.an[n] = broadcast(0.0);
  g.opd += g.px * b.P + g.py * b.Q;
  compose_for<TERMS>(
      op.scheme, op.slices, [&](double part, int) GT_LAMBDA { drift_back(b, part, op.length, op.exact); },
      [&](double part) GT_LAMBDA { kick_back<TERMS, SKEW>(b, part, op); });
  Cotangent<T> reach_bar = broadcast(0.0);
  for (int n = 0; n < terms; ++n) {
    reach_bar += op.bn[n] * b.bn[n];
    bar.bn[n] += b.reach * b.bn[n];
    if (SKEW) reach_bar += op.an[n] * b.an[n];
    if (SKEW) bar.an[n] += b.reach * b.an[n];
  }
  // travel includes -f r gz, and the sum of f r is 1 + excess; the expanded drift has r = 1 there
  T early = s.slip - b.excess;
  *bar.length += b.travel + s.inverse * reach_bar + (op.exact ? 1.0 + s.slip : 1.0 + early) * g.z;
  s.x = b.x, s.y = b.y, s.px = b.P * s.opd, s.py = b.Q * s.opd;
  s.z -= op.length * early;
  g.x = b.gx, g.y = b.gy, g.px = b.gP * s.inverse, g.py = b.gQ * s.inverse;
  g.inverse += op.length * reach_bar + b.gP * s.px + b.gQ * s.py;
  g.slip += op.length * g.z;
}

template <class T>
GT_INLINE void fast_straight_adjoint(State<T>& s, Costate<T>& g, const StraightOp& op,
                                     const StraightBar<Cotangent<T>>& bar) {
  if (op.skew) return straight_with_adjoint<0, true>(s, g, op, bar);
  switch (op.terms) {
    case 2:
      return straight_with_adjoint<2, false>(s, g, op, bar);
    case 3:
      return straight_with_adjoint<3, false>(s, g, op, bar);
    default:
      return straight_with_adjoint<0, false>(s, g, op, bar);
  }
}
