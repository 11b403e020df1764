// Kernel twins of the maps of own_element.py.
#pragma once
#include "numbers/pair.h"
#include "program/state.h"

// A kick in F(z), z = inverse_focus (x + i y): the slope G = dF/dz and, where derivatives need it, dG/dz.
template <class T>
struct Slope {
  Pair<T> root, sine, over;  // sqrt(1 - z^2), arcsin z, 1/(1 - z^2)
  Pair<T> z, value;
};

template <class T, class C>
GT_INLINE Slope<T> elliptic_slope(const State<T>& s, const C& inverse_focus) {
  Slope<T> g;
  g.z = {inverse_focus * s.x, inverse_focus * s.y};
  g.root = unit_root(g.z);
  g.sine = arcsine(g.z);
  g.over = reciprocal(g.root * g.root);
  g.value = (g.z + g.sine / g.root) * g.over;
  return g;
}

template <class T, class C>
GT_INLINE void elliptic_kick_by(State<T>& s, const EllipticKickConstants<C>& op, double sign) {
  const Pair<T> slope = elliptic_slope(s, op.inverse_focus).value;
  s.px -= sign * (op.kick * slope.re);
  s.py += sign * (op.kick * slope.im);
}

template <class T, class C>
GT_INLINE void elliptic_kick(State<T>& s, const EllipticKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  elliptic_kick_by(s, op, 1.0);
}

template <class T, class C>
GT_INLINE void unelliptic_kick(State<T>& s, const EllipticKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  elliptic_kick_by(s, op, -1.0);
}

// Adjoint: with h = g.px + i g.py the kick adds -kick Re(h G) to the scalar, so that dx + i dy, kick and inverse_focus
// change it by -kick inverse_focus Re(h G' (dx + i dy)), -Re(h G) dkick and -kick Re(h G' (x + i y)) dinverse_focus.
template <class T>
GT_INLINE void elliptic_kick_adjoint(State<T>& s, Costate<T>& g, const EllipticKickOp& op,
                                     const EllipticKickBar<Cotangent<T>>& bar, const Reference& ref) {
  const Slope<T> slope = elliptic_slope(s, op.inverse_focus);
  s.px += op.kick * slope.value.re;
  s.py -= op.kick * slope.value.im;
  *bar.kick -= g.px * slope.value.re - g.py * slope.value.im;
  // dG/dz = (2 + z^2)/(1 - z^2)^2 + 3 z arcsin z/(1 - z^2)^(5/2)
  const Pair<T> square = slope.z * slope.z, last = 3.0 * (slope.z * slope.sine / slope.root);
  const Pair<T> rate = (Pair<T>{2.0 + square.re, square.im} + last) * (slope.over * slope.over);
  const Cotangent<T> re = g.px * rate.re - g.py * rate.im, im = g.px * rate.im + g.py * rate.re;
  g.x -= (op.kick * op.inverse_focus) * re;
  g.y += (op.kick * op.inverse_focus) * im;
  *bar.inverse_focus -= op.kick * (re * s.x - im * s.y);
}

// A thin lens that focuses alike in both planes.
template <class T, class C>
GT_INLINE void round_kick(State<T>& s, const RoundKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  s.px -= op.strength * s.x;
  s.py -= op.strength * s.y;
}

template <class T, class C>
GT_INLINE void unround_kick(State<T>& s, const RoundKickConstants<C>& op, const ReferenceConstants<C>& ref) {
  s.px += op.strength * s.x;
  s.py += op.strength * s.y;
}

template <class T>
GT_INLINE void round_kick_adjoint(State<T>& s, Costate<T>& g, const RoundKickOp& op,
                                  const RoundKickBar<Cotangent<T>>& bar, const Reference& ref) {
  s.px += op.strength * s.x;
  s.py += op.strength * s.y;
  *bar.strength -= g.px * s.x + g.py * s.y;
  g.x -= op.strength * g.px;
  g.y -= op.strength * g.py;
}
