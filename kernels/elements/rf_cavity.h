// Twin of gputrack/elements/rf_cavity.py.
#pragma once
#include "../program/state.h"

// Change of the energy by step (in units of E0) at constant position and time.
template <class T, class C>
GT_INLINE void energy_step(State<T>& s, const T& step, const ReferenceConstants<C>& ref) {
  T velocity = 1.0 + s.slip;
  T energy = s.opd / velocity;
  // the last term is 0, or NaN if the particle loses more than its whole energy, since only squares follow
  T gain = step * (2.0 * energy + step) / (ref.beta0 * ref.beta0) + 0.0 * sqrt(energy + step);
  T opd = sqrt(s.opd * s.opd + gain);
  s.delta += gain / (opd + s.opd);
  refresh(s, ref);
  s.z *= (1.0 + s.slip) / velocity;
}

template <class T, class C>
GT_INLINE void rf_kick_by(State<T>& s, const RfKickConstants<C>& op, const ReferenceConstants<C>& ref, double sign) {
  T angle = op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0);
  T step = ref.charge_over_energy * op.voltage * sin(angle);
  energy_step(s, sign * step, ref);
}

template <class T, class C>
GT_INLINE void rf_kick(State<T>& s, const RfKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  rf_kick_by(s, op, ref, 1.0);
}

// Inverse: the arrival time, hence the step, is the same before and after.
template <class T, class C>
GT_INLINE void unrf_kick(State<T>& s, const RfKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  rf_kick_by(s, op, ref, -1.0);
}

// Adjoint of energy_step from the state after; delta, z (and opd, inverse, slip) in and out, and the bar of the step
// and of the reference's beta0, 1/gamma0^2. Of E/E0 = energy: d(1+delta) = energy d(energy)/(beta0^2 (1+delta)),
// d(beta/beta0) = d(delta)/(gamma0^2 energy^3).
template <class T>
GT_INLINE void energy_step_adjoint(State<T>& s, Costate<T>& g, const T& step, const Reference& ref,
                                   Cotangent<T>& step_bar) {
  fold(s, g, ref);
  const State<T> after = s;
  T opd_out = s.opd, velocity_out = 1.0 + s.slip;
  T energy_out = opd_out / velocity_out;
  energy_step(s, -step, ref);
  T velocity = 1.0 + s.slip;
  T energy = s.opd / velocity;
  T ratio = velocity_out / velocity;
  Cotangent<T> ratio_bar = g.z * s.z;
  g.z *= ratio;
  const double beta0_squared = ref.beta0 * ref.beta0;
  T rate_out = ref.inverse_gamma0_squared / (energy_out * energy_out * energy_out);
  T rate = ref.inverse_gamma0_squared / (energy * energy * energy);
  Cotangent<T> delta_out = g.delta + ratio_bar * rate_out / velocity;
  Cotangent<T> energy_bar = delta_out * energy_out / (beta0_squared * opd_out);
  step_bar = energy_bar;
  g.delta = energy_bar * beta0_squared * s.opd / energy - ratio_bar * ratio * rate / velocity;
  // of beta0 in gain, then of slip after and before, which depend on the reference at fixed delta
  Cotangent<T> gain_bar = 0.5 * delta_out / opd_out;
  g.beta0 -= (2.0 / (ref.beta0 * beta0_squared)) * gain_bar * step * (energy + energy_out);
  slip_reference_adjoint(after, ratio_bar / velocity, g, ref);
  slip_reference_adjoint(
      s, (-1.0 / velocity) * (ratio_bar * ratio + (2.0 / beta0_squared) * gain_bar * step * energy), g, ref);
}

// Adjoint of angle = phase - wavenumber z/((1 + slip) beta0): z, slip and the reference's beta0 out.
template <class T>
GT_INLINE void time_adjoint(const State<T>& s, Costate<T>& g, double wavenumber, const T& time,
                            const Cotangent<T>& angle_bar, const Reference& ref) {
  Cotangent<T> time_bar = -wavenumber * angle_bar;
  g.z += time_bar / ((1.0 + s.slip) * ref.beta0);
  g.slip -= time_bar * time / (1.0 + s.slip);
  g.beta0 -= (1.0 / ref.beta0) * time_bar * time;
}

template <class T>
GT_INLINE void rf_kick_adjoint(State<T>& s, Costate<T>& g, const RfKickOp& op, const RfKickBar<Cotangent<T>>& bar,
                               const Reference& ref) {
  T time = s.z / ((1.0 + s.slip) * ref.beta0);  // the same before and after
  T angle = op.phase - op.wavenumber * time;
  T sine = sin(angle);
  T step = ref.charge_over_energy * op.voltage * sine;
  Cotangent<T> step_bar;
  energy_step_adjoint(s, g, step, ref, step_bar);
  *bar.voltage += step_bar * ref.charge_over_energy * sine;
  g.charge_over_energy += op.voltage * step_bar * sine;
  Cotangent<T> angle_bar = step_bar * ref.charge_over_energy * op.voltage * cos(angle);
  time_adjoint(s, g, op.wavenumber, time, angle_bar, ref);
  *bar.phase += angle_bar;
  *bar.wavenumber -= angle_bar * time;
}
