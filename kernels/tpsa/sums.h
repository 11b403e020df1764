// Sums of products of coefficients, the only loop behind truncated power series: for all rows k of one degree,
//   out_k = sum of x_i y_j over the terms (i, j) of row k whose left factor has one of the given degrees.
// Coefficients are accessed through A, which defines the number type and the layout: one map (double), eight maps side
// by side in vector registers (Pack), or one map per thread of a GPU. The order of terms is the same for one map and
// for many, so that a map's coefficients do not depend on its neighbours.
//
// A has a Value, and types of pointers, Factors and Results; load(x, row), store(out, row, value), zero(), add_product.
// gputrack/tpsa/sums_source.py generates the same sums without loops, for spaces with few terms.
#pragma once
#include "../target.h"

GT_INLINE int least(int a, int b) { return a < b ? a : b; }
GT_INLINE int most(int a, int b) { return a > b ? a : b; }

// Degrees of left factors: a range, or a set with one bit per degree.
struct DegreeRange {
  int from, to;
  GT_INLINE bool has(int degree) const { return from <= degree && degree <= to; }
  // f(begin, end) for each range of degrees begin .. end - 1.
  template <class F>
  GT_INLINE void each_run(const F& f) const {
    if (from <= to) f(from, to + 1);
  }
};
struct DegreeSet {
  unsigned bits;
  GT_INLINE bool has(int degree) const { return bits >> degree & 1u; }
  template <class F>
  GT_INLINE void each_run(const F& f) const {
    for (int d = 0; bits >> d; ++d) {
      if (!has(d)) continue;
      const int begin = d;
      while (has(d)) ++d;
      f(begin, d);
    }
  }
};

// Sums of rows `first`, first + 1, ...
template <class A, class... V>
GT_INLINE void finish(const A& at, typename A::Results out, int first, const V&... sums) {
  (at.store(out, first++, sums), ...);
}

// Add terms to two sums side by side, which hides the latency of additions.
template <class A, class I>
GT_INLINE void add_terms(const A& at, const I* left, const I* right, long terms, typename A::Factors x,
                         typename A::Factors y, typename A::Value& even, typename A::Value& odd) {
  for (const I* end = left + (terms & ~1L); left != end; left += 2, right += 2) {
    at.add_product(even, at.load(x, left[0]), at.load(y, right[0]));
    at.add_product(odd, at.load(x, left[1]), at.load(y, right[1]));
  }
  if (terms & 1) at.add_product(even, at.load(x, *left), at.load(y, *right));
}

// Row k, by the starts of its terms. A separate function, so that its variables fit in registers.
template <class A, class D, class I>
GT_APART void table_row(const A& at, const D degrees, const int* starts, const I* left, const I* right, int k,
                        typename A::Factors x, typename A::Factors y, typename A::Results out) {
  typename A::Value even = at.zero(), odd = at.zero();
  degrees.each_run([&](int begin, int end) GT_LAMBDA {
    const int t = starts[begin];
    add_terms(at, left + t, right + t, starts[end] - t, x, y, even, odd);
  });
  finish(at, out, k, even + odd);
}

// Rows begin .. end - 1, with `width` starts for each row.
template <class A, class D, class I>
GT_INLINE void table_rows(const A& at, const D& degrees, int begin, int end, int width, const int* starts, const I* left,
                          const I* right, typename A::Factors x, typename A::Factors y, typename A::Results out) {
  for (int k = begin; k < end; ++k) table_row(at, degrees, starts + k * width, left, right, k, x, y, out);
}
