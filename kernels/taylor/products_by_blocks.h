// Products of one degree with one thread per map: those with series in delta alone and with constant parts by
// contiguous coefficients, the others by the code that gputrack/backends/taylor/products_source.py generates for the
// space.
#pragma once
#include "../tpsa/sums.h"
#include "series.h"

// Access to coefficients for sums of products that are added to rows, times a factor; or assigned if `fresh`.
struct Accumulation {
  typedef Number Value;
  typedef const Number* Factors;
  typedef Number* Results;
  const Number& factor;
  bool fresh;
  GT_INLINE const Number& load(const Number* c, int row) const { return c[row]; }
  GT_INLINE Number zero() const { return broadcast(0.0); }
  GT_INLINE void add_product(Number& sum, const Number& a, const Number& b) const { sum += a * b; }
};

template <class... V>
GT_INLINE void finish(const Accumulation& at, Number* out, int first, const V&... sums) {
  if (at.fresh)
    ((out[first++] = at.factor * sums), ...);
  else
    ((out[first++] += at.factor * sums), ...);
}

// c += f a for n coefficients, the first ones of a degree with `size`; c = f a if c has none of that degree yet.
GT_INLINE void add_run(const Number& f, const Number* a, int n, Number* c, int size, bool fresh) {
  if (!fresh) {
    for (int i = 0; i < n; ++i) c[i] += f * a[i];
    return;
  }
  for (int i = 0; i < n; ++i) c[i] = f * a[i];
  const Number zero = broadcast(0.0);
  for (int i = n; i < size; ++i) c[i] = zero;
}

// Places of consecutively stored coefficients of powers of delta.
struct Counting {
  int at[SERIES_ORDER + 1];
  constexpr Counting() : at() {
    for (int d = 0; d <= SERIES_ORDER; ++d) at[d] = d;
  }
};
static constexpr Counting COUNTING;

// c_i += sum of f_n a_n,i, or c_i = that sum, for `from` <= i < `to`.
template <int N>
GT_INLINE void add_runs(const Number* f, const Number* const* a, int from, int to, Number* c, bool fresh) {
  for (int i = from; i < to; ++i) {
    Number sum = fresh ? f[0] * a[0][i] : c[i] + f[0] * a[0][i];
    GT_UNROLL for (int n = 1; n < N; ++n) sum += f[n] * a[n][i];
    c[i] = sum;
  }
}

// Series times those in delta alone, for one degree: delta times the monomials of one degree are the first ones of the
// next. powers[places[d]] is the coefficient of delta^d. For many maps side by side, results are held in registers for
// a few powers of delta, the longest ranges first; for one map, vectors of coefficients are filled one power at a time.
GT_INLINE void add_delta_pairs(const Number* powers, const int* places, const Number* full, int degree, unsigned pairs,
                               const Number& factor, bool fresh, Number* c) {
  const int size = SERIES_FIRST[degree + 1] - SERIES_FIRST[degree];
  int d = 0;
  while (pairs >> d) {
    constexpr int MOST = LANES > 1 ? 4 : 1;
    Number f[MOST];
    const Number* a[MOST];
    int length[MOST], count = 0;
    for (; pairs >> d && count < MOST; ++d) {
      if (!(pairs >> d & 1u)) continue;
      const int begin = SERIES_FIRST[degree - d];
      f[count] = factor * powers[places[d]];
      a[count] = full + begin;
      length[count++] = SERIES_FIRST[degree - d + 1] - begin;
    }
    int from = 0;
    if (count == 4) add_runs<MOST>(f, a, from, length[3], c, fresh), from = length[3];
    if (count >= 3) add_runs<MOST < 3 ? MOST : 3>(f, a, from, length[2], c, fresh), from = length[2];
    if (count >= 2) add_runs<MOST < 2 ? MOST : 2>(f, a, from, length[1], c, fresh), from = length[1];
    add_runs<1>(f, a, from, length[0], c, fresh);
    const Number zero = broadcast(0.0);
    if (fresh)
      for (int i = length[0]; i < size; ++i) c[i] = zero;
    fresh = false;
  }
}

GT_FUNCTION void add_pairs(const Series& a, const Series& b, int degree, unsigned pairs, const Number& factor,
                           bool fresh, bool pure, Number* c) {
  const int first = SERIES_FIRST[degree], size = SERIES_FIRST[degree + 1] - first;
  if (a.pure && b.pure) {
    Number sum = broadcast(0.0);
    for (int d = 0; d <= degree; ++d)
      if (pairs >> d & 1u) sum += a.c[SERIES_FIRST[d]] * b.c[SERIES_FIRST[degree - d]];
    return add_run(factor, &sum, 1, c + first, pure ? 1 : size, fresh);
  }
  if (a.pure) return add_delta_pairs(a.c, SERIES_FIRST, b.c, degree, pairs, factor, fresh, c + first);
  if (b.pure) {
    unsigned turned = 0;
    for (int d = 0; d <= degree; ++d) turned |= (pairs >> (degree - d) & 1u) << d;
    return add_delta_pairs(b.c, SERIES_FIRST, a.c, degree, turned, factor, fresh, c + first);
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
  const DegreeSet degrees = {pairs};
  if (&a == &b && degree <= SERIES_SQUARES) {
    const Number twice = 2.0 * factor;
    series_squares(Accumulation{twice, fresh}, degree, degrees, a.c, a.c, c);
  } else {
    series_sums(Accumulation{factor, fresh}, degree, degrees, a.c, b.c, c);
  }
}

// c += factor p a in place, for a series in delta alone by its coefficients.
GT_APART void add_powers(Series& c, const Number* p, const Series& a, const Number& factor) {
  if (c.pure && !a.pure) widen(c);
  for (int d = 0; d <= SERIES_ORDER; ++d) {
    unsigned pairs = 0;
    for (int power = 0; power <= d; ++power) pairs |= (a.degrees >> (d - power) & 1u) << power;
    if (!pairs) continue;
    Number* const own = c.c + SERIES_FIRST[d];
    if (a.pure) {
      Number sum = broadcast(0.0);
      for (int power = 0; power <= d; ++power)
        if (pairs >> power & 1u) sum += p[power] * a.c[SERIES_FIRST[d - power]];
      add_run(factor, &sum, 1, own, c.pure ? 1 : SERIES_FIRST[d + 1] - SERIES_FIRST[d], !has(c, d));
    } else {
      add_delta_pairs(p, COUNTING.at, a.c, d, pairs, factor, !has(c, d), own);
    }
    c.degrees |= 1u << d;
  }
}
