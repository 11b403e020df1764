// Twin of gputrack/elements/quadrupole.py.
#pragma once
#include "../numbers/smooth.h"
#include "straight.h"

// clang-format off
GT_CONSTANT double CE[6] = {1.0, 1.0 / 24.0, 1.0 / 40320.0, 1.0 / 479001600.0, 1.0 / 20922789888000.0,
                            1.0 / 2432902008176640000.0};
GT_CONSTANT double CO[6] = {-1.0 / 2.0, -1.0 / 720.0, -1.0 / 3628800.0, -1.0 / 87178291200.0,
                            -1.0 / 6402373705728000.0, -1.0 / 1124000727777607680000.0};
GT_CONSTANT double SE[6] = {1.0, 1.0 / 120.0, 1.0 / 362880.0, 1.0 / 6227020800.0, 1.0 / 355687428096000.0,
                            1.0 / 51090942171709440000.0};
GT_CONSTANT double SO[6] = {-1.0 / 6.0, -1.0 / 5040.0, -1.0 / 39916800.0, -1.0 / 1307674368000.0,
                            -1.0 / 121645100408832000.0, -1.0 / 25852016738884976640000.0};
// clang-format on

// cos(sqrt M) = ce + co M, sin(sqrt M)/sqrt M = se + so M with M^2 = u.
template <class T>
GT_INLINE void cos_sinc_parts(const T& u, int halvings, T& ce, T& co, T& se, T& so) {
  T v = u * power_of(0.0625, halvings);
  ce = horner(CE, v);
  co = horner(CO, v);
  se = horner(SE, v);
  so = horner(SO, v);
  for (int i = 0; i < halvings; ++i) {
    T even = ce * se + co * so * v;
    so = 0.25 * (ce * so + co * se);
    se = even;
    T twice = 2.0 * (ce * ce + co * co * v) - 1.0;
    co = ce * co;
    ce = twice;
    v = 16.0 * v;
  }
}

// Exact flow of (px^2 + py^2)/(2 (1 + delta)) + b1 (x^2 - y^2)/2 - a1 x y over `length` [m]; b1, a1 in m^-2. With
// M = length^2/(1 + delta) ((b1, -a1), (-a1, -b1)), u = M^2.
template <class T, class C>
GT_INLINE void quadrupole_matrix(State<T>& s, C length, C b1, C a1, int halvings) {
  if (OPTIMISED && vanishes(a1)) return upright_matrix(s, length, b1, halvings);
  T inverse = s.inverse;
  T scale = length * length * inverse;
  T m = b1 * scale, n = a1 * scale;
  T ce, co, se, so;
  cos_sinc_parts(m * m + n * n, halvings, ce, co, se, so);
  // field at the entrance, -d(px, py)/ds
  T fx = b1 * s.x - a1 * s.y, fy = -a1 * s.x - b1 * s.y;
  T energy = 0.5 * ((s.px * s.px + s.py * s.py) * inverse + s.x * fx + s.y * fy);
  T drift = length * inverse;
  T se_drift = se * drift, so_drift = so * drift;
  T x = ce * s.x + co * (m * s.x - n * s.y) + se_drift * s.px + so_drift * (m * s.px - n * s.py);
  T y = ce * s.y - co * (n * s.x + m * s.y) + se_drift * s.py - so_drift * (n * s.px + m * s.py);
  T px = ce * s.px + co * (m * s.px - n * s.py) - length * (se * fx + so * (m * fx - n * fy));
  T py = ce * s.py - co * (n * s.px + m * s.py) - length * (se * fy - so * (n * fx + m * fy));
  T action = x * px - s.x * s.px + y * py - s.y * s.py;
  T dz = length * s.slip - 0.5 * inverse * (length * energy + 0.5 * action);
  s.x = x;
  s.px = px;
  s.y = y;
  s.py = py;
  s.z += dz;
}

