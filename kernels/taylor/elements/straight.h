// Optimisation of elements/straight.h, elements/drift.h and elements/quadrupole.h for power series, with fewer
// products. In slopes P = px/(1 + delta), Q = py/(1 + delta) the steps do not contain 1 + delta, squares cost half, and
// contributions to z are summed over the steps before they are multiplied.
#pragma once
#include "../powers.h"

struct Slopes {
  Series P, Q;
};

GT_INLINE Slopes slopes_of(const State<Series>& s) { return {s.px * s.inverse, s.py * s.inverse}; }
GT_INLINE void set_slopes(State<Series>& s, const Slopes& b) {
  s.px = b.P * s.opd;
  s.py = b.Q * s.opd;
}
GT_INLINE Series square_sum(const Series& a, const Series& b) {
  Series r = a * a;
  add_product(r, b, b, broadcast(1.0));
  return r;
}
// c += factor a b
GT_INLINE void add_times(Series& c, const Series& a, const Series& b, double factor) {
  add_product(c, a, b, broadcast(factor));
}

GT_INLINE void add_times(Series& c, const Powers& a, const Series& b, double factor) {
  add_powers(c, a.c, b, broadcast(factor));
}

// c += length a, c += length a b; the length may be a series if there are parameters
GT_INLINE void add_length(Series& c, const Number& length, const Series& a) { add_scaled(c, a, length); }
GT_INLINE void add_length(Series& c, const Series& length, const Series& a) { add_product(c, length, a, broadcast(1.0)); }
GT_INLINE void add_length(Series& c, const Number& length, const Series& a, const Series& b) {
  add_product(c, a, b, length);
}
GT_INLINE void add_length(Series& c, const Series& length, const Series& a, const Series& b) {
  add_product(c, length * a, b, broadcast(1.0));
}

// With v = (1 - u)^(-1/2) - 1, u the sum of the slopes' squares: x += length v P, y += length v Q,
// lag += part (v - u/2). About the axis v - u/2 is of degree 4, so that v itself is not required.
template <class C>
GT_FUNCTION void add_excess(State<Series>& s, const Slopes& b, const Series& u, Series& lag, double part, const C& length) {
  if (has_two_powers(u, SERIES_ORDER)) {
    Series rest = no_series();
    add_times(rest, u, u, 0.375);
    add_length(s.x, 0.5 * length, u, b.P);
    add_length(s.y, 0.5 * length, u, b.Q);
    add_length(s.x, length, rest, b.P);
    add_length(s.y, length, rest, b.Q);
    add_scaled(lag, rest, broadcast(part));
    return;
  }
  const Series v = slope_excess(u);
  add_length(s.x, length, v, b.P);
  add_length(s.y, length, v, b.Q);
  add_scaled(lag, v, broadcast(part));
  add_scaled(lag, u, broadcast(-0.5 * part));
}

// Drift along slopes with the sum of squares u; adds to `lag` the part of a drift times (1 - u)^(-1/2) - 1.
template <class C>
GT_FUNCTION void drift_slopes(State<Series>& s, const Slopes& b, const Series& u, Series& lag, double part,
                              const C& length, int exact) {
  add_length(s.x, part * length, b.P);
  add_length(s.y, part * length, b.Q);
  add_scaled(lag, u, broadcast(0.5 * part));
  if (exact) add_excess(s, b, u, lag, part, part * length);
}

// P -= part K Re f, Q += part K Im f with f = sum (bn + i an)(x + i y)^n; an is nullptr without skew multipoles.
template <class C>
GT_FUNCTION void kick_slopes(const State<Series>& s, Slopes& b, double part, const Series& K, const C* bn, const C* an,
                             int terms) {
  Series re = no_series() + bn[terms - 1], im = no_series();
  if (an) im = im + an[terms - 1];
  for (int n = terms - 2; n >= 0; --n) {
    Series next = re * s.x;
    add_times(next, im, s.y, -1.0);
    Series other = im * s.x;
    add_times(other, re, s.y, 1.0);
    re = next + bn[n];
    im = an ? other + an[n] : other;
  }
  add_times(b.P, K, re, -part);
  add_times(b.Q, K, im, part);
}

template <class C>
GT_FUNCTION void multipole_body(State<Series>& s, const StraightConstants<C>& op, const C& length) {
  Slopes b = slopes_of(s);
  Series lag = no_series();
  const Series K = length * s.inverse;
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA { drift_slopes(s, b, square_sum(b.P, b.Q), lag, part, length, op.exact); },
      [&](double part) GT_LAMBDA { kick_slopes(s, b, part, K, op.bn, op.skew ? op.an : nullptr, op.terms); });
  set_slopes(s, b);
  add_length(s.z, length, s.slip - lag);
}

