// Coordinates of a particle (or a pack of them) and the reference particle; twin of gputrack/elements/map.py.
#pragma once
#include "../numbers/smooth.h"

// The members of `Reference` are those of ReferenceValues in gputrack/elements/map.py. In ReferenceConstants<C>, C is
// the type of constants: double, or a type with derivatives with respect to them.
constexpr int REFERENCE_MEMBERS = sizeof(Reference) / sizeof(double);

// opd = 1 + delta; inverse = 1/opd; slip = beta/beta0 - 1, without cancellation.
template <class T>
struct State {
  T x, px, y, py, z, delta;
  T opd, inverse, slip;
};

// Recompute opd, inverse and slip from delta.
template <class T, class C>
GT_INLINE void refresh(State<T>& s, const ReferenceConstants<C>& ref) {
  s.opd = 1.0 + s.delta;
  T energy = sqrt(ref.beta0 * ref.beta0 * s.opd * s.opd + ref.inverse_gamma0_squared);
  T excess = s.delta * (2.0 + s.delta) * ref.inverse_gamma0_squared;
  s.inverse = 1.0 / s.opd;
  s.slip = excess / (energy * (s.opd + energy));
}

// Cotangents: g.x is the derivative of the final scalar with respect to x here, and so on; those of opd, inverse and
// slip are collected separately and added to that of delta where delta changes. The members of Reference, as
// independent variables, have cotangents as well, which are changed only by fold and by maps that change the energy.
template <class T>
struct Costate : State<Cotangent<T>>, ReferenceConstants<Cotangent<T>> {};

// Adjoint of slip = excess/(energy (opd + energy)) in the reference's members: slip in; beta0, 1/gamma0^2 out.
// With opd = velocity energy: dslip/denergy = -slip (velocity + 2)/((velocity + 1) energy).
template <class T>
GT_INLINE void slip_reference_adjoint(const State<T>& s, const Cotangent<T>& slip_bar, Costate<T>& g,
                                      const Reference& ref) {
  T velocity = 1.0 + s.slip;
  T per_energy = velocity * s.inverse;
  T share = 1.0 / (1.0 + velocity);
  Cotangent<T> decrease = slip_bar * s.slip * (2.0 + velocity) * share;
  g.beta0 -= ref.beta0 * (velocity * velocity) * decrease;
  g.inverse_gamma0_squared +=
      (per_energy * per_energy) * (slip_bar * s.delta * (2.0 + s.delta) * share - 0.5 * decrease);
}

// Adjoint of refresh: opd, inverse, slip in; delta and the reference's beta0, 1/gamma0^2 out.
template <class T>
GT_INLINE void fold(const State<T>& s, Costate<T>& g, const Reference& ref) {
  T velocity = 1.0 + s.slip;
  T per_energy = velocity * s.inverse;  // E0/E
  T slip_rate = ref.inverse_gamma0_squared * (per_energy * per_energy * per_energy);
  g.delta += g.opd - g.inverse * (s.inverse * s.inverse) + g.slip * slip_rate;
  slip_reference_adjoint(s, g.slip, g, ref);
  g.opd = broadcast(0.0);
  g.inverse = broadcast(0.0);
  g.slip = broadcast(0.0);
}