// Exact minus expanded drift.
template <class T, class C>
GT_INLINE void drift_remainder(State<T>& s, C length) {
  T u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse);
  T w = slope_excess_remainder(u);
  T slope = length * s.inverse * (0.5 * u + w);
  s.x += slope * s.px;
  s.y += slope * s.py;
  s.z -= length * w;
}

// Kick of all multipoles except the gradient, which is in the matrix.
template <class T, class C>
GT_INLINE void error_kick(State<T>& s, const QuadrupoleConstants<C>& op, C length) {
  if (op.skew)
    multipole_kick<true, 0, 1>(s, length, op.bn, op.an, op.terms);
  else
    multipole_kick<false, 0, 1>(s, length, op.bn, op.an, op.terms);
}

// Matrix-kick integration over `length` [m]: the outer step is the matrix, the inner one the square root's remainder
// between two half kicks of all other multipoles.
template <class T, class C>
GT_INLINE void quadrupole_by(State<T>& s, const QuadrupoleConstants<C>& op, C length) {
  const C a1 = op.skew ? op.an[1] : 0.0 * op.bn[1];
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA { quadrupole_matrix(s, part * length, op.bn[1], a1, op.halvings); },
      [&](double part) GT_LAMBDA {
        if (op.kicks) error_kick(s, op, 0.5 * part * length);
        if (op.exact) drift_remainder(s, part * length);
        if (op.kicks) error_kick(s, op, 0.5 * part * length);
      });
}

