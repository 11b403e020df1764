// Twin of gputrack/elements/bend_expanded.py.
#pragma once
#include "../numbers/smooth.h"
#include "straight.h"

template <class T, class C>
GT_INLINE void combined_matrix(State<T>& s, C length, C h, C k0, C kx, C ky) {
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
template <class T, class C>
GT_INLINE void curvature_kick(State<T>& s, C length, C h, C focus) {
  s.px += length * (h * s.opd - focus * s.x);
  s.z -= length * h * s.x;
}

template <class T, class C>
GT_INLINE void bend_expanded_by(State<T>& s, const BendExpandedConstants<C>& op, double sign) {
  C length = sign * op.length;
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA { combined_matrix(s, part * length, op.h_outer, op.k0_outer, op.kx, op.ky); },
      [&](double part) GT_LAMBDA {
        multipole_kick(s, part * length, op.bn, op.an, op.terms);
        curvature_kick(s, part * length, op.h_inner, op.focus);
      });
}

template <class T, class C>
GT_INLINE void bend_expanded(State<T>& s, const BendExpandedConstants<C>& op, const ReferenceConstants<C>& ref) {
  bend_expanded_by(s, op, 1.0);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T, class C>
GT_INLINE void unbend_expanded(State<T>& s, const BendExpandedConstants<C>& op, const ReferenceConstants<C>& ref) {
  bend_expanded_by(s, op, -1.0);
}

// Adjoint of combined_matrix: all in; all transverse, opd, inverse, slip and the bars out.
template <class T>
GT_INLINE void combined_matrix_adjoint(State<T>& s, Costate<T>& g, double length, double h, double k0, double kx,
                                       double ky, Cotangent<T>& length_bar, Cotangent<T>& h_bar,
                                       Cotangent<T>& k0_bar, Cotangent<T>& kx_bar, Cotangent<T>& ky_bar) {
  const T inverse = s.inverse, x = s.x, px = s.px, y = s.y, py = s.py;  // after
  T lead = h * s.opd - k0;
  length_bar += inverse * (g.x * px + g.y * py) + g.px * (lead - kx * x) - g.py * ky * y +
                g.z * (s.slip - 0.5 * (px * px + py * py) * (inverse * inverse) - h * x);
  combined_matrix(s, -length, h, k0, kx, ky);
  T reach = length * inverse;
  T ux = kx * length * reach, uy = ky * length * reach;
  T cx, sx, cy, sy;
  cos_sinc(ux, 0, cx, sx);
  cos_sinc(uy, 0, cy, sy);
  T bow = horner(COSINE_GAP, ux), lag = horner(SINE_GAP, ux);
  T bow_y = horner(COSINE_GAP, uy), lag_y = horner(SINE_GAP, uy);
  T area = length * (sx * s.x + reach * (bow * s.px + lag * length * lead));
  T squared = s.px * s.px + s.py * s.py;
  T energy = 0.5 * (squared * inverse + kx * s.x * s.x + ky * s.y * s.y) - lead * s.x;
  T action = x * px - s.x * s.px + y * py - s.y * s.py;
  // z' = z + length slip - h area - inverse (length energy + action/2 + lead area/2)/2
  Cotangent<T> sum_bar = -0.5 * inverse * g.z;
  Cotangent<T> energy_bar = length * sum_bar, action_bar = 0.5 * sum_bar, area_bar = 0.5 * lead * sum_bar - h * g.z;
  Cotangent<T> lead_bar = 0.5 * area * sum_bar - energy_bar * s.x;
  Cotangent<T> inverse_bar =
      -0.5 * (length * energy + 0.5 * action + 0.5 * lead * area) * g.z + 0.5 * energy_bar * squared;
  g.slip += length * g.z;
  h_bar -= area * g.z;
  Cotangent<T> gx = g.x + action_bar * px, gpx = g.px + action_bar * x;
  Cotangent<T> gy = g.y + action_bar * py, gpy = g.py + action_bar * y;
  T pull = lead - kx * s.x;
  Cotangent<T> cx_bar = gx * s.x + gpx * s.px;
  Cotangent<T> sx_bar = gx * reach * s.px + gpx * length * pull + area_bar * length * s.x;
  Cotangent<T> bow_bar = reach * (gx * length * lead + area_bar * length * s.px);
  Cotangent<T> lag_bar = area_bar * length * reach * length * lead;
  Cotangent<T> cy_bar = gy * s.y + gpy * s.py;
  Cotangent<T> sy_bar = gy * reach * s.py - gpy * ky * length * s.y;
  Cotangent<T> ux_bar = -0.5 * sx * cx_bar + 0.5 * (lag - bow) * sx_bar + bow_bar * horner_derivative(COSINE_GAP, ux) +
             lag_bar * horner_derivative(SINE_GAP, ux);
  Cotangent<T> uy_bar = -0.5 * sy * cy_bar + 0.5 * (lag_y - bow_y) * sy_bar;
  Cotangent<T> reach_bar = gx * (sx * s.px + length * bow * lead) + gy * sy * s.py +
                area_bar * length * (bow * s.px + lag * length * lead) + length * (kx * ux_bar + ky * uy_bar);
  lead_bar += gx * reach * length * bow + gpx * length * sx + area_bar * length * reach * lag * length;
  inverse_bar += length * reach_bar;
  kx_bar += length * reach * ux_bar - gpx * length * sx * s.x + 0.5 * energy_bar * s.x * s.x;
  ky_bar += length * reach * uy_bar - gpy * length * sy * s.y + 0.5 * energy_bar * s.y * s.y;
  h_bar += lead_bar * s.opd;
  k0_bar -= lead_bar;
  g.opd += h * lead_bar;
  g.inverse += inverse_bar;
  g.x = cx * gx - length * sx * kx * gpx + area_bar * length * sx + energy_bar * (kx * s.x - lead) -
        action_bar * s.px;
  g.px = reach * sx * gx + cx * gpx + area_bar * length * reach * bow + energy_bar * inverse * s.px -
         action_bar * s.x;
  g.y = cy * gy - ky * length * sy * gpy + energy_bar * ky * s.y - action_bar * s.py;
  g.py = reach * sy * gy + cy * gpy + energy_bar * inverse * s.py - action_bar * s.y;
}

// Adjoint of curvature_kick: px, z in; x, opd, length, h, focus out.
template <class T>
GT_INLINE void curvature_kick_adjoint(State<T>& s, Costate<T>& g, double length, double h, double focus,
                                      Cotangent<T>& length_bar, Cotangent<T>& h_bar, Cotangent<T>& focus_bar) {
  T kick = h * s.opd - focus * s.x;
  s.px -= length * kick;
  s.z += length * h * s.x;
  length_bar += g.px * kick - g.z * h * s.x;
  h_bar += length * (g.px * s.opd - g.z * s.x);
  focus_bar -= length * g.px * s.x;
  g.opd += length * h * g.px;
  g.x -= length * (focus * g.px + h * g.z);
}

template <class T>
GT_INLINE void bend_expanded_adjoint(State<T>& s, Costate<T>& g, const BendExpandedOp& op,
                                     const BendExpandedBar<Cotangent<T>>& bar, const Reference& ref) {
  Cotangent<T> length_bar = broadcast(0.0);
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA {
        Cotangent<T> step_bar = broadcast(0.0);
        combined_matrix_adjoint(s, g, part * op.length, op.h_outer, op.k0_outer, op.kx, op.ky, step_bar,
                                *bar.h_outer, *bar.k0_outer, *bar.kx, *bar.ky);
        length_bar += part * step_bar;
      },
      [&](double part) GT_LAMBDA {
        Cotangent<T> step_bar = broadcast(0.0);
        curvature_kick_adjoint(s, g, part * op.length, op.h_inner, op.focus, step_bar, *bar.h_inner, *bar.focus);
        multipole_kick_adjoint(s, g, part * op.length, op.bn, op.an, op.terms, step_bar, bar.bn, bar.an);
        length_bar += part * step_bar;
      });
  *bar.length += length_bar;
}
