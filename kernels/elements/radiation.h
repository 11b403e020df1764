// Twin of gputrack/elements/radiation.py.
#pragma once
#include "bend.h"
#include "straight.h"

// Momentum loss by k, at constant direction and time; -k undoes it.
template <class T, class C>
GT_INLINE void emit(State<T>& s, const T& k, const ReferenceConstants<C>& ref) {
  T velocity = 1.0 + s.slip;
  C rest = ref.inverse_gamma0_squared / (ref.beta0 * ref.beta0);
  T drop = k * (s.opd * s.opd + rest) / (1.0 + k * s.opd);
  T ratio = 1.0 - drop * s.inverse;
  s.px *= ratio;
  s.py *= ratio;
  s.delta -= drop;
  refresh(s, ref);
  s.z *= (1.0 + s.slip) / velocity;
}

// Square of the field across the direction of motion, times dl/ds on a straight axis.
template <class T>
GT_INLINE T brightness(const State<T>& s, const T& by, const T& bx) {
  T p = s.px * s.inverse, q = s.py * s.inverse;
  T along = p * bx + q * by;
  return (by * by + bx * bx - along * along) * (1.0 + slope_excess(p * p + q * q));
}

// By + i Bx = sum (bn + i an)(x + i y)^n: minus the kick in px and the kick in py, per length.
template <class T, class C>
GT_INLINE void multipole_field(const State<T>& s, const C* bn, const C* an, int terms, T& by, T& bx) {
  State<T> t = s;
  t.px = t.py = broadcast(0.0);
  multipole_kick(t, 1.0, bn, an, terms);
  by = -t.px;
  bx = t.py;
}

template <class T, class C>
GT_INLINE void radiation_by(State<T>& s, const RadiationConstants<C>& op, const ReferenceConstants<C>& ref,
                            double sign) {
  T by, bx;
  multipole_field(s, op.bn, op.an, op.terms, by, bx);
  T way = op.length * (1.0 + op.h * s.x);
  T k = sign * ref.radiation * (way * brightness(s, by, bx));
  emit(s, k, ref);
}

template <class T, class C>
GT_INLINE void radiation(State<T>& s, const RadiationConstants<C>& op, const ReferenceConstants<C>& ref) {
  radiation_by(s, op, ref, 1.0);
}

// Inverse: position and direction, hence k, are the same before and after.
template <class T, class C>
GT_INLINE void unradiation(State<T>& s, const RadiationConstants<C>& op, const ReferenceConstants<C>& ref) {
  radiation_by(s, op, ref, -1.0);
}

// By = -F_x/(1 + h x), Bx = F_y/(1 + h x), each times 1 + h x.
template <class T, class C>
GT_INLINE void sector_field(const State<T>& s, const SectorRadiationConstants<C>& op, T& by, T& bx) {
  State<T> t = s;
  t.px = t.py = broadcast(0.0);
  sector_kick(t, 1.0, op.fx, op.fy, op.degree, op.terms);
  by = -t.px;
  bx = t.py;
}

// Distance along the reference orbit from the end of the body to a turned face, inwards.
template <class T, class C>
GT_INLINE T wedge(const State<T>& s, C face, int side) {
  T p = s.px * s.inverse, q = s.py * s.inverse;
  return face * s.x / (1.0 + (double)side * face * (p * (1.0 + slope_excess(p * p + q * q))));
}

template <class T, class C>
GT_INLINE void sector_radiation_by(State<T>& s, const SectorRadiationConstants<C>& op, const ReferenceConstants<C>& ref,
                                   double sign) {
  T by, bx;
  sector_field(s, op, by, bx);
  T share = 1.0 / (1.0 + op.h * s.x);
  T way = op.length * share;
  if (op.side) way = way - wedge(s, op.face, op.side) * (share * share);
  T k = sign * ref.radiation * (way * brightness(s, by, bx));
  emit(s, k, ref);
}

template <class T, class C>
GT_INLINE void sector_radiation(State<T>& s, const SectorRadiationConstants<C>& op, const ReferenceConstants<C>& ref) {
  sector_radiation_by(s, op, ref, 1.0);
}

template <class T, class C>
GT_INLINE void unsector_radiation(State<T>& s, const SectorRadiationConstants<C>& op,
                                  const ReferenceConstants<C>& ref) {
  sector_radiation_by(s, op, ref, -1.0);
}

template <class T, class C>
GT_INLINE void solenoid_radiation_by(State<T>& s, const SolenoidRadiationConstants<C>& op,
                                     const ReferenceConstants<C>& ref, double sign) {
  C k = 0.5 * op.ks;
  s.px += k * s.y;
  s.py -= k * s.x;
  T p = s.px * s.inverse, q = s.py * s.inverse;
  T u = p * p + q * q;
  T loss = sign * ref.radiation * op.length * (op.ks * op.ks * u * (1.0 + slope_excess(u)));
  emit(s, loss, ref);
  s.px -= k * s.y;
  s.py += k * s.x;
}

