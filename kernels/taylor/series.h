// Truncated power series as a number type: coefficients graded by degree, for the space whose sizes
// gputrack/backends/taylor/products_source.py generates before this file. One bit per degree is set if the degree may
// be nonzero, so that maps of nearly linear elements are cheap and zero blocks are never accessed. Series in delta
// alone, such as 1/(1 + delta) and matrices of quadrupoles, store and multiply only powers of delta.
//
// The storage of coefficients, and their distribution over threads, are defined by taylor/one_thread.h on the host and
// cuda/warp.h on a GPU, which precede this file; products of one degree by products_by_blocks.h and products_by_rows.h.
// A thread writes only the coefficients that it owns, through each_of and set_constant, and reads those of others only
// in add_pairs and add_powers, and through `shared`.
#pragma once
#include "../numbers/smooth.h"

template <class V>
struct SeriesOf {
  unsigned degrees;
  bool pure;  // a series in delta alone: only the coefficients of its powers are stored
  Coefficients<V> c;

  SeriesOf() = default;
  GT_INLINE SeriesOf(const V& value) : degrees(1u), pure(true) { set_constant(c, value); }
  GT_INLINE SeriesOf(const SeriesOf& a) { *this = a; }
  GT_INLINE SeriesOf& operator=(const SeriesOf& a);
};
using Series = SeriesOf<Number>;

GT_INLINE bool has(const Series& a, int degree) { return a.degrees >> degree & 1u; }
GT_INLINE Series broadcast(const Series& a) { return a; }
GT_INLINE Series no_series() {
  Series r;
  r.degrees = 0;
  r.pure = true;
  return r;
}
GT_INLINE Number constant_of(const Series& a) { return has(a, 0) ? shared(a.c, 0) : broadcast(0.0); }

// f(i) for the coefficients of one degree: all of them, or that of the power of delta, which is the first.
template <class F>
GT_INLINE void each_of(bool pure, int degree, F f) {
  if (pure) {
    if (owns(SERIES_FIRST[degree])) f(SERIES_FIRST[degree]);
  } else {
    for (int i = own_from(SERIES_FIRST[degree]); i < SERIES_FIRST[degree + 1]; i += MAP_THREADS) f(i);
  }
}
// f(i) for the coefficients of the degrees in a set.
template <class F>
GT_INLINE void each_in(bool pure, unsigned degrees, F f) {
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (degrees >> d & 1u) each_of(pure, d, f);
}

template <class V>
GT_COMPACT void assign(SeriesOf<V>& r, const SeriesOf<V>& a) {
  r.degrees = a.degrees;
  r.pure = a.pure;
  each_in(a.pure, a.degrees, [&](int i) { r.c[i] = a.c[i]; });
}
template <class V>
GT_INLINE SeriesOf<V>& SeriesOf<V>::operator=(const SeriesOf<V>& a) {
  assign(*this, a);
  return *this;
}

// Degrees of products of two sets.
GT_INLINE unsigned product_degrees(unsigned a, unsigned b) {
  unsigned r = 0;
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (a >> d & 1u) r |= b << d;
  return r & ((2u << SERIES_ORDER) - 1u);
}

// Degrees d >= `from` of a for which b has the complementary degree.
GT_INLINE unsigned pairs_of(const Series& a, const Series& b, int degree, int from) {
  unsigned r = 0;
  for (int d = from; d <= degree; ++d) r |= (a.degrees >> d & b.degrees >> (degree - d) & 1u) << d;
  return r;
}

// For one degree, c += factor sum of a_d b_{degree-d} over the degrees d in a nonempty set; c = that sum if it is
// `fresh`, without this degree so far. `pure`: c is a series in delta alone, as are a and b.
GT_FUNCTION void add_pairs(const Series& a, const Series& b, int degree, unsigned pairs, const Number& factor,
                           bool fresh, bool pure, Number* c);

