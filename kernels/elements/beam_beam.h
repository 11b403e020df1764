// Twin of gputrack/elements/beam_beam.py.
#pragma once
#include "../numbers/bassetti_erskine.h"
#include "crossing.h"
#include "rf_cavity.h"

template <class T>
struct Meeting {
  T s, x, y, a, b, a_rate, b_rate;
};

template <class T, class C>
GT_INLINE Meeting<T> meeting(const State<T>& s, const SliceKickConstants<C>& op, const ReferenceConstants<C>& ref,
                             const Crossing<C>& f) {
  T zeta = s.z / (1.0 + s.slip);
  const C place = op.nx * op.x + op.ny * op.y;
  const C shift = f.gamma * op.z - f.kappa * place;
  const C z = f.gamma * f.gamma * (f.cosine * op.z - ref.inverse_gamma0_squared * place);
  T at = 0.5 * (f.gamma * f.cosine * zeta - z);
  T reach = at * (1.0 / f.cosine);
  T x = s.x + reach * s.px - (op.x + op.nx * shift + op.slope_x * at);
  T y = s.y + reach * s.py - (op.y + op.ny * shift + op.slope_y * at);
  T a_half = op.sxp + at * op.spp, b_half = op.syq + at * op.sqq;
  T a = op.sxx + at * (op.sxp + a_half), b = op.syy + at * (op.syq + b_half);
  return {at, x, y, a, b, 2.0 * a_half, 2.0 * b_half};
}

template <class T, class C>
GT_INLINE void slice_kick_by(State<T>& s, const SliceKickConstants<C>& op, const ReferenceConstants<C>& ref, double sign) {
  const Crossing<C> f = crossing(op.nx, op.ny, ref);
  const Meeting<T> m = meeting(s, op, ref, f);
  const GaussianField<T> field = gaussian_field(m.x, m.y, m.a, m.b);
  const C beta = ref.beta0 * f.gamma * f.cosine;
  const C k = sign * ref.charge_over_momentum * op.strength * (0.5 * (beta + 1.0 / beta));
  T kx = k * field.x, ky = k * field.y;
  T rate = 0.5 * (m.a_rate * field.xx + m.b_rate * field.yy) - op.slope_x * field.x - op.slope_y * field.y;
  T px = s.px + kx, py = s.py + ky;
  T turned = kx * (s.px + px) + ky * (s.py + py);
  T step = (ref.beta0 * ref.beta0 * f.gamma) * (0.5 * f.cosine * k * rate + 0.25 * turned);
  T reach = m.s * (1.0 / f.cosine);
  s.x -= reach * kx;
  s.px = px;
  s.y -= reach * ky;
  s.py = py;
  energy_step(s, step, ref);
}

template <class T, class C>
GT_INLINE void slice_kick(State<T>& s, const SliceKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  slice_kick_by(s, op, ref, 1.0);
}

// Inverse: the arrival time and the collision point are the same before and after.
template <class T, class C>
GT_INLINE void unslice_kick(State<T>& s, const SliceKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  slice_kick_by(s, op, ref, -1.0);
}

// Adjoint of the slice's position in the moving frame: bars of the particle's position relative to it, of the distance
// of the collision point and of the crossing's factors in; those of the position in the lab, of the sines and of the
// reference out.
template <class T>
GT_INLINE void centre_adjoint(const Crossing<double>& f, const SliceKickOp& op, const Reference& ref,
                              const Cotangent<T>& x_bar, const Cotangent<T>& y_bar, const Cotangent<T>& at_bar,
                              Cotangent<T> cosine_bar, Cotangent<T> gamma_bar, Costate<T>& g,
                              const SliceKickBar<Cotangent<T>>& bar) {
  using G = Cotangent<T>;
  const double place = op.nx * op.x + op.ny * op.y, shift = f.gamma * op.z - f.kappa * place;
  const double gamma2 = f.gamma * f.gamma, depth = f.cosine * op.z - ref.inverse_gamma0_squared * place;
  G shift_bar = -(op.nx * x_bar + op.ny * y_bar), z_bar = -0.5 * at_bar;
  G place_bar = -f.kappa * shift_bar - (gamma2 * ref.inverse_gamma0_squared) * z_bar;
  *bar.x += op.nx * place_bar - x_bar;
  *bar.y += op.ny * place_bar - y_bar;
  *bar.z += f.gamma * shift_bar + (gamma2 * f.cosine) * z_bar;
  G nx_bar = op.x * place_bar - shift * x_bar, ny_bar = op.y * place_bar - shift * y_bar;
  gamma_bar += op.z * shift_bar + (2.0 * f.gamma * depth) * z_bar;
  cosine_bar += (gamma2 * op.z) * z_bar;
  g.inverse_gamma0_squared -= (gamma2 * place) * z_bar;
  crossing_adjoint<T>(f, op.nx, op.ny, ref, cosine_bar, gamma_bar, -place * shift_bar, 0.0 * x_bar, g, nx_bar, ny_bar);
  *bar.nx += nx_bar;
  *bar.ny += ny_bar;
}

