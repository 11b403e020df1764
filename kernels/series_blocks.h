// Products of two degrees where one thread has a map to itself: block by block, in the code that
// gputrack/backends/series_text.py writes for the space.
#pragma once
#include "series.h"

// c += factor delta^power b for the monomials of one degree of b.
GT_INLINE void add_shifted(const Number& factor, int power, const Series& b, int degree, Number* c) {
  for (int i = SERIES_FIRST[degree]; i < SERIES_FIRST[degree + 1]; ++i)
    c[SERIES_SHIFT[power][i]] += factor * b.c[i];
}

// c = sum of a_left b_right over the degrees of a at least `from`, for one degree of c.
GT_FUNCTION void product_of(const Series& a, const Series& b, int degree, int from, Number* c) {
  const Number zero = broadcast(0.0);
  each_of(a.pure && b.pure, degree, [&](int i) { c[i] = zero; });
  for (int d = from; d <= degree; ++d) {
    const int rest = degree - d;
    if (!has(a, d) || !has(b, rest)) continue;
    if (a.pure && b.pure)
      c[SERIES_POWER[degree]] += a.c[SERIES_POWER[d]] * b.c[SERIES_POWER[rest]];
    else if (a.pure)
      add_shifted(a.c[SERIES_POWER[d]], d, b, rest, c);
    else if (b.pure)
      add_shifted(b.c[SERIES_POWER[rest]], rest, a, d, c);
    else if (d == 0)
      each_of(false, degree, [&](int i) { c[i] += a.c[0] * b.c[i]; });
    else if (rest == 0)
      each_of(false, degree, [&](int i) { c[i] += b.c[0] * a.c[i]; });
    else
      add_block(d, rest, a.c, b.c, c);
  }
}
