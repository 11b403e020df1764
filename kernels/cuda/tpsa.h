// Truncated power series on a GPU: one map per thread, coefficients [row][map] for coalesced access.
#pragma once
#include "../tpsa/rules.h"

// Rows at a distance of `stride` maps.
struct Column {
  typedef double Value;
  typedef const double* Factors;
  typedef double* Results;
  Integer stride;
  GT_INLINE double load(const double* p, int row) const { return p[row * stride]; }
  GT_INLINE void store(double* p, int row, double v) const { p[row * stride] = v; }
  GT_INLINE double zero() const { return 0.0; }
  GT_INLINE double reciprocal(double v) const { return 1.0 / v; }
  GT_INLINE void add_product(double& sum, double a, double b) const { sum += a * b; }
};

struct Sums {
  GT_INLINE void operator()(const Tables& t, const Column& at, int degree, const DegreeRange& degrees,
                            const double* x, const double* y, double* out) const {
    if constexpr (STRAIGHT)
      straight_sums(at, degree, degrees, x, y, out);
    else
      table_sums(t, at, degree, degrees, x, y, out);
  }
};

// Map of this thread; excess threads have none.
#define GT_OWN_MAP                                                                        \
  const SeriesOperation given = GT_FROM_PARAMETERS(SeriesOperation);                      \
  const Integer own = (Integer)blockIdx.x * blockDim.x + threadIdx.x;                     \
  if (own >= given.maps) return;                                                          \
  const Tables& t = *given.tables;                                                        \
  const int ha = given.orders & 255, hb = given.orders >> 8 & 255, hc = given.orders >> 16 & 255; \
  const Column at{given.maps};                                                            \
  const double *const a = given.a + own, *const b = given.b + own;                        \
  double *const c = given.c + own, *const d = given.d + own;                              \
  (void)b, (void)d, (void)hb;

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_product(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  product(t, at, Sums{}, a, 0, ha, b, 0, hb, c, 0, hc);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_product_adjoint(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  product_adjoint(t, at, a, ha, b, hb, c, hc);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_quotient(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  quotient(t, at, Sums{}, a, ha, b, hb, c, hc);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_exponential(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  exponential(t, at, Sums{}, a, ha, c, hc);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_sine_cosine(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  sine_cosine(t, at, Sums{}, a, ha, hb ? 1.0 : -1.0, c, d, hc);
}

extern "C" __global__ void __launch_bounds__(GT_THREADS) tpsa_square_root(GT_PARAMETERS(SeriesOperation)) {
  GT_OWN_MAP
  square_root(t, at, Sums{}, a, ha, c, hc);
}
