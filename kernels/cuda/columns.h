// One turn on a GPU for orbits with columns of transfer matrices: one thread per column, with dual or nested dual
// numbers T. No particle is lost: invalid orbits become NaN.
#pragma once
#include "threads.h"
#include "../numbers/dual.h"
#include "../program/run.h"

using Tangent = Dual<double>;
using Rate = Dual<Tangent>;

// An array for each part of T, with one number per thread. Null: read as 0, not written.
template <class T>
struct Places;
template <>
struct Places<double> {
  double* at;
};
template <class T>
struct Places<Dual<T>> {
  Places<T> value, tangent;
};

GT_INLINE double gathered(const Places<double>& from, Integer i) { return from.at ? from.at[i] : 0.0; }
GT_INLINE void scatter(double a, const Places<double>& to, Integer i) {
  if (to.at) to.at[i] = a;
}
template <class T>
GT_INLINE Dual<T> gathered(const Places<Dual<T>>& from, Integer i) {
  return {gathered(from.value, i), gathered(from.tangent, i)};
}
template <class T>
GT_INLINE void scatter(const Dual<T>& a, const Places<Dual<T>>& to, Integer i) {
  scatter(a.value, to.value, i);
  scatter(a.tangent, to.tangent, i);
}

template <class T>
GT_INLINE T* coordinate_of(State<T>& s, int c) {
  return &s.x + c;
}

template <class T>
GT_INLINE void enter(const Run& run, const Places<T>& places, Integer i, State<T>& s) {
  for (int c = 0; c < 6; ++c) *coordinate_of(s, c) = gathered(places, c * run.n + i);
  refresh(s, run.reference);
}

template <class T>
GT_INLINE void leave(const Run& run, State<T>& s, const Places<T>& places, Integer i) {
  for (int c = 0; c < 6; ++c) scatter(*coordinate_of(s, c), places, c * run.n + i);
}

// Index of a record of the column in arrays laid out as run.records; -1 if this turn has none.
GT_INLINE Integer record_start(const Run& run, const RecordOp& op, Integer i) {
  const Integer row = record_row(run.first_turn, op, run.first_turn);
  return row < 0 ? -1 : run.record_starts[op.monitor] + row * 6 * run.n + i;
}

GT_INLINE Places<Rate> parts_of(const RatesRun& r) {
  return {{{r.run.coordinates}, {r.tangents}}, {{r.along}, {r.rates}}};
}
