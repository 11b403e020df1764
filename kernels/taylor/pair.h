// Complex power series as pairs of real ones: functions by recurrences from their values at the constant parts, by
// numbers/pair.h.
#pragma once
#include "../numbers/pair.h"
#include "logarithms.h"

GT_INLINE Pair<Number> constant_of(const Pair<Series>& z) { return {constant_of(z.re), constant_of(z.im)}; }
GT_INLINE Pair<Series> weighted(const Pair<Series>& z) { return {weighted(z.re, 1.0), weighted(z.im, 1.0)}; }
GT_INLINE Pair<Series> integrated(const Pair<Series>& r, const Pair<Number>& value) {
  return {integrated(r.re, value.re), integrated(r.im, value.im)};
}

// t_n of the real part (sign -1) or the imaginary part (sign 1) of a product of pairs, from degrees of a at least
// `from`.
GT_FUNCTION void pair_product_of(const Series& a, const Series& b, const Series& c, const Series& d, double sign, int n,
                                 int from, Series& t, Series& u) {
  product_of(a, b, n, from, t.c);
  product_of(c, d, n, from, u.c);
  each_of(false, n, [&](int i) { t.c[i] = t.c[i] + sign * u.c[i]; });
}

// A constant with memory for all monomials.
GT_INLINE Series wide(const Number& value) {
  Series r = value;
  r.pure = false;
  return r;
}
GT_INLINE Number coefficient(const Series& a, int degree, int i) { return stores(a, degree, i) ? a.c[i] : broadcast(0.0); }

// f = sqrt(z) from its constant part: 2 f_0 f_n = z_n - sum of f_i f_{n-i} over i other than 0 and n.
GT_APART Pair<Series> square_root_from(const Pair<Series>& z, const Pair<Number>& value) {
  Pair<Series> f = {wide(value.re), wide(value.im)};
  Series re = wide(value.re), im = re, u = re;
  const Pair<Number> half = 0.5 * reciprocal(value);
  for (int n = 1; n <= SERIES_ORDER; ++n) {
    pair_product_of(f.re, f.re, f.im, f.im, -1.0, n, 1, re, u);
    product_of(f.re, f.im, n, 1, im.c);
    each_of(false, n, [&](int i) {
      const Pair<Number> rest = {coefficient(z.re, n, i) - re.c[i], coefficient(z.im, n, i) - 2.0 * im.c[i]};
      const Pair<Number> own = half * rest;
      f.re.c[i] = own.re;
      f.im.c[i] = own.im;
    });
    f.re.degrees |= 1u << n;
    f.im.degrees |= 1u << n;
  }
  return f;
}

GT_INLINE Pair<Series> square_root(const Pair<Series>& z) { return square_root_from(z, square_root(constant_of(z))); }
GT_INLINE Pair<Series> logarithm(const Pair<Series>& z) {
  return integrated(weighted(z) / z, logarithm(constant_of(z)));
}
GT_INLINE Pair<Series> unit_root(const Pair<Series>& z) {
  Series square = z.im * z.im;
  add_product(square, z.re, z.re, broadcast(-1.0));
  return square_root_from({1.0 + square, -2.0 * (z.re * z.im)}, unit_root(constant_of(z)));
}
GT_INLINE Pair<Series> arcsine(const Pair<Series>& z) {
  return integrated(weighted(z) / unit_root(z), arcsine(constant_of(z)));
}