// c = sum of a_left b_right over the degrees of a at least `from`, for one degree of c.
GT_FUNCTION void product_of(const Series& a, const Series& b, int degree, int from, Number* c) {
  const unsigned pairs = pairs_of(a, b, degree, from);
  const bool pure = a.pure && b.pure;
  if (pairs) {
    add_pairs(a, b, degree, pairs, broadcast(1.0), true, pure, c);
  } else {
    const Number zero = broadcast(0.0);
    each_of(pure, degree, [&](int i) { c[i] = zero; });
  }
}

// Set the coefficients to zero that a series in delta alone does not store.
GT_FUNCTION void widen(Series& a) {
  const Number zero = broadcast(0.0);
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (has(a, d))
      each_of(false, d, [&](int i) {
        if (i != SERIES_FIRST[d]) a.c[i] = zero;
      });
  a.pure = false;
}

// Constant parts that cancel except for rounding, such as those of an orbit on the axis after a bend, are set to 0:
// otherwise all products would contain terms that are rounding errors.
GT_FUNCTION void settle_constant(Series& r, const Number& a, const Number& b) {
  constexpr double ROUNDING = 16.0 * 2.3e-16;
  const Number sum = a + b;
  const unsigned lanes = less_equal(sum * sum, (ROUNDING * ROUNDING) * (a * a));
  const Number rest = lanes ? choose(lanes, broadcast(0.0), sum) : sum;
  set_constant(r.c, rest);
  if (vanishes(rest))
    r.degrees &= ~1u;
  else
    r.degrees |= 1u;
}

// c += factor a b up to an order; c is neither of them.
GT_APART void add_product(Series& c, const Series& a, const Series& b, const Number& factor,
                          int order = SERIES_ORDER) {
  if (c.pure && !(a.pure && b.pure)) widen(c);
  if (has(a, 0) && has(b, 0)) settle_constant(c, constant_of(c), factor * (constant_of(a) * constant_of(b)));
  for (int d = 1; d <= order; ++d) {
    const unsigned pairs = pairs_of(a, b, d, 0);
    if (!pairs) continue;
    add_pairs(a, b, d, pairs, factor, !has(c, d), c.pure, c.c);
    c.degrees |= 1u << d;
  }
}

GT_INLINE Series operator*(const Series& a, const Series& b) {
  Series r;
  r.pure = a.pure && b.pure;
  r.degrees = 0;
  add_product(r, a, b, broadcast(1.0));
  return r;
}

// a + sign b, by sets of degrees: those of both, and those of one only.
GT_APART Series combined(const Series& a, const Series& b, double sign) {
  Series r;
  r.pure = a.pure && b.pure;
  r.degrees = a.degrees | b.degrees;
  if (a.pure == b.pure) {
    each_in(r.pure, a.degrees & b.degrees, [&](int i) { r.c[i] = a.c[i] + sign * b.c[i]; });
    each_in(r.pure, a.degrees & ~b.degrees, [&](int i) { r.c[i] = a.c[i]; });
    each_in(r.pure, b.degrees & ~a.degrees, [&](int i) { r.c[i] = sign * b.c[i]; });
    if (has(a, 0) && has(b, 0)) settle_constant(r, constant_of(a), sign * constant_of(b));
    return r;
  }
  const Series& full = a.pure ? b : a;
  const double of_full = a.pure ? sign : 1.0, of_pure = a.pure ? 1.0 : sign;
  const Series& pure = a.pure ? a : b;
  const Number zero = broadcast(0.0);
  each_in(false, full.degrees, [&](int i) { r.c[i] = of_full * full.c[i]; });
  each_in(false, pure.degrees & ~full.degrees, [&](int i) { r.c[i] = zero; });
  each_in(true, pure.degrees, [&](int i) { r.c[i] += of_pure * pure.c[i]; });
  if (has(a, 0) && has(b, 0)) settle_constant(r, constant_of(a), sign * constant_of(b));
  return r;
}
GT_INLINE Series operator+(const Series& a, const Series& b) { return combined(a, b, 1.0); }
GT_INLINE Series operator-(const Series& a, const Series& b) { return combined(a, b, -1.0); }

