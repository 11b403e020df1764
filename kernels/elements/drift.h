// Twin of gputrack/elements/drift.py.
#pragma once
#include "../numbers/smooth.h"
#include "../program/state.h"

// Field-free motion over length.
template <class T, class C>
GT_INLINE void drift_by(State<T>& s, C length, int exact) {
  T u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse);
  T slope = length * s.inverse;
  T w;
  if (exact) {
    w = slope_excess(u);
    slope += slope * w;
  } else {
    w = 0.5 * u;
  }
  s.x += slope * s.px;
  s.y += slope * s.py;
  s.z += length * (s.slip - w);
}

template <class T, class C>
GT_INLINE void drift(State<T>& s, const DriftConstants<C>& op, const ReferenceConstants<C>& ref) {
  drift_by(s, op.length, op.exact);
}

// Inverse: the same over -length.
template <class T, class C>
GT_INLINE void undrift(State<T>& s, const DriftConstants<C>& op, const ReferenceConstants<C>& ref) {
  drift_by(s, -op.length, op.exact);
}

// Adjoint; the state goes from after to before. px, py, z bars and that of length.
template <class T>
GT_INLINE void drift_by_adjoint(State<T>& s, Costate<T>& g, double length, int exact,
                                Cotangent<T>& length_bar) {
  T transverse = s.px * s.px + s.py * s.py;
  T u = transverse * (s.inverse * s.inverse);
  T slope = length * s.inverse;
  Cotangent<T> slope_bar = g.x * s.px + g.y * s.py;
  T w;
  Cotangent<T> u_bar;
  if (exact) {
    w = slope_excess(u);
    u_bar = (slope * slope_bar - length * g.z) * slope_rate(w);
    slope += slope * w;
  } else {
    w = 0.5 * u;
    u_bar = -0.5 * length * g.z;
  }
  s.x -= slope * s.px;
  s.y -= slope * s.py;
  s.z -= length * (s.slip - w);
  T root = exact ? 1.0 + w : broadcast(1.0);
  length_bar += s.inverse * root * slope_bar + (s.slip - w) * g.z;
  g.inverse += length * root * slope_bar + 2.0 * s.inverse * transverse * u_bar;
  g.slip += length * g.z;
  Cotangent<T> p_bar = 2.0 * (s.inverse * s.inverse) * u_bar;
  g.px += slope * g.x + p_bar * s.px;
  g.py += slope * g.y + p_bar * s.py;
}

template <class T>
GT_INLINE void drift_adjoint(State<T>& s, Costate<T>& g, const DriftOp& op, const DriftBar<Cotangent<T>>& bar,
                             const Reference& ref) {
  drift_by_adjoint(s, g, op.length, op.exact, *bar.length);
}
