// Twin of gputrack/collective/pipe_modes.py: the field of all particles in a rectangular pipe, by sine modes. This file
// has the part of one particle: its waves, the kick by all modes, and the adjoint of the kick. Sums over particles are
// in host/pipe_modes.h and cuda/pipe_modes.h. No array of particles times modes is stored.
#pragma once

#include "../program/losses.h"

#ifndef GT_HORIZONTAL
#define GT_HORIZONTAL 12  // modes, rounded up; kernels are compiled for each pair of numbers
#endif
#ifndef GT_VERTICAL
#define GT_VERTICAL 12
#endif

constexpr int ROWS = 4;  // modes in each plane are rounded up to multiples of this; additional ones have no potential
constexpr int NX = GT_HORIZONTAL, NY = GT_VERTICAL, MODES = NX * NY;

// clang-format off
GT_CONSTANT double COSINE_PI[9] = {  // the first neglected term is below 4e-18
    1.0, -4.9348022005446767705, 4.0587121264164972735, -1.3352627688434558612, 0.23533063012967061179,
    -0.025806888738177580681, 0.0019295562780374169402, -0.000104566567061745839, 4.1495780270571204254e-6};
GT_CONSTANT double SINE_PI[9] = {  // below 2e-18
    -6.2831853071795864756, 10.335425560099939216, -5.1003280797546010311, 1.1985290586378919925,
    -0.16429177314624711122, 0.014740861012186451375, -0.00093259963404617630062, 0.000043806998251038424637,
    -1.5395694551180568885e-6};
// clang-format on

// Nearest whole number, for numbers below 2^51.
template <class N>
GT_INLINE N nearest(const N& t) {
  const double big = 6755399441055744.0;  // 1.5 2^52: sums with it are rounded to integers
  return (t + big) - big;
}

// s = sin, t = 2 cos(pi (p + 1/2)) for any p, by Chebyshev series of cos(pi p) and -2 sin(pi p)/p in p^2 up to 1/4.
template <class N>
GT_INLINE void first_wave(const N& p, N& s, N& t) {
  N rest = p, sign = broadcast(1.0);
  if (!all_below(p * p, 0.25)) {  // outside the pipe
    const N whole = nearest(p), half = whole * 0.5, odd = half - nearest(half);  // 0 or +-1/2
    sign = 1.0 - odd * odd * 8.0;
    rest = p - whole;
  }
  const N u = rest * rest;
  s = sign * horner(COSINE_PI, u);
  t = sign * rest * horner(SINE_PI, u);
}

// Multiples of an angle, by sin((k+j) u) = 2 cos(j u) sin(k u) - sin((k-j) u) with k = j or j + 1, and likewise for
// cosines: errors double with the angle, unlike those of the recurrence from one multiple to the next.
// Arrays are pointers, or types with their own stride.

// t_j = 2 cos(j u) for j = 1 to count. The latest values are held in registers, since loading them again is slow.
template <class N, class T>
GT_INLINE void cosines(int count, const N& t1, T t) {
  N own = t1;
  t[0] = t1;
  for (int j = 1; 2 * j <= count; ++j) {
    t[2 * j - 1] = own * own - 2.0;
    const N next = t[j];
    if (2 * j < count) t[2 * j] = own * next - t1;
    own = next;
  }
}

// s_j = f sin(j u), from f sin(u), for an even count, given half as many cosines.
template <class N, class T, class S>
GT_INLINE void sines(int count, const N& s1, T t, S s) {
  N own = s1;
  s[0] = s1;
  for (int j = 1; 2 * j < count; ++j) {
    const N twice = t[j - 1];
    s[2 * j - 1] = twice * own;
    own = s[j];
    s[2 * j] = twice * own - s1;
  }
  s[count - 1] = t[count / 2 - 1] * own;
}

// r_j = f 2 cos(j u), likewise.
template <class N, class T, class R>
GT_INLINE void scaled_cosines(int count, const N& f, T t, R r) {
  const N r1 = f * t[0], twice = f + f;
  N own = r1;
  r[0] = r1;
  for (int j = 1; 2 * j < count; ++j) {
    const N factor = t[j - 1];
    r[2 * j - 1] = factor * own - twice;
    own = r[j];
    r[2 * j] = factor * own - r1;
  }
  r[count - 1] = t[count / 2 - 1] * own - twice;
}

// Sines and twice the cosines of all modes in one plane: `sines` and `cosines` in one loop.
template <class N, class S, class T>
GT_INLINE void waves(const N& position, double inverse_width, int count, S s, T t) {
  N s1, t1;
  first_wave(position * inverse_width, s1, t1);
  N sine = s1, cosine = t1;
  s[0] = s1;
  t[0] = t1;
  for (int j = 1; 2 * j < count; ++j) {
    t[2 * j - 1] = cosine * cosine - 2.0;
    s[2 * j - 1] = cosine * sine;
    const N factor = cosine;
    cosine = t[j];
    sine = s[j];
    t[2 * j] = factor * cosine - t1;
    s[2 * j] = factor * sine - s1;
  }
  t[count - 1] = cosine * cosine - 2.0;
  s[count - 1] = cosine * sine;
}

