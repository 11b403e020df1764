// Twin of gputrack/base/special/bassetti_erskine.py.
#pragma once
#include "faddeeva.h"

GT_CONSTANT double ROUND = 1.5 * 1.5;
GT_CONSTANT double CUT = 36.0;
GT_CONSTANT double CORE = 6.0;  // largest exponent for which the shorter rule is accurate to 1e-14
// clang-format off
GT_CONSTANT double NODES[24] = {
    0.00240639000148932, 0.012635722014345251, 0.030862723998633622, 0.056792236497799485, 0.08999900701304854,
    0.12993790421072282, 0.17595317403151223, 0.22728926430558022, 0.2831032461869774, 0.3424786601519183,
    0.40444056626319186, 0.4679715535686972, 0.5320284464313028, 0.5955594337368082, 0.6575213398480817,
    0.7168967538130225, 0.7727107356944197, 0.8240468259684878, 0.8700620957892772, 0.9100009929869515,
    0.9432077635022005, 0.9691372760013663, 0.9873642779856547, 0.9975936099985107};
GT_CONSTANT double GAUSS[24] = {
    0.0061706148999936, 0.014265694314466832, 0.022138719408709904, 0.02964929245771839, 0.03667324070554015,
    0.04309508076597664, 0.04880932605205694, 0.05372213505798282, 0.0577528340268628, 0.060835236463901696,
    0.06291872817341415, 0.06396909767337608, 0.06396909767337608, 0.06291872817341415, 0.060835236463901696,
    0.0577528340268628, 0.05372213505798282, 0.04880932605205694, 0.04309508076597664, 0.03667324070554015,
    0.02964929245771839, 0.022138719408709904, 0.014265694314466832, 0.0061706148999936};
GT_CONSTANT double CORE_NODES[14] = {
    0.006858095651593831, 0.03578255816821324, 0.0863993424651175, 0.15635354759415726, 0.24237568182092295,
    0.3404438155360551, 0.44597252564632817, 0.5540274743536718, 0.6595561844639449, 0.757624318179077,
    0.8436464524058427, 0.9136006575348825, 0.9642174418317867, 0.9931419043484062};
GT_CONSTANT double CORE_GAUSS[14] = {
    0.01755973016587593, 0.040079043579880104, 0.06075928534395159, 0.07860158357909677, 0.09276919873896891,
    0.1025992318606478, 0.1076319267315789, 0.1076319267315789, 0.1025992318606478, 0.09276919873896891,
    0.07860158357909677, 0.06075928534395159, 0.040079043579880104, 0.01755973016587593};
// clang-format on

template <class T>
struct GaussianField {
  T x, y, xx, yy;
};

template <class T>
GT_INLINE GaussianField<T> choose(unsigned lanes, const GaussianField<T>& a, const GaussianField<T>& b) {
  return {choose(lanes, a.x, b.x), choose(lanes, a.y, b.y), choose(lanes, a.xx, b.xx), choose(lanes, a.yy, b.yy)};
}

// Gauss-Legendre rule up to u = reach, a number without derivatives.
template <int N, class T, class V>
GT_APART GaussianField<T> by_rule(const double (&nodes)[N], const double (&weights)[N], const V& reach, const T& x,
                                  const T& y, const T& a, const T& b) {
  const T sx = sqrt(a), sy = sqrt(b);
  const T p = sqrt(sx / sy);
  const T inverse = 1.0 / (0.5 * sqrt(sx * sy) * (sx + sy));
  const T x2 = x * x, y2 = y * y, rise = p - 1.0, fall = 1.0 / p - 1.0;
  T x1 = 0.0 * x, y1 = x1, xx = x1, yy = x1;
  for (int i = 0; i < N; ++i) {
    const V u = reach * nodes[i];
    const T h = 1.0 + u * rise, k = 1.0 + u * fall;
    const T over = 1.0 / (h * k);
    T fx = k * over, fy = h * over;
    fx = fx * fx;
    fy = fy * fy;
    const T m = 0.5 * u * ((h + k) * inverse);
    const T tx = m * fx * x2, ty = m * fy * y2;
    const T share = decay(0.5 * (tx + ty)) * (weights[i] * reach);
    fx = share * fx;
    fy = share * fy;
    x1 += fx;
    y1 += fy;
    xx += fx * (1.0 - tx);
    yy += fy * (1.0 - ty);
  }
  return {x * (x1 * inverse), y * (y1 * inverse), xx * inverse, yy * inverse};
}

template <class T>
GT_INLINE GaussianField<T> nearly_round(const T x, const T y, const T a, const T b) {
  const auto u = value_of(x), v = value_of(y);
  const auto lowest = 0.5 * (u * u + v * v) / larger(value_of(a), value_of(b));
  const unsigned core = less_equal(lowest, CORE);
  const auto one = 1.0 + 0.0 * lowest;
  if (core == ALL_LANES) return by_rule(CORE_NODES, CORE_GAUSS, one, x, y, a, b);
  const auto reach = CUT / larger(lowest, CUT * one);
  const GaussianField<T> all = by_rule(NODES, GAUSS, reach, x, y, a, b);
  return core == 0u ? all : choose(core, by_rule(CORE_NODES, CORE_GAUSS, one, x, y, a, b), all);
}

// For a > b.
template <class T>
GT_APART GaussianField<T> wide(const T x, const T y, const T a, const T b) {
  const auto sign = sign_of(value_of(y));
  const T up = sign * y;
  const T inverse = 1.0 / (a - b);
  const T scale = sqrt(0.5 * inverse), root = 1.0 / sqrt(a * b);
  const T k = b * root, over_k = a * root;
  const T e = decay(0.5 * root * (x * x * k + y * y * over_k));
  const Pair<T> outer = faddeeva(T(scale * x), T(scale * up)), inner = faddeeva(T(scale * k * x), T(scale * over_k * up));
  const T factor = (2.0 * ROOT_PI) * scale;
  const T fx = factor * (outer.im - e * inner.im), fy = sign * (factor * (outer.re - e * inner.re));
  const T density = 2.0 * root * e;
  const T xx = (2.0 - x * fx - y * fy - b * density) * inverse;
  return {fx, fy, xx, density - xx};
}

template <class T>
GT_INLINE GaussianField<T> elliptic(const T& x, const T& y, const T& a, const T& b) {
  const unsigned tall = less_equal(value_of(a), value_of(b));
  if (tall == 0u) return wide(x, y, a, b);
  const GaussianField<T> f =
      tall == ALL_LANES ? wide(y, x, b, a)
                        : wide(choose(tall, y, x), choose(tall, x, y), choose(tall, b, a), choose(tall, a, b));
  const GaussianField<T> turned = {f.y, f.x, f.yy, f.xx};
  return tall == ALL_LANES ? turned : choose(tall, turned, f);
}

// The branch of each lane does not depend on other lanes.
template <class T>
GT_APART GaussianField<T> gaussian_field(const T x, const T y, const T a, const T b) {
  const auto u = value_of(a), v = value_of(b);
  const unsigned near = less_equal(u, ROUND * v) & less_equal(v, ROUND * u);
  if (near == ALL_LANES) return nearly_round(x, y, a, b);
  if (near == 0u) return elliptic(x, y, a, b);
  return choose(near, nearly_round(x, y, a, b), elliptic(x, y, a, b));
}