// Adjoint: all in; all transverse, z, slip and the bars out, with those of the energy step and of the reference.
template <class T>
GT_INLINE void slice_kick_adjoint(State<T>& s, Costate<T>& g, const SliceKickOp& op,
                                  const SliceKickBar<Cotangent<T>>& bar, const Reference& ref) {
  using G = Cotangent<T>;
  const Crossing<double> f = crossing(op.nx, op.ny, ref);
  const Meeting<T> m = meeting(s, op, ref, f);  // the same before and after
  const GaussianField<T> field = gaussian_field(m.x, m.y, m.a, m.b);
  const double swift = f.gamma * f.cosine, beta = ref.beta0 * swift, share = 0.5 * (beta + 1.0 / beta);
  const double k = ref.charge_over_momentum * op.strength * share, beta2 = ref.beta0 * ref.beta0;
  T kx = k * field.x, ky = k * field.y;
  T rate = 0.5 * (m.a_rate * field.xx + m.b_rate * field.yy) - op.slope_x * field.x - op.slope_y * field.y;
  T turned = kx * (2.0 * s.px - kx) + ky * (2.0 * s.py - ky);
  T step = beta2 * (0.5 * swift * k * rate + 0.25 * f.gamma * turned);
  const T zeta = s.z / (1.0 + s.slip), reach = m.s * (1.0 / f.cosine);
  G step_bar;
  energy_step_adjoint(s, g, step, ref, step_bar);
  g.beta0 += (2.0 / ref.beta0) * step * step_bar;
  G w = beta2 * step_bar, half = (0.5 * f.gamma) * w;
  // the kick and its factors
  G kx_bar = g.px - reach * g.x + half * s.px, ky_bar = g.py - reach * g.y + half * s.py;
  G reach_bar = -(kx * g.x + ky * g.y);
  G gamma_bar = 0.25 * turned * w, cosine_bar = broadcast(0.0);
  G rate_bar = (0.5 * swift * k) * w, swift_bar = 0.5 * k * rate * w;
  G k_bar = kx_bar * field.x + ky_bar * field.y + 0.5 * swift * rate * w;
  G x_rate = k * kx_bar - op.slope_x * rate_bar, y_rate = k * ky_bar - op.slope_y * rate_bar;
  // derivatives of the force along these rates are also its pulled-back cotangents, since V's Hessian is symmetric
  const GaussianField<Dual<T>> d = gaussian_field(
      Dual<T>{m.x, x_rate}, Dual<T>{m.y, y_rate}, Dual<T>{m.a, m.a_rate * rate_bar}, Dual<T>{m.b, m.b_rate * rate_bar});
  G x_bar = d.x.tangent, y_bar = d.y.tangent, a_bar = 0.5 * d.xx.tangent, b_bar = 0.5 * d.yy.tangent;
  G a_rate_bar = 0.5 * field.xx * rate_bar, b_rate_bar = 0.5 * field.yy * rate_bar;
  // state before
  s.x += reach * kx;
  s.px -= kx;
  s.y += reach * ky;
  s.py -= ky;
  g.px += half * kx + reach * x_bar;
  g.py += half * ky + reach * y_bar;
  g.x += x_bar;
  g.y += y_bar;
  reach_bar += s.px * x_bar + s.py * y_bar;
  *bar.slope_x -= field.x * rate_bar + m.s * x_bar;
  *bar.slope_y -= field.y * rate_bar + m.s * y_bar;
  *bar.sxx += a_bar;
  *bar.syy += b_bar;
  *bar.sxp += 2.0 * (m.s * a_bar + a_rate_bar);
  *bar.syq += 2.0 * (m.s * b_bar + b_rate_bar);
  *bar.spp += m.s * (m.s * a_bar + 2.0 * a_rate_bar);
  *bar.sqq += m.s * (m.s * b_bar + 2.0 * b_rate_bar);
  G at_bar = m.a_rate * a_bar + m.b_rate * b_bar + 2.0 * (op.spp * a_rate_bar + op.sqq * b_rate_bar) +
             (1.0 / f.cosine) * reach_bar - op.slope_x * x_bar - op.slope_y * y_bar;
  cosine_bar -= (1.0 / f.cosine) * reach * reach_bar;
  // collision point: at = (swift zeta - z)/2
  G zeta_bar = 0.5 * swift * at_bar;
  swift_bar += 0.5 * zeta * at_bar;
  g.z += zeta_bar / (1.0 + s.slip);
  g.slip -= zeta * zeta_bar / (1.0 + s.slip);
  // strength
  *bar.strength += (ref.charge_over_momentum * share) * k_bar;
  g.charge_over_momentum += (op.strength * share) * k_bar;
  G beta_bar = (ref.charge_over_momentum * op.strength * 0.5 * (1.0 - 1.0 / (beta * beta))) * k_bar;
  g.beta0 += swift * beta_bar;
  swift_bar += ref.beta0 * beta_bar;
  cosine_bar += f.gamma * swift_bar;
  gamma_bar += f.cosine * swift_bar;
  centre_adjoint<T>(f, op, ref, x_bar, y_bar, at_bar, cosine_bar, gamma_bar, g, bar);
}
