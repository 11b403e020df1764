// Functions that stay accurate and smooth where the textbook form is 0/0; twin of gputrack/base/special/smooth.py.
#pragma once
#include "../target.h"

// Cotangents of numbers of type T in the adjoints. They are only added, and multiplied by functions of the state:
// cotangents of power series are functionals, for which no other products with series are defined.
template <class T>
struct CotangentOf {
  using type = T;
};
template <class T>
using Cotangent = typename CotangentOf<T>::type;

// Number that selects between branches: the value without derivatives.
GT_INLINE double value_of(double a) { return a; }
template <class T>
GT_INLINE T value_of(const T& a) {
  return a;
}

// clang-format off
GT_CONSTANT double COSINE[11] = {
    1.0, -1.0 / 2.0, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40320.0, -1.0 / 3628800.0, 1.0 / 479001600.0,
    -1.0 / 87178291200.0, 1.0 / 20922789888000.0, -1.0 / 6402373705728000.0, 1.0 / 2432902008176640000.0};
GT_CONSTANT double SINE[11] = {
    1.0, -1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362880.0, -1.0 / 39916800.0, 1.0 / 6227020800.0,
    -1.0 / 1307674368000.0, 1.0 / 355687428096000.0, -1.0 / 121645100408832000.0, 1.0 / 51090942171709440000.0};
GT_CONSTANT double COSINE_GAP[11] = {
    1.0 / 2.0, -1.0 / 24.0, 1.0 / 720.0, -1.0 / 40320.0, 1.0 / 3628800.0, -1.0 / 479001600.0,
    1.0 / 87178291200.0, -1.0 / 20922789888000.0, 1.0 / 6402373705728000.0, -1.0 / 2432902008176640000.0,
    1.0 / 1124000727777607680000.0};
GT_CONSTANT double SINE_GAP[11] = {
    1.0 / 6.0, -1.0 / 120.0, 1.0 / 5040.0, -1.0 / 362880.0, 1.0 / 39916800.0, -1.0 / 6227020800.0,
    1.0 / 1307674368000.0, -1.0 / 355687428096000.0, 1.0 / 121645100408832000.0, -1.0 / 51090942171709440000.0,
    1.0 / 25852016738884976640000.0};
GT_CONSTANT double ARCTANGENT[12] = {
    1.0, -1.0 / 3.0, 1.0 / 5.0, -1.0 / 7.0, 1.0 / 9.0, -1.0 / 11.0, 1.0 / 13.0, -1.0 / 15.0, 1.0 / 17.0,
    -1.0 / 19.0, 1.0 / 21.0, -1.0 / 23.0};
// clang-format on

// Polynomial with the given coefficients, lowest first.
template <int N, class T>
GT_INLINE T horner(const double (&coefficients)[N], const T& u) {
  T total = coefficients[N - 1] * u + coefficients[N - 2];
  GT_UNROLL for (int i = N - 3; i >= 0; --i) total = total * u + coefficients[i];
  return total;
}

// Derivative of that polynomial.
template <int N, class T>
GT_INLINE T horner_derivative(const double (&coefficients)[N], const T& u) {
  T total = ((N - 1) * coefficients[N - 1]) * u + (N - 2) * coefficients[N - 2];
  GT_UNROLL for (int i = N - 3; i >= 1; --i) total = total * u + i * coefficients[i];
  return total;
}

// Whether all terms with a constant vanish, including derivatives.
GT_INLINE bool vanishes(double a) { return a == 0.0; }

GT_INLINE double power_of(double base, int exponent) {
  double r = 1.0;
  for (int i = 0; i < exponent; ++i) r *= base;
  return r;
}

// cos(sqrt u) and sin(sqrt u)/sqrt u; for u < 0 the hyperbolic functions.
template <class T>
GT_INLINE void cos_sinc(const T& u, int halvings, T& c, T& s) {
  T v = u * power_of(0.25, halvings);
  c = horner(COSINE, v);
  s = horner(SINE, v);
  for (int i = 0; i < halvings; ++i) {
    s = c * s;
    c = 2.0 * c * c - 1.0;
  }
}

// atan(t)/t as a function of v = t^2.
template <class T>
GT_INLINE T arctan_ratio(T v, int halvings) {
  double scale = 1.0;
  T product = broadcast(1.0);
  for (int i = 0; i < halvings; ++i) {
    T r = 1.0 / (1.0 + sqrt(1.0 + v));
    product = product * r;
    scale *= 2.0;
    v = v * r * r;
  }
  return scale * product * horner(ARCTANGENT, v);
}

// Coefficients of (1 - u)^(-1/2) - 1 = u (1/2 + 3/8 u + ...): up to SMALL_ANGLE the first neglected term is below
// 1e-17. Without square root and division, if all particles are within 62 mrad of the axis, drifts are three times
// faster.
GT_CONSTANT double SLOPE[6] = {1.0 / 2.0,    3.0 / 8.0,    5.0 / 16.0,
                               35.0 / 128.0, 63.0 / 256.0, 231.0 / 1024.0};
GT_CONSTANT double SLOPE_REMAINDER[5] = {3.0 / 8.0, 5.0 / 16.0, 35.0 / 128.0, 63.0 / 256.0, 231.0 / 1024.0};
GT_CONSTANT double SMALL_ANGLE = 1.0 / 256.0;

// The branch of each lane does not depend on other lanes, nor does a particle's result on its neighbours.
template <class T>
GT_OUT_OF_LINE T slope_excess_large(const T u) {
  T q = sqrt(1.0 - u);
  return choose(less_equal(u, SMALL_ANGLE), u * horner(SLOPE, u), u / (q * (1.0 + q)));
}

template <class T>
GT_OUT_OF_LINE T slope_excess_remainder_large(const T u) {
  T q = sqrt(1.0 - u);
  T both = 1.0 + q;
  return choose(less_equal(u, SMALL_ANGLE), u * u * horner(SLOPE_REMAINDER, u),
                0.5 * u * u * (1.0 + both) / (q * both * both));
}

// (1 - u)^(-1/2) - 1
template <class T>
GT_INLINE T slope_excess(const T& u) {
  if (all_below(u, SMALL_ANGLE)) return u * horner(SLOPE, u);
  return slope_excess_large(u);
}

// (1 - u)^(-1/2) - 1 - u/2
template <class T>
GT_INLINE T slope_excess_remainder(const T& u) {
  if (all_below(u, SMALL_ANGLE)) return u * u * horner(SLOPE_REMAINDER, u);
  return slope_excess_remainder_large(u);
}

// Derivative of slope_excess, from its value: (1 - u)^(-3/2) / 2.
template <class T>
GT_INLINE T slope_rate(const T& w) {
  T root = 1.0 + w;
  return 0.5 * root * root * root;
}

// Derivative of slope_excess_remainder, from w = slope_excess: that of slope_excess less 1/2, without cancellation.
template <class T>
GT_INLINE T slope_rate_remainder(const T& w) {
  return 0.5 * w * (3.0 + w * (3.0 + w));
}