// Up to sextupoles all transverse coordinates are divided by 1 + delta once more, so that the quadratic kick does not
// depend on delta.
template <class C>
GT_FUNCTION void sextupole_body(State<Series>& s, const StraightConstants<C>& op, const C& length) {
  const Series inverse2 = s.inverse * s.inverse, opd2 = s.opd * s.opd;
  Slopes b = {inverse2 * s.px, inverse2 * s.py};
  s.x = s.inverse * s.x;
  s.y = s.inverse * s.y;
  const bool quadratic = op.terms > 2 && !vanishes(op.bn[2]);
  Series flat = no_series(), linear = no_series(), lag = no_series();
  if (!vanishes(op.bn[0])) flat = (length * op.bn[0]) * inverse2;
  if (op.terms > 1 && !vanishes(op.bn[1])) linear = (length * op.bn[1]) * s.inverse;
  compose(
      op.scheme, op.slices,
      [&](double part, int) GT_LAMBDA { drift_slopes(s, b, opd2 * square_sum(b.P, b.Q), lag, part, length, op.exact); },
      [&](double part) GT_LAMBDA {
        add_scaled(b.P, flat, broadcast(-part));
        add_times(b.P, linear, s.x, -part);
        add_times(b.Q, linear, s.y, part);
        if (!quadratic) return;
        const C kick = part * (length * op.bn[2]);
        add_length(b.P, -1.0 * kick, s.x, s.x);
        add_length(b.P, kick, s.y, s.y);
        add_length(b.Q, 2.0 * kick, s.x, s.y);
      });
  s.x = s.opd * s.x;
  s.y = s.opd * s.y;
  s.px = opd2 * b.P;
  s.py = opd2 * b.Q;
  add_length(s.z, length, s.slip - lag);
}

template <class C>
GT_FUNCTION void straight_by(State<Series>& s, const StraightConstants<C>& op, C length) {
  if (op.skew || op.terms > 3)
    multipole_body(s, op, length);
  else
    sextupole_body(s, op, length);
}

template <class C>
GT_FUNCTION void drift_by(State<Series>& s, C length, int exact) {
  const Slopes b = slopes_of(s);
  Series lag = no_series();
  drift_slopes(s, b, square_sum(b.P, b.Q), lag, 1.0, length, exact);
  add_length(s.z, length, s.slip - lag);
}

// The matrix of a step as three shears in each plane, applied in place,
//   x += tx P, P -= fx x, x += tx P with cx = 1 - tx fx; y += ty Q, Q += fy y, y += ty Q:
// for series, or for coefficients of powers of delta.
template <class T>
struct Shears {
  T tx, fx, ty, fy;
};

template <class T, class C>
GT_FUNCTION Shears<T> shears_of(const T& k, const C& length, int halvings) {
  const T m = (length * length) * k;
  T ce, co, se, so;
  cos_sinc_parts(m * m, halvings, ce, co, se, so);
  const T even = co * m, odd = so * m;
  const T sx = length * (se + odd), sy = length * (se - odd);
  return {sx / (1.0 + ce + even), k * sx, sy / (1.0 + ce - even), k * sy};
}

template <class T>
GT_INLINE void pass_shears(State<Series>& s, Slopes& b, const Shears<T>& m) {
  add_times(s.x, m.tx, b.P, 1.0);
  add_times(b.P, m.fx, s.x, -1.0);
  add_times(s.x, m.tx, b.P, 1.0);
  add_times(s.y, m.ty, b.Q, 1.0);
  add_times(b.Q, m.fy, s.y, 1.0);
  add_times(s.y, m.ty, b.Q, 1.0);
}

// Over a matrix of length l, z gains l slip - (l E + change of x P + y Q)/4 with the invariant
// E = P^2 + Q^2 + k (x^2 - y^2); a correction by v = (1 - P^2 - Q^2)^(-1/2) - 1 over a length r, which moves x by r v P
// and y by r v Q, subtracts r (v - (P^2 + Q^2)/2) from z and changes x P + y Q by r v (P^2 + Q^2).
template <class T, class C>
GT_FUNCTION void quadrupole_with(State<Series>& s, const QuadrupoleConstants<C>& op, C length, const T& k) {
  Slopes b = slopes_of(s);
  constexpr int MOST = 5;
  Shears<T> known[MOST];  // by the number of the outer step; those beyond the last place, of long schemes, share it
  int have[MOST] = {-1, -1, -1, -1, -1};
  Series start = s.x * b.P, lag = no_series(), gap = no_series();
  add_times(start, s.y, b.Q, 1.0);
  Series u = square_sum(b.P, b.Q);
  compose(
      op.scheme, op.slices,
      [&](double part, int number) GT_LAMBDA {
        add_scaled(lag, u, broadcast(0.25 * part));
        add_times(gap, s.x, s.x, 0.25 * part);
        add_times(gap, s.y, s.y, -0.25 * part);
        const int place = number < MOST ? number : MOST - 1;
        if (have[place] != number) known[place] = shears_of(k, part * length, op.halvings);
        have[place] = number;
        pass_shears(s, b, known[place]);
        u = square_sum(b.P, b.Q);
      },
      [&](double part) GT_LAMBDA {
        if (!op.exact) return;
        Series rest = no_series();
        add_excess(s, b, u, rest, 1.0, part * length);
        add_scaled(lag, rest, broadcast(part));
        add_times(lag, rest, u, -0.25 * part);
        add_times(lag, u, u, -0.125 * part);
      });
  add_times(lag, k, gap, 1.0);
  add_length(s.z, length, s.slip - lag);
  add_times(s.z, s.x, b.P, -0.25);
  add_times(s.z, s.y, b.Q, -0.25);
  add_scaled(s.z, start, broadcast(0.25));
  set_slopes(s, b);
}

template <class C>
GT_FUNCTION void quadrupole_by(State<Series>& s, const QuadrupoleConstants<C>& op, C length) {
  // shears are accurate up to angles of 2 rad per step, with two halvings; they do not exist for angles of pi
  if (op.kicks || op.halvings > 2 || (op.skew && !vanishes(op.an[1]))) return quadrupole_by<Series, C>(s, op, length);
  const Series k = op.bn[1] * s.inverse;
  if constexpr (Same<C, Number>::yes)
    if (k.pure) return quadrupole_with(s, op, length, powers_of(k));
  quadrupole_with(s, op, length, k);
}
