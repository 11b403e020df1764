// Optimisation of elements/arc.h for power series: in slopes P, Q and with p = sqrt(1 - P^2 - Q^2), so that 1 + delta
// enters only in the field's strength. The direction of the chord bisects the angle between those at its ends, so that
// tan(phi/2) = (k0/(1 + delta)) w/(p + p').
#pragma once
#include "straight.h"

template <class C>
GT_FUNCTION void arc(State<Series>& s, const ArcConstants<C>& op, const ReferenceConstants<C>& ref) {
  if (vanishes(op.k0)) return arc<Series, C>(s, op, ref);
  const Series P = s.px * s.inverse, Q = s.py * s.inverse, Q2 = Q * Q;
  const Series strength = op.k0 * s.inverse;
  Series u = Q2;
  add_times(u, P, P, 1.0);
  const Series ahead = (1.0 - u) * (1.0 + slope_excess(u));
  const Series a = op.cosine * ahead - op.sine * P;
  const Series b = op.cosine * P + op.sine * ahead;
  const Series w = op.reach + op.sine * s.x;
  Series out = b;
  add_times(out, strength, w, -1.0);
  Series u_out = Q2;
  add_times(u_out, out, out, 1.0);
  Series sum = (1.0 - u_out) * (1.0 + slope_excess(u_out));
  sum += a;
  const Series half = w / sum, turn = strength * half, turn2 = turn * turn;
  const Series chord = 2.0 * half / (1.0 + turn2);
  const Series tau = 2.0 * half * arctan_ratio(turn2, op.halvings);
  Series rise = b;
  add_times(rise, turn, a, -1.0);
  s.x = op.cosine * s.x - op.sagitta + chord * rise;
  s.px = s.opd * out;
  add_times(s.y, Q, tau, 1.0);
  add_length(s.z, op.length, s.slip);
  s.z += op.length - tau;
}
