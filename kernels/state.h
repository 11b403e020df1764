// Coordinates of a particle (or a pack of them) and the reference particle; twin of gputrack/elements/map.py.
#pragma once
#include "target.h"

struct Reference {
  double beta0;
  double inverse_gamma0_squared;
  double charge_over_energy;    // q / E0 [1/V]
  double charge_over_momentum;  // q / (p0 c) [1/V]
};

// opd = 1 + delta; inverse = 1/opd; slip = beta/beta0 - 1, without cancellation.
template <class T>
struct State {
  T x, px, y, py, z, delta;
  T opd, inverse, slip;
};

// Everything that follows from delta, computed anew.
template <class T>
GT_INLINE void refresh(State<T>& s, const Reference& ref) {
  s.opd = 1.0 + s.delta;
  T energy = sqrt(ref.beta0 * ref.beta0 * s.opd * s.opd + ref.inverse_gamma0_squared);
  T excess = s.delta * (2.0 + s.delta) * ref.inverse_gamma0_squared;
  s.inverse = 1.0 / s.opd;
  s.slip = excess / (energy * (s.opd + energy));
}
