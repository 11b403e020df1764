// Twin of gputrack/elements/arc.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

// Exact motion in a uniform vertical field between two planes.
template <class T>
GT_INLINE void arc_by(State<T>& s, double sine, double cosine, double reach, double sagitta, double length, double k0,
                      int halvings) {
  T v = s.py * s.inverse;
  T u = v * v + (s.px * s.inverse) * (s.px * s.inverse);
  T pz = s.opd * (1.0 - u) * (1.0 + slope_excess(u));
  T a = pz * cosine - s.px * sine;
  T b = s.px * cosine + pz * sine;
  T w = reach + s.x * sine;
  if (k0 == 0.0) {  // the same formulas without a field: a straight line
    T tau = w / a;
    s.x = s.x * cosine - sagitta + b * tau;
    s.px = b;
    s.y += s.py * tau;
    s.z += length * s.slip + (length - s.opd * tau);
    return;
  }
  T px = b - k0 * w;
  u = v * v + (px * s.inverse) * (px * s.inverse);
  T pz_out = s.opd * (1.0 - u) * (1.0 + slope_excess(u));
  // tan(phi/2)/k0 and sin(phi)/k0
  T in_plane = s.opd * s.opd * (1.0 - v * v);
  T sum = pz_out + a;
  T half = w * (b * (b + px) + a * sum) / (sum * (in_plane + a * pz_out + b * px));
  T turn = k0 * half;
  T chord = 2.0 * half / (1.0 + turn * turn);
  T tau = 2.0 * half * arctan_ratio(turn * turn, halvings);
  s.x = s.x * cosine - sagitta + chord * (b - turn * a);
  s.px = px;
  s.y += s.py * tau;
  s.z += length * s.slip + (length - s.opd * tau);
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
