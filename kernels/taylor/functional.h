// Cotangents of power series. The adjoints of the maps, written for numbers, are valid for series without changes:
//
// Truncated series are a commutative algebra A, and maps act on them by its operations: dy_i = sum_j J_ij(x) dx_j, with
// products of series. A scalar function of all coefficients has as its derivative in y_i a linear functional g_i on A,
// not a series, and A acts on functionals by (a g)(b) = g(a b). Then sum_i g_i(dy_i) = sum_j (sum_i J_ij g_i)(dx_j):
// functionals are pulled back by the same formula as numbers, with this product, the transpose of multiplication by a.
// Adjoints are linear in cotangents, with functions of the state as factors: no other operations occur. A constant of a
// map is a number c 1 of A, so that the derivative with respect to c is the functional on 1.
// (Functionals cannot be written as series: A has as many minimal ideals as there are monomials of the highest degree.)
#pragma once
#include "../numbers/dual.h"
#include "products_by_blocks.h"

struct Functional {
  int top;                // highest degree of monomials on which it is not zero; -1: none
  Number c[SERIES_SIZE];  // values on the monomials

  Functional() = default;
  GT_INLINE Functional(const Number& zero) : top(-1) {}  // the only number that is a functional
  GT_INLINE Functional(const Functional& a) { *this = a; }
  GT_INLINE Functional& operator=(const Functional& a);
};

GT_APART void copy(const Functional& from, Functional& to) {
  to.top = from.top;
  for (int i = 0; i < SERIES_FIRST[from.top + 1]; ++i) to.c[i] = from.c[i];
}
GT_INLINE Functional& Functional::operator=(const Functional& a) { return copy(a, *this), *this; }

template <>
struct CotangentOf<Series> {
  using type = Functional;
};
GT_INLINE Number zero_like(const Series&) { return broadcast(0.0); }
GT_INLINE Number constant_of(const Functional& g) { return g.top >= 0 ? g.c[0] : broadcast(0.0); }

// Product with a power of delta: delta times the monomials of one degree are the first ones of the next.
GT_INLINE void pull_delta(const Number& factor, int degree, int top, const Number* g, Number* r) {
  for (int rest = 0; rest <= top - degree; ++rest) {
    const Number* const from = g + SERIES_FIRST[degree + rest] - SERIES_FIRST[rest];
    for (int i = SERIES_FIRST[rest]; i < SERIES_FIRST[rest + 1]; ++i) r[i] += factor * from[i];
  }
}

// r(m) = sum of a_n g(n m) over the monomials n.
GT_APART void pull(const Series& a, const Functional& g, Functional& r) {
  int lowest = 0;
  while (lowest <= g.top && !has(a, lowest)) ++lowest;
  r.top = g.top - lowest;
  const Number constant = constant_of(a), one = broadcast(1.0);
  for (int i = 0; i < SERIES_FIRST[r.top + 1]; ++i) r.c[i] = constant * g.c[i];
  if (a.pure) {
    for (int d = 1; d <= g.top; ++d)
      if (has(a, d)) pull_delta(a.c[SERIES_FIRST[d]], d, g.top, g.c, r.c);
    return;
  }
  for (int d = 0; d <= r.top; ++d) {
    const DegreeSet degrees = {a.degrees & ~1u & ((2u << (g.top - d)) - 1u)};
    if (degrees.bits) pulled_sums(Accumulation{one, false}, d, degrees, a.c, g.c, r.c);
  }
}
GT_INLINE Functional operator*(const Series& a, const Functional& g) {
  Functional r;
  pull(a, g, r);
  return r;
}
GT_INLINE Functional operator*(const Functional& g, const Series& a) { return a * g; }
GT_INLINE Functional operator/(const Functional& g, const Series& a) { return reciprocal(a) * g; }

// r = a + factor b; r may be a.
GT_APART void add(const Functional& a, const Functional& b, double factor, Functional& r) {
  const int both = SERIES_FIRST[(a.top < b.top ? a.top : b.top) + 1], end = SERIES_FIRST[b.top + 1];
  for (int i = 0; i < both; ++i) r.c[i] = a.c[i] + factor * b.c[i];
  for (int i = both; i < end; ++i) r.c[i] = factor * b.c[i];
  if (&r != &a)
    for (int i = both; i < SERIES_FIRST[a.top + 1]; ++i) r.c[i] = a.c[i];
  r.top = a.top > b.top ? a.top : b.top;
}
GT_INLINE Functional& operator+=(Functional& a, const Functional& b) { return add(a, b, 1.0, a), a; }
GT_INLINE Functional& operator-=(Functional& a, const Functional& b) { return add(a, b, -1.0, a), a; }
GT_INLINE Functional operator+(const Functional& a, const Functional& b) {
  Functional r;
  add(a, b, 1.0, r);
  return r;
}
GT_INLINE Functional operator-(const Functional& a, const Functional& b) {
  Functional r;
  add(a, b, -1.0, r);
  return r;
}
Functional operator+(const Functional&, double) = delete;
Functional operator+(double, const Functional&) = delete;
Functional operator-(const Functional&, double) = delete;
Functional operator-(double, const Functional&) = delete;

GT_APART Functional scaled(const Functional& a, double factor) {
  Functional r;
  r.top = a.top;
  for (int i = 0; i < SERIES_FIRST[a.top + 1]; ++i) r.c[i] = factor * a.c[i];
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

// a in the given lanes, b in the others.
GT_APART Functional choose(unsigned lanes, const Functional& a, const Functional& b) {
  Functional r;
  r.top = a.top > b.top ? a.top : b.top;
  const Number zero = broadcast(0.0);
  const int of_a = SERIES_FIRST[a.top + 1], of_b = SERIES_FIRST[b.top + 1];
  for (int i = 0; i < SERIES_FIRST[r.top + 1]; ++i)
    r.c[i] = choose(lanes, i < of_a ? a.c[i] : zero, i < of_b ? b.c[i] : zero);
  return r;
}
