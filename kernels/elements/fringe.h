// Twin of gputrack/elements/fringe.py.
#pragma once
#include "../numbers/dual.h"
#include "../numbers/smooth.h"
#include "../program/state.h"

GT_CONSTANT int NEWTON_STEPS = 4;
GT_CONSTANT double SMALL_STEP = 1e-44;  // square of the last one [rad^2]

// phi/k0 and its derivatives; strength is that of k0 g.
template <class T>
struct Phi {
  T value, px, py, delta, strength;
};

#include "fast/fringe.h"

// tan(atan(xp/(1 + yp^2)) - strength (1 + xp^2 (2 + yp^2)) pz/(1 + delta)^2) and its derivatives; growing: without the
// divisor.
template <class T, class C>
GT_INLINE Phi<T> phi(const T& px, const T& py, const T& opd, const T& opd_inverse, C strength, int growing) {
  if (OPTIMISED && vanishes(strength)) return hard_phi(px, py, opd, opd_inverse, growing);
  T x_slope = px * opd_inverse, y_slope = py * opd_inverse;
  T u = x_slope * x_slope + y_slope * y_slope;
  T root = 1.0 + slope_excess(u);
  T inverse = opd_inverse * root, pz = opd * ((1.0 - u) * root);
  T xp = x_slope * root, yp = y_slope * root;
  T xp2 = xp * xp, yp2 = yp * yp;
  T r = 1.0 / (1.0 + yp2);
  T slope = xp * r;
  T bow = 1.0 + xp2 * (2.0 + yp2);
  T share = pz;
  if (!growing) share = share * (opd_inverse * opd_inverse);
  T beta = strength * bow * share;
  T cosine, sinc;
  cos_sinc(beta * beta, 0, cosine, sinc);
  T tangent = beta * sinc / cosine;
  T turn = 1.0 / (1.0 + slope * slope);
  T t = (slope - tangent) / (1.0 + slope * tangent);
  T gain = 1.0 + t * t;
  T by_xp = gain * (turn * r - 2.0 * strength * xp * (2.0 + yp2) * share);
  T by_yp = gain * (-2.0 * turn * slope * yp * r - 2.0 * strength * xp2 * yp * share);
  T by_share = -strength * gain * bow;
  T by_pz = by_share;
  if (!growing) by_pz = by_share * (opd_inverse * opd_inverse);
  T by_delta = opd * inverse * (by_pz - (by_xp * xp + by_yp * yp) * inverse);
  if (!growing) by_delta = by_delta - 2.0 * opd_inverse * (by_share * share);
  return {t,
          (by_xp * (1.0 + xp2) + by_yp * xp * yp) * inverse - by_pz * xp,
          (by_xp * xp * yp + by_yp * (1.0 + yp2)) * inverse - by_pz * yp,
          by_delta, -gain * bow * share};
}

template <class T, class C>
GT_INLINE Phi<T> scaled_phi(const State<T>& s, const T& py, C k0, C gap, int growing) {
  Phi<T> f = phi(s.px, py, s.opd, s.inverse, k0 * gap, growing);
  return {k0 * f.value, k0 * f.px, k0 * f.py, k0 * f.delta, k0 * f.strength};
}

template <class T, class C>
GT_INLINE void fringe(State<T>& s, const FringeConstants<C>& op, const ReferenceConstants<C>& ref) {
  Phi<T> f = scaled_phi(s, s.py, op.k0, op.gap, op.growing);
  T y = 2.0 * s.y / (1.0 + sqrt(1.0 - 2.0 * f.py * s.y));
  T half = 0.5 * y * y;
  T bend = op.cubic * half * s.inverse;
  s.x += f.px * half;
  s.y = y;
  s.py -= (f.value + 2.0 * bend) * y;
  s.z += (f.delta - bend * s.inverse) * half;
}

