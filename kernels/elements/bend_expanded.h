// Twin of gputrack/elements/bend_expanded.py.
#pragma once
#include "../numbers.h"
#include "straight.h"

template <class T>
GT_INLINE void combined_matrix(State<T>& s, double length, double h, double k0, double kx, double ky) {
  T inverse = s.inverse;
  T reach = length * inverse;
  T g = h * s.opd - k0;
  T ux = kx * length * reach, uy = ky * length * reach;
  T cx, sx, cy, sy;
  cos_sinc(ux, 0, cx, sx);
  cos_sinc(uy, 0, cy, sy);
  T bow = horner(COSINE_GAP, ux), lag = horner(SINE_GAP, ux);
  T x = cx * s.x + reach * (sx * s.px + length * bow * g);
  T px = cx * s.px + length * sx * (g - kx * s.x);
  T y = cy * s.y + reach * sy * s.py;
  T py = cy * s.py - ky * length * sy * s.y;
  T area = length * (sx * s.x + reach * (bow * s.px + lag * length * g));
  T energy = 0.5 * ((s.px * s.px + s.py * s.py) * inverse + kx * s.x * s.x + ky * s.y * s.y) - g * s.x;
  T action = x * px - s.x * s.px + y * py - s.y * s.py;
  T dz = length * s.slip - h * area - 0.5 * inverse * (length * energy + 0.5 * action + 0.5 * g * area);
  s.x = x;
  s.px = px;
  s.y = y;
  s.py = py;
  s.z += dz;
}

// Kick from the potential focus x^2/2 - h x (1+delta).
template <class T>
GT_INLINE void curvature_kick(State<T>& s, double length, double h, double focus) {
  s.px += length * (h * s.opd - focus * s.x);
  s.z -= length * h * s.x;
}

template <class T>
GT_INLINE void bend_expanded_by(State<T>& s, const BendExpandedOp& op, double sign) {
  double length = sign * op.length;
  compose(
      op.order, op.slices,
      [&](double part, int) GT_LAMBDA { combined_matrix(s, part * length, op.h_outer, op.k0_outer, op.kx, op.ky); },
      [&](double part) GT_LAMBDA {
        multipole_kick(s, part * length, op.bn, op.an, op.terms);
        curvature_kick(s, part * length, op.h_inner, op.focus);
      });
}

template <class T>
GT_INLINE void bend_expanded(State<T>& s, const BendExpandedOp& op, const Reference& ref) {
  bend_expanded_by(s, op, 1.0);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T>
GT_INLINE void unbend_expanded(State<T>& s, const BendExpandedOp& op, const Reference& ref) {
  bend_expanded_by(s, op, -1.0);
}