// The gradient fx, fy of the potential for PACKS particles (or packs of them), with consecutive waves:
// fx = sum t_l T0_lm s_m, fy = sum s_l T1_lm t_m. The table has T0 = alpha phi/2 and T1 = phi beta/2, side by side.
// TOGETHER rows of the table are gathered at once, in registers.
template <int PACKS, int TOGETHER>
GT_INLINE void gather(const double* table, const Number* sx, const Number* tx, const Number* sy, const Number* ty,
                      Number* fx, Number* fy) {
  Number x[PACKS], y[PACKS];
  GT_UNROLL for (int i = 0; i < PACKS; ++i) x[i] = y[i] = broadcast(0.0);
  for (int l = 0; l < NX; l += TOGETHER) {
    Number a[TOGETHER][PACKS], b[TOGETHER][PACKS];
    GT_UNROLL for (int k = 0; k < TOGETHER; ++k)
      GT_UNROLL for (int i = 0; i < PACKS; ++i) a[k][i] = b[k][i] = broadcast(0.0);
    const double* row = table + 2 * l * NY;
    for (int m = 0; m < NY; ++m)
      GT_UNROLL for (int k = 0; k < TOGETHER; ++k) {
        const double t0 = row[2 * (k * NY + m)], t1 = row[2 * (k * NY + m) + 1];
        GT_UNROLL for (int i = 0; i < PACKS; ++i) {
          a[k][i] += sy[i * NY + m] * t0;
          b[k][i] += ty[i * NY + m] * t1;
        }
      }
    GT_UNROLL for (int k = 0; k < TOGETHER; ++k)
      GT_UNROLL for (int i = 0; i < PACKS; ++i) {
        x[i] += tx[i * NX + l + k] * a[k][i];
        y[i] += sx[i * NX + l + k] * b[k][i];
      }
  }
  GT_UNROLL for (int i = 0; i < PACKS; ++i) {
    fx[i] = x[i];
    fy[i] = y[i];
  }
}

// Sums of the adjoint for one particle.
struct PipeSums {
  Number fx, fy;      // the gradient of phi, as from `gather`
  Number xx, xy, yy;  // its second derivatives, except for the signs of xx and yy
  Number rx, ry;      // the gradient of r, computed as that of phi
};

// The same with the table alpha phi/2, phi beta/2, phi beta^2, alpha r/2, r beta/2, 0.
template <int PACKS>
GT_INLINE void gather_adjoint(const double* kx, const double* table, const Number* sx, const Number* tx,
                              const Number* sy, const Number* ty, PipeSums* sums) {
  constexpr int HALF = ROWS / 2;
  const Number zero = broadcast(0.0);
  GT_UNROLL for (int i = 0; i < PACKS; ++i) sums[i] = {zero, zero, zero, zero, zero, zero, zero};
  for (int l = 0; l < NX; l += HALF) {
    Number a[HALF][PACKS], b[HALF][PACKS], d[HALF][PACKS], e[HALF][PACKS], f[HALF][PACKS];
    GT_UNROLL for (int k = 0; k < HALF; ++k)
      GT_UNROLL for (int i = 0; i < PACKS; ++i) a[k][i] = b[k][i] = d[k][i] = e[k][i] = f[k][i] = zero;
    const double* row = table + 6 * l * NY;
    for (int m = 0; m < NY; ++m)
      GT_UNROLL for (int k = 0; k < HALF; ++k) {
        const double* const entry = row + 6 * (k * NY + m);
        GT_UNROLL for (int i = 0; i < PACKS; ++i) {
          a[k][i] += sy[i * NY + m] * entry[0];
          b[k][i] += ty[i * NY + m] * entry[1];
          d[k][i] += sy[i * NY + m] * entry[2];
          e[k][i] += sy[i * NY + m] * entry[3];
          f[k][i] += ty[i * NY + m] * entry[4];
        }
      }
    GT_UNROLL for (int k = 0; k < HALF; ++k)
      GT_UNROLL for (int i = 0; i < PACKS; ++i) {
        const Number s = sx[i * NX + l + k], t = tx[i * NX + l + k];
        sums[i].fx += t * a[k][i];
        sums[i].fy += s * b[k][i];
        sums[i].xx += s * a[k][i] * (2.0 * kx[l + k]);
        sums[i].xy += t * b[k][i] * (0.5 * kx[l + k]);
        sums[i].yy += s * d[k][i];
        sums[i].rx += t * e[k][i];
        sums[i].ry += s * f[k][i];
      }
  }
}

// Adjoint of a kick for one particle, which also undoes the kick; the bars p, q of px, py are unchanged.
GT_INLINE void pull_kick(const PipeSums& sums, double strength, const Number& share, const Number& p, const Number& q,
                         Number& px, Number& py, Number& x_bar, Number& y_bar) {
  px += sums.fx * strength;
  py += sums.fy * strength;
  x_bar += share * sums.rx - (q * sums.xy - p * sums.xx) * strength;
  y_bar += share * sums.ry - (p * sums.xy - q * sums.yy) * strength;
}
