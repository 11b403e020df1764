// Number with a tangent: value + epsilon tangent, epsilon^2 = 0.
#pragma once
#include "target.h"

template <class T>
struct Dual {
  T value, tangent;
};

template <class T>
GT_INLINE Dual<T> operator+(const Dual<T>& a, const Dual<T>& b) { return {a.value + b.value, a.tangent + b.tangent}; }
template <class T>
GT_INLINE Dual<T> operator-(const Dual<T>& a, const Dual<T>& b) { return {a.value - b.value, a.tangent - b.tangent}; }
template <class T>
GT_INLINE Dual<T> operator*(const Dual<T>& a, const Dual<T>& b) {
  return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
}
template <class T>
GT_INLINE Dual<T> operator/(const Dual<T>& a, const Dual<T>& b) {
  T inverse = 1.0 / b.value;
  T quotient = a.value * inverse;
  return {quotient, (a.tangent - quotient * b.tangent) * inverse};
}
template <class T>
GT_INLINE Dual<T> operator+(const Dual<T>& a, double b) { return {a.value + b, a.tangent}; }
template <class T>
GT_INLINE Dual<T> operator+(double a, const Dual<T>& b) { return {a + b.value, b.tangent}; }
template <class T>
GT_INLINE Dual<T> operator-(const Dual<T>& a, double b) { return {a.value - b, a.tangent}; }
template <class T>
GT_INLINE Dual<T> operator-(double a, const Dual<T>& b) { return {a - b.value, -b.tangent}; }
template <class T>
GT_INLINE Dual<T> operator-(const Dual<T>& a) { return {-a.value, -a.tangent}; }
template <class T>
GT_INLINE Dual<T> operator*(const Dual<T>& a, double b) { return {a.value * b, a.tangent * b}; }
template <class T>
GT_INLINE Dual<T> operator*(double a, const Dual<T>& b) { return {a * b.value, a * b.tangent}; }
template <class T>
GT_INLINE Dual<T> operator/(double a, const Dual<T>& b) {
  T quotient = a / b.value;
  return {quotient, -quotient * b.tangent / b.value};
}
template <class T>
GT_INLINE Dual<T> sqrt(const Dual<T>& a) {
  T root = sqrt(a.value);
  return {root, 0.5 * a.tangent / root};
}
