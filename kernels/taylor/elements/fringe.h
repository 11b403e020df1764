// Optimisation of elements/fringe.h for power series without a gap: phi and its derivatives are computed only up to the
// order required, which is one lower for an orbit with y = 0, since they are multiplied by y.
#pragma once
#include "../series.h"

GT_INLINE Series times_up_to(int order, const Series& a, const Series& b) {
  Series r = no_series();
  r.pure = a.pure && b.pure;
  add_product(r, a, b, broadcast(1.0), order);
  return r;
}

template <class C>
GT_FUNCTION void fringe(State<Series>& s, const FringeConstants<C>& op, const ReferenceConstants<C>& ref) {
  if (!vanishes(op.k0 * op.gap)) return fringe<Series, C>(s, op, ref);
  const int order = has(s.y, 0) || SERIES_ORDER == 0 ? SERIES_ORDER : SERIES_ORDER - 1;
  const auto times = [&](const Series& a, const Series& b) GT_LAMBDA { return times_up_to(order, a, b); };
  const Series P = times(s.px, s.inverse), Q = times(s.py, s.inverse);
  const Series P2 = times(P, P), Q2 = times(Q, Q), u = P2 + Q2;
  // without constant part, few powers of P^2 are within the order
  const Series over = has(P2, 0) || order > 3 ? 1.0 / (1.0 - P2) : 1.0 + P2;
  const Series both = times(1.0 + slope_excess(u, order), over);
  const Series by_P = times(both, 1.0 - times(times(Q2, 1.0 + P2), over)), by_Q = -times(times(P, Q), both);
  const Series value = op.k0 * times(times(P, 1.0 - u), both);
  const Series rates = op.k0 * s.inverse;
  const Series slope = times(rates, by_Q) * s.y;
  // 2 y/(1 + sqrt(1 - 2 slope)), often with only its first term
  Series y = s.y;
  if (!has(slope, 0) && 2 * lowest_degree(slope) + lowest_degree(y) > SERIES_ORDER)
    add_product(y, s.y, slope, broadcast(0.5));
  else
    y = 2.0 * s.y / (1.0 + sqrt(1.0 - 2.0 * slope));
  const Series half = 0.5 * (y * y), shift = rates * half;
  s.y = y;
  add_product(s.x, by_P, shift, broadcast(1.0));
  add_product(s.py, value, y, broadcast(-1.0));
  add_product(s.z, times(P, by_P) + times(Q, by_Q), shift, broadcast(-1.0));
  if (vanishes(op.cubic)) return;
  const Series bend = op.cubic * (half * s.inverse);
  s.py -= 2.0 * (bend * y);
  s.z -= bend * s.inverse * half;
}
