// The Faddeeva function of power series, from w' = -2 z w + 2i/sqrt(pi): higher derivatives of the polynomial, which is
// accurate to 14 digits, would be less accurate.
#pragma once
#include "../../numbers/faddeeva.h"
#include "../pair.h"

// With E = sum of x d/dx and g = w': E w = g E z, so n w_n = sum_{i>0} i z_i g_{n-i}; g_n = -2 sum z_i w_{n-i}.
GT_APART Pair<Series> faddeeva(const Series x, const Series y) {
  const Pair<Number> z = {constant_of(x), constant_of(y)}, w0 = faddeeva(z.re, z.im), first = z * w0;
  Series wx = w0.re, wy = w0.im, gx = -2.0 * first.re, gy = 2.0 / ROOT_PI - 2.0 * first.im, t, u;
  const Series px = weighted(x, 1.0), py = weighted(y, 1.0);
  Series zx = x, zy = y;  // with memory for all monomials
  t.degrees = u.degrees = 0u;
  t.pure = u.pure = false;
  Series* const all[] = {&wx, &wy, &gx, &gy, &zx, &zy};
  for (int i = 0; i < 6; ++i)
    if (all[i]->pure) widen(*all[i]);
  for (int n = 1; n <= SERIES_ORDER; ++n) {
    const double share = 1.0 / n;
    pair_product_of(px, gx, py, gy, -1.0, n, 1, t, u);
    each_of(false, n, [&](int i) { wx.c[i] = share * t.c[i]; });
    pair_product_of(px, gy, py, gx, 1.0, n, 1, t, u);
    each_of(false, n, [&](int i) { wy.c[i] = share * t.c[i]; });
    wx.degrees |= 1u << n;
    wy.degrees |= 1u << n;
    pair_product_of(zx, wx, zy, wy, -1.0, n, 0, t, u);
    each_of(false, n, [&](int i) { gx.c[i] = -2.0 * t.c[i]; });
    pair_product_of(zx, wy, zy, wx, 1.0, n, 0, t, u);
    each_of(false, n, [&](int i) { gy.c[i] = -2.0 * t.c[i]; });
    gx.degrees |= 1u << n;
    gy.degrees |= 1u << n;
  }
  return {wx, wy};
}
