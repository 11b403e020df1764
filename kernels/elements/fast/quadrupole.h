// Optimisation of elements/quadrupole.h for upright quadrupoles without errors, where the planes are uncoupled: the
// matrix without skew terms, and an adjoint that forms the matrices of the few distinct outer steps, and their bars,
// once per body.
#pragma once
#include "../quadrupole.h"

// quadrupole_matrix for a1 = 0.
template <class T, class C>
GT_INLINE void upright_matrix(State<T>& s, C length, C b1, int halvings) {
  T m = b1 * (length * length * s.inverse);
  T ce, co, se, so;
  cos_sinc_parts(m * m, halvings, ce, co, se, so);
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

// Matrices of the distinct outer steps, at most MAX_STEPS, in slopes P = px/(1 + delta), Q = py/(1 + delta),
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

// From the bars of a lens to those of its length (without the lens's part) and k. The matrix's derivative along its
// length is the field: cx' = -fx, sx' = cx, fx' = k cx, cy' = fy, ...; with m = k length^2, that along k follows from
// it except for the sincs s = length S(+-m): 2 m dS/dm = c - S, here without that cancellation.
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

GT_INLINE bool is_upright(const QuadrupoleOp& op) {
  return !op.skew && !op.kicks && last_outer(op.scheme) < MAX_STEPS;
}

// quadrupole_adjoint for is_upright(op). Path lengths: with E = (P^2 + Q^2 + k (x^2 - y^2))/2 constant in an outer step
// and A = x P + y Q, the mean of (P^2 + Q^2)/2 over it is E/2 + (change of A)/(4 length); the changes of A add up to
// that over the body, minus those in the inner steps.
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
