// Twin of gputrack/elements/multipole.py.
#pragma once
#include "straight.h"

template <class T, class C>
GT_INLINE void multipole_by(State<T>& s, const MultipoleConstants<C>& op, double sign) {
  multipole_kick(s, sign, op.bn, op.an, op.terms);
  s.px += sign * (op.angle * s.opd - op.curvature * s.x);
  s.z -= sign * (op.angle * s.x);
}

template <class T, class C>
GT_INLINE void multipole(State<T>& s, const MultipoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  multipole_by(s, op, 1.0);
}

// Inverse: the opposite kick.
template <class T, class C>
GT_INLINE void unmultipole(State<T>& s, const MultipoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  multipole_by(s, op, -1.0);
}

// Adjoint: px, z in; x, opd, angle, curvature, bn, an out.
template <class T>
GT_INLINE void multipole_adjoint(State<T>& s, Costate<T>& g, const MultipoleOp& op,
                                 const MultipoleBar<Cotangent<T>>& bar, const Reference& ref) {
  s.px -= op.angle * s.opd - op.curvature * s.x;
  s.z += op.angle * s.x;
  *bar.angle += g.px * s.opd - g.z * s.x;
  *bar.curvature -= g.px * s.x;
  g.opd += op.angle * g.px;
  g.x -= op.curvature * g.px + op.angle * g.z;
  Cotangent<T> unused = broadcast(0.0);
  multipole_kick_adjoint(s, g, 1.0, op.bn, op.an, op.terms, unused, bar.bn, bar.an);
}
