// Twin of gputrack/elements/bend.py (and of the evaluation in sector_field.py).
#pragma once
#include "../splitting.h"
#include "arc.h"

// px += L F_x, py += L F_y; both polynomials by Horner's rule in x, then in y, coefficients for j, for i <= degree - j.
template <class T>
GT_INLINE void sector_kick(State<T>& s, double length, const double* fx, const double* fy, int degree, int terms) {
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

template <class T>
GT_INLINE void bend_by(State<T>& s, const BendOp& op, double sign) {
  compose(
      op.order, op.slices,
      [&](double part, int step) GT_LAMBDA {
        const double* arc = op.arcs + 4 * step;
        arc_by(s, sign * arc[0], arc[1], sign * arc[2], arc[3], sign * part * op.length, op.k0, op.halvings);
      },
      [&](double part) GT_LAMBDA { sector_kick(s, sign * part * op.length, op.fx, op.fy, op.degree, op.terms); });
}

template <class T>
GT_INLINE void bend(State<T>& s, const BendOp& op, const Reference& ref) {
  bend_by(s, op, 1.0);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T>
GT_INLINE void unbend(State<T>& s, const BendOp& op, const Reference& ref) {
  bend_by(s, op, -1.0);
}
