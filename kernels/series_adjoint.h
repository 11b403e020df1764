// Cotangents of power series. The adjoints of the maps, written for numbers, are right for series as they stand:
//
// Truncated series are a commutative algebra A, and maps act on them by its operations: dy_i = sum_j J_ij(x) dx_j, with
// products of series. A scalar function of all coefficients has as its derivative in y_i a linear functional g_i on A,
// not a series, and A acts on functionals by (a g)(b) = g(a b). Then sum_i g_i(dy_i) = sum_j (sum_i J_ij g_i)(dx_j):
// functionals are pulled back by the same formula as numbers, with that product, the transpose of multiplication by a,
// in place of the other. Adjoints are linear in cotangents, with functions of the state as factors: nothing else is
// needed. A constant of a map is a number c 1 of A, so that the derivative with respect to c is the functional on 1.
// (They cannot be written as series: A has as many smallest ideals as there are monomials of the highest degree.)
#pragma once
#include "dual.h"
#include "series.h"

struct Functional {
  unsigned degrees;       // a bit for each degree: whether it may be other than zero on monomials of it
  Number c[SERIES_SIZE];  // its values on the monomials

  Functional() = default;
  GT_MEMBER Functional(const Number& zero) : degrees(0u) {}  // no other number is a functional
  GT_MEMBER Functional(const Functional& a) { *this = a; }
  GT_MEMBER Functional& operator=(const Functional& a);
};

GT_APART void copy(const Functional& from, Functional& to) {
  to.degrees = from.degrees;
  each_in(false, from.degrees, [&](int i) { to.c[i] = from.c[i]; });
}
GT_MEMBER Functional& Functional::operator=(const Functional& a) { return copy(a, *this), *this; }

template <>
struct CotangentOf<Series> {
  using type = Functional;
};
GT_INLINE Number zero_like(const Series&) { return broadcast(0.0); }

GT_INLINE bool has(const Functional& g, int degree) { return g.degrees >> degree & 1u; }
GT_INLINE Number constant_of(const Functional& g) { return has(g, 0) ? g.c[0] : broadcast(0.0); }

// r(m) += sum of a_n g(n m) over the monomials n of one degree, for the monomials m of degree rest.
GT_INLINE void pull_degree(const Series& a, int degree, const Functional& g, int rest, Number* r) {
  if (a.pure) {  // delta times the monomials of one degree are the first ones of the next
    const Number factor = a.c[SERIES_FIRST[degree]];
    const Number* const from = g.c + SERIES_FIRST[degree + rest] - SERIES_FIRST[rest];
    each_of(false, rest, [&](int i) { r[i] += factor * from[i]; });
  } else if (degree == 0) {
    each_of(false, rest, [&](int i) { r[i] += a.c[0] * g.c[i]; });
  } else if (rest == 0) {
    Number sum = r[0];
    each_of(false, degree, [&](int i) { sum += a.c[i] * g.c[i]; });
    r[0] = sum;
  } else {
    pull_pair(degree, rest, a.c, g.c, r);
  }
}

GT_APART Functional operator*(const Series& a, const Functional& g) {
  Functional r;
  r.degrees = 0;
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (has(a, d)) r.degrees |= g.degrees >> d;
  const Number zero = broadcast(0.0);
  each_in(false, r.degrees, [&](int i) { r.c[i] = zero; });
  for (int d = 0; d <= SERIES_ORDER; ++d)
    for (int rest = 0; has(a, d) && rest <= SERIES_ORDER - d; ++rest)
      if (has(g, d + rest)) pull_degree(a, d, g, rest, r.c);
  return r;
}
GT_INLINE Functional operator*(const Functional& g, const Series& a) { return a * g; }
GT_INLINE Functional operator/(const Functional& g, const Series& a) { return reciprocal(a) * g; }

// a += factor b
GT_APART void add_to(Functional& a, const Functional& b, double factor) {
  each_in(false, b.degrees & a.degrees, [&](int i) { a.c[i] += factor * b.c[i]; });
  each_in(false, b.degrees & ~a.degrees, [&](int i) { a.c[i] = factor * b.c[i]; });
  a.degrees |= b.degrees;
}
GT_INLINE Functional& operator+=(Functional& a, const Functional& b) { return add_to(a, b, 1.0), a; }
GT_INLINE Functional& operator-=(Functional& a, const Functional& b) { return add_to(a, b, -1.0), a; }

GT_APART Functional combined(const Functional& a, const Functional& b, double sign) {
  Functional r = a;
  add_to(r, b, sign);
  return r;
}
GT_INLINE Functional operator+(const Functional& a, const Functional& b) { return combined(a, b, 1.0); }
GT_INLINE Functional operator-(const Functional& a, const Functional& b) { return combined(a, b, -1.0); }
Functional operator+(const Functional&, double) = delete;
Functional operator+(double, const Functional&) = delete;
Functional operator-(const Functional&, double) = delete;
Functional operator-(double, const Functional&) = delete;

GT_APART Functional scaled(const Functional& a, double factor) {
  Functional r;
  r.degrees = a.degrees;
  each_in(false, a.degrees, [&](int i) { r.c[i] = factor * a.c[i]; });
  return r;
}
GT_INLINE Functional operator-(const Functional& a) { return scaled(a, -1.0); }
GT_INLINE Functional operator*(double a, const Functional& g) { return scaled(g, a); }
GT_INLINE Functional operator*(const Functional& g, double a) { return scaled(g, a); }
GT_INLINE Functional operator/(const Functional& g, double a) { return scaled(g, 1.0 / a); }
GT_INLINE Functional& operator*=(Functional& g, const Series& a) { return g = a * g; }

// Derivative of a polynomial, as a polynomial.
template <int N>
GT_INLINE Series horner_derivative(const double (&coefficients)[N], const Series& u) {
  double rates[N - 1];
  for (int i = 1; i < N; ++i) rates[i - 1] = i * coefficients[i];
  return horner(rates, u);
}

GT_APART Functional choose(unsigned lanes, const Functional& a, const Functional& b) {
  Functional r;
  r.degrees = a.degrees | b.degrees;
  const Number zero = broadcast(0.0);
  for (int d = 0; d <= SERIES_ORDER; ++d)
    if (has(r, d))
      each_of(false, d, [&](int i) { r.c[i] = choose(lanes, has(a, d) ? a.c[i] : zero, has(b, d) ? b.c[i] : zero); });
  return r;
}
