// Twin of gputrack/elements/bend.py (and of the evaluation in sector_field.py).
#pragma once
#include "splitting.h"
#include "arc.h"

// px += L F_x, py += L F_y; both polynomials by Horner's rule in x, then in y, coefficients for j, for i <= degree - j.
template <class T, class L, class C>
GT_INLINE void sector_kick(State<T>& s, L length, const C* fx, const C* fy, int degree, int terms) {
  T gx = broadcast(0.0), gy = broadcast(0.0);
  int end = terms;
  for (int j = degree; j >= 0; --j) {
    int start = end - (degree + 1 - j);
    T row_x = broadcast(fx[end - 1]), row_y = broadcast(fy[end - 1]);
    for (int i = end - 2; i >= start; --i) {
      row_x = row_x * s.x + fx[i];
      row_y = row_y * s.x + fy[i];
    }
    gx = gx * s.y + row_x;
    gy = gy * s.y + row_y;
    end = start;
  }
  s.px += length * gx;
  s.py += length * gy;
}

template <class T, class C>
GT_INLINE void bend_by(State<T>& s, const BendConstants<C>& op, double sign) {
  compose(
      op.scheme, op.slices,
      [&](double part, int step) GT_LAMBDA {
        const C* arc = op.arcs + 4 * step;
        arc_by(s, sign * arc[0], arc[1], sign * arc[2], arc[3], sign * part * op.length, op.k0, op.halvings);
      },
      [&](double part) GT_LAMBDA { sector_kick(s, sign * part * op.length, op.fx, op.fy, op.degree, op.terms); });
}

template <class T, class C>
GT_INLINE void bend(State<T>& s, const BendConstants<C>& op, const ReferenceConstants<C>& ref) {
  bend_by(s, op, 1.0);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T, class C>
GT_INLINE void unbend(State<T>& s, const BendConstants<C>& op, const ReferenceConstants<C>& ref) {
  bend_by(s, op, -1.0);
}

// Adjoint of sector_kick: px, py in; x, y, length, fx, fy out.
template <class T>
GT_INLINE void sector_kick_adjoint(State<T>& s, Costate<T>& g, double length, const double* fx, const double* fy,
                                   int degree, int terms, Cotangent<T>& length_bar, Cotangent<T>* fx_bar,
                                   Cotangent<T>* fy_bar) {
  T gx = broadcast(0.0), gy = broadcast(0.0), gx_x = gx, gy_x = gx, gx_y = gx, gy_y = gx;
  int end = terms;
  for (int j = degree; j >= 0; --j) {
    int start = end - (degree + 1 - j);
    T row_x = broadcast(fx[end - 1]), row_y = broadcast(fy[end - 1]), rate_x = broadcast(0.0), rate_y = rate_x;
    for (int i = end - 2; i >= start; --i) {
      rate_x = rate_x * s.x + row_x;
      rate_y = rate_y * s.x + row_y;
      row_x = row_x * s.x + fx[i];
      row_y = row_y * s.x + fy[i];
    }
    gx_y = gx_y * s.y + gx;
    gy_y = gy_y * s.y + gy;
    gx_x = gx_x * s.y + rate_x;
    gy_x = gy_x * s.y + rate_y;
    gx = gx * s.y + row_x;
    gy = gy * s.y + row_y;
    end = start;
  }
  s.px -= length * gx;
  s.py -= length * gy;
  length_bar += g.px * gx + g.py * gy;
  Cotangent<T> fx_all = length * g.px, fy_all = length * g.py;
  g.x += fx_all * gx_x + fy_all * gy_x;
  g.y += fx_all * gx_y + fy_all * gy_y;
  for (int j = 0, k = 0; j <= degree; ++j) {
    Cotangent<T> cx = fx_all, cy = fy_all;
    for (int i = 0; i <= degree - j; ++i, ++k) {
      fx_bar[k] += cx;
      fy_bar[k] += cy;
      cx *= s.x;
      cy *= s.x;
    }
    fx_all *= s.y;
    fy_all *= s.y;
  }
}

template <class T>
GT_INLINE void bend_adjoint(State<T>& s, Costate<T>& g, const BendOp& op, const BendBar<Cotangent<T>>& bar,
                            const Reference& ref) {
  Cotangent<T> length_bar = broadcast(0.0), k0_bar = broadcast(0.0);
  compose(
      op.scheme, op.slices,
      [&](double part, int step) GT_LAMBDA {
        const double* arc = op.arcs + 4 * step;
        Cotangent<T>* arc_bar = bar.arcs + 4 * step;
        Cotangent<T> step_bar = broadcast(0.0);
        arc_by_adjoint(s, g, arc[0], arc[1], arc[2], arc[3], part * op.length, op.k0, op.halvings, arc_bar[0],
                       arc_bar[1], arc_bar[2], arc_bar[3], step_bar, k0_bar);
        length_bar += part * step_bar;
      },
      [&](double part) GT_LAMBDA {
        Cotangent<T> step_bar = broadcast(0.0);
        sector_kick_adjoint(s, g, part * op.length, op.fx, op.fy, op.degree, op.terms, step_bar, bar.fx, bar.fy);
        length_bar += part * step_bar;
      });
  *bar.length += length_bar;
  *bar.k0 += k0_bar;
}
