// Twin of gputrack/elements/crossing.py.
#pragma once
#include "../program/state.h"

template <class C>
struct Crossing {
  C cosine, gamma, kappa;
};

template <class C>
GT_INLINE Crossing<C> crossing(const C& nx, const C& ny, const ReferenceConstants<C>& ref) {
  const C squared = nx * nx + ny * ny;
  const C cosine = sqrt(1.0 - squared);
  const C gamma = 1.0 / sqrt(1.0 - ref.beta0 * ref.beta0 * squared);
  return {cosine, gamma, ref.inverse_gamma0_squared * gamma * gamma / (1.0 + gamma * cosine)};
}

// Adjoint: the bars of its factors, and other contributions to that of n^2, in; nx, ny and the reference's beta0,
// 1/gamma0^2 out.
template <class T>
GT_INLINE void crossing_adjoint(const Crossing<double>& f, double nx, double ny, const Reference& ref,
                                Cotangent<T> cosine_bar, Cotangent<T> gamma_bar, const Cotangent<T>& kappa_bar,
                                Cotangent<T> squared_bar, Costate<T>& g, Cotangent<T>& nx_bar, Cotangent<T>& ny_bar) {
  const double share = 1.0 / (1.0 + f.gamma * f.cosine), cube = f.gamma * f.gamma * f.gamma;
  g.inverse_gamma0_squared += (f.gamma * f.gamma * share) * kappa_bar;
  gamma_bar += share * (2.0 * ref.inverse_gamma0_squared * f.gamma - f.kappa * f.cosine) * kappa_bar;
  cosine_bar -= (share * f.kappa * f.gamma) * kappa_bar;
  g.beta0 += (ref.beta0 * (nx * nx + ny * ny) * cube) * gamma_bar;
  squared_bar += (0.5 * ref.beta0 * ref.beta0 * cube) * gamma_bar - (0.5 / f.cosine) * cosine_bar;
  nx_bar += (2.0 * nx) * squared_bar;
  ny_bar += (2.0 * ny) * squared_bar;
}

template <class T, class C>
GT_INLINE void with_energy(State<T>& s, const T& e, const T& zeta, const ReferenceConstants<C>& ref) {
  T gain = e * (2.0 + e) / (ref.beta0 * ref.beta0);
  s.delta = gain / (1.0 + sqrt(1.0 + gain));
  refresh(s, ref);
  s.z = zeta * (1.0 + s.slip);
}

// Op is BoostConstants, or UnboostConstants to undo the transformation back to the lab.
template <class T, class C, class Op>
GT_INLINE void boost(State<T>& s, const Op& op, const ReferenceConstants<C>& ref) {
  const Crossing<C> f = crossing(op.nx, op.ny, ref);
  const C squared = op.nx * op.nx + op.ny * op.ny, beta2 = ref.beta0 * ref.beta0;
  T energy = s.opd / (1.0 + s.slip), zeta = s.z / (1.0 + s.slip);
  T excess = beta2 * s.delta * (2.0 + s.delta) / (1.0 + energy);
  T across = s.px * s.px + s.py * s.py;
  T along = sqrt(s.opd * s.opd - across);
  T h = across / (s.opd + along);
  T momentum = op.nx * s.px + op.ny * s.py, place = op.nx * s.x + op.ny * s.y;
  T e = f.gamma * (excess - beta2 * (f.cosine * momentum + squared * (s.delta - h)));
  T push = f.gamma * (energy * s.slip - h) - f.kappa * momentum;
  s.px += op.nx * push;
  s.py += op.ny * push;
  T way = place / (f.cosine * along - momentum);
  T shift = f.gamma * zeta - f.kappa * place;
  s.x += op.nx * shift + s.px * way;
  s.y += op.ny * shift + s.py * way;
  T after = f.gamma * (zeta + beta2 * f.cosine * place) - (1.0 / f.gamma + e) * way;
  with_energy(s, e, after, ref);
}

