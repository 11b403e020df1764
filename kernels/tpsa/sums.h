// Sums of products of coefficients, the one loop behind truncated power series: for all rows k of one degree,
//   out_k = sum of x_i y_j over the terms (i, j) of row k whose left factor has a degree in [from, to].
// Coefficients are read and written through A, which knows the number type and how far rows lie apart: one map
// (double), eight maps side by side in vector registers (Pack), or one map per thread of a GPU. Terms are added up in the
// same order for one map and for many, so that a map's coefficients do not depend on its neighbours.
#pragma once

GT_INLINE int least(int a, int b) { return a < b ? a : b; }
GT_INLINE int most(int a, int b) { return a > b ? a : b; }

// By itself, so that all it needs stays in registers; two sums side by side hide the latency of additions.
template <class A>
GT_SEPARATE void sum_terms(const A& at, const int* left, const int* right, long terms, const double* x,
                           const double* y, double* out) {
  typename A::Value even = at.zero(), odd = at.zero();
  for (const int* end = left + (terms & ~1L); left != end; left += 2, right += 2) {
    at.add_product(even, at.load(x, left[0]), at.load(y, right[0]));
    at.add_product(odd, at.load(x, left[1]), at.load(y, right[1]));
  }
  if (terms & 1) at.add_product(even, at.load(x, *left), at.load(y, *right));
  at.store(out, 0, even + odd);
}

template <class A>
GT_INLINE void table_row(const A& at, const int* starts, const int* left, const int* right, int k, const double* x,
                         const double* y, double* out, int from, int to) {
  const int begin = starts[from];
  sum_terms(at, left + begin, right + begin, starts[to + 1] - begin, x, y, at.row(out, k));
}

template <class A>
GT_INLINE void table_sums(const Tables& t, const A& at, int degree, const double* x, const double* y, double* out,
                          int from, int to) {
  for (int r = t.first[degree]; r < t.first[degree + 1]; ++r) {
    const int k = t.by_length[r];
    table_row(at, t.starts + k * (t.order + 2), t.left, t.right, k, x, y, out, from, to);
  }
}
