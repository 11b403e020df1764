// Twin of gputrack/elements/crab_cavity.py.
#pragma once
#include "rf_cavity.h"

template <class T>
GT_INLINE void crab_kick_by(State<T>& s, const CrabKickOp& op, const Reference& ref, double sign) {
  T angle = op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0);
  double momentum = ref.charge_over_momentum * op.voltage, energy = ref.charge_over_energy * op.voltage;
  s.px += sign * momentum * sin(angle);
  energy_step(s, -sign * energy * op.wavenumber * s.x * cos(angle), ref);
}

template <class T>
GT_INLINE void crab_kick(State<T>& s, const CrabKickOp& op, const Reference& ref) {
  crab_kick_by(s, op, ref, 1.0);
}

// Inverse: place and arrival time are the same on both sides.
template <class T>
GT_INLINE void uncrab_kick(State<T>& s, const CrabKickOp& op, const Reference& ref) {
  crab_kick_by(s, op, ref, -1.0);
}
