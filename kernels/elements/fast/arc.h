// Optimisation of elements/arc.h without a field: a straight line from plane to plane, by the formulas of a drift.
#pragma once
#include "../arc.h"

// pz and a are the momenta normal to the planes, b is that along the exit plane, w the distance to it.
template <class T, class C>
GT_INLINE ArcPath<T> line_by(State<T>& s, C cosine, C sagitta, C length, const T& pz, const T& a, const T& b,
                             const T& w) {
  T tau = w / a;
  s.x = s.x * cosine - sagitta + b * tau;
  s.px = b;
  s.y += s.py * tau;
  s.z += length * s.slip + (length - s.opd * tau);
  return {pz, a, tau, tau, 0.5 * tau};
}
