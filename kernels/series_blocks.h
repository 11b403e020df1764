// Products of one degree where one thread has a map to itself: those with series in delta alone and with constant parts
// as runs of coefficients, the others in the code that gputrack/backends/series_text.py writes for the space.
#pragma once
#include "series.h"

// c += f a for n coefficients, the first ones of a degree with `size`; c = f a where it has none of that degree yet.
GT_INLINE void add_run(const Number& f, const Number* a, int n, Number* c, int size, bool fresh) {
  if (!fresh) {
    for (int i = 0; i < n; ++i) c[i] += f * a[i];
    return;
  }
  for (int i = 0; i < n; ++i) c[i] = f * a[i];
  const Number zero = broadcast(0.0);
  for (int i = n; i < size; ++i) c[i] = zero;
}

// Delta times the monomials of one degree are the first ones of the next.
GT_INLINE void add_delta_pairs(const Series& powers, const Series& full, int degree, unsigned pairs, double factor,
                               bool fresh, Number* c) {
  const int size = SERIES_FIRST[degree + 1] - SERIES_FIRST[degree];
  for (int d = 0; d <= degree; ++d) {
    if (!(pairs >> d & 1u)) continue;
    const int begin = SERIES_FIRST[degree - d], end = SERIES_FIRST[degree - d + 1];
    add_run(factor * powers.c[SERIES_FIRST[d]], full.c + begin, end - begin, c, size, fresh);
    fresh = false;
  }
}

GT_FUNCTION void add_pairs(const Series& a, const Series& b, int degree, unsigned pairs, double factor, bool fresh,
                           bool pure, Number* c) {
  const int first = SERIES_FIRST[degree], size = SERIES_FIRST[degree + 1] - first;
  if (a.pure && b.pure) {
    Number sum = broadcast(0.0);
    for (int d = 0; d <= degree; ++d)
      if (pairs >> d & 1u) sum += a.c[SERIES_FIRST[d]] * b.c[SERIES_FIRST[degree - d]];
    return add_run(broadcast(factor), &sum, 1, c + first, pure ? 1 : size, fresh);
  }
  if (a.pure) return add_delta_pairs(a, b, degree, pairs, factor, fresh, c + first);
  if (b.pure) {
    unsigned turned = 0;
    for (int d = 0; d <= degree; ++d) turned |= (pairs >> (degree - d) & 1u) << d;
    return add_delta_pairs(b, a, degree, turned, factor, fresh, c + first);
  }
  if (pairs & 1u) {
    add_run(factor * a.c[0], b.c + first, size, c + first, size, fresh);
    fresh = false;
  }
  if (degree > 0 && pairs >> degree & 1u) {
    add_run(factor * b.c[0], a.c + first, size, c + first, size, fresh);
    fresh = false;
  }
  pairs &= ~1u & ((1u << degree) - 1u);
  if (!pairs) return;
  if (&a == &b)
    add_squares(degree, pairs, factor, fresh, a.c, a.c, c);
  else
    add_sums(degree, pairs, factor, fresh, a.c, b.c, c);
}
