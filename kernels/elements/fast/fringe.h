// Optimisation of elements/fringe.h for fringes without a gap, where phi is algebraic in the slopes: no sine and cosine
// in the map, and explicit second derivatives in the adjoint.
#pragma once
#include "../fringe.h"

// phi/k0 is t = P w/(1 - P^2) of the slopes P = px/(1 + delta), Q = py/(1 + delta) with w^2 = 1 - P^2 - Q^2; t and its
// derivatives; root = 1/w, over = 1/(1 - P^2).
template <class T>
struct HardFringe {
  T value, P, Q, root, over, both, gap;  // both = root over, gap = Q^2 (1 + P^2) over
};

template <class T>
GT_INLINE HardFringe<T> hard_fringe(const T& P, const T& Q) {
  HardFringe<T> f;
  T P2 = P * P, Q2 = Q * Q;
  T u = P2 + Q2;
  f.root = 1.0 + slope_excess(u);
  f.over = 1.0 / (1.0 - P2);
  f.both = f.root * f.over;
  f.gap = Q2 * (1.0 + P2) * f.over;
  f.value = P * (1.0 - u) * f.both;
  f.P = f.both * (1.0 - f.gap);
  f.Q = -(P * Q) * f.both;
  return f;
}

// phi for strength 0; the derivative with respect to the strength is that of either form.
template <class T>
GT_INLINE Phi<T> hard_phi(const T& px, const T& py, const T& opd, const T& opd_inverse, int growing) {
  T P = px * opd_inverse, Q = py * opd_inverse;
  HardFringe<T> f = hard_fringe(P, Q);
  T xp = P * f.root, yp = Q * f.root;
  T share = opd;
  if (!growing) share = opd_inverse;
  return {f.value, opd_inverse * f.P, opd_inverse * f.Q, -opd_inverse * (P * f.P + Q * f.Q),
          -(1.0 + f.value * f.value) * (1.0 + xp * xp * (2.0 + yp * yp)) * (share * ((1.0 - (P * P + Q * Q)) * f.root))};
}

// weighted_phi for strength 0. t(P, Q) does not depend on 1 + delta, so that
//   sum = value t + inverse (A t_P + B t_Q) with A = px - delta P, B = py - delta Q;
// the derivative with respect to the strength is -G(P, Q)/(1 + delta), or -(1 + delta) G if growing, with
// G = (1 + t^2)(1 + xp^2 (2 + yp^2)) w.
template <class T>
GT_INLINE Phi<Cotangent<T>> weighted_hard_phi(const State<T>& s, const Cotangent<T>& value, const Cotangent<T>& px,
                                              const Cotangent<T>& py, const Cotangent<T>& delta, int growing) {
  const T inverse = s.inverse, P = s.px * inverse, Q = s.py * inverse;
  const HardFringe<T> f = hard_fringe(P, Q);
  T root2 = f.root * f.root, bend = root2 + 2.0 * f.over, wide = 2.0 * Q * f.over;
  T PP = f.both * P * (bend * (1.0 - f.gap) - wide * wide);
  T PQ = -(Q * f.both) * (1.0 + P * P * bend);
  T QQ = -(P * f.both) * (1.0 + Q * Q * root2);
  Cotangent<T> A = px - delta * P, B = py - delta * Q;
  Cotangent<T> first = A * f.P + B * f.Q;
  Cotangent<T> by_P = value * f.P + inverse * (A * PP + B * PQ - delta * f.P);
  Cotangent<T> by_Q = value * f.Q + inverse * (A * PQ + B * QQ - delta * f.Q);
  T xp2 = P * P * root2, yp2 = Q * Q * root2, w = f.root * (1.0 - P * P - Q * Q);
  T h = 1.0 + f.value * f.value, bow = 1.0 + xp2 * (2.0 + yp2);
  T twice = 2.0 * f.value * bow * w, rate = 2.0 * h * w * root2, fall = h * bow * f.root;
  T G_P = twice * f.P + P * (rate * ((1.0 + xp2) * (2.0 + yp2) + xp2 * yp2) - fall);
  T G_Q = twice * f.Q + Q * (rate * xp2 * (3.0 + 2.0 * yp2) - fall);
  const double power = growing ? 1.0 : -1.0;
  Cotangent<T> by_strength = -((value * s.opd + power * delta) * (h * bow * w) + A * G_P + B * G_Q);
  if (!growing) by_strength = (inverse * inverse) * by_strength;
  return {value * f.value + inverse * first, inverse * by_P, inverse * by_Q,
          -inverse * (P * by_P + Q * by_Q + inverse * first), by_strength};
}
