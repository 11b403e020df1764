// Series in delta alone as small arrays, for matrices of quadrupoles, which need many of them at once.
#pragma once
#include "series.h"

struct Powers {
  Number c[SERIES_ORDER + 1];
};

GT_INLINE Powers powers_of(const Series& a) {
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) r.c[d] = has(a, d) ? shared(a.c, SERIES_FIRST[d]) : broadcast(0.0);
  return r;
}

GT_INLINE Powers operator+(const Powers& a, const Powers& b) {
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) r.c[d] = a.c[d] + b.c[d];
  return r;
}
GT_INLINE Powers operator-(const Powers& a, const Powers& b) {
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) r.c[d] = a.c[d] - b.c[d];
  return r;
}
GT_INLINE Powers operator*(const Powers& a, const Powers& b) {
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) {
    r.c[d] = a.c[0] * b.c[d];
    for (int i = 1; i <= d; ++i) r.c[d] += a.c[i] * b.c[d - i];
  }
  return r;
}
// a_0 r_d = c_d - sum of a_i r_{d-i}
GT_INLINE Powers operator/(const Powers& c, const Powers& a) {
  const Number inverse = 1.0 / a.c[0];
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) {
    Number rest = c.c[d];
    for (int i = 1; i <= d; ++i) rest -= a.c[i] * r.c[d - i];
    r.c[d] = rest * inverse;
  }
  return r;
}
template <class S>
GT_INLINE Powers operator*(const S& a, const Powers& b) {
  Powers r;
  for (int d = 0; d <= SERIES_ORDER; ++d) r.c[d] = a * b.c[d];
  return r;
}
template <class S>
GT_INLINE Powers operator*(const Powers& a, const S& b) { return b * a; }
GT_INLINE Powers operator+(const Powers& a, double b) {
  Powers r = a;
  r.c[0] = r.c[0] + b;
  return r;
}
GT_INLINE Powers operator+(double a, const Powers& b) { return b + a; }
GT_INLINE Powers operator-(const Powers& a, double b) { return a + -b; }