template <class T, class C, class Op>
GT_INLINE void unboost(State<T>& s, const Op& op, const ReferenceConstants<C>& ref) {
  const Crossing<C> f = crossing(op.nx, op.ny, ref);
  const C squared = op.nx * op.nx + op.ny * op.ny, beta2 = ref.beta0 * ref.beta0;
  T zeta = s.z / (1.0 + s.slip);
  T e = beta2 * s.delta * (2.0 + s.delta) / (1.0 + s.opd / (1.0 + s.slip));
  T energy = 1.0 / f.gamma + e;
  T rise = e * (2.0 / f.gamma + e) / beta2 - s.px * s.px - s.py * s.py;
  T along = sqrt(f.cosine * f.cosine + rise);
  T momentum = op.nx * s.px + op.ny * s.py;
  T forward = f.gamma * (momentum + squared * energy) + f.cosine * along;
  T way = f.gamma * (op.nx * s.x + op.ny * s.y - squared * zeta) / forward;
  T place = way * along;
  T before = (zeta + energy * way) / f.gamma - beta2 * f.cosine * place;
  T shift = f.gamma * before - f.kappa * place;
  s.x -= s.px * way + op.nx * shift;
  s.y -= s.py * way + op.ny * shift;
  T push = f.cosine * f.gamma * e - rise / (along + f.cosine) - f.kappa * momentum;
  s.px += op.nx * push;
  s.py += op.ny * push;
  T excess = f.gamma * (e + beta2 * momentum);
  with_energy(s, excess, before, ref);
}

// Adjoint of with_energy: z, delta, opd, inverse, slip in; e, zeta and the reference out.
template <class T>
GT_INLINE void with_energy_adjoint(const State<T>& s, Costate<T>& g, const Reference& ref, Cotangent<T>& e_bar,
                                   Cotangent<T>& zeta_bar) {
  const T zeta = s.z / (1.0 + s.slip);
  zeta_bar = g.z * (1.0 + s.slip);
  g.slip += g.z * zeta;
  fold(s, g, ref);
  const T gain = s.delta * (2.0 + s.delta), energy = s.opd / (1.0 + s.slip);  // energy = 1 + e
  Cotangent<T> gain_bar = 0.5 * s.inverse * g.delta;
  g.beta0 -= (2.0 / ref.beta0) * gain * gain_bar;
  e_bar = (2.0 / (ref.beta0 * ref.beta0)) * energy * gain_bar;
}

// Adjoint of energy = opd/(1 + slip), zeta = z/(1 + slip), e = beta0^2 delta (2 + delta)/(1 + energy): their bars in;
// z, delta, opd, slip, which are set, and beta0 out.
template <class T>
GT_INLINE void of_energy_adjoint(const State<T>& s, Costate<T>& g, const Reference& ref, Cotangent<T> energy_bar,
                                 const Cotangent<T>& zeta_bar, const Cotangent<T>& e_bar) {
  const double beta2 = ref.beta0 * ref.beta0;
  const T slower = 1.0 / (1.0 + s.slip), energy = s.opd * slower, inner = 1.0 / (1.0 + energy);
  const T e = beta2 * s.delta * (2.0 + s.delta) * inner;
  g.beta0 += (2.0 / ref.beta0) * e * e_bar;
  energy_bar -= e * inner * e_bar;
  g.delta = (2.0 * beta2) * s.opd * inner * e_bar;
  g.opd = slower * energy_bar;
  g.slip = -slower * (s.z * slower * zeta_bar + energy * energy_bar);
  g.z = slower * zeta_bar;
}

