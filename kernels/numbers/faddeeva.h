// Twin of gputrack/base/special/faddeeva.py.
#pragma once
#include "pair.h"

// clang-format off
GT_CONSTANT double ASYMPTOTIC[14] = {
    1.0, 0.5, 0.75, 1.875, 6.5625, 29.53125, 162.421875, 1055.7421875, 7918.06640625, 67303.564453125,
    639383.8623046875, 6713530.554199219, 77205601.37329102, 965070017.1661377};
GT_CONSTANT double SCALE = 5.045378491522287;
GT_CONSTANT double WEIDEMAN[36] = {
    2.74074502740986, 2.445378492851921, 2.0193976436113505, 1.5401625788153652, 1.0813580371765887,
    0.6956621918971001, 0.4073424189503342, 0.215016363201074, 0.10084293371847962, 0.04105104301657706,
    0.013898253763251461, 0.003548444708699557, 0.00046290316939981625, -0.00011396630644463288,
    -8.817797141863538e-05, -2.1741186565527042e-05, 1.418705847874255e-06, 2.7654086657435465e-06,
    6.741655663822072e-07, -1.2894842920245908e-07, -1.130315719425847e-07, -1.0962277865590425e-08,
    1.1883887267366126e-08, 3.773443123698575e-09, -9.09223835036384e-10, -6.634847173398878e-10,
    3.1971919451129795e-11, 9.939318013576685e-11, 6.346271847688187e-12, -1.4312519349833842e-11,
    -2.1170683482392894e-12, 2.0980449880972998e-12, 4.4316182852004185e-13, -3.2388620880973164e-13,
    -8.046291993603674e-14, 5.356399489824168e-14};
// clang-format on
GT_CONSTANT double FAR = 64.0;  // |z|^2
GT_CONSTANT double ROOT_PI = 1.7724538509055159;

template <int N, class T>
GT_INLINE Pair<T> pair_horner(const double (&coefficients)[N], const Pair<T>& z) {
  Pair<T> total = {coefficients[N - 1] * z.re + coefficients[N - 2], coefficients[N - 1] * z.im};
  for (int i = N - 3; i >= 0; --i) {
    total = total * z;
    total.re = total.re + coefficients[i];
  }
  return total;
}

// With r = 1/(L - i z) and Z = (L + i z) r: r/sqrt(pi) + 2 r^2 (a_1 + a_2 Z + ...).
template <class T>
GT_APART Pair<T> weideman(const T& x, const T& y) {
  const T down = SCALE + y, up = SCALE - y;
  const T inverse = 1.0 / (down * down + x * x);
  const Pair<T> r = {down * inverse, x * inverse};
  const Pair<T> tail = (r * r) * pair_horner(WEIDEMAN, Pair<T>{up, x} * r);
  return {(1.0 / ROOT_PI) * r.re + 2.0 * tail.re, (1.0 / ROOT_PI) * r.im + 2.0 * tail.im};
}

// i/(sqrt(pi) z) P(1/z^2).
template <class T>
GT_APART Pair<T> asymptotic(const T& x, const T& y) {
  const T inverse = 1.0 / (x * x + y * y);
  const Pair<T> r = {x * inverse, -(y * inverse)};
  const Pair<T> w = r * pair_horner(ASYMPTOTIC, r * r);
  return {(-1.0 / ROOT_PI) * w.im, (1.0 / ROOT_PI) * w.re};
}

// w(x + i y) for y >= 0. The branch of each lane does not depend on other lanes.
template <class T>
GT_INLINE Pair<T> faddeeva(const T x, const T y) {
  const auto u = value_of(x), v = value_of(y);
  const unsigned near = less_equal(u * u + v * v, FAR);
  if (near == ALL_LANES) return weideman(x, y);
  if (near == 0u) return asymptotic(x, y);
  return choose(near, weideman(x, y), asymptotic(x, y));
}

// w' = -2 z w + 2i/sqrt(pi).
template <class T>
GT_INLINE Pair<Dual<T>> faddeeva(const Dual<T> x, const Dual<T> y) {
  const Pair<T> w = faddeeva(x.value, y.value), product = Pair<T>{x.value, y.value} * w;
  return with_rate(w, {-2.0 * product.re, 2.0 / ROOT_PI - 2.0 * product.im}, Pair<Dual<T>>{x, y});
}
