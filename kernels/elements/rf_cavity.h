// Twin of gputrack/elements/rf_cavity.py.
#pragma once
#include "../state.h"

// Change the energy by step (in units of E0) at fixed place and time.
template <class T>
GT_INLINE void energy_step(State<T>& s, const T& step, const Reference& ref) {
  T velocity = 1.0 + s.slip;
  T gain = step * (2.0 * s.opd / velocity + step) / (ref.beta0 * ref.beta0);
  T opd = sqrt(s.opd * s.opd + gain);
  s.delta += gain / (opd + s.opd);
  refresh(s, ref);
  s.z *= (1.0 + s.slip) / velocity;
}

template <class T>
GT_INLINE void rf_kick_by(State<T>& s, const RfKickOp& op, const Reference& ref, double sign) {
  T angle = op.phase - op.wavenumber * s.z / ((1.0 + s.slip) * ref.beta0);
  T step = ref.charge_over_energy * op.voltage * sin(angle);
  energy_step(s, sign * step, ref);
}

template <class T>
GT_INLINE void rf_kick(State<T>& s, const RfKickOp& op, const Reference& ref) {
  rf_kick_by(s, op, ref, 1.0);
}

// Inverse: the arrival time, hence the step, is the same on both sides.
template <class T>
GT_INLINE void unrf_kick(State<T>& s, const RfKickOp& op, const Reference& ref) {
  rf_kick_by(s, op, ref, -1.0);
}
