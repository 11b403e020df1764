// Twin of gputrack/elements/fringe.py.
#pragma once
#include "../numbers.h"
#include "../state.h"

GT_CONSTANT int NEWTON_STEPS = 4;

template <class T>
struct Phi {
  T value, px, py, delta;
};

// k0 tan(atan(xp/(1 + yp^2)) - k0 g (1 + xp^2 (2 + yp^2)) pz) and its derivatives.
template <class T>
GT_INLINE Phi<T> phi(const T& px, const T& py, const T& opd, double k0, double gap) {
  T inverse = 1.0 / sqrt(opd * opd - px * px - py * py);
  T xp = px * inverse, yp = py * inverse;
  T xp2 = xp * xp, yp2 = yp * yp;
  T pz = opd * opd * inverse - xp * px - yp * py;
  T r = 1.0 / (1.0 + yp2);
  T slope = xp * r;
  T bow = 1.0 + xp2 * (2.0 + yp2);
  double strength = k0 * gap;
  T beta = strength * bow * pz;
  T cosine, sinc;
  cos_sinc(beta * beta, 0, cosine, sinc);
  T tangent = beta * sinc / cosine;
  T t = (slope - tangent) / (1.0 + slope * tangent);
  T gain = k0 * (1.0 + t * t);
  T turn = 1.0 / (1.0 + slope * slope);
  T by_xp = gain * (turn * r - 2.0 * strength * xp * (2.0 + yp2) * pz);
  T by_yp = gain * (-2.0 * turn * slope * yp * r - 2.0 * strength * xp2 * yp * pz);
  T by_pz = -gain * strength * bow;
  return {k0 * t,
          (by_xp * (1.0 + xp2) + by_yp * xp * yp) * inverse - by_pz * xp,
          (by_xp * xp * yp + by_yp * (1.0 + yp2)) * inverse - by_pz * yp,
          opd * inverse * (by_pz - (by_xp * xp + by_yp * yp) * inverse)};
}

template <class T>
GT_INLINE void fringe(State<T>& s, const FringeOp& op, const Reference& ref) {
  Phi<T> f = phi(s.px, s.py, s.opd, op.k0, op.gap);
  T y = 2.0 * s.y / (1.0 + sqrt(1.0 - 2.0 * f.py * s.y));
  T half = 0.5 * y * y;
  T bend = op.cubic * half * s.inverse;
  s.x += f.px * half;
  s.y = y;
  s.py -= (f.value + 2.0 * bend) * y;
  s.z += (f.delta - bend * s.inverse) * half;
}

// Inverse: Newton's method for the old py.
template <class T>
GT_INLINE void unfringe(State<T>& s, const FringeOp& op, const Reference& ref) {
  T half = 0.5 * s.y * s.y;
  T bend = op.cubic * half * s.inverse;
  T known = s.py + 2.0 * bend * s.y;
  T py = known;
  for (int i = 0; i < NEWTON_STEPS; ++i) {
    Phi<T> f = phi(s.px, py, s.opd, op.k0, op.gap);
    py = py - (py - f.value * s.y - known) / (1.0 - f.py * s.y);
  }
  Phi<T> f = phi(s.px, py, s.opd, op.k0, op.gap);
  s.x -= f.px * half;
  s.y -= f.py * half;
  s.py = py;
  s.z -= (f.delta - bend * s.inverse) * half;
}
