// Composition of maps, depth first through the tree of monomials: one buffer for each depth.
#pragma once
#include "rules.h"

GT_CONSTANT int MOST_ORDER = 63;

// Series of one map, and their orders.
struct Components {
  const double* const* data;
  const int* orders;
  int count;
};

// For each monomial, whether it or a descendant in the tree occurs in one of the series.
template <class A>
GT_INLINE void mark_used(const Tables& t, const A& at, const Components& a, bool* used) {
  int path[MOST_ORDER + 1];
  for (int n = 0; n < t.first[t.order + 1]; ++n) {
    const int row = t.tree_rows[n], degree = t.degrees[row];
    path[degree] = n;
    used[n] = false;
    bool occurs = false;
    for (int c = 0; c < a.count && !occurs; ++c) occurs = degree <= a.orders[c] && at.any(a.data[c], row);
    for (int d = degree; occurs && d >= 0 && !used[path[d]]; --d) used[path[d]] = true;
  }
}

// visit(row, b^row, its lowest and highest degree) for all monomials except the constant, with b^row = b^parent b_last.
// `lowest` is 1 if no b has a constant part, else 0; degrees above `high` are ignored. buffers: one series for each
// depth from 2 on.
template <class A, class Sums, class Visit>
GT_INLINE void each_power(const Tables& t, const A& at, const Sums& sums, const Components& b, int lowest, int high,
                          const bool* used, double* const* buffers, const Visit& visit) {
  const double* powers[MOST_ORDER + 1];
  int highs[MOST_ORDER + 1];
  for (int n = 1; n < t.first[t.order + 1]; ++n) {
    const int row = t.tree_rows[n], v = t.tree_lasts[n], d = t.degrees[row];
    const int low = lowest * d;
    if (!used[n] || low > high) continue;
    highs[d] = least(d == 1 ? b.orders[v] : highs[d - 1] + b.orders[v], high);
    powers[d] = d == 1 ? b.data[v] : buffers[d];
    if (d > 1)
      product(t, at, sums, powers[d - 1], lowest * (d - 1), highs[d - 1], b.data[v], lowest, least(b.orders[v], high),
              buffers[d], low, highs[d]);
    visit(row, powers[d], low, highs[d]);
  }
}

// c = a(b): sum over m of a_m b^m. Rows of c below degree lc are not written.
template <class A, class Sums>
GT_INLINE void compose(const Tables& t, const A& at, const Sums& sums, const Components& a, const Components& b,
                       int lowest, double* const* c, int hc, const bool* used, double* const* buffers, int lc = 0) {
  typedef typename A::Value V;
  for (int i = 0; i < a.count; ++i)
    for (int k = t.first[lc]; k < t.first[hc + 1]; ++k) at.store(c[i], k, k ? at.zero() : at.load(a.data[i], 0));
  each_power(t, at, sums, b, lowest, hc, used, buffers, [&](int row, const double* power, int least_degree, int high) {
    const int low = most(least_degree, lc);
    for (int i = 0; i < a.count; ++i) {
      if (t.degrees[row] > a.orders[i]) continue;
      const V coefficient = at.load(a.data[i], row);
      for (int k = t.first[low]; k < t.first[high + 1]; ++k) {
        V sum = at.load(c[i], k);
        at.add_product(sum, coefficient, at.load(power, k));
        at.store(c[i], k, sum);
      }
    }
  });
}

// g pulled back through a(b) to a: c_m = sum over k of g_k (b^m)_k. c must be zero for monomials that are not visited.
template <class A, class Sums>
GT_INLINE void compose_adjoint(const Tables& t, const A& at, const Sums& sums, const Components& g,
                               const Components& b, int lowest, double* const* c, int hc, const bool* used,
                               double* const* buffers) {
  typedef typename A::Value V;
  const int high = g.orders[0];
  for (int i = 0; i < g.count; ++i)
    for (int k = 0; k < t.first[hc + 1]; ++k) at.store(c[i], k, k ? at.zero() : at.load(g.data[i], 0));
  each_power(t, at, sums, b, lowest, high, used, buffers, [&](int row, const double* power, int low, int top) {
    if (t.degrees[row] > hc) return;
    for (int i = 0; i < g.count; ++i) {
      V sum = at.zero();
      for (int k = t.first[low]; k < t.first[top + 1]; ++k)
        at.add_product(sum, at.load(g.data[i], k), at.load(power, k));
      at.store(c[i], row, sum);
    }
  });
}
