// Complex numbers as pairs of real ones, for all number types; twin of gputrack/base/special/pair.py.
//
// Roots and logarithms are principal values, continued onto their branch cuts from above: an imaginary part of 0 counts
// as positive, whatever its sign. At branch points values are exact, and derivatives infinite or NaN.
#pragma once
#include "dual.h"

template <class T>
struct Pair {
  T re, im;
};

template <class A, class B>
GT_INLINE auto operator+(const Pair<A>& a, const Pair<B>& b) -> Pair<decltype(a.re + b.re)> {
  return {a.re + b.re, a.im + b.im};
}
template <class A, class B>
GT_INLINE auto operator-(const Pair<A>& a, const Pair<B>& b) -> Pair<decltype(a.re - b.re)> {
  return {a.re - b.re, a.im - b.im};
}
template <class A, class B>
GT_INLINE auto operator*(const Pair<A>& a, const Pair<B>& b) -> Pair<decltype(a.re * b.re)> {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class S, class A>
GT_INLINE auto operator*(const S& factor, const Pair<A>& a) -> Pair<decltype(factor * a.re)> {
  return {factor * a.re, factor * a.im};
}
template <class T>
GT_INLINE Pair<T> reciprocal(const Pair<T>& a) {
  const T inverse = 1.0 / (a.re * a.re + a.im * a.im);
  return {a.re * inverse, -(a.im * inverse)};
}
template <class T>
GT_INLINE Pair<T> operator/(const Pair<T>& a, const Pair<T>& b) { return a * reciprocal(b); }

// Cotangent of z where w = f(z), from that of w and f'(z): the complex conjugate of f' times it.
template <class T, class G>
GT_INLINE Pair<G> pulled(const Pair<T>& rate, const Pair<G>& bar) {
  return {rate.re * bar.re + rate.im * bar.im, rate.re * bar.im - rate.im * bar.re};
}

template <class T>
GT_INLINE Pair<T> choose(unsigned lanes, const Pair<T>& a, const Pair<T>& b) {
  return {choose(lanes, a.re, b.re), choose(lanes, a.im, b.im)};
}

template <class T>
GT_INLINE T magnitude(const T& a) { return sign_of(a) * a; }

// sqrt(z), of real part >= 0.
template <class T>
GT_INLINE Pair<T> square_root(const Pair<T>& z) {
  const T size = magnitude(z.re);
  const T major = sqrt(0.5 * (sqrt(z.re * z.re + z.im * z.im) + size));
  const T minor = 0.5 * z.im / choose(less_equal(major, 0.0), broadcast(1.0), major);
  const unsigned right = less_equal(0.0 - z.re, 0.0);
  return choose(right, Pair<T>{major, minor}, Pair<T>{magnitude(minor), sign_of(z.im) * major});
}

// log(z), of imaginary part between -pi and pi, to a few units of the last place of its modulus, also near z = 1.
template <class T>
GT_INLINE Pair<T> logarithm(const Pair<T>& z) {
  const T across = magnitude(z.re), up = magnitude(z.im);
  const T major = larger(across, up), minor = 0.0 - larger(0.0 - across, 0.0 - up);
  const T ratio = minor / choose(less_equal(major, 0.0), broadcast(1.0), major);
  const T square = major * major + minor * minor;
  const unsigned near = less_equal(square, 2.0) & less_equal(0.5 - square, 0.0);
  const T excess = choose(near, (major - 1.0) * (major + 1.0) + minor * minor, ratio * ratio);
  const T size = choose(near, broadcast(1.0), major);
  return {log(size) + 0.5 * log1p(excess), atan2(z.im + 0.0, z.re)};
}

// conj sqrt(1 - z) and sqrt(1 + z): conjugated so that both are on the same side of their cuts.
template <class T>
struct UnitRoots {
  Pair<T> less, more;
};
template <class T>
GT_INLINE UnitRoots<T> unit_roots(const Pair<T>& z) {
  return {square_root(Pair<T>{1.0 - z.re, z.im}), square_root(Pair<T>{1.0 + z.re, z.im})};
}

// sqrt(1 - z^2) as sqrt(1 - z) sqrt(1 + z), of real part >= 0: cos(arcsin z).
template <class T>
GT_INLINE Pair<T> unit_root(const UnitRoots<T>& r) {
  return {r.less.re * r.more.re + r.less.im * r.more.im, r.less.re * r.more.im - r.less.im * r.more.re};
}
template <class T>
GT_INLINE Pair<T> unit_root(const Pair<T>& z) { return unit_root(unit_roots(z)); }

// arcsin(z), of real part between -pi/2 and pi/2 (W. Kahan, Branch cuts for complex elementary functions, 1987).
template <class T>
GT_INLINE Pair<T> arcsine(const Pair<T>& z) {
  const UnitRoots<T> r = unit_roots(z);
  return {atan2(z.re, r.less.re * r.more.re + r.less.im * r.more.im),
          asinh(r.less.re * r.more.im + r.less.im * r.more.re)};
}

// Dual numbers: the value of a holomorphic function of z, and its derivative times the tangent of z.
template <class T>
GT_INLINE Pair<T> values(const Pair<Dual<T>>& z) { return {z.re.value, z.im.value}; }
template <class T>
GT_INLINE Pair<Dual<T>> with_rate(const Pair<T>& value, const Pair<T>& rate, const Pair<Dual<T>>& z) {
  const auto tangent = rate * Pair<Cotangent<T>>{z.re.tangent, z.im.tangent};
  return {{value.re, tangent.re}, {value.im, tangent.im}};
}

template <class T>
GT_INLINE Pair<Dual<T>> square_root(const Pair<Dual<T>>& z) {
  const Pair<T> root = square_root(values(z));
  return with_rate(root, 0.5 * reciprocal(root), z);
}
template <class T>
GT_INLINE Pair<Dual<T>> logarithm(const Pair<Dual<T>>& z) {
  return with_rate(logarithm(values(z)), reciprocal(values(z)), z);
}
template <class T>
GT_INLINE Pair<Dual<T>> unit_root(const Pair<Dual<T>>& z) {
  const Pair<T> root = unit_root(values(z));
  return with_rate(root, -1.0 * (values(z) / root), z);
}
template <class T>
GT_INLINE Pair<Dual<T>> arcsine(const Pair<Dual<T>>& z) {
  return with_rate(arcsine(values(z)), reciprocal(unit_root(values(z))), z);
}
