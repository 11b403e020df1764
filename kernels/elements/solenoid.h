// Twin of gputrack/elements/solenoid.py.
#pragma once
#include "../numbers/smooth.h"
#include "../program/state.h"

template <class T, class C>
GT_INLINE void solenoid_by(State<T>& s, const SolenoidConstants<C>& op, C length) {
  C k = 0.5 * op.ks;
  T ux = s.px + k * s.y, uy = s.py - k * s.x;
  T u = (ux * ux + uy * uy) * (s.inverse * s.inverse);
  T reach = length * s.inverse;
  T w;
  if (op.exact) {
    w = slope_excess(u);
    reach += reach * w;
  } else {
    w = 0.5 * u;
  }
  T turn = k * reach;
  T c, sinc;
  cos_sinc(turn * turn, op.halvings, c, sinc);
  T sine = turn * sinc;
  T x = c * s.x + reach * sinc * s.px, y = c * s.y + reach * sinc * s.py;
  T px = c * s.px - k * sine * s.x, py = c * s.py - k * sine * s.y;
  s.x = c * x + sine * y;
  s.px = c * px + sine * py;
  s.y = c * y - sine * x;
  s.py = c * py - sine * px;
  s.z += length * (s.slip - w);
}

template <class T, class C>
GT_INLINE void solenoid(State<T>& s, const SolenoidConstants<C>& op, const ReferenceConstants<C>& ref) {
  solenoid_by(s, op, op.length);
}

// Inverse: the same over -length.
template <class T, class C>
GT_INLINE void unsolenoid(State<T>& s, const SolenoidConstants<C>& op, const ReferenceConstants<C>& ref) {
  solenoid_by(s, op, -op.length);
}

// Adjoint: all transverse, z in; all transverse, inverse, slip, length, ks out. The field's own constants
// c = cos t, sine = sin t, swing = sin(t)/k of the phase t = k reach are differentiated as such.
template <class T>
GT_INLINE void solenoid_adjoint(State<T>& s, Costate<T>& g, const SolenoidOp& op, const SolenoidBar<Cotangent<T>>& bar,
                                const Reference& ref) {
  unsolenoid(s, op, ref);
  double k = 0.5 * op.ks;
  T ux = s.px + k * s.y, uy = s.py - k * s.x;
  T transverse = ux * ux + uy * uy;
  T u = transverse * (s.inverse * s.inverse);
  T w = op.exact ? slope_excess(u) : 0.5 * u;
  T root = op.exact ? 1.0 + w : broadcast(1.0);
  T reach = op.length * s.inverse * root;
  T turn = k * reach;
  T phase = turn * turn;
  T c, sinc;
  cos_sinc(phase, op.halvings, c, sinc);
  T sine = turn * sinc, swing = reach * sinc;
  T x = c * s.x + swing * s.px, y = c * s.y + swing * s.py;
  T px = c * s.px - k * sine * s.x, py = c * s.py - k * sine * s.y;
  // from the rotating frame
  Cotangent<T> c_bar = g.x * x + g.y * y + g.px * px + g.py * py;
  Cotangent<T> sine_bar = g.x * y - g.y * x + g.px * py - g.py * px;
  Cotangent<T> x_bar = c * g.x - sine * g.y, y_bar = sine * g.x + c * g.y;
  Cotangent<T> px_bar = c * g.px - sine * g.py, py_bar = sine * g.px + c * g.py;
  // oscillation
  Cotangent<T> cross = px_bar * s.x + py_bar * s.y;
  c_bar += x_bar * s.x + y_bar * s.y + px_bar * s.px + py_bar * s.py;
  sine_bar -= k * cross;
  Cotangent<T> swing_bar = x_bar * s.px + y_bar * s.py;
  Cotangent<T> turn_bar = c * sine_bar - sine * c_bar;
  // d swing/dk at fixed reach = reach^3 k (cos t - sin t/t)/t^2
  T gap = horner(SINE_GAP, phase) - horner(COSINE_GAP, phase);
  Cotangent<T> k_bar = reach * turn_bar + reach * reach * reach * k * gap * swing_bar - sine * cross;
  Cotangent<T> reach_bar = k * turn_bar + c * swing_bar;
  g.x = c * x_bar - k * sine * px_bar;
  g.y = c * y_bar - k * sine * py_bar;
  g.px = swing * x_bar + c * px_bar;
  g.py = swing * y_bar + c * py_bar;
  // reach and time
  Cotangent<T> w_bar = -op.length * g.z;
  if (op.exact) w_bar += op.length * s.inverse * reach_bar;
  Cotangent<T> u_bar = op.exact ? w_bar * slope_rate(w) : 0.5 * w_bar;
  *bar.length += reach_bar * s.inverse * root + g.z * (s.slip - w);
  g.inverse += reach_bar * op.length * root + 2.0 * s.inverse * transverse * u_bar;
  g.slip += op.length * g.z;
  Cotangent<T> p_bar = 2.0 * (s.inverse * s.inverse) * u_bar;
  g.px += p_bar * ux;
  g.py += p_bar * uy;
  g.x -= k * p_bar * uy;
  g.y += k * p_bar * ux;
  *bar.ks += 0.5 * (k_bar + p_bar * (ux * s.y - uy * s.x));
}
