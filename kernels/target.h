// The only file that depends on the compiler: NVRTC (one particle per thread, number type double) or a host compiler
// (number type Pack, a few particles side by side in vector registers). Tests define GT_EMULATED_GPU, and CUDA's
// keywords as empty, to run NVRTC's source on a host.
#pragma once

#if defined(__CUDACC_RTC__) || defined(GT_EMULATED_GPU)

#define GT_INLINE __device__ __forceinline__              // always inlined
#define GT_FUNCTION static __device__                     // as the compiler chooses
#define GT_APART static __device__ __noinline__           // never: large, or called from many places
#define GT_OUT_OF_LINE GT_APART                           // never, and rarely called
#define GT_COMPACT GT_APART                               // inlined on the host alone: code that all threads load
#define GT_CONSTANT static __device__ constexpr
#define GT_LAMBDA
#define GT_UNROLL _Pragma("unroll")

using Number = double;
using Integer = long long;
constexpr int LANES = 1;

GT_INLINE double broadcast(double a) { return a; }
GT_INLINE bool all_below(double a, double limit) { return __builtin_expect(a <= limit, 1); }
GT_INLINE unsigned less_equal(double a, double b) { return a <= b ? 1u : 0u; }
GT_INLINE double keep_lanes(double a, unsigned lanes) { return lanes ? a : 0.0; }
GT_INLINE double choose(unsigned lanes, double a, double b) { return lanes ? a : b; }
GT_INLINE double larger(double a, double b) { return a > b ? a : b; }
GT_INLINE double sign_of(double a) { return a < 0.0 ? -1.0 : 1.0; }
GT_INLINE double decay(double a) { return exp(-a); }

#else

#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define GT_INLINE inline __attribute__((always_inline))
#define GT_FUNCTION static
#define GT_APART static __attribute__((noinline))
#define GT_OUT_OF_LINE static __attribute__((noinline, cold))
#define GT_COMPACT GT_INLINE
#define GT_CONSTANT static constexpr
#define GT_LAMBDA __attribute__((always_inline))
#define GT_UNROLL _Pragma("GCC unroll 8")

using Integer = std::int64_t;

using std::asinh;
using std::atan2;
using std::cos;
using std::exp;
using std::log;
using std::log1p;
using std::sin;
using std::sqrt;
using std::tan;

#if defined(GT_SCALAR)

// One number at a time, for code other than tracking of particles.
using Number = double;
constexpr int LANES = 1;

GT_INLINE double broadcast(double a) { return a; }
GT_INLINE bool all_below(double a, double limit) { return a <= limit; }
GT_INLINE unsigned less_equal(double a, double b) { return a <= b ? 1u : 0u; }
GT_INLINE double keep_lanes(double a, unsigned lanes) { return lanes ? a : 0.0; }
GT_INLINE double choose(unsigned lanes, double a, double b) { return lanes ? a : b; }
GT_INLINE double larger(double a, double b) { return a > b ? a : b; }
GT_INLINE double sign_of(double a) { return a < 0.0 ? -1.0 : 1.0; }
GT_INLINE double decay(double a) { return exp(-a); }

#else

GT_INLINE double larger(double a, double b) { return a > b ? a : b; }

#if defined(__AVX512F__)
constexpr int WIDTH = 8;
#elif defined(__AVX__)
constexpr int WIDTH = 4;
#else
constexpr int WIDTH = 2;
#endif
typedef double Vector __attribute__((vector_size(8 * WIDTH)));

#ifndef GT_PARTS
#define GT_PARTS (16 / WIDTH)
#endif
constexpr int PARTS = GT_PARTS;
constexpr int LANES = PARTS * WIDTH;

// Several vectors per pack give independent operations, which hide the latency of square roots and divisions.
// Dual numbers double their number: more than two parts would not fit in registers.
struct Pack {
  Vector part[PARTS];
};
using Number = Pack;

GT_INLINE Pack broadcast(double a) {
  Pack r;
  GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = Vector{} + a;
  return r;
}

#define GT_PACK_OPERATOR(op)                                                              \
  GT_INLINE Pack operator op(const Pack& a, const Pack& b) {                              \
    Pack r;                                                                               \
    GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = a.part[i] op b.part[i];         \
    return r;                                                                             \
  }                                                                                       \
  GT_INLINE Pack operator op(const Pack& a, double b) {                                   \
    Pack r;                                                                               \
    GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = a.part[i] op b;                 \
    return r;                                                                             \
  }                                                                                       \
  GT_INLINE Pack operator op(double a, const Pack& b) {                                   \
    Pack r;                                                                               \
    GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = a op b.part[i];                 \
    return r;                                                                             \
  }
GT_PACK_OPERATOR(+)
GT_PACK_OPERATOR(-)
GT_PACK_OPERATOR(*)
GT_PACK_OPERATOR(/)
#undef GT_PACK_OPERATOR

