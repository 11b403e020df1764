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

// quadrupole_matrix for a1 = 0, from the parts of its cosine and sine.
template <class T, class C>
GT_INLINE void normal_matrix(State<T>& s, C length, C b1, const T& m, const T& ce, const T& co, const T& se, const T& so) {
  T even = co * m, odd = so * m;
  T cos_x = ce + even, cos_y = ce - even;
  T sin_x = length * (se + odd), sin_y = length * (se - odd);
  T energy = 0.5 * ((s.px * s.px + s.py * s.py) * s.inverse + b1 * (s.x * s.x - s.y * s.y));
  T x = cos_x * s.x + sin_x * (s.inverse * s.px);
  T y = cos_y * s.y + sin_y * (s.inverse * s.py);
  T px = cos_x * s.px - sin_x * (b1 * s.x);
  T py = cos_y * s.py + sin_y * (b1 * s.y);
  T action = x * px - s.x * s.px + y * py - s.y * s.py;
  s.z += length * s.slip - 0.5 * s.inverse * (length * energy + 0.5 * action);
  s.x = x;
  s.px = px;
  s.y = y;
  s.py = py;
}

template <class T, class C>
GT_INLINE void quadrupole_matrix(State<T>& s, C length, C b1, C a1, int halvings) {
  T inverse = s.inverse;
  T scale = length * length * inverse;
  T m = b1 * scale, n = a1 * scale;
  T ce, co, se, so;
  cos_sinc_parts(m * m + n * n, halvings, ce, co, se, so);
  if (vanishes(a1)) {  // the same formulas without a skew gradient: the planes are apart
    normal_matrix(s, length, b1, m, ce, co, se, so);
    return;
  }
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

// Kick of all multipoles but the gradient.
template <class T, class C>
GT_INLINE void error_kick(State<T>& s, C length, const C* bn, const C* an, int terms, int skew) {
  T re = broadcast(0.0), im = broadcast(0.0);
  for (int n = terms - 1; n >= 0; --n) {
    T next = re * s.x - im * s.y;
    im = im * s.x + re * s.y;
    re = next;
    if (n == 1) continue;
    re = re + bn[n];
    if (skew) im = im + an[n];
  }
  s.px -= length * re;
  s.py += length * im;
}

template <class T, class C>
GT_INLINE void quadrupole_by(State<T>& s, const QuadrupoleConstants<C>& op, C length) {
  const C a1 = op.skew ? op.an[1] : 0.0 * op.bn[1];
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA { quadrupole_matrix(s, part * length, op.bn[1], a1, op.halvings); },
      [&](double part) GT_LAMBDA {
        if (op.kicks) error_kick(s, 0.5 * part * length, op.bn, op.an, op.terms, op.skew);
        if (op.exact) drift_remainder(s, part * length);
        if (op.kicks) error_kick(s, 0.5 * part * length, op.bn, op.an, op.terms, op.skew);
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

// Adjoint of error_kick: as that of multipole_kick, without the gradient's bars.
template <class T>
GT_INLINE void error_kick_adjoint(State<T>& s, Costate<T>& g, double length, const double* bn, const double* an,
                                  int terms, int skew, Cotangent<T>& length_bar, Cotangent<T>* bn_bar,
                                  Cotangent<T>* an_bar) {
  T re = broadcast(0.0), im = re, re_rate = re, im_rate = re;
  for (int n = terms - 1; n >= 0; --n) {
    T next = re_rate * s.x - im_rate * s.y + re;
    im_rate = im_rate * s.x + re_rate * s.y + im;
    re_rate = next;
    next = re * s.x - im * s.y;
    im = im * s.x + re * s.y;
    re = next;
    if (n == 1) continue;
    re = re + bn[n];
    if (skew) im = im + an[n];
  }
  s.px += length * re;
  s.py -= length * im;
  length_bar += g.py * im - g.px * re;
  Cotangent<T> re_bar = -length * g.px, im_bar = length * g.py;
  g.x += re_bar * re_rate + im_bar * im_rate;
  g.y += im_bar * re_rate - re_bar * im_rate;
  Cotangent<T> c = re_bar, d = im_bar;
  for (int n = 0; n < terms; ++n) {
    if (n != 1) {
      bn_bar[n] += c;
      if (skew) an_bar[n] += d;
    }
    Cotangent<T> next = c * s.x + d * s.y;
    d = d * s.x - c * s.y;
    c = next;
  }
}

// With skew or further multipoles, step by step.
template <class T>
GT_INLINE void general_adjoint(State<T>& s, Costate<T>& g, const QuadrupoleOp& op,
                               const QuadrupoleBar<Cotangent<T>>& bar) {
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
        if (op.kicks) error_kick_adjoint(s, g, half, op.bn, op.an, op.terms, op.skew, kick_bar, bar.bn, bar.an);
        if (op.exact) drift_remainder_adjoint(s, g, part * op.length, step_bar);
        if (op.kicks) error_kick_adjoint(s, g, half, op.bn, op.an, op.terms, op.skew, kick_bar, bar.bn, bar.an);
        length_bar += part * (step_bar + 0.5 * kick_bar);
      });
  *bar.length += length_bar;
  bar.bn[1] += b1_bar;
  if (op.skew) bar.an[1] += a1_bar;
}

// Matrices of the distinct outer steps, at most MAX_STEPS here, in slopes,
//   x' = cx x + sx P, P' = cx P - fx x with fx = k sx, k = b1/(1 + delta); y' = cy y + sy Q, Q' = cy Q + fy y,
// and their bars, from which those of the constants follow once per body.
constexpr int MAX_STEPS = 5;

template <class T>
struct Lens {
  T cx, sx, fx, cy, sy, fy;
  Cotangent<T> cx_bar, sx_bar, fx_bar, cy_bar, sy_bar, fy_bar;
};

template <class T>
GT_INLINE Lens<T> make_lens(double length, const T& k, int halvings) {
  Lens<T> a;
  T m = k * (length * length);
  T ce, co, se, so;
  cos_sinc_parts(m * m, halvings, ce, co, se, so);
  T even = co * m, odd = so * m;
  a.cx = ce + even;
  a.cy = ce - even;
  a.sx = length * (se + odd);
  a.sy = length * (se - odd);
  a.fx = k * a.sx;
  a.fy = k * a.sy;
  a.cx_bar = a.sx_bar = a.fx_bar = a.cy_bar = a.sy_bar = a.fy_bar = broadcast(0.0);
  return a;
}

// The step between two slices is twice the first one.
template <class T>
GT_INLINE Lens<T> doubled(const Lens<T>& a) {
  Lens<T> b;
  T x = 2.0 * a.cx, y = 2.0 * a.cy;
  b.cx = x * a.cx - 1.0;
  b.cy = y * a.cy - 1.0;
  b.sx = x * a.sx;
  b.sy = y * a.sy;
  b.fx = x * a.fx;
  b.fy = y * a.fy;
  b.cx_bar = b.sx_bar = b.fx_bar = b.cy_bar = b.sy_bar = b.fy_bar = broadcast(0.0);
  return b;
}

// Adjoint of doubled: bars of b in, those of a out.
template <class T>
GT_INLINE void doubled_adjoint(Lens<T>& a, const Lens<T>& b) {
  a.cx_bar += 4.0 * a.cx * b.cx_bar + 2.0 * (a.sx * b.sx_bar + a.fx * b.fx_bar);
  a.cy_bar += 4.0 * a.cy * b.cy_bar + 2.0 * (a.sy * b.sy_bar + a.fy * b.fy_bar);
  T x = 2.0 * a.cx, y = 2.0 * a.cy;
  a.sx_bar += x * b.sx_bar;
  a.fx_bar += x * b.fx_bar;
  a.sy_bar += y * b.sy_bar;
  a.fy_bar += y * b.fy_bar;
}

// From the bars of a lens to those of its length (less the lens's part) and k. The matrix's derivative along its length
// is the field: cx' = -fx, sx' = cx, fx' = k cx, cy' = fy, ...; with m = k length^2 that along k follows from it but for
// the sincs s = length S(+-m): 2 m dS/dm = c - S, here without that cancellation.
template <class T>
GT_INLINE void lens_adjoint(const Lens<T>& a, double length, const T& k, int halvings, Cotangent<T>& length_bar,
                            Cotangent<T>& k_bar) {
  Cotangent<T> sx_bar = a.sx_bar + k * a.fx_bar, sy_bar = a.sy_bar + k * a.fy_bar;
  length_bar += a.cx * sx_bar + a.cy * sy_bar + a.fy * a.cy_bar - a.fx * a.cx_bar;
  T m = k * (length * length);
  T v = m * m, se_rate, so_rate, so;
  if (halvings) {
    const Parts<T> p = cos_sinc_rates(v, halvings);
    so = p.so, se_rate = p.se_rate, so_rate = p.so_rate;
  } else {
    so = horner(SO, v), se_rate = horner_derivative(SE, v), so_rate = horner_derivative(SO, v);
  }
  // S(m) = se + so m, S(-m) = se - so m
  T even = so + 2.0 * v * so_rate, odd = 2.0 * m * se_rate;
  k_bar += a.sx * a.fx_bar + a.sy * a.fy_bar +
           length * (0.5 * (a.sy * a.cy_bar - a.sx * a.cx_bar) +
                     (length * length) * ((even + odd) * sx_bar + (odd - even) * sy_bar));
}

// Upright quadrupoles without errors. Path lengths: with E = (P^2 + Q^2 + k (x^2 - y^2))/2 constant in an outer step and
// A = x P + y Q, the mean of (P^2 + Q^2)/2 over it is E/2 + (change of A)/(4 length); changes of A over the body are its
// ends less those in the inner steps.
template <class T>
GT_INLINE void upright_adjoint(State<T>& s, Costate<T>& g, const QuadrupoleOp& op,
                               const QuadrupoleBar<Cotangent<T>>& bar) {
  const T k = op.bn[1] * s.inverse;
  T x = s.x, y = s.y, P = s.px * s.inverse, Q = s.py * s.inverse;
  Cotangent<T> gx = g.x, gy = g.y, gP = g.px * s.opd, gQ = g.py * s.opd;
  const Cotangent<T> gz = g.z, half_gz = 0.5 * gz, quarter_gz = 0.25 * gz;
  g.opd += g.px * P + g.py * Q;
  Lens<T> lenses[MAX_STEPS];
  const int last = last_outer(op.scheme);
  const double scale = 1.0 / op.slices;
  for (int i = 0; i < last; ++i) lenses[i] = make_lens(outer_part(op.scheme, i) * scale * op.length, k, op.halvings);
  if (op.slices > 1) lenses[last] = doubled(lenses[0]);
  T squares = broadcast(0.0), field = squares;  // sums of f (P^2 + Q^2), f (x^2 - y^2) over the outer steps
  T way = squares;                              // sums over the inner steps: path
  Cotangent<T> along = broadcast(0.0);          // and of f both slope_bar
  T ends = x * P + y * Q;
  gx -= quarter_gz * P;
  gP -= quarter_gz * x;
  gy -= quarter_gz * Q;
  gQ -= quarter_gz * y;
  compose(
      op.scheme, op.slices,
      [&](double part, int number) GT_LAMBDA {
        Lens<T>& a = lenses[number];
        squares += part * (P * P + Q * Q);
        field += part * (x * x - y * y);
        Cotangent<T> drop = (part * op.length) * half_gz;
        Cotangent<T> drop_k = drop * k;
        gx -= drop_k * x;
        gP -= drop * P;
        gy += drop_k * y;
        gQ -= drop * Q;
        T x0 = a.cx * x - a.sx * P, y0 = a.cy * y - a.sy * Q;
        P = a.cx * P + a.fx * x;
        Q = a.cy * Q - a.fy * y;
        x = x0;
        y = y0;
        a.cx_bar += gx * x + gP * P;
        a.sx_bar += gx * P;
        a.fx_bar -= gP * x;
        a.cy_bar += gy * y + gQ * Q;
        a.sy_bar += gy * Q;
        a.fy_bar += gQ * y;
        Cotangent<T> gx0 = a.cx * gx - a.fx * gP, gy0 = a.cy * gy + a.fy * gQ;
        gP = a.sx * gx + a.cx * gP;
        gQ = a.sy * gy + a.cy * gQ;
        gx = gx0;
        gy = gy0;
      },
      [&](double part) GT_LAMBDA {
        if (!op.exact) return;
        // x += f L both P, z -= f L (w - u both/4) with both = u/2 + w
        const double step = part * op.length;
        T u = P * P + Q * Q;
        T w = slope_excess_remainder(u);
        T both = 0.5 * u + w;
        T slope = step * both;
        x -= slope * P;
        y -= slope * Q;
        Cotangent<T> slope_bar = gx * P + gy * Q;
        T fall = w - 0.25 * u * both;
        way += part * fall;
        along += part * (both * slope_bar);
        T w_rate = slope_rate_remainder(both), both_rate = 0.5 + w_rate;
        Cotangent<T> p_bar = (2.0 * step) * (both_rate * (slope_bar + 0.25 * (gz * u)) - gz * (w_rate - 0.25 * both));
        gP += slope * gx + p_bar * P;
        gQ += slope * gy + p_bar * Q;
      });
  gx += quarter_gz * P;
  gP += quarter_gz * x;
  gy += quarter_gz * Q;
  gQ += quarter_gz * y;
  ends -= x * P + y * Q;
  Cotangent<T> length_bar = along, k_bar = broadcast(0.0);
  if (op.slices > 1) doubled_adjoint(lenses[0], lenses[last]);
  for (int i = 0; i < last; ++i) {
    Cotangent<T> lens_bar = broadcast(0.0);
    const double part = outer_part(op.scheme, i) * scale;
    lens_adjoint(lenses[i], part * op.length, k, op.halvings, lens_bar, k_bar);
    length_bar += part * lens_bar;
  }
  T fall = 0.25 * (squares + k * field) + way;  // per length
  k_bar -= (0.25 * op.length) * (field * gz);
  *bar.length += length_bar + (s.slip - fall) * gz;
  bar.bn[1] += s.inverse * k_bar;
  s.x = x;
  s.px = P * s.opd;
  s.y = y;
  s.py = Q * s.opd;
  s.z -= op.length * (s.slip - fall) - 0.25 * ends;
  g.x = gx;
  g.px = gP * s.inverse;
  g.y = gy;
  g.py = gQ * s.inverse;
  g.inverse += op.bn[1] * k_bar + gP * s.px + gQ * s.py;
  g.slip += op.length * gz;
}

template <class T>
GT_INLINE void quadrupole_adjoint(State<T>& s, Costate<T>& g, const QuadrupoleOp& op,
                                  const QuadrupoleBar<Cotangent<T>>& bar,
                                  const Reference& ref) {
  if (op.skew || op.kicks || last_outer(op.scheme) >= MAX_STEPS)
    general_adjoint(s, g, op, bar);
  else
    upright_adjoint(s, g, op, bar);
}
