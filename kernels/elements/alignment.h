// Twin of gputrack/elements/alignment.py.
#pragma once
#include "../state.h"

// Enter the frame of an element; Op is AlignOp, or UnalignOp where leaving is undone.
template <class T, class Op>
GT_INLINE void align(State<T>& s, const Op& op, const Reference& ref) {
  T x = s.x - op.dx, y = s.y - op.dy, px = s.px;
  s.x = op.cosine * x + op.sine * y;
  s.px = op.cosine * px + op.sine * s.py;
  s.y = op.cosine * y - op.sine * x;
  s.py = op.cosine * s.py - op.sine * px;
}

// Leave it.
template <class T, class Op>
GT_INLINE void unalign(State<T>& s, const Op& op, const Reference& ref) {
  T x = s.x, px = s.px;
  s.x = op.cosine * x - op.sine * s.y + op.dx;
  s.px = op.cosine * px - op.sine * s.py;
  s.y = op.cosine * s.y + op.sine * x + op.dy;
  s.py = op.cosine * s.py + op.sine * px;
}
