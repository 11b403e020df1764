// Inverses of maps y = L x + N(x) without constant part: X = L^-1 (y - N(X)), where each iteration adds one correct
// order.
#pragma once
#include "compose.h"

GT_CONSTANT double SINGULAR = 1e15;  // limit of the product of the largest entries of a matrix and its inverse

GT_INLINE double magnitude(double a) { return a < 0.0 ? -a : a; }

// Inverse of an n x n matrix by Gauss-Jordan elimination with the largest pivots, overwriting the matrix. False if it
// is singular.
GT_FUNCTION bool invert_matrix(int n, double* m, double* back) {
  double largest = 0.0, reached = 0.0;
  for (int i = 0; i < n * n; ++i) {
    if (!(magnitude(m[i]) <= largest)) largest = magnitude(m[i]);
    back[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
  }
  for (int c = 0; c < n; ++c) {
    int pivot = c;
    for (int r = c + 1; r < n; ++r)
      if (magnitude(m[r * n + c]) > magnitude(m[pivot * n + c])) pivot = r;
    const double value = m[pivot * n + c];
    if (!(magnitude(value) > 0.0)) return false;
    for (int j = 0; j < n; ++j) {
      const double own = m[pivot * n + j] / value, right = back[pivot * n + j] / value;
      m[pivot * n + j] = m[c * n + j], back[pivot * n + j] = back[c * n + j];
      m[c * n + j] = own, back[c * n + j] = right;
    }
    for (int r = 0; r < n; ++r) {
      const double factor = m[r * n + c];
      if (r == c || factor == 0.0) continue;
      for (int j = 0; j < n; ++j) {
        m[r * n + j] -= factor * m[c * n + j];
        back[r * n + j] -= factor * back[c * n + j];
      }
    }
  }
  for (int i = 0; i < n * n; ++i)
    if (!(magnitude(back[i]) <= reached)) reached = magnitude(back[i]);
  return largest * reached < SINGULAR;
}

// L^-1 of each lane, entry (i, j) at row i n + j; false if one is singular.
template <class A>
GT_INLINE bool invert_linear(const A&, const Components& a, int n, double* scratch, double* back) {
  bool good = true;
  for (int lane = 0; lane < A::ROW; ++lane) {
    double *const own = scratch, *const found = scratch + n * n;
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) own[i * n + j] = a.orders[i] ? a.data[i][(1 + j) * A::ROW + lane] : 0.0;
    good = invert_matrix(n, own, found) && good;
    for (int i = 0; i < n * n; ++i) back[i * A::ROW + lane] = found[i];
  }
  return good;
}

// Linear combination of rows k of n series, with the coefficients of row `number` of a matrix.
template <class A>
GT_INLINE typename A::Value combination(const A& at, const double* matrix, int number, int n, const Components& series,
                                        int k) {
  typename A::Value sum = at.zero();
  for (int j = 0; j < n; ++j)
    if (series.orders[j] > 0) at.add_product(sum, at.load(matrix, number * n + j), at.load(series.data[j], k));
  return sum;
}

// c = inverse, up to order hc >= 1, of n series of the variables; rest: these without their linear parts. inner: the
// series of c, then those of the parameters, with orders that are set here. images: n series.
template <class A, class Sums>
GT_INLINE void invert(const Tables& t, const A& at, const Sums& sums, const Components& rest, const Components& linear,
                      int n, const double* back, double* const* c, int hc, const Components& inner,
                      int* inner_orders, double* const* images, bool* used, double* const* buffers) {
  for (int i = 0; i < n; ++i) {
    at.store(c[i], 0, at.zero());
    for (int v = 0; v < t.dimensions; ++v)  // parameters: -L^-1 times their coefficients in y
      at.store(c[i], 1 + v, v < n ? at.load(back, i * n + v) : -1.0 * combination(at, back, i, n, linear, 1 + v));
  }
  mark_used(t, at, rest, used);
  for (int order = 2; order <= hc; ++order) {
    for (int v = 0; v < t.dimensions; ++v) inner_orders[v] = v < n ? order - 1 : 1;
    compose(t, at, sums, rest, inner, 1, images, order, used, buffers, order);
    for (int i = 0; i < n; ++i)
      for (int k = t.first[order]; k < t.first[order + 1]; ++k)
        at.store(c[i], k, -1.0 * combination(at, back, i, n, Components{images, inner_orders, n}, k));
  }
}