// Product with 0: only the constant part remains, NaN if it was NaN.
GT_INLINE unsigned scaled_degrees(unsigned degrees, double factor) { return factor == 0.0 ? degrees & 1u : degrees; }
template <class S>
GT_INLINE unsigned scaled_degrees(unsigned degrees, const S& factor) { return vanishes(factor) ? degrees & 1u : degrees; }
template <class S>
GT_APART Series scaled(const Series& a, const S& b) {
  Series r;
  r.degrees = scaled_degrees(a.degrees, b);
  r.pure = a.pure;
  each_in(a.pure, r.degrees, [&](int i) { r.c[i] = a.c[i] * b; });
  return r;
}
template <class S>
GT_APART Series shifted(const Series& a, const S& b) {
  Series r = a;
  if (has(a, 0) || !vanishes(b)) settle_constant(r, constant_of(a), broadcast(0.0) + b);
  return r;
}
GT_INLINE Series operator-(const Series& a) { return scaled(a, -1.0); }

GT_APART Series power_of(const Series& a, double exponent, const Number& value);
GT_INLINE Series reciprocal(const Series& a) { return power_of(a, -1.0, 1.0 / constant_of(a)); }

// S: numbers without a degree, double or Number, which may be the same.
template <class A, class B>
struct Same {
  static constexpr bool yes = false;
};
template <class A>
struct Same<A, A> {
  static constexpr bool yes = true;
};
template <bool, class R>
struct Only {};
template <class R>
struct Only<true, R> {
  using type = R;
};
template <class S>
using ForScalar = typename Only<Same<S, double>::yes || Same<S, Number>::yes, Series>::type;

template <class S>
GT_INLINE ForScalar<S> operator+(const Series& a, const S& b) { return shifted(a, b); }
template <class S>
GT_INLINE ForScalar<S> operator+(const S& a, const Series& b) { return shifted(b, a); }
template <class S>
GT_INLINE ForScalar<S> operator-(const Series& a, const S& b) { return shifted(a, 0.0 - b); }
template <class S>
GT_INLINE ForScalar<S> operator-(const S& a, const Series& b) { return shifted(-b, a); }
template <class S>
GT_INLINE ForScalar<S> operator*(const Series& a, const S& b) { return scaled(a, b); }
template <class S>
GT_INLINE ForScalar<S> operator*(const S& a, const Series& b) { return scaled(b, a); }
template <class S>
GT_INLINE ForScalar<S> operator/(const Series& a, const S& b) { return scaled(a, 1.0 / b); }
template <class S>
GT_INLINE ForScalar<S> operator/(const S& a, const Series& b) { return scaled(reciprocal(b), a); }

// a += factor b in place.
GT_APART void add_scaled(Series& a, const Series& b, const Number& factor) {
  if (a.pure && !b.pure) widen(a);
  const unsigned fresh = b.degrees & ~a.degrees;
  if (a.pure == b.pure) {
    each_in(b.pure, fresh, [&](int i) { a.c[i] = factor * b.c[i]; });
  } else {
    const Number zero = broadcast(0.0);
    each_in(false, fresh, [&](int i) { a.c[i] = zero; });
    each_in(true, fresh, [&](int i) { a.c[i] = factor * b.c[i]; });
  }
  const Number before = constant_of(a);
  each_in(b.pure, b.degrees & ~fresh, [&](int i) { a.c[i] += factor * b.c[i]; });
  if (has(a, 0) && has(b, 0)) settle_constant(a, before, factor * constant_of(b));
  a.degrees |= b.degrees & (has(b, 0) ? ~1u : ~0u) | (fresh & 1u);
}
GT_INLINE Series& operator+=(Series& a, const Series& b) { return add_scaled(a, b, broadcast(1.0)), a; }
GT_INLINE Series& operator-=(Series& a, const Series& b) { return add_scaled(a, b, broadcast(-1.0)), a; }
template <class B>
GT_INLINE Series& operator+=(Series& a, const B& b) { return a = a + b; }
template <class B>
GT_INLINE Series& operator-=(Series& a, const B& b) { return a = a - b; }
template <class B>
GT_INLINE Series& operator*=(Series& a, const B& b) { return a = a * b; }

