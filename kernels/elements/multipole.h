// Twin of gputrack/elements/multipole.py.
#pragma once
#include "straight.h"

template <class T>
GT_INLINE void multipole_by(State<T>& s, const MultipoleOp& op, double sign) {
  multipole_kick(s, sign, op.bn, op.an, op.terms);
  s.px += sign * (op.angle * s.opd - op.curvature * s.x);
  s.z -= sign * (op.angle * s.x);
}

template <class T>
GT_INLINE void multipole(State<T>& s, const MultipoleOp& op, const Reference& ref) {
  multipole_by(s, op, 1.0);
}

// Inverse: the opposite kick.
template <class T>
GT_INLINE void unmultipole(State<T>& s, const MultipoleOp& op, const Reference& ref) {
  multipole_by(s, op, -1.0);
}
