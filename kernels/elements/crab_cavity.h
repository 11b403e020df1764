// Twin of gputrack/elements/crab_cavity.py.
#pragma once
#include "rf_cavity.h"

template <class T, class C>
GT_INLINE void crab_kick_by(State<T>& s, const CrabKickConstants<C>& op, const ReferenceConstants<C>& ref, double sign) {
  T angle = op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0);
  C momentum = ref.charge_over_momentum * op.voltage, energy = ref.charge_over_energy * op.voltage;
  s.px += sign * momentum * sin(angle);
  energy_step(s, -sign * energy * op.wavenumber * s.x * cos(angle), ref);
}

template <class T, class C>
GT_INLINE void crab_kick(State<T>& s, const CrabKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  crab_kick_by(s, op, ref, 1.0);
}

// Inverse: position and arrival time are the same before and after.
template <class T, class C>
GT_INLINE void uncrab_kick(State<T>& s, const CrabKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  crab_kick_by(s, op, ref, -1.0);
}

// Adjoint: px in; x, z, slip and the bars out, with those of the energy step and of the reference.
template <class T>
GT_INLINE void crab_kick_adjoint(State<T>& s, Costate<T>& g, const CrabKickOp& op, const CrabKickBar<Cotangent<T>>& bar,
                                 const Reference& ref) {
  T time = s.z / ((1.0 + s.slip) * ref.beta0);  // the same before and after
  T angle = op.phase - op.wavenumber * time;
  T sine = sin(angle), cosine = cos(angle);
  double energy = ref.charge_over_energy * op.voltage, momentum = ref.charge_over_momentum * op.voltage;
  Cotangent<T> step_bar;
  energy_step_adjoint(s, g, -energy * op.wavenumber * s.x * cosine, ref, step_bar);
  s.px -= momentum * sine;
  Cotangent<T> kick = -step_bar * ref.charge_over_energy;  // bar of voltage * wavenumber * x * cosine
  *bar.voltage += kick * op.wavenumber * s.x * cosine + g.px * ref.charge_over_momentum * sine;
  *bar.wavenumber += kick * op.voltage * s.x * cosine;
  g.charge_over_energy -= op.voltage * op.wavenumber * step_bar * s.x * cosine;
  g.charge_over_momentum += op.voltage * g.px * sine;
  g.x += kick * op.voltage * op.wavenumber * cosine;
  Cotangent<T> angle_bar = momentum * g.px * cosine - kick * op.voltage * op.wavenumber * s.x * sine;
  time_adjoint(s, g, op.wavenumber, time, angle_bar, ref);
  *bar.phase += angle_bar;
  *bar.wavenumber -= angle_bar * time;
}