// Adjoint of boost: all in and out, and the bars of nx, ny and of the reference's beta0, 1/gamma0^2. Op is BoostOp, or
// UnboostOp.
template <class T, class Op, class Bar>
GT_INLINE void boost_adjoint(State<T>& s, Costate<T>& g, const Op& op, const Bar& bar, const Reference& ref) {
  using G = Cotangent<T>;
  const Crossing<double> f = crossing(op.nx, op.ny, ref);
  const double squared = op.nx * op.nx + op.ny * op.ny, beta2 = ref.beta0 * ref.beta0;
  G e_bar, after_bar;
  with_energy_adjoint(s, g, ref, e_bar, after_bar);
  const T px = s.px, py = s.py, e = beta2 * s.delta * (2.0 + s.delta) / (1.0 + s.opd / (1.0 + s.slip));
  unboost(s, op, ref);
  T energy = s.opd / (1.0 + s.slip), zeta = s.z / (1.0 + s.slip);
  T excess = beta2 * s.delta * (2.0 + s.delta) / (1.0 + energy);
  T across = s.px * s.px + s.py * s.py;
  T along = sqrt(s.opd * s.opd - across);
  T both = 1.0 / (s.opd + along);
  T h = across * both;
  T momentum = op.nx * s.px + op.ny * s.py, place = op.nx * s.x + op.ny * s.y;
  T lean = energy * s.slip - h;
  T push = f.gamma * lean - f.kappa * momentum;
  T over = 1.0 / (f.cosine * along - momentum);
  T way = place * over;
  T shift = f.gamma * zeta - f.kappa * place;
  // positions and time in the frame
  G px_bar = g.px + way * g.x, py_bar = g.py + way * g.y;
  G way_bar = px * g.x + py * g.y - (1.0 / f.gamma + e) * after_bar;
  e_bar -= way * after_bar;
  G shift_bar = op.nx * g.x + op.ny * g.y;
  G nx_bar = shift * g.x, ny_bar = shift * g.y;
  G zeta_bar = f.gamma * (shift_bar + after_bar);
  G place_bar = (f.gamma * beta2 * f.cosine) * after_bar - f.kappa * shift_bar + over * way_bar;
  G gamma_bar = zeta * shift_bar + (zeta + (beta2 * f.cosine) * place + (1.0 / (f.gamma * f.gamma)) * way) * after_bar;
  G kappa_bar = -place * shift_bar;
  G cosine_bar = (f.gamma * beta2) * place * after_bar;
  g.beta0 += (2.0 * ref.beta0 * f.gamma * f.cosine) * place * after_bar;
  G momentum_bar = way * over * way_bar;
  cosine_bar -= along * momentum_bar;
  G along_bar = -f.cosine * momentum_bar;
  // momenta in the frame
  G push_bar = op.nx * px_bar + op.ny * py_bar;
  nx_bar += push * px_bar;
  ny_bar += push * py_bar;
  gamma_bar += lean * push_bar;
  kappa_bar -= momentum * push_bar;
  momentum_bar -= f.kappa * push_bar;
  G lean_bar = f.gamma * push_bar, h_bar = -lean_bar;
  // energy in the frame
  T turned = f.cosine * momentum + squared * (s.delta - h);
  gamma_bar += (excess - beta2 * turned) * e_bar;
  G turned_bar = -(beta2 * f.gamma) * e_bar;
  g.beta0 -= (2.0 * ref.beta0 * f.gamma) * turned * e_bar;
  cosine_bar += momentum * turned_bar;
  momentum_bar += f.cosine * turned_bar;
  G squared_bar = (s.delta - h) * turned_bar;
  h_bar -= squared * turned_bar;
  // their arguments
  of_energy_adjoint(s, g, ref, s.slip * lean_bar, zeta_bar, f.gamma * e_bar);
  along_bar -= h * both * h_bar;
  G across_bar = both * h_bar - 0.5 * along_bar / along;
  g.delta += squared * turned_bar;
  g.slip += energy * lean_bar;
  g.opd += s.opd * along_bar / along - h * both * h_bar;
  g.px = px_bar + 2.0 * s.px * across_bar + op.nx * momentum_bar;
  g.py = py_bar + 2.0 * s.py * across_bar + op.ny * momentum_bar;
  nx_bar += s.px * momentum_bar + s.x * place_bar;
  ny_bar += s.py * momentum_bar + s.y * place_bar;
  g.x += op.nx * place_bar;
  g.y += op.ny * place_bar;
  crossing_adjoint<T>(f, op.nx, op.ny, ref, cosine_bar, gamma_bar, kappa_bar, squared_bar, g, nx_bar, ny_bar);
  *bar.nx += nx_bar;
  *bar.ny += ny_bar;
}

