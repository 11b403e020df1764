// Derivatives of the results of matrix_derivatives.h: backward sweep on the same nested dual numbers.
//
// Let t(a) be the coefficient of e h. A scalar S of all parts of x has dS = t(<g, dx>) after a map, for one number g =
// g0 + e g1 + h g2 + e h g3 in each coordinate: t selects <g0, dx3> + <g1, dx2> + <g2, dx1> + <g3, dx0>, so that the
// cotangent of each part of x is in the opposite part of g. The algebra is commutative and dF = J dx holds in it, hence
// dS = t(<J^T g, dx>) before the map: g is pulled back by the unchanged code of the adjoints, and the e h part of the
// resulting bar of a constant is the derivative of S. Here S depends only on the last part: seeds are added to g0; at
// the start g1 is the cotangent of d, and g3 that of the orbit.
#pragma once
#include "rates.h"
#include "sweep.h"

// Sweep back through the program, from the parts after it.
extern "C" void gputrack_matrix_rates_sweep(const RatesRun* r) {
  const Run& run = r->run;
  const Pullback<Rate> pullback = {{run, run.constants, run.reference, parts_of(*r), {}},
                                   {{{r->cotangents}, {r->along_cotangents}}, {{}, {r->orbit_cotangents}}},
                                   {{{const_cast<double*>(r->seeds)}, {}}, {}},
                                   r->gradient,
                                   r->reference};
  sweep_turns(pullback, 0, run.n);
}