GT_INLINE Pack operator-(const Pack& a) { return 0.0 - a; }
GT_INLINE Pack& operator+=(Pack& a, const Pack& b) { return a = a + b; }
GT_INLINE Pack& operator-=(Pack& a, const Pack& b) { return a = a - b; }
GT_INLINE Pack& operator*=(Pack& a, const Pack& b) { return a = a * b; }
GT_INLINE Pack& operator*=(Pack& a, double b) { return a = a * b; }

template <class Function>
GT_INLINE Pack each_lane(const Pack& a, Function f) {
  alignas(64) double lanes[LANES];
  std::memcpy(lanes, &a, sizeof lanes);
  for (int i = 0; i < LANES; ++i) lanes[i] = f(lanes[i]);
  Pack r;
  std::memcpy(&r, lanes, sizeof r);
  return r;
}
GT_INLINE Pack sin(const Pack& a) {
  return each_lane(a, [](double v) { return std::sin(v); });
}
GT_INLINE Pack cos(const Pack& a) {
  return each_lane(a, [](double v) { return std::cos(v); });
}

GT_INLINE Pack larger(const Pack& a, const Pack& b) {
  Pack r;
  GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = a.part[i] > b.part[i] ? a.part[i] : b.part[i];
  return r;
}
GT_INLINE Pack larger(const Pack& a, double b) { return larger(a, broadcast(b)); }

// -1 where a < 0, else 1.
GT_INLINE Pack sign_of(const Pack& a) {
  Pack r;
  const Vector one = Vector{} + 1.0;
  GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = a.part[i] < 0.0 ? -one : one;
  return r;
}

#include "target/vector_functions.h"
#define GT_PACK_FUNCTION(name)                                                             \
  GT_INLINE Pack name(const Pack& a) {                                                     \
    Pack r;                                                                                \
    GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = vector_##name(a.part[i]);        \
    return r;                                                                              \
  }
GT_PACK_FUNCTION(sqrt)
GT_PACK_FUNCTION(decay)
GT_PACK_FUNCTION(log)
GT_PACK_FUNCTION(log1p)
GT_PACK_FUNCTION(asinh)
#undef GT_PACK_FUNCTION
GT_INLINE Pack atan2(const Pack& y, const Pack& x) {
  Pack r;
  GT_UNROLL for (int i = 0; i < PARTS; ++i) r.part[i] = vector_atan2(y.part[i], x.part[i]);
  return r;
}

// Bit i is set where a <= b in lane i; never for a NaN.
GT_INLINE unsigned less_equal(const Pack& a, const Pack& b) {
  unsigned bits = 0;
  GT_UNROLL for (int i = 0; i < PARTS; ++i) {
#if defined(__AVX512F__)
    bits |= (unsigned)_mm512_cmp_pd_mask((__m512d)a.part[i], (__m512d)b.part[i], _CMP_LE_OQ) << (i * WIDTH);
#elif defined(__AVX__)
    bits |= (unsigned)_mm256_movemask_pd(_mm256_cmp_pd((__m256d)a.part[i], (__m256d)b.part[i], _CMP_LE_OQ))
            << (i * WIDTH);
#else
    for (int j = 0; j < WIDTH; ++j) bits |= (a.part[i][j] <= b.part[i][j] ? 1u : 0u) << (i * WIDTH + j);
#endif
  }
  return bits;
}
GT_INLINE unsigned less_equal(const Pack& a, double b) { return less_equal(a, broadcast(b)); }

GT_INLINE bool vanishes(const Pack& a) {
  return (less_equal(a, 0.0) & less_equal(0.0 - a, 0.0)) == (1u << LANES) - 1u;
}

GT_INLINE bool all_below(const Pack& a, double limit) {
  return __builtin_expect(less_equal(a, limit) == (1u << LANES) - 1u, 1);
}

GT_INLINE Pack keep_lanes(const Pack& a, unsigned lanes) {
  alignas(64) double values[LANES];
  std::memcpy(values, &a, sizeof values);
  for (int i = 0; i < LANES; ++i)
    if (!(lanes >> i & 1u)) values[i] = 0.0;
  Pack r;
  std::memcpy(&r, values, sizeof r);
  return r;
}

// a in the given lanes, b in the others.
GT_INLINE Pack choose(unsigned lanes, const Pack& a, const Pack& b) {
  alignas(64) double first[LANES], second[LANES];
  std::memcpy(first, &a, sizeof first);
  std::memcpy(second, &b, sizeof second);
  for (int i = 0; i < LANES; ++i)
    if (lanes >> i & 1u) second[i] = first[i];
  Pack r;
  std::memcpy(&r, second, sizeof r);
  return r;
}

#endif

#endif

constexpr unsigned ALL_LANES = (1u << LANES) - 1u;

// Elements use their optimisations (elements/fast, taylor/elements). Tests define GT_PLAIN to compare these with the
// plain formulas.
#ifndef GT_PLAIN
constexpr bool OPTIMISED = true;
#else
constexpr bool OPTIMISED = false;
#endif