// Adjoint of unboost, likewise.
template <class T, class Op, class Bar>
GT_INLINE void unboost_adjoint(State<T>& s, Costate<T>& g, const Op& op, const Bar& bar, const Reference& ref) {
  using G = Cotangent<T>;
  const Crossing<double> f = crossing(op.nx, op.ny, ref);
  const double squared = op.nx * op.nx + op.ny * op.ny, beta2 = ref.beta0 * ref.beta0, slow = 1.0 / f.gamma;
  G excess_bar, before_bar;
  with_energy_adjoint(s, g, ref, excess_bar, before_bar);
  boost(s, op, ref);
  T zeta = s.z / (1.0 + s.slip);
  T e = beta2 * s.delta * (2.0 + s.delta) / (1.0 + s.opd / (1.0 + s.slip));
  T energy = slow + e;
  T rest = e * (2.0 * slow + e) / beta2;
  T rise = rest - s.px * s.px - s.py * s.py;
  T along = sqrt(f.cosine * f.cosine + rise);
  T momentum = op.nx * s.px + op.ny * s.py;
  T ahead = 1.0 / (f.gamma * (momentum + squared * energy) + f.cosine * along);
  T distance = op.nx * s.x + op.ny * s.y - squared * zeta;
  T way = f.gamma * distance * ahead;
  T place = way * along;
  T before = slow * (zeta + energy * way) - beta2 * f.cosine * place;
  T shift = f.gamma * before - f.kappa * place;
  T push = f.cosine * f.gamma * e - rise / (along + f.cosine) - f.kappa * momentum;
  // momenta and energy in the lab; along - cosine = rise/(along + cosine)
  G push_bar = op.nx * g.px + op.ny * g.py;
  G nx_bar = push * g.px - shift * g.x, ny_bar = push * g.py - shift * g.y;
  G gamma_bar = (e + beta2 * momentum) * excess_bar + f.cosine * e * push_bar;
  G e_bar = f.gamma * excess_bar + (f.cosine * f.gamma) * push_bar;
  G momentum_bar = (f.gamma * beta2) * excess_bar - f.kappa * push_bar;
  g.beta0 += (2.0 * ref.beta0 * f.gamma) * momentum * excess_bar;
  G cosine_bar = (1.0 + f.gamma * e) * push_bar, along_bar = -push_bar;
  G kappa_bar = -momentum * push_bar;
  // positions and time in the lab
  G shift_bar = -(op.nx * g.x + op.ny * g.y), way_bar = -(s.px * g.x + s.py * g.y);
  G px_bar = g.px - way * g.x, py_bar = g.py - way * g.y;
  gamma_bar += before * shift_bar;
  kappa_bar -= place * shift_bar;
  before_bar += f.gamma * shift_bar;
  G place_bar = -f.kappa * shift_bar - (beta2 * f.cosine) * before_bar;
  G zeta_bar = slow * before_bar, energy_bar = slow * way * before_bar;
  way_bar += slow * energy * before_bar + along * place_bar;
  along_bar += way * place_bar;
  gamma_bar -= (slow * slow) * (zeta + energy * way) * before_bar;
  cosine_bar -= beta2 * place * before_bar;
  g.beta0 -= (2.0 * ref.beta0 * f.cosine) * place * before_bar;
  // path to the plane
  G ahead_bar = -way * ahead * way_bar;  // bar of 1/ahead
  G distance_bar = f.gamma * ahead * way_bar;
  gamma_bar += distance * ahead * way_bar + (momentum + squared * energy) * ahead_bar;
  momentum_bar += f.gamma * ahead_bar;
  G squared_bar = f.gamma * energy * ahead_bar - zeta * distance_bar;
  energy_bar += (f.gamma * squared) * ahead_bar;
  cosine_bar += along * ahead_bar;
  along_bar += f.cosine * ahead_bar;
  zeta_bar -= squared * distance_bar;
  // their arguments
  G rise_bar = 0.5 * along_bar / along;
  cosine_bar += (2.0 * f.cosine) * rise_bar;
  e_bar += (2.0 / beta2) * energy * rise_bar + energy_bar;
  gamma_bar -= (slow * slow) * ((2.0 / beta2) * e * rise_bar + energy_bar);
  g.beta0 -= (2.0 / ref.beta0) * rest * rise_bar;
  of_energy_adjoint(s, g, ref, 0.0 * e_bar, zeta_bar, e_bar);
  g.px = px_bar - 2.0 * s.px * rise_bar + op.nx * momentum_bar;
  g.py = py_bar - 2.0 * s.py * rise_bar + op.ny * momentum_bar;
  nx_bar += s.px * momentum_bar + s.x * distance_bar;
  ny_bar += s.py * momentum_bar + s.y * distance_bar;
  g.x += op.nx * distance_bar;
  g.y += op.ny * distance_bar;
  crossing_adjoint<T>(f, op.nx, op.ny, ref, cosine_bar, gamma_bar, kappa_bar, squared_bar, g, nx_bar, ny_bar);
  *bar.nx += nx_bar;
  *bar.ny += ny_bar;
}
