// Composition of maps, depth first through the tree of monomials: one buffer for each depth.
#pragma once
#include "rules.h"

// Series of one map, side by side in memory or not, and the orders up to which they have rows.
struct Components {
  const double* const* data;
  const int* orders;
  int count;
};

// For each monomial whether it, or one below it in the tree, occurs in one of the series.
template <class A>
GT_INLINE void mark_used(const Tables& t, const A& at, const Components& a, int nodes, bool* used) {
  int path[64];
  for (int n = 0; n < nodes; ++n) used[n] = false;
  for (int n = 0; n < nodes; ++n) {
    const int row = t.tree_rows[n];
    const int degree = t.degrees[row];
    path[degree] = n;
    bool occurs = false;
    for (int c = 0; c < a.count; ++c) occurs = occurs || (degree <= a.orders[c] && at.any(a.data[c], row));
    for (int d = degree; occurs && d >= 0 && !used[path[d]]; --d) used[path[d]] = true;
  }
}

// c = a(b): sum over m of a_m b^m, with b^m = b^parent b_last. `lowest` is 1 where no b has a constant part, else 0.
// buffers: order + 1 series of full length; the first must hold 1.
template <class A, class Sums>
GT_INLINE void compose(const Tables& t, const A& at, const Sums& sums, const Components& a, const Components& b,
                       int lowest, double* const* c, int hc, double* const* buffers, const bool* used) {
  typedef typename A::Value V;
  const int rows = t.first[hc + 1];
  for (int i = 0; i < a.count; ++i)
    for (int k = 0; k < rows; ++k) at.store(c[i], k, k ? at.zero() : at.load(a.data[i], 0));
  for (int n = 1; n < t.first[t.order + 1]; ++n) {
    if (!used[n]) continue;
    const int row = t.tree_rows[n], v = t.tree_lasts[n], degree = t.degrees[row];
    const int low = lowest ? degree : 0;
    if (low > hc) continue;
    const double* power = b.data[v];
    int high = least(b.orders[v], hc);
    if (degree > 1) {
      product(t, at, sums, buffers[degree - 1], lowest ? degree - 1 : 0, hc, power, lowest, b.orders[v],
              buffers[degree], low, hc);
      power = buffers[degree];
      high = hc;
    }
    if (degree == 1) {  // later products read all rows
      for (int k = 0; k < rows; ++k)
        at.store(buffers[1], k, k < t.first[high + 1] ? at.load(b.data[v], k) : at.zero());
    }
    for (int i = 0; i < a.count; ++i) {
      if (degree > a.orders[i]) continue;
      const V coefficient = at.load(a.data[i], row);
      for (int k = t.first[low]; k < t.first[high + 1]; ++k) {
        V sum = at.load(c[i], k);
        at.add_product(sum, coefficient, at.load(power, k));
        at.store(c[i], k, sum);
      }
    }
  }
}
