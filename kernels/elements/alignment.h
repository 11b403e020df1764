// Twin of gputrack/elements/alignment.py.
#pragma once
#include "../program/state.h"

// Transformation to the frame of an element; Op is AlignOp, or UnalignOp to undo the transformation back.
template <class T, class C, class Op>
GT_INLINE void align(State<T>& s, const Op& op, const ReferenceConstants<C>& ref) {
  T x = s.x - op.dx, y = s.y - op.dy, px = s.px;
  s.x = op.cosine * x + op.sine * y;
  s.px = op.cosine * px + op.sine * s.py;
  s.y = op.cosine * y - op.sine * x;
  s.py = op.cosine * s.py - op.sine * px;
}

// Transformation back to the frame of the lattice.
template <class T, class C, class Op>
GT_INLINE void unalign(State<T>& s, const Op& op, const ReferenceConstants<C>& ref) {
  T x = s.x, px = s.px;
  s.x = op.cosine * x - op.sine * s.y + op.dx;
  s.px = op.cosine * px - op.sine * s.py;
  s.y = op.cosine * s.y + op.sine * x + op.dy;
  s.py = op.cosine * s.py + op.sine * px;
}

// Adjoint of align: all transverse in and out, and the bars of the offsets and of the angle's cosine and sine.
template <class T>
GT_INLINE void align_adjoint(State<T>& s, Costate<T>& g, const AlignOp& op, const AlignBar<Cotangent<T>>& bar,
                             const Reference& ref) {
  unalign(s, op, ref);
  T x = s.x - op.dx, y = s.y - op.dy;
  *bar.cosine += g.x * x + g.y * y + g.px * s.px + g.py * s.py;
  *bar.sine += g.x * y - g.y * x + g.px * s.py - g.py * s.px;
  Cotangent<T> gx = op.cosine * g.x - op.sine * g.y, gpx = op.cosine * g.px - op.sine * g.py;
  g.y = op.cosine * g.y + op.sine * g.x;
  g.py = op.cosine * g.py + op.sine * g.px;
  g.x = gx;
  g.px = gpx;
  *bar.dx -= g.x;
  *bar.dy -= g.y;
}

// Adjoint of unalign.
template <class T>
GT_INLINE void unalign_adjoint(State<T>& s, Costate<T>& g, const UnalignOp& op, const UnalignBar<Cotangent<T>>& bar,
                               const Reference& ref) {
  align(s, op, ref);
  *bar.dx += g.x;
  *bar.dy += g.y;
  *bar.cosine += g.x * s.x + g.y * s.y + g.px * s.px + g.py * s.py;
  *bar.sine += g.y * s.x - g.x * s.y + g.py * s.px - g.px * s.py;
  Cotangent<T> gx = op.cosine * g.x + op.sine * g.y, gpx = op.cosine * g.px + op.sine * g.py;
  g.y = op.cosine * g.y - op.sine * g.x;
  g.py = op.cosine * g.py - op.sine * g.px;
  g.x = gx;
  g.px = gpx;
}