// Inverse: Newton's method for py before the fringe. Returns phi there.
template <class T, class C>
GT_INLINE Phi<T> unfringe_by(State<T>& s, const FringeConstants<C>& op) {
  T half = 0.5 * s.y * s.y;
  T bend = op.cubic * half * s.inverse;
  T known = s.py + 2.0 * bend * s.y;
  T py = known;
  for (int i = 0; i < NEWTON_STEPS; ++i) {
    Phi<T> f = scaled_phi(s, py, op.k0, op.gap, op.growing);
    T kick = f.value * s.y;
    T step = (py - kick - known) / (1.0 - f.py * s.y);
    py = py - step;
    T next = kick * (step * step);  // order of the next step: the curvature of phi in py is about -phi
    if (all_below(next * next, SMALL_STEP)) break;
  }
  Phi<T> f = scaled_phi(s, py, op.k0, op.gap, op.growing);
  s.x -= f.px * half;
  s.y -= f.py * half;
  s.py = py;
  s.z -= (f.delta - bend * s.inverse) * half;
  return f;
}

template <class T, class C>
GT_INLINE void unfringe(State<T>& s, const FringeConstants<C>& op, const ReferenceConstants<C>& ref) {
  unfringe_by(s, op);
}

// The sum of phi/k0 and its derivatives, times the rates of change that enter it (value, px, py, delta): that sum and
// its derivatives with respect to phi's arguments. One pass of dual numbers gives them, since the Hessian is symmetric.
template <class T>
GT_OUT_OF_LINE Phi<Cotangent<T>> weighted_phi(const State<T>& s, const Cotangent<T>& value, const Cotangent<T>& px,
                                              const Cotangent<T>& py, const Cotangent<T>& delta, double strength,
                                              int growing) {
  const Phi<Dual<T>> d = phi(Dual<T>{s.px, px}, Dual<T>{s.py, py}, Dual<T>{s.opd, delta},
                             Dual<T>{s.inverse, -delta * (s.inverse * s.inverse)}, strength, growing);
  return {value * d.value.value + d.value.tangent, value * d.px.value + d.px.tangent,
          value * d.py.value + d.py.tangent, value * d.delta.value + d.delta.tangent,
          value * d.strength.value + d.strength.tangent};
}

// Adjoint: all in; all but opd from z, and k0, gap, cubic out.
template <class T>
GT_INLINE void fringe_adjoint(State<T>& s, Costate<T>& g, const FringeOp& op, const FringeBar<Cotangent<T>>& bar,
                              const Reference& ref) {
  const T y = s.y;  // after
  const Phi<T> f = unfringe_by(s, op);  // times k0
  T half = 0.5 * y * y;
  T bend = op.cubic * half * s.inverse;
  // x' = x + phi_px half, y' = y + phi_py half, py' = py - (phi + 2 bend) y', z' = z + (phi_delta - bend inverse) half
  Cotangent<T> bend_bar = -2.0 * y * g.py - s.inverse * half * g.z;
  const double strength = op.k0 * op.gap;
  Cotangent<T> px_rate = half * g.x, delta_rate = half * g.z, value_rate = -y * g.py;
  Cotangent<T> y_bar = (g.y + f.px * y * g.x - (f.value + 2.0 * bend) * g.py + (f.delta - bend * s.inverse) * y * g.z +
             op.cubic * s.inverse * y * bend_bar) /
            (1.0 - f.py * y);
  Cotangent<T> py_rate = half * y_bar;
  Phi<Cotangent<T>> w;
  if (OPTIMISED && strength == 0.0)
    w = weighted_hard_phi(s, value_rate, px_rate, py_rate, delta_rate, op.growing);
  else
    w = weighted_phi(s, value_rate, px_rate, py_rate, delta_rate, strength, op.growing);
  *bar.k0 += w.value + strength * w.strength;
  *bar.gap += op.k0 * (op.k0 * w.strength);
  *bar.cubic += half * s.inverse * bend_bar;
  g.inverse += op.cubic * half * bend_bar - bend * half * g.z;
  g.px += op.k0 * w.px;
  g.py += op.k0 * w.py;
  g.opd += op.k0 * w.delta;
  g.y = y_bar;
}
