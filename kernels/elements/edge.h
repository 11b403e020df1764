// Twin of gputrack/elements/edge.py.
#pragma once
#include "../program/state.h"

template <class T, class C>
GT_INLINE void edge(State<T>& s, const EdgeConstants<C>& op, const ReferenceConstants<C>& ref) {
  s.px += op.kx * s.x;
  s.py -= (op.ky + op.cubic * s.y * s.y) * s.y;
}

template <class T, class C>
GT_INLINE void unedge(State<T>& s, const EdgeConstants<C>& op, const ReferenceConstants<C>& ref) {
  s.px -= op.kx * s.x;
  s.py += (op.ky + op.cubic * s.y * s.y) * s.y;
}

// Adjoint: px, py in; x, y, kx, ky, cubic out.
template <class T>
GT_INLINE void edge_adjoint(State<T>& s, Costate<T>& g, const EdgeOp& op, const EdgeBar<Cotangent<T>>& bar,
                            const Reference& ref) {
  unedge(s, op, ref);
  T y_squared = s.y * s.y;
  *bar.kx += g.px * s.x;
  *bar.ky -= g.py * s.y;
  *bar.cubic -= g.py * s.y * y_squared;
  g.x += op.kx * g.px;
  g.y -= (op.ky + 3.0 * op.cubic * y_squared) * g.py;
}