// Degree by degree. a f = c: a_0 f_n = c_n - sum_{i>0} a_i f_{n-i}.
GT_APART Series operator/(const Series& c, const Series& a) {
  if (a.pure) return c * reciprocal(a);
  Series f;
  f.degrees = 0;
  f.pure = false;
  Series full = c;
  if (full.pure) widen(full);
  const Number inverse = 1.0 / constant_of(a);
  for (int n = 0; n <= SERIES_ORDER; ++n) {
    product_of(a, f, n, 1, f.c);
    const bool there = has(full, n);
    each_of(false, n, [&](int i) { f.c[i] = ((there ? full.c[i] : broadcast(0.0)) - f.c[i]) * inverse; });
    f.degrees |= 1u << n;
  }
  return f;
}

// With E = sum of x d/dx, which multiplies terms of degree n by n: factor E a.
GT_FUNCTION Series weighted(const Series& a, double factor) {
  Series r;
  r.degrees = a.degrees & ~1u;
  r.pure = a.pure;
  for (int d = 1; d <= SERIES_ORDER; ++d)
    if (has(a, d)) each_of(a.pure, d, [&](int i) { r.c[i] = (factor * d) * a.c[i]; });
  return r;
}

// Possible degrees of functions of a series.
GT_INLINE unsigned function_degrees(const Series& a) {
  unsigned reached = 1u;
  for (int n = 1; n <= SERIES_ORDER; ++n) reached = product_degrees(reached, a.degrees | 1u);
  return reached;
}

// f = a^q from f_0 = value: a E f = q f E a, so a_0 f_n = sum_{i>0} ((q + 1) i/n - 1) a_i f_{n-i}.
GT_APART Series power_of(const Series& a, double exponent, const Number& value) {
  Series f, w;
  set_constant(f.c, value);
  f.degrees = 1u;
  f.pure = w.pure = a.pure;
  w.degrees = a.degrees & ~1u;
  const Number inverse = 1.0 / constant_of(a);
  const unsigned degrees = function_degrees(a);
  for (int n = 1; n <= SERIES_ORDER; ++n) {
    if (!(degrees >> n & 1u)) continue;
    for (int d = 1; d <= n; ++d)
      if (has(w, d) && has(f, n - d)) {
        const double factor = (exponent + 1.0) * d / n - 1.0;
        each_of(a.pure, d, [&](int i) { w.c[i] = factor * a.c[i]; });
      }
    product_of(w, f, n, 1, f.c);
    each_of(f.pure, n, [&](int i) { f.c[i] = f.c[i] * inverse; });
    f.degrees |= 1u << n;
  }
  return f;
}

GT_INLINE Series sqrt(const Series& a) { return power_of(a, 0.5, sqrt(constant_of(a))); }

// s = sin a, c = cos a: n s_n = sum i a_i c_{n-i}, n c_n = -sum i a_i s_{n-i}.
GT_APART void sine_cosine(const Series& a, Series& s, Series& c) {
  const Number at = constant_of(a);
  set_constant(s.c, sin(at));
  set_constant(c.c, cos(at));
  s.degrees = c.degrees = 1u;
  s.pure = c.pure = a.pure;
  const Series w = weighted(a, 1.0);
  for (int n = 1; n <= SERIES_ORDER; ++n) {
    product_of(w, c, n, 1, s.c);
    product_of(w, s, n, 1, c.c);
    each_of(a.pure, n, [&](int i) {
      s.c[i] = (1.0 / n) * s.c[i];
      c.c[i] = (-1.0 / n) * c.c[i];
    });
    s.degrees |= 1u << n;
    c.degrees |= 1u << n;
  }
}
GT_INLINE Series sin(const Series& a) {
  Series s, c;
  sine_cosine(a, s, c);
  return s;
}
GT_INLINE Series cos(const Series& a) {
  Series s, c;
  sine_cosine(a, s, c);
  return c;
}

