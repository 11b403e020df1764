// Blocks of packs with tangents: one array for each part of a dual number.
#pragma once
#include "../numbers/dual.h"
#include "block.h"

template <class T>
struct Places<Dual<T>> {
  Places<T> value, tangent;
};

template <class T>
GT_INLINE Dual<T> gathered(const Places<Dual<T>>& from, Integer i, unsigned lanes) {
  return {gathered(from.value, i, lanes), gathered(from.tangent, i, lanes)};
}
template <class T>
GT_INLINE void scatter(const Dual<T>& a, const Places<Dual<T>>& to, Integer i, unsigned lanes) {
  scatter(a.value, to.value, i, lanes);
  scatter(a.tangent, to.tangent, i, lanes);
}

template <class T>
GT_INLINE const Pack& last_part(const Dual<T>& bar) {
  return last_part(bar.tangent);
}
