// Functions of power series with algebraic derivatives. With E = sum of x d/dx, which multiplies terms of degree n by
// n, E f = f'(a) E a gives f degree by degree.
#pragma once
#include "series.h"

// f with E f = r, from its constant part: n f_n = r_n.
GT_APART Series integrated(const Series& r, const Number& value) {
  Series f;
  f.degrees = r.degrees | 1u;
  f.pure = r.pure;
  set_constant(f.c, value);
  for (int n = 1; n <= SERIES_ORDER; ++n)
    if (has(r, n)) each_of(r.pure, n, [&](int i) { f.c[i] = (1.0 / n) * r.c[i]; });
  return f;
}

GT_APART Series log(const Series& a) { return integrated(weighted(a, 1.0) / a, log(constant_of(a))); }
GT_APART Series log1p(const Series& a) { return integrated(weighted(a, 1.0) / (1.0 + a), log1p(constant_of(a))); }
GT_APART Series asinh(const Series& a) {
  return integrated(weighted(a, 1.0) / sqrt(1.0 + a * a), asinh(constant_of(a)));
}

// Angle of (x, y): E angle = (x E y - y E x)/(x^2 + y^2).
GT_APART Series atan2(const Series& y, const Series& x) {
  Series turn = x * weighted(y, 1.0), square = x * x;
  add_product(turn, y, weighted(x, 1.0), broadcast(-1.0));
  add_product(square, y, y, broadcast(1.0));
  return integrated(turn / square, atan2(constant_of(y), constant_of(x)));
}
