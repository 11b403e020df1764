// Functions of vectors of doubles, a part of target.h: there a host's numbers are packs of vectors. Largest errors that
// tests/backends/test_number_functions.py finds, in units of the last place: log 0.8, log1p 1.1, asinh 1.7, atan2 1.4.
#pragma once

typedef std::uint64_t Bits __attribute__((vector_size(8 * WIDTH)));

GT_INLINE Vector vector_sqrt(Vector a) {
#if defined(__AVX512F__)
  return (Vector)_mm512_sqrt_pd((__m512d)a);
#elif defined(__AVX__)
  return (Vector)_mm256_sqrt_pd((__m256d)a);
#elif defined(__x86_64__)
  return (Vector)_mm_sqrt_pd((__m128d)a);
#else
  Vector r;
  for (int i = 0; i < WIDTH; ++i) r[i] = __builtin_sqrt(a[i]);
  return r;
#endif
}

// exp(-a) = 2^n exp(r), |r| <= ln(2)/2, for a >= 0; from 708 on, where it would be subnormal, exp(-708).
GT_INLINE Vector vector_decay(Vector a) {
  const Vector most = Vector{} + 708.0, shift = Vector{} + 0x1.8p52;  // leaves n in the lowest bits
  a = a > most ? most : a;
  const Vector turned = shift - a * 1.4426950408889634;
  const Vector n = turned - shift;
  const Vector r = (-a - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
  Vector p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  return p * (Vector)(((Bits)turned + 1023) << 52);
}

// With a = 2^k (1 + f), 1 + f between sqrt(1/2) and sqrt(2), and s = f/(2 + f): log(1 + f) = 2 atanh(s), in the form of
// FreeBSD's e_log.c. -inf for 0, NaN for a < 0.
GT_INLINE Vector vector_log(Vector a) {
  const Vector zero = Vector{}, infinite = zero + __builtin_inf();
  const auto tiny = a < 0x1p-1022;
  const Bits bits = (Bits)(tiny ? a * 0x1p54 : a);
  const Bits power = (bits + (0x3ff0000000000000u - 0x3fe6a09e00000000u)) >> 52;  // k + 1023
  const Vector k = ((Vector)(power | 0x4330000000000000u) - 0x1p52) - (tiny ? zero + (1023.0 + 54.0) : zero + 1023.0);
  const Vector f = (Vector)(bits - ((power - 1023u) << 52)) - 1.0;
  const Vector s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  Vector rest = z * 1.479819860511658591e-01 + 1.531383769920937332e-01;
  rest = rest * z + 1.818357216161805012e-01;
  rest = rest * z + 2.222219843214978396e-01;
  rest = rest * z + 2.857142874366239149e-01;
  rest = rest * z + 3.999999999940941908e-01;
  rest = rest * z + 6.666666666666735130e-01;
  const Vector r = k * 6.93147180369123816490e-01 -
                   ((half - (s * (half + z * rest) + k * 1.90821492927058770002e-10)) - f);
  const Vector special = a == zero ? -infinite : zero + __builtin_nan("");
  return a > zero ? (a < infinite ? r : a) : special;
}

// log(1 + a) = log u + (a - (u - 1))/u, where u is the rounded sum.
GT_INLINE Vector vector_log1p(Vector a) {
  const Vector u = 1.0 + a, missing = (a - (u - 1.0)) / u;
  const Vector inside = vector_log(u) + missing;
  return (u > 0.0) & (u < __builtin_inf()) ? inside : vector_log(u);
}

GT_INLINE Vector vector_magnitude(Vector a) { return (Vector)((Bits)a & 0x7fffffffffffffffu); }
GT_INLINE Vector with_sign_of(Vector a, Vector sign) { return (Vector)((Bits)a | ((Bits)sign & 0x8000000000000000u)); }

// log(|a| + sqrt(1 + a^2)), without cancellation.
GT_INLINE Vector vector_asinh(Vector a) {
  const Vector size = vector_magnitude(a), square = size * size;
  const Vector sum = size < 0x1p55 ? size + square / (1.0 + vector_sqrt(1.0 + square)) : 2.0 * size;
  return with_sign_of(vector_log1p(sum), a);
}

// atan of t = n/d between 0 and 1: beyond 0.66 pi/4 + atan((n - d)/(n + d)); t + t^3 P(t^2)/Q(t^2) as in Cephes's
// atan.c.
GT_INLINE Vector vector_atan_ratio(Vector n, Vector d) {
  const auto upper = n > 0.66 * d;
  const Vector t = (upper ? n - d : n) / (upper ? n + d : d), z = t * t;
  Vector p = z * -8.750608600031904122785e-1 - 1.615753718733365076637e1;
  p = p * z - 7.500855792314704667340e1;
  p = p * z - 1.228866684490136173410e2;
  p = p * z - 6.485021904942025371773e1;
  Vector q = z + 2.485846490142306297962e1;
  q = q * z + 1.650270098316988542046e2;
  q = q * z + 4.328810604912902668951e2;
  q = q * z + 4.853903996359136964868e2;
  q = q * z + 1.945506571482613964425e2;
  const Vector r = t * (z * p / q) + t;
  return upper ? 0x1.921fb54442d18p-1 + (r + 3.061616997868383e-17) : r;
}

// Angle of (x, y), as std::atan2 for finite arguments, including the signs of zeros.
GT_INLINE Vector vector_atan2(Vector y, Vector x) {
  const Vector zero = Vector{}, across = vector_magnitude(x), up = vector_magnitude(y);
  const auto steep = up > across;
  const Vector d = steep ? up : across;
  Vector r = vector_atan_ratio(steep ? across : up, d == zero ? zero + 1.0 : d);
  r = steep ? 0x1.921fb54442d18p+0 - (r - 6.123233995736766e-17) : r;
  r = ((Bits)x >> 63) != 0 ? 0x1.921fb54442d18p+1 - (r - 1.2246467991473532e-16) : r;
  return with_sign_of(r, y);
}