template <class T, class C>
GT_INLINE void solenoid_radiation(State<T>& s, const SolenoidRadiationConstants<C>& op,
                                  const ReferenceConstants<C>& ref) {
  solenoid_radiation_by(s, op, ref, 1.0);
}

template <class T, class C>
GT_INLINE void unsolenoid_radiation(State<T>& s, const SolenoidRadiationConstants<C>& op,
                                    const ReferenceConstants<C>& ref) {
  solenoid_radiation_by(s, op, ref, -1.0);
}

// Adjoint of emit from the state after: px, py, z, delta (and opd, inverse, slip) in and out, and the bar of k and of
// the reference's beta0, 1/gamma0^2.
template <class T>
GT_INLINE void emit_adjoint(State<T>& s, Costate<T>& g, const T& k, const Reference& ref, Cotangent<T>& k_bar) {
  const State<T> after = s;
  T minus = -k;
  emit(s, minus, ref);
  T velocity = 1.0 + s.slip;
  T stretch = (1.0 + after.slip) / velocity;
  Cotangent<T> stretch_bar = g.z * s.z;
  g.slip += stretch_bar / velocity;
  fold(after, g, ref);
  g.slip -= stretch_bar * (stretch / velocity);
  g.z *= stretch;
  // ratio = (opd - drop)/opd
  Cotangent<T> ratio_bar = g.px * s.px + g.py * s.py;
  T ratio = after.opd * s.inverse;
  g.px *= ratio;
  g.py *= ratio;
  g.inverse += ratio_bar * after.opd;
  Cotangent<T> opd_bar = ratio_bar * s.inverse;
  Cotangent<T> drop_bar = -(g.delta + opd_bar);
  // drop = k both/share
  const double beta0_squared = ref.beta0 * ref.beta0, rest = ref.inverse_gamma0_squared / beta0_squared;
  T both = s.opd * s.opd + rest;
  T share = 1.0 / (1.0 + k * s.opd);
  T weight = k * share;
  g.opd += opd_bar + drop_bar * (weight * (2.0 * s.opd - weight * both));
  k_bar = drop_bar * (both * share * share);
  Cotangent<T> rest_bar = drop_bar * weight;
  g.inverse_gamma0_squared += (1.0 / beta0_squared) * rest_bar;
  g.beta0 -= (2.0 * rest / ref.beta0) * rest_bar;
}

// Adjoint of brightness: by, bx, px, py, inverse out.
template <class T>
GT_INLINE void brightness_adjoint(const State<T>& s, Costate<T>& g, const T& by, const T& bx, const Cotangent<T>& bar,
                                  Cotangent<T>& by_bar, Cotangent<T>& bx_bar) {
  T p = s.px * s.inverse, q = s.py * s.inverse;
  T along = p * bx + q * by;
  T w = slope_excess(p * p + q * q);
  Cotangent<T> square_bar = bar * (1.0 + w);
  Cotangent<T> along_bar = -2.0 * (square_bar * along);
  Cotangent<T> u_bar = bar * ((by * by + bx * bx - along * along) * slope_rate(w));
  by_bar = 2.0 * (square_bar * by) + along_bar * q;
  bx_bar = 2.0 * (square_bar * bx) + along_bar * p;
  Cotangent<T> p_bar = along_bar * bx + 2.0 * (u_bar * p), q_bar = along_bar * by + 2.0 * (u_bar * q);
  g.px += p_bar * s.inverse;
  g.py += q_bar * s.inverse;
  g.inverse += p_bar * s.px + q_bar * s.py;
}

// Adjoint: px, py, z, delta in; all but z, and length, h, bn, an out.
template <class T>
GT_INLINE void radiation_adjoint(State<T>& s, Costate<T>& g, const RadiationOp& op,
                                 const RadiationBar<Cotangent<T>>& bar, const Reference& ref) {
  T by, bx;
  multipole_field(s, op.bn, op.an, op.terms, by, bx);
  T curve = 1.0 + op.h * s.x;
  T light = brightness(s, by, bx);
  T sum = op.length * (curve * light);
  T k = ref.radiation * sum;
  Cotangent<T> k_bar;
  emit_adjoint(s, g, k, ref, k_bar);
  g.radiation += k_bar * sum;
  Cotangent<T> sum_bar = ref.radiation * k_bar;
  *bar.length += sum_bar * (curve * light);
  Cotangent<T> curve_bar = op.length * (sum_bar * light);
  *bar.h += curve_bar * s.x;
  g.x += op.h * curve_bar;
  Cotangent<T> light_bar = op.length * (sum_bar * curve), by_bar, bx_bar;
  brightness_adjoint(s, g, by, bx, light_bar, by_bar, bx_bar);
  State<T> t = s;
  Costate<T> b = g;
  b.px = -by_bar;
  b.py = bx_bar;
  Cotangent<T> unused = broadcast(0.0);
  multipole_kick_adjoint(t, b, 1.0, op.bn, op.an, op.terms, unused, bar.bn, bar.an);
  g.x = b.x;
  g.y = b.y;
}

