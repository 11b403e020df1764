// Number with a tangent: value + epsilon tangent, epsilon^2 = 0. T is the number type of the maps, double or a pack of
// them; constants are Dual<double>, to avoid broadcasts of their tangents over packs.
// Tangents have the type of cotangents: they too are only added, and multiplied by values.
#pragma once
#include "smooth.h"

GT_INLINE double zero_like(double) { return 0.0; }
template <class T>
GT_INLINE T zero_like(const T&) {
  return broadcast(0.0);
}

template <class T>
struct Dual;

// Type inside nested dual numbers; without nesting, a type other than any number.
template <class T>
struct Innermost {
  struct type {};
};
template <class T>
struct Innermost<Dual<T>> {
  using type = T;
};
template <class T>
struct Innermost<Dual<Dual<T>>> {
  using type = typename Innermost<Dual<T>>::type;
};

template <class T>
struct Dual {
  T value;
  Cotangent<T> tangent;

  Dual() = default;
  GT_INLINE Dual(const typename Innermost<T>::type& v) : value(v), tangent(zero_like(value)) {}
  GT_INLINE Dual(const T& v) : value(v), tangent(zero_like(v)) {}
  GT_INLINE Dual(const T& v, const Cotangent<T>& t) : value(v), tangent(t) {}
};

// The type that results from numbers of types A and B.
template <class A, class B>
using Common = Dual<decltype(*(const A*)nullptr + *(const B*)nullptr)>;

template <class A, class B>
GT_INLINE Common<A, B> operator+(const Dual<A>& a, const Dual<B>& b) { return {a.value + b.value, a.tangent + b.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator-(const Dual<A>& a, const Dual<B>& b) { return {a.value - b.value, a.tangent - b.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator*(const Dual<A>& a, const Dual<B>& b) {
  return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
}
template <class A, class B>
GT_INLINE Common<A, B> operator/(const Dual<A>& a, const Dual<B>& b) {
  const B inverse = 1.0 / b.value;
  const auto quotient = a.value * inverse;
  return {quotient, (a.tangent - quotient * b.tangent) * inverse};
}
template <class A>
GT_INLINE Dual<A> operator-(const Dual<A>& a) { return {-a.value, -a.tangent}; }

// With numbers that have no tangent.
template <class A, class B>
GT_INLINE Common<A, B> operator+(const Dual<A>& a, const B& b) { return {a.value + b, a.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator+(const A& a, const Dual<B>& b) { return {a + b.value, b.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator-(const Dual<A>& a, const B& b) { return {a.value - b, a.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator-(const A& a, const Dual<B>& b) { return {a - b.value, -b.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator*(const Dual<A>& a, const B& b) { return {a.value * b, a.tangent * b}; }
template <class A, class B>
GT_INLINE Common<A, B> operator*(const A& a, const Dual<B>& b) { return {a * b.value, a * b.tangent}; }
template <class A, class B>
GT_INLINE Common<A, B> operator/(const Dual<A>& a, const B& b) { return a * (1.0 / b); }
template <class A, class B>
GT_INLINE Common<A, B> operator/(const A& a, const Dual<B>& b) {
  const B inverse = 1.0 / b.value;
  const auto quotient = a * inverse;
  return {quotient, -(quotient * inverse) * b.tangent};
}

template <class A, class B>
GT_INLINE Dual<A>& operator+=(Dual<A>& a, const B& b) { return a = a + b; }
template <class A, class B>
GT_INLINE Dual<A>& operator-=(Dual<A>& a, const B& b) { return a = a - b; }
template <class A, class B>
GT_INLINE Dual<A>& operator*=(Dual<A>& a, const B& b) { return a = a * b; }

template <class T>
GT_INLINE Dual<T> sqrt(const Dual<T>& a) {
  const T root = sqrt(a.value);
  return {root, 0.5 * a.tangent / root};
}
template <class T>
GT_INLINE Dual<T> sin(const Dual<T>& a) { return {sin(a.value), cos(a.value) * a.tangent}; }
template <class T>
GT_INLINE Dual<T> cos(const Dual<T>& a) { return {cos(a.value), -sin(a.value) * a.tangent}; }

template <class T>
GT_INLINE Dual<T> log(const Dual<T>& a) { return {log(a.value), a.tangent / a.value}; }
template <class T>
GT_INLINE Dual<T> log1p(const Dual<T>& a) { return {log1p(a.value), a.tangent / (1.0 + a.value)}; }
template <class T>
GT_INLINE Dual<T> asinh(const Dual<T>& a) { return {asinh(a.value), a.tangent / sqrt(1.0 + a.value * a.value)}; }
// Angle of (x, y); d angle = (x dy - y dx)/(x^2 + y^2).
template <class T>
GT_INLINE Dual<T> atan2(const Dual<T>& y, const Dual<T>& x) {
  const T inverse = 1.0 / (x.value * x.value + y.value * y.value);
  return {atan2(y.value, x.value), inverse * (x.value * y.tangent - y.value * x.tangent)};
}

template <class T>
GT_INLINE Dual<T> decay(const Dual<T>& a) {
  const T value = decay(a.value);
  return {value, -value * a.tangent};
}

// Constants: one for all lanes; and whether both parts allow a shortcut.
GT_INLINE Dual<Number> broadcast(const Dual<double>& a) { return {broadcast(a.value), broadcast(a.tangent)}; }
GT_INLINE bool vanishes(const Dual<double>& a) { return vanishes(a.value) && vanishes(a.tangent); }

// Comparisons are between values.
template <class A>
GT_INLINE auto value_of(const Dual<A>& a) -> decltype(value_of(a.value)) {
  return value_of(a.value);
}
template <class A, class B>
GT_INLINE unsigned less_equal(const Dual<A>& a, const Dual<B>& b) { return less_equal(a.value, b.value); }
template <class A>
GT_INLINE unsigned less_equal(const Dual<A>& a, double b) { return less_equal(a.value, b); }
template <class A>
GT_INLINE bool all_below(const Dual<A>& a, double limit) { return all_below(a.value, limit); }
template <class A>
GT_INLINE Dual<A> keep_lanes(const Dual<A>& a, unsigned lanes) {
  return {keep_lanes(a.value, lanes), keep_lanes(a.tangent, lanes)};
}
template <class A>
GT_INLINE Dual<A> choose(unsigned lanes, const Dual<A>& a, const Dual<A>& b) {
  return {choose(lanes, a.value, b.value), choose(lanes, a.tangent, b.tangent)};
}

// Functions with known derivatives, those of the polynomial or of the closed form for both branches of the value.
template <int N, class T>
GT_INLINE Dual<T> horner(const double (&coefficients)[N], const Dual<T>& u) {
  return {horner(coefficients, u.value), horner_derivative(coefficients, u.value) * u.tangent};
}
template <class T>
GT_INLINE Dual<T> slope_excess(const Dual<T>& u) {
  const T w = slope_excess(u.value);
  return {w, slope_rate(w) * u.tangent};
}
template <class T>
GT_INLINE Dual<T> slope_excess_remainder(const Dual<T>& u) {
  const T w = slope_excess_remainder(u.value);
  return {w, slope_rate_remainder(0.5 * u.value + w) * u.tangent};
}