template <class T, class C>
GT_INLINE void quadrupole(State<T>& s, const QuadrupoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  quadrupole_by(s, op, op.length);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T, class C>
GT_INLINE void unquadrupole(State<T>& s, const QuadrupoleConstants<C>& op, const ReferenceConstants<C>& ref) {
  quadrupole_by(s, op, -op.length);
}

// Derivatives of ce, co, se, so with respect to u, with their values.
template <class T>
struct Parts {
  T ce, co, se, so, ce_rate, co_rate, se_rate, so_rate;
};

template <class T>
GT_INLINE Parts<T> cos_sinc_rates(const T& u, int halvings) {
  T v = u * power_of(0.0625, halvings);
  Parts<T> p = {horner(CE, v),            horner(CO, v),            horner(SE, v),            horner(SO, v),
                horner_derivative(CE, v), horner_derivative(CO, v), horner_derivative(SE, v), horner_derivative(SO, v)};
  for (int i = 0; i < halvings; ++i) {
    Parts<T> q;
    q.se = p.ce * p.se + p.co * p.so * v;
    q.so = 0.25 * (p.ce * p.so + p.co * p.se);
    q.ce = 2.0 * (p.ce * p.ce + p.co * p.co * v) - 1.0;
    q.co = p.ce * p.co;
    q.se_rate = 0.0625 * (p.ce_rate * p.se + p.ce * p.se_rate + (p.co_rate * p.so + p.co * p.so_rate) * v +
                          p.co * p.so);
    q.so_rate = 0.015625 * (p.ce_rate * p.so + p.ce * p.so_rate + p.co_rate * p.se + p.co * p.se_rate);
    q.ce_rate = 0.125 * (2.0 * p.ce * p.ce_rate + 2.0 * p.co * p.co_rate * v + p.co * p.co);
    q.co_rate = 0.0625 * (p.ce_rate * p.co + p.ce * p.co_rate);
    p = q;
    v = 16.0 * v;
  }
  return p;
}

// Adjoint of quadrupole_matrix: all in; all transverse, inverse, slip, length, b1, a1 out. The derivative with respect
// to the length is the motion at the exit.
template <class T>
GT_INLINE void quadrupole_matrix_adjoint(State<T>& s, Costate<T>& g, double length, double b1, double a1,
                                         int halvings, Cotangent<T>& length_bar, Cotangent<T>& b1_bar,
                                         Cotangent<T>& a1_bar) {
  const T inverse = s.inverse, x = s.x, px = s.px, y = s.y, py = s.py;  // after
  length_bar += inverse * (g.x * px + g.y * py) - g.px * (b1 * x - a1 * y) + g.py * (a1 * x + b1 * y) +
                g.z * (s.slip - 0.5 * (px * px + py * py) * (inverse * inverse));
  quadrupole_matrix(s, -length, b1, a1, halvings);
  T scale = length * length * inverse, drift = length * inverse;
  T m = b1 * scale, n = a1 * scale;
  const Parts<T> f = cos_sinc_rates(m * m + n * n, halvings);
  T fx = b1 * s.x - a1 * s.y, fy = -a1 * s.x - b1 * s.y;
  T squared = s.px * s.px + s.py * s.py;
  // z' = z + length slip - inverse (length energy + action/2)/2
  T energy = 0.5 * (squared * inverse + s.x * fx + s.y * fy);
  T action = x * px - s.x * s.px + y * py - s.y * s.py;
  Cotangent<T> energy_bar = -0.5 * drift * g.z, action_bar = -0.25 * inverse * g.z;
  g.slip += length * g.z;
  Cotangent<T> inverse_bar = 0.5 * energy_bar * squared - 0.5 * (length * energy + 0.5 * action) * g.z;
  Cotangent<T> gx = g.x + action_bar * px, gy = g.y + action_bar * py;
  Cotangent<T> gpx = g.px + action_bar * x, gpy = g.py + action_bar * y;
  // products with the matrix M = ((m, -n), (-n, -m))
  T mx = m * s.x - n * s.y, my = -n * s.x - m * s.y;
  T mpx = m * s.px - n * s.py, mpy = -n * s.px - m * s.py;
  T mfx = m * fx - n * fy, mfy = -n * fx - m * fy;
  Cotangent<T> ce_bar = gx * s.x + gy * s.y + gpx * s.px + gpy * s.py;
  Cotangent<T> co_bar = gx * mx + gy * my + gpx * mpx + gpy * mpy;
  Cotangent<T> se_bar = drift * (gx * s.px + gy * s.py) - length * (gpx * fx + gpy * fy);
  Cotangent<T> so_bar = drift * (gx * mpx + gy * mpy) - length * (gpx * mfx + gpy * mfy);
  Cotangent<T> u_bar = ce_bar * f.ce_rate + co_bar * f.co_rate + se_bar * f.se_rate + so_bar * f.so_rate;
  Cotangent<T> m_bar = f.co * (gx * s.x - gy * s.y + gpx * s.px - gpy * s.py) +
            f.so * (drift * (gx * s.px - gy * s.py) - length * (gpx * fx - gpy * fy)) + 2.0 * m * u_bar;
  Cotangent<T> n_bar = -f.co * (gx * s.y + gy * s.x + gpx * s.py + gpy * s.px) -
            f.so * (drift * (gx * s.py + gy * s.px) - length * (gpx * fy + gpy * fx)) + 2.0 * n * u_bar;
  Cotangent<T> mgx = m * gx - n * gy, mgy = -n * gx - m * gy;
  Cotangent<T> mgpx = m * gpx - n * gpy, mgpy = -n * gpx - m * gpy;
  Cotangent<T> fx_bar = -length * (f.se * gpx + f.so * mgpx), fy_bar = -length * (f.se * gpy + f.so * mgpy);
  Cotangent<T> x_bar = f.se * gx + f.so * mgx, y_bar = f.se * gy + f.so * mgy;
  inverse_bar += length * (s.px * x_bar + s.py * y_bar) + length * length * (b1 * m_bar + a1 * n_bar);
  b1_bar += scale * m_bar + fx_bar * s.x - fy_bar * s.y + 0.5 * energy_bar * (s.x * s.x - s.y * s.y);
  a1_bar += scale * n_bar - fx_bar * s.y - fy_bar * s.x - energy_bar * s.x * s.y;
  g.inverse += inverse_bar;
  g.x = f.ce * gx + f.co * mgx + b1 * fx_bar - a1 * fy_bar + energy_bar * fx - action_bar * s.px;
  g.y = f.ce * gy + f.co * mgy - a1 * fx_bar - b1 * fy_bar + energy_bar * fy - action_bar * s.py;
  g.px = f.ce * gpx + f.co * mgpx + drift * x_bar + energy_bar * inverse * s.px - action_bar * s.x;
  g.py = f.ce * gpy + f.co * mgpy + drift * y_bar + energy_bar * inverse * s.py - action_bar * s.y;
}

// Adjoint of drift_remainder: x, y, z in; px, py, inverse, length out.
template <class T>
GT_INLINE void drift_remainder_adjoint(State<T>& s, Costate<T>& g, double length,
                                       Cotangent<T>& length_bar) {
  T transverse = s.px * s.px + s.py * s.py;
  T u = transverse * (s.inverse * s.inverse);
  T w = slope_excess_remainder(u);
  T both = 0.5 * u + w;
  T slope = length * s.inverse * both;
  s.x -= slope * s.px;
  s.y -= slope * s.py;
  s.z += length * w;
  Cotangent<T> slope_bar = g.x * s.px + g.y * s.py;
  Cotangent<T> both_bar = length * s.inverse * slope_bar;
  Cotangent<T> u_bar = 0.5 * both_bar + (both_bar - length * g.z) * slope_rate_remainder(both);
  length_bar += s.inverse * both * slope_bar - w * g.z;
  g.inverse += length * both * slope_bar + 2.0 * s.inverse * transverse * u_bar;
  Cotangent<T> p_bar = 2.0 * (s.inverse * s.inverse) * u_bar;
  g.px += slope * g.x + p_bar * s.px;
  g.py += slope * g.y + p_bar * s.py;
}

// Adjoint of error_kick: px, py in; x, y, length, bn, an out.
template <class T>
GT_INLINE void error_kick_adjoint(State<T>& s, Costate<T>& g, const QuadrupoleOp& op, double length,
                                  const QuadrupoleBar<Cotangent<T>>& bar, Cotangent<T>& length_bar) {
  if (op.skew)
    multipole_kick_adjoint<true, 1>(s, g, length, op.bn, op.an, op.terms, length_bar, bar.bn, bar.an);
  else
    multipole_kick_adjoint<false, 1>(s, g, length, op.bn, op.an, op.terms, length_bar, bar.bn, bar.an);
}

#include "fast/quadrupole.h"

template <class T>
GT_INLINE void quadrupole_adjoint(State<T>& s, Costate<T>& g, const QuadrupoleOp& op,
                                  const QuadrupoleBar<Cotangent<T>>& bar, const Reference& ref) {
  if (OPTIMISED && is_upright(op)) return upright_adjoint(s, g, op, bar);
  Cotangent<T> length_bar = broadcast(0.0), b1_bar = broadcast(0.0), a1_bar = broadcast(0.0);
  const double a1 = op.skew ? op.an[1] : 0.0;
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA {
        Cotangent<T> step_bar = broadcast(0.0);
        quadrupole_matrix_adjoint(s, g, part * op.length, op.bn[1], a1, op.halvings, step_bar, b1_bar, a1_bar);
        length_bar += part * step_bar;
      },
      [&](double part) GT_LAMBDA {
        Cotangent<T> kick_bar = broadcast(0.0), step_bar = broadcast(0.0);
        const double half = 0.5 * part * op.length;
        if (op.kicks) error_kick_adjoint(s, g, op, half, bar, kick_bar);
        if (op.exact) drift_remainder_adjoint(s, g, part * op.length, step_bar);
        if (op.kicks) error_kick_adjoint(s, g, op, half, bar, kick_bar);
        length_bar += part * (step_bar + 0.5 * kick_bar);
      });
  *bar.length += length_bar;
  bar.bn[1] += b1_bar;
  if (op.skew) bar.an[1] += a1_bar;
}