// Adjoint of wedge: x, px, py, inverse and face out.
template <class T>
GT_INLINE void wedge_adjoint(const State<T>& s, Costate<T>& g, double face, int side, const Cotangent<T>& bar,
                             Cotangent<T>& face_bar) {
  T p = s.px * s.inverse, q = s.py * s.inverse;
  T w = slope_excess(p * p + q * q);
  T over = 1.0 / (1.0 + (side * face) * (p * (1.0 + w)));
  Cotangent<T> each = bar * (s.x * (over * over));
  face_bar += each;
  g.x += face * (bar * over);
  Cotangent<T> slope_bar = (-side * face * face) * each;
  Cotangent<T> u_bar = slope_bar * (p * slope_rate(w));
  Cotangent<T> p_bar = slope_bar * (1.0 + w) + 2.0 * (u_bar * p), q_bar = 2.0 * (u_bar * q);
  g.px += p_bar * s.inverse;
  g.py += q_bar * s.inverse;
  g.inverse += p_bar * s.px + q_bar * s.py;
}

// Adjoint: px, py, z, delta in; all but z, and length, h, face, fx, fy out.
template <class T>
GT_INLINE void sector_radiation_adjoint(State<T>& s, Costate<T>& g, const SectorRadiationOp& op,
                                        const SectorRadiationBar<Cotangent<T>>& bar, const Reference& ref) {
  T by, bx;
  sector_field(s, op, by, bx);
  T share = 1.0 / (1.0 + op.h * s.x);
  T light = brightness(s, by, bx);
  T way = op.length * share, turned = broadcast(0.0);
  if (op.side) {
    turned = wedge(s, op.face, op.side) * (share * share);
    way = way - turned;
  }
  T sum = way * light;
  T k = ref.radiation * sum;
  Cotangent<T> k_bar;
  emit_adjoint(s, g, k, ref, k_bar);
  g.radiation += k_bar * sum;
  Cotangent<T> sum_bar = ref.radiation * k_bar;
  *bar.length += sum_bar * (share * light);
  // way = length share - wedge share^2
  Cotangent<T> curve_bar = -(sum_bar * (light * share * (way - turned)));
  if (op.side) {
    Cotangent<T> wedge_bar = -(sum_bar * (light * share * share));
    wedge_adjoint(s, g, op.face, op.side, wedge_bar, *bar.face);
  }
  *bar.h += curve_bar * s.x;
  g.x += op.h * curve_bar;
  Cotangent<T> light_bar = sum_bar * way, by_bar, bx_bar;
  brightness_adjoint(s, g, by, bx, light_bar, by_bar, bx_bar);
  State<T> t = s;
  Costate<T> b = g;
  b.px = -by_bar;
  b.py = bx_bar;
  Cotangent<T> unused = broadcast(0.0);
  sector_kick_adjoint(t, b, 1.0, op.fx, op.fy, op.degree, op.terms, unused, bar.fx, bar.fy);
  g.x = b.x;
  g.y = b.y;
}

// Adjoint: all but z in and out, z in; length, ks out.
template <class T>
GT_INLINE void solenoid_radiation_adjoint(State<T>& s, Costate<T>& g, const SolenoidRadiationOp& op,
                                          const SolenoidRadiationBar<Cotangent<T>>& bar, const Reference& ref) {
  const double k = 0.5 * op.ks, square = op.ks * op.ks;
  // px - k y and py + k x at the end
  Cotangent<T> half_bar = g.py * s.x - g.px * s.y;
  g.y -= k * g.px;
  g.x += k * g.py;
  s.px += k * s.y;
  s.py -= k * s.x;
  T p = s.px * s.inverse, q = s.py * s.inverse;
  T u = p * p + q * q;
  T w = slope_excess(u);
  T light = u * (1.0 + w);
  T loss = (ref.radiation * op.length * square) * light;
  Cotangent<T> loss_bar;
  emit_adjoint(s, g, loss, ref, loss_bar);
  Cotangent<T> part = loss_bar * light;
  g.radiation += (op.length * square) * part;
  *bar.length += (ref.radiation * square) * part;
  Cotangent<T> u_bar = (ref.radiation * op.length * square) * (loss_bar * (1.0 + w + u * slope_rate(w)));
  Cotangent<T> p_bar = 2.0 * (u_bar * p), q_bar = 2.0 * (u_bar * q);
  g.px += p_bar * s.inverse;
  g.py += q_bar * s.inverse;
  g.inverse += p_bar * s.px + q_bar * s.py;
  // px + k y and py - k x at the start
  half_bar += g.px * s.y - g.py * s.x;
  g.y += k * g.px;
  g.x -= k * g.py;
  s.px -= k * s.y;
  s.py += k * s.x;
  *bar.ks += 0.5 * half_bar + (2.0 * ref.radiation * op.length * op.ks) * part;
}
