// Twin of gputrack/elements/arc.py.
#pragma once
#include "../numbers/smooth.h"
#include "../program/state.h"

// Quantities of an arc for the adjoint: momenta normal to the planes, tau, sin(phi)/k0, tan(phi/2)/k0.
template <class T>
struct ArcPath {
  T pz_in, pz_out, tau, chord, half;
};

// Exact motion in a uniform vertical field between two planes.
template <class T, class C>
GT_INLINE ArcPath<T> arc_by(State<T>& s, C sine, C cosine, C reach, C sagitta, C length, C k0, int halvings) {
  T v = s.py * s.inverse;
  T u = v * v + (s.px * s.inverse) * (s.px * s.inverse);
  T pz = s.opd * (1.0 - u) * (1.0 + slope_excess(u));
  T a = pz * cosine - s.px * sine;
  T b = s.px * cosine + pz * sine;
  T w = reach + s.x * sine;
  if (OPTIMISED && vanishes(k0)) return line_by(s, cosine, sagitta, length, pz, a, b, w);
  T px = b - k0 * w;
  u = v * v + (px * s.inverse) * (px * s.inverse);
  T pz_out = s.opd * (1.0 - u) * (1.0 + slope_excess(u));
  // tan(phi/2)/k0 and sin(phi)/k0
  T in_plane = s.opd * s.opd * (1.0 - v * v);
  T sum = pz_out + a;
  T half = w * (b * (b + px) + a * sum) / (sum * (in_plane + a * pz_out + b * px));
  T turn = k0 * half;
  T chord = 2.0 * half / (1.0 + turn * turn);
  T tau = 2.0 * half * arctan_ratio(turn * turn, halvings);
  s.x = s.x * cosine - sagitta + chord * (b - turn * a);
  s.px = px;
  s.y += s.py * tau;
  s.z += length * s.slip + (length - s.opd * tau);
  return {pz, pz_out, tau, chord, half};
}

template <class T, class C>
GT_INLINE void arc(State<T>& s, const ArcConstants<C>& op, const ReferenceConstants<C>& ref) {
  arc_by(s, op.sine, op.cosine, op.reach, op.sagitta, op.length, op.k0, op.halvings);
}

// Inverse: the same field backwards.
template <class T, class C>
GT_INLINE void unarc(State<T>& s, const ArcConstants<C>& op, const ReferenceConstants<C>& ref) {
  arc_by(s, -op.sine, op.cosine, -op.reach, op.sagitta, -op.length, op.k0, op.halvings);
}

// Adjoint. The exit plane is crossed at the parameter tau; with the position X and the distance Z past the plane
//   dx' = dX - px' dZ/pz',  dtau = -dZ/pz'  (dX, dZ at fixed tau),
// and X = x cos - sagitta + S B - C A, Z = S A + C B - W with S = sin(k0 tau)/k0, C = (1 - cos(k0 tau))/k0.
// All cotangents in; those of x, px, py, opd, slip, and the bars out.
template <class T>
GT_INLINE void arc_by_adjoint(State<T>& s, Costate<T>& g, double sine, double cosine, double reach, double sagitta,
                              double length, double k0, int halvings, Cotangent<T>& sine_bar,
                              Cotangent<T>& cosine_bar, Cotangent<T>& reach_bar, Cotangent<T>& sagitta_bar,
                              Cotangent<T>& length_bar, Cotangent<T>& k0_bar) {
  const T px_out = s.px;
  const ArcPath<T> back = arc_by(s, -sine, cosine, -reach, sagitta, -length, k0, halvings);
  const T pz = back.pz_out, tau = -back.tau, chord = -back.chord, half = -back.half;
  const T bow = k0 * chord * half;
  T a = pz * cosine - s.px * sine, b = s.px * cosine + pz * sine, w = reach + s.x * sine;
  Cotangent<T> tau_bar = g.x * px_out + g.y * s.py - g.z * s.opd;
  Cotangent<T> z_bar = -tau_bar / back.pz_in;
  Cotangent<T> a_bar = chord * z_bar - bow * g.x, b_bar = chord * g.x + bow * z_bar + g.px, w_bar = -z_bar - k0 * g.px;
  T phi = k0 * tau;
  T chord_rate = k0 * (tau * tau * tau * horner(SINE_GAP, phi * phi) - tau * chord * half);
  T bow_rate = chord * (tau - half);
  k0_bar += g.x * (b * chord_rate - a * bow_rate) + z_bar * (a * chord_rate + b * bow_rate) - w * g.px;
  sine_bar += b_bar * pz - a_bar * s.px + w_bar * s.x;
  cosine_bar += a_bar * pz + b_bar * s.px + g.x * s.x;
  reach_bar += w_bar;
  sagitta_bar -= g.x;
  length_bar += g.z * (1.0 + s.slip);
  Cotangent<T> pz_bar = (a_bar * cosine + b_bar * sine) / pz;
  g.x = g.x * cosine + w_bar * sine;
  g.px = b_bar * cosine - a_bar * sine - pz_bar * s.px;
  g.py += tau * g.y - pz_bar * s.py;
  g.opd += pz_bar * s.opd - tau * g.z;
  g.slip += length * g.z;
}

template <class T>
GT_INLINE void arc_adjoint(State<T>& s, Costate<T>& g, const ArcOp& op, const ArcBar<Cotangent<T>>& bar,
                           const Reference& ref) {
  arc_by_adjoint(s, g, op.sine, op.cosine, op.reach, op.sagitta, op.length, op.k0, op.halvings, *bar.sine,
                 *bar.cosine, *bar.reach, *bar.sagitta, *bar.length, *bar.k0);
}

#include "fast/arc.h"