// Lowest degree above 0 that a series has, or more than its order.
GT_INLINE int lowest_degree(const Series& a) {
  int d = 1;
  while (d <= SERIES_ORDER && !has(a, d)) ++d;
  return d;
}

// f = exp(-a): n f_n = -sum i a_i f_{n-i}.
GT_APART Series decay(const Series& a) {
  Series f;
  set_constant(f.c, decay(constant_of(a)));
  f.degrees = 1u;
  f.pure = a.pure;
  const Series w = weighted(a, -1.0);
  for (int n = 1; n <= SERIES_ORDER; ++n) {
    product_of(w, f, n, 1, f.c);
    each_of(f.pure, n, [&](int i) { f.c[i] = (1.0 / n) * f.c[i]; });
    f.degrees |= 1u << n;
  }
  return f;
}

// Polynomial: its Taylor coefficients about the constant part by repeated division by (u - u_0), then Horner's rule in
// u - u_0, whose powers above the order are zero.
template <int N>
GT_APART Series horner(const double (&coefficients)[N], const Series& u) {
  constexpr int M = N - 1 < SERIES_ORDER ? N - 1 : SERIES_ORDER;
  const Number at = constant_of(u);
  Number t[N];
  for (int i = 0; i < N; ++i) t[i] = broadcast(coefficients[i]);
  for (int m = 0; m <= M; ++m)
    for (int i = N - 2; i >= m; --i) t[i] = t[i] + at * t[i + 1];
  Series rest = u;
  rest.degrees &= ~1u;
  const int lowest = lowest_degree(rest);
  const int powers = SERIES_ORDER / lowest < M ? SERIES_ORDER / lowest : M;
  Series total = t[powers];
  for (int m = powers - 1; m >= 0; --m) total = total * rest + t[m];
  return total;
}

// Whether at most two powers of a series without constant part are within the order, as for squares of slopes about the
// axis up to order 5.
GT_INLINE bool has_two_powers(const Series& u, int order) { return !has(u, 0) && 3 * lowest_degree(u) > order; }

// Constant parts without cancellation, other terms from the inverse square root.
GT_APART Series slope_excess(const Series& u, int order = SERIES_ORDER) {
  if (has_two_powers(u, order)) {
    Series f = 0.5 * u;
    add_product(f, u, u, broadcast(0.375), order);
    return f;
  }
  const Number w = slope_excess(constant_of(u));
  Series f = power_of(1.0 - u, -0.5, 1.0 + w);
  set_constant(f.c, w);
  return f;
}
GT_INLINE Series slope_excess_remainder(const Series& u) {
  const Number at = constant_of(u);
  Series f = slope_excess(u) - 0.5 * u;
  set_constant(f.c, slope_excess_remainder(at));
  return f;
}

// No shortcut if there are terms other than the constant part; Newton's method makes all its steps.
GT_INLINE bool vanishes(const Series& a) {
  return (a.degrees & ~1u) == 0u && vanishes(constant_of(a));
}
GT_INLINE bool all_below(const Series& a, double limit) { return false; }

// Branches are chosen by the constant parts.
GT_INLINE Number value_of(const Series& a) { return constant_of(a); }
GT_INLINE bool stores(const Series& a, int degree, int i) {
  return has(a, degree) && (!a.pure || i == SERIES_FIRST[degree]);
}
GT_APART Series choose(unsigned lanes, const Series& a, const Series& b) {
  Series r;
  r.pure = a.pure && b.pure;
  r.degrees = a.degrees | b.degrees;
  const Number zero = broadcast(0.0);
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (has(r, d))
      each_of(r.pure, d, [&](int i) {
        r.c[i] = choose(lanes, stores(a, d, i) ? a.c[i] : zero, stores(b, d, i) ? b.c[i] : zero);
      });
  return r;
}
