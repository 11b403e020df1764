// Products, and functions by recurrences that read their own lower degrees, of one map or a few side by side.
//
// Euler's operator E, which multiplies each coefficient by its degree, is a derivation: from f = exp(a) follows
// E f = f E a, that is |k| f_k = sum over i != 0 of |i| a_i f_{k-i}: a function costs one product.
// h.. are the orders of the arguments; row 0 of a function's result is set by the caller.
#pragma once
#include "sums.h"

// Sums of products for the rows of one degree, through the tables of the space.
template <class A, class D>
GT_INLINE void table_sums(const Tables& t, const A& at, int degree, const D& degrees, typename A::Factors x,
                          typename A::Factors y, typename A::Results out) {
  for (int r = t.first[degree]; r < t.first[degree + 1]; ++r) {
    const int k = t.by_length[r];
    table_row(at, degrees, t.starts + k * (t.order + 2), t.left, t.right, k, x, y, out);
  }
}

// c = a b. Degrees of the factors below la and lb are known to vanish; rows of c below lc are not written.
template <class A, class Sums>
GT_INLINE void product(const Tables& t, const A& at, const Sums& sums, const double* a, int la, int ha, const double* b,
                       int lb, int hb, double* c, int lc, int hc) {
  for (int d = lc; d <= hc; ++d) {
    const int from = most(la, d - hb), to = least(ha, d - lb);
    if (from <= to) {
      sums(t, at, d, DegreeRange{from, to}, a, b, c);
    } else {
      for (int k = t.first[d]; k < t.first[d + 1]; ++k) at.store(c, k, at.zero());
    }
  }
}

// Adjoint of the product a b with respect to a: c_i = sum over j of b_j g_{i+j}.
template <class A>
GT_INLINE void product_adjoint(const Tables& t, const A& at, const double* g, int hg, const double* b, int hb,
                               double* c, int hc) {
  for (int d = 0; d <= hc; ++d) {
    const DegreeRange degrees = {0, least(hb, hg - d)};
    for (int i = t.first[d]; i < t.first[d + 1]; ++i)
      table_row(at, degrees, t.adjoint_starts + i * (t.order + 2), t.adjoint_left, t.adjoint_right, i, b, g, c);
  }
}

// c = a / b: b_0 c_k = a_k - sum over i != 0 of b_i c_{k-i}.
template <class A, class Sums>
GT_INLINE void quotient(const Tables& t, const A& at, const Sums& sums, const double* a, int ha, const double* b,
                        int hb, double* c, int hc) {
  typedef typename A::Value V;
  const V inverse = at.reciprocal(at.load(b, 0));
  for (int d = 0; d <= hc; ++d) {
    const bool any = d && hb;
    if (any) sums(t, at, d, DegreeRange{1, least(hb, d)}, b, c, c);
    for (int k = t.first[d]; k < t.first[d + 1]; ++k) {
      const V own = d <= ha ? at.load(a, k) : at.zero();
      at.store(c, k, inverse * (any ? own - at.load(c, k) : own));
    }
  }
}

// f = exp(a), up to the factor in f_0: |k| f_k = sum over i != 0 of e_i f_{k-i}, e = E a.
template <class A, class Sums>
GT_INLINE void exponential(const Tables& t, const A& at, const Sums& sums, const double* e, int he, double* f,
                           int hf) {
  for (int d = 1; d <= hf; ++d) {
    if (he) sums(t, at, d, DegreeRange{1, least(he, d)}, e, f, f);
    for (int k = t.first[d]; k < t.first[d + 1]; ++k)
      at.store(f, k, he ? (1.0 / d) * at.load(f, k) : at.zero());
  }
}

// s = sin(a), c = cos(a) for sign = -1, sinh(a), cosh(a) for sign = 1: E s = c E a, E c = sign s E a; e = E a.
template <class A, class Sums>
GT_INLINE void sine_cosine(const Tables& t, const A& at, const Sums& sums, const double* e, int he, double sign,
                           double* s, double* c, int hf) {
  for (int d = 1; d <= hf; ++d) {
    if (he) {
      sums(t, at, d, DegreeRange{1, least(he, d)}, e, c, s);
      sums(t, at, d, DegreeRange{1, least(he, d)}, e, s, c);
    }
    for (int k = t.first[d]; k < t.first[d + 1]; ++k) {
      at.store(s, k, he ? (1.0 / d) * at.load(s, k) : at.zero());
      at.store(c, k, he ? (sign / d) * at.load(c, k) : at.zero());
    }
  }
}

// f = sqrt(a): 2 f_0 f_k = a_k - sum of f_i f_{k-i} over i other than 0 and k.
template <class A, class Sums>
GT_INLINE void square_root(const Tables& t, const A& at, const Sums& sums, const double* a, int ha, double* f,
                           int hf) {
  typedef typename A::Value V;
  const V inverse = 0.5 * at.reciprocal(at.load(f, 0));
  for (int d = 1; d <= hf; ++d) {
    if (d > 1) sums(t, at, d, DegreeRange{1, d - 1}, f, f, f);
    for (int k = t.first[d]; k < t.first[d + 1]; ++k) {
      const V own = d <= ha ? at.load(a, k) : at.zero();
      at.store(f, k, inverse * (d > 1 ? own - at.load(f, k) : own));
    }
  }
}
