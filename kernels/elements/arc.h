// Twin of gputrack/elements/arc.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

// Exact motion in a uniform vertical field between two planes.
template <class T>
GT_INLINE void arc_by(State<T>& s, double sine, double cosine, double reach, double sagitta, double length, double k0,
                      int halvings) {
  T pt_squared = s.opd * s.opd - s.py * s.py;
  T pz = sqrt(pt_squared - s.px * s.px);
  T a = pz * cosine - s.px * sine;
  T b = s.px * cosine + pz * sine;
  T w = reach + s.x * sine;
  T px = b - k0 * w;
  T pz_out = sqrt(pt_squared - px * px);
  // sin(phi)/k0 and tan(phi/2)/k0
  T chord = w * (b * (b + px) / (pz_out + a) + a) / pt_squared;
  T half = chord / (1.0 + (a * pz_out + b * px) / pt_squared);
  T turn = k0 * half;
  T tau = 2.0 * half * arctan_ratio(turn * turn, halvings);
  s.x = s.x * cosine - sagitta + chord * (b - turn * a);
  s.px = px;
  s.y += s.py * tau;
  s.z += length * s.velocity - s.opd * tau;
}

template <class T>
GT_INLINE void arc(State<T>& s, const ArcOp& op, const Reference& ref) {
  arc_by(s, op.sine, op.cosine, op.reach, op.sagitta, op.length, op.k0, op.halvings);
}

// Inverse: the same field backwards.
template <class T>
GT_INLINE void unarc(State<T>& s, const ArcOp& op, const Reference& ref) {
  arc_by(s, -op.sine, op.cosine, -op.reach, op.sagitta, -op.length, op.k0, op.halvings);
}
