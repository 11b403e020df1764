// Twin of gputrack/elements/quadrupole.py.
#pragma once
#include "../numbers.h"
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

template <class T>
GT_INLINE void quadrupole_matrix(State<T>& s, double length, double b1, double a1, int halvings) {
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
template <class T>
GT_INLINE void drift_remainder(State<T>& s, double length) {
  T u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse);
  T w = slope_excess_remainder(u);
  T slope = length * s.inverse * (0.5 * u + w);
  s.x += slope * s.px;
  s.y += slope * s.py;
  s.z -= length * w;
}

// Kick of all multipoles but the gradient.
template <class T>
GT_INLINE void error_kick(State<T>& s, double length, const double* bn, const double* an, int terms) {
  T re = broadcast(0.0), im = broadcast(0.0);
  for (int n = terms - 1; n >= 0; --n) {
    T next = re * s.x - im * s.y + (n == 1 ? 0.0 : bn[n]);
    im = im * s.x + re * s.y + (n == 1 ? 0.0 : an[n]);
    re = next;
  }
  s.px -= length * re;
  s.py += length * im;
}

template <class T>
GT_INLINE void quadrupole_by(State<T>& s, const QuadrupoleOp& op, double length) {
  compose(
      op.order, op.slices,
      [&](double part, int) GT_LAMBDA { quadrupole_matrix(s, part * length, op.bn[1], op.an[1], op.halvings); },
      [&](double part) GT_LAMBDA {
        if (op.kicks) error_kick(s, 0.5 * part * length, op.bn, op.an, op.terms);
        if (op.exact) drift_remainder(s, part * length);
        if (op.kicks) error_kick(s, 0.5 * part * length, op.bn, op.an, op.terms);
      });
}

template <class T>
GT_INLINE void quadrupole(State<T>& s, const QuadrupoleOp& op, const Reference& ref) {
  quadrupole_by(s, op, op.length);
}

// Inverse: the splitting is symmetric, so it is the same over -length.
template <class T>
GT_INLINE void unquadrupole(State<T>& s, const QuadrupoleOp& op, const Reference& ref) {
  quadrupole_by(s, op, -op.length);
}
