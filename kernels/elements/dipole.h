// Twin of gputrack/elements/dipole.py. P = px/(1 + delta) and Q = py/(1 + delta) are slopes.
#pragma once
#include "../numbers/smooth.h"
#include "splitting.h"
#include "../program/state.h"

template <class T, class C>
GT_INLINE void dipole_by(State<T>& s, const DipoleConstants<C>& op, double sign) {
  const C length = sign * op.length;
  const T kick = (length * op.k0) * s.inverse, kick_rate = op.h * kick;
  T x = s.x, y = s.y, P = s.px * s.inverse, lag = length * s.slip;
  const T Q = s.py * s.inverse, Q2 = Q * Q;
  compose_short(
      op.scheme, op.slices,
      [&](double part, int step) GT_LAMBDA {
        const C* arc = op.arcs + 4 * step;
        const C sine = sign * arc[0], cosine = arc[1];
        T u = P * P + Q2;
        T forward = (1.0 - u) * (1.0 + slope_excess(u));
        P = P * cosine + forward * sine;
        T tau = (sign * arc[2] + x * sine) * (1.0 + slope_excess(P * P + Q2));
        x = x * cosine - arc[3] + P * tau;
        y += Q * tau;
        lag += part * length - tau;
      },
      [&](double part) GT_LAMBDA { P -= part * (kick + kick_rate * x); });
  s.x = x;
  s.px = P * s.opd;
  s.y = y;
  s.z += lag;
}

template <class T, class C>
GT_INLINE void dipole(State<T>& s, const DipoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  dipole_by(s, op, 1.0);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T, class C>
GT_INLINE void undipole(State<T>& s, const DipoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  dipole_by(s, op, -1.0);
}

// Adjoint. The exit plane is crossed at the parameter tau; with dX, dZ the changes of position along and past the
// plane,
//   dx' = dX - P' dZ/p',  dtau = -dZ/p'  (p, p' = sqrt(1 - slopes^2) before and after): see arc.h.
// 1/p is again 1 + slope_excess. Kicks are linear in K = L k0/(1 + delta), whose bar follows from two sums.
// All in; all transverse, opd, inverse, slip and the bars out.
template <class T>
GT_INLINE void dipole_adjoint(State<T>& s, Costate<T>& g, const DipoleOp& op, const DipoleBar<Cotangent<T>>& bar,
                              const Reference& ref) {
  const T kick = (op.length * op.k0) * s.inverse, kick_rate = op.h * kick;
  const T Q = s.py * s.inverse, Q2 = Q * Q;
  T x = s.x, y = s.y, P = s.px * s.inverse, lag = op.length * s.slip;
  Cotangent<T> gx = g.x, gP = g.px * s.opd, gQ = g.py * s.opd;
  g.opd += g.px * P + g.py * Q;
  Cotangent<T> flat = broadcast(0.0), slanted = broadcast(0.0);  // sums of f gP, f gP x
  compose_short(
      op.scheme, op.slices,
      [&](double part, int step) GT_LAMBDA {
        const double* arc = op.arcs + 4 * step;
        Cotangent<T>* arc_bar = bar.arcs + 4 * step;
        const double sine = arc[0], cosine = arc[1];
        T u = P * P + Q2;
        T over = 1.0 + slope_excess(u);  // 1/p'
        T after = (1.0 - u) * over;      // p'
        T before = after * cosine + P * sine;
        T slope = P * cosine - after * sine;
        T over_before = 1.0 + slope_excess(slope * slope + Q2);
        T tau = (arc[2] + x * sine) * over_before;
        Cotangent<T> w_bar = (gx * P + (g.y * Q - g.z)) * over;  // = -(bar of the distance past the plane)
        Cotangent<T> a_bar = -tau * w_bar, b_bar = tau * gx + gP;
        x = x * cosine - arc[3] - slope * tau;
        y -= Q * tau;
        lag += part * op.length - tau;
        arc_bar[0] += b_bar * before - a_bar * slope + w_bar * x;
        arc_bar[1] += a_bar * before + b_bar * slope + gx * x;
        arc_bar[2] += w_bar;
        arc_bar[3] -= gx;
        Cotangent<T> p_bar = (a_bar * cosine + b_bar * sine) * over_before;
        gx = gx * cosine + w_bar * sine;
        gP = b_bar * cosine - a_bar * sine - p_bar * slope;
        gQ += tau * g.y - p_bar * Q;
        P = slope;
      },
      [&](double part) GT_LAMBDA {
        P += part * (kick + kick_rate * x);
        Cotangent<T> c = part * gP;
        flat += c;
        slanted += c * x;
        gx -= kick_rate * c;
      });
  Cotangent<T> kick_bar = -flat - op.h * slanted;
  *bar.h -= kick * slanted;
  *bar.k0 += op.length * s.inverse * kick_bar;
  *bar.length += op.k0 * s.inverse * kick_bar + (1.0 + s.slip) * g.z;
  s.x = x;
  s.px = P * s.opd;
  s.y = y;
  s.z -= lag;
  g.x = gx;
  g.px = gP * s.inverse;
  g.py = gQ * s.inverse;
  g.inverse += (op.length * op.k0) * kick_bar + gP * s.px + gQ * s.py;
  g.slip += op.length * g.z;
}
