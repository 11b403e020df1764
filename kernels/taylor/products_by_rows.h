// Products of one degree with one warp per map: each thread sums the rows that it owns, by the tables of terms that
// gputrack/backends/taylor/products_source.py generates for the space.
#pragma once
#include "series.h"

// Row `offset` of the product of the first factor, a series in delta alone of one degree, with one degree of the other.
GT_INLINE Number delta_part(const Number* power, const Series& full, int degree, int offset) {
  const int begin = SERIES_FIRST[degree], size = full.pure ? 1 : SERIES_FIRST[degree + 1] - begin;
  return offset < size ? power[0] * full.c[begin + offset] : 0.0;
}

// Contribution to row k of a degree of the terms with a left factor of degree d.
GT_INLINE Number row_part(const Series& a, const Series& b, int d, int degree, int k) {
  const Number *x = a.c, *y = b.c;
  const int rest = degree - d, offset = k - SERIES_FIRST[degree];
  if (a.pure) return delta_part(x + SERIES_FIRST[d], b, rest, offset);
  if (b.pure) return delta_part(y + SERIES_FIRST[rest], a, d, offset);
  if (d == 0) return x[0] * y[k];
  if (rest == 0) return x[k] * y[0];
  const int place = k * (SERIES_ORDER + 2) + d;
  Number sum = 0.0;
  for (int t = SERIES_STARTS[place]; t < SERIES_STARTS[place + 1]; ++t) sum += x[SERIES_LEFT[t]] * y[SERIES_RIGHT[t]];
  return sum;
}

GT_APART void add_pairs(const Series& a, const Series& b, int degree, unsigned pairs, const Number& factor, bool fresh,
                        bool pure, Number* c) {
  meet();
  each_of(pure, degree, [&](int k) {
    Number sum = 0.0;
    for (int d = 0; d <= degree; ++d)
      if (pairs >> d & 1u) sum += row_part(a, b, d, degree, k);
    c[k] = fresh ? factor * sum : c[k] + factor * sum;
  });
  meet();
}

// c += factor p a in place, for a series in delta alone by its coefficients.
GT_APART void add_powers(Series& c, const Number* p, const Series& a, const Number& factor) {
  if (c.pure && !a.pure) widen(c);
  meet();
  for (int d = 0; d <= SERIES_ORDER; ++d) {
    unsigned powers = 0;
    for (int power = 0; power <= d; ++power) powers |= (a.degrees >> (d - power) & 1u) << power;
    if (!powers) continue;
    const bool fresh = !has(c, d);
    each_of(c.pure, d, [&](int k) {
      Number sum = 0.0;
      for (int power = 0; power <= d; ++power)
        if (powers >> power & 1u) sum += delta_part(p + power, a, d - power, k - SERIES_FIRST[d]);
      c.c[k] = fresh ? factor * sum : c.c[k] + factor * sum;
    });
    c.degrees |= 1u << d;
  }
  meet();
}
