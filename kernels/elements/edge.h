// Twin of gputrack/elements/edge.py.
#pragma once
#include "../state.h"

template <class T>
GT_INLINE void edge(State<T>& s, const EdgeOp& op, const Reference& ref) {
  s.px += op.kx * s.x;
  s.py -= (op.ky + op.cubic * s.y * s.y) * s.y;
}

template <class T>
GT_INLINE void unedge(State<T>& s, const EdgeOp& op, const Reference& ref) {
  s.px -= op.kx * s.x;
  s.py += (op.ky + op.cubic * s.y * s.y) * s.y;
}
