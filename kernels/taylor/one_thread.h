// One thread per map, which owns all coefficients, stored in the series itself: on the host.
#pragma once
#include "../target.h"

constexpr int MAP_THREADS = 1;

template <class V>
using Coefficients = V[SERIES_SIZE];

GT_INLINE bool owns(int row) { return true; }
GT_INLINE int own_from(int row) { return row; }
GT_INLINE bool any_of_team(bool own) { return own; }

template <class V>
GT_INLINE void set_constant(V* c, const V& value) {
  c[0] = value;
}
template <class V>
GT_INLINE V shared(const V* c, int row) {
  return c[row];
}
